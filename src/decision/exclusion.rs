//! Exclusions: workloads that opt out, by annotation or by configuration.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Inputs;
use crate::config::EXCLUDE;
use crate::manifest::{Object, StringMap};
use crate::reason::{Reason, ReasonCode};
use crate::rollout::Member;

/// Why a workload is excluded, if it is.
///
/// The annotation `meshroll.dev/exclude: "<reason>"` counts on the workload (live or in Git) and on
/// its namespace; `until=YYYY-MM-DD` in the reason ends it after that day (UTC).
pub(super) fn of(
    inputs: Inputs<'_>,
    member: &Member<'_>,
    object: Option<&Object>,
) -> Option<Reason> {
    let today = inputs.now.to_zoned(TimeZone::UTC).date();
    let namespace = inputs.snapshot.namespaces.get(&member.reference.namespace);
    let live = member.live.map(|live| &live.metadata.annotations);
    let pod = member
        .live
        .is_none()
        .then(|| member.pods.first().map(|pod| &pod.metadata.annotations));
    let annotated = |annotations: Option<&StringMap>, place: &str| {
        let reason = in_force(annotations?.get(EXCLUDE)?, today)?;
        let message = format!("{EXCLUDE} on {place}: {reason}");
        Some(Reason::new(ReasonCode::ExcludedByAnnotation, message))
    };
    annotated(live.or(pod.flatten()), "the workload")
        .or_else(|| annotated(object.map(|object| &object.annotations), "the manifest"))
        .or_else(|| {
            annotated(
                namespace.map(|metadata| &metadata.annotations),
                "the namespace",
            )
        })
        .or_else(|| {
            let workload = &member.reference;
            let exclusion = inputs.policy.exclusion(
                &workload.namespace,
                &workload.kind,
                &workload.name,
                today,
            )?;
            Some(Reason::new(
                ReasonCode::ExcludedByConfig,
                exclusion.reason.clone(),
            ))
        })
}

/// The reason given, or none where it ended before today.
fn in_force(value: &str, today: Date) -> Option<&str> {
    let until = value
        .split([' ', ',', ';'])
        .find_map(|word| word.strip_prefix("until="));
    match until.map(str::parse::<Date>) {
        // A date that cannot be read never ends an exclusion: doing nothing is the safe side.
        Some(Ok(until)) if until < today => None,
        _ if value.trim().is_empty() => Some("no reason given"),
        _ => Some(value.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::in_force;

    #[test]
    fn an_exclusion_ends_after_its_last_day() {
        let today = "2026-11-20".parse().expect("a date");
        for (value, expected) in [
            ("frozen", Some("frozen")),
            ("frozen, until=2026-11-20", Some("frozen, until=2026-11-20")),
            ("frozen until=2026-11-19", None),
            ("until=soon", Some("until=soon")),
            ("", Some("no reason given")),
        ] {
            assert_eq!(in_force(value, today), expected, "{value}");
        }
    }
}
