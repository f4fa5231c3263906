//! One workload: what is known of it is gathered, held against what is expected, and judged.

use std::collections::BTreeMap;

use super::case::{Case, PodCase};
use super::template::{self, Templates};
use super::{Decision, DriftCount, Inputs, Marks, PodCounts, Stamps, oracle};
use crate::config::DriftClass;
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::gitops::{Delivery, Origin, Source};
use crate::manifest::PodTemplate;
use crate::mesh::{self, Expectation, Explanation};
use crate::reason::{Reason, ReasonCode};
use crate::rollout::{self, Member, Risk, RiskCode};

/// Judges one workload.
pub(super) fn judge<'a>(
    inputs: Inputs<'a>,
    member: &Member<'_>,
) -> (Decision<'a>, Vec<Diagnostic>) {
    let origin = inputs.deliveries.origin(member);
    let (expectation, mut diagnostics) = expectation(inputs, member, &origin);
    let case = gather(inputs, member, origin, expectation);
    diagnostics.extend(limits(&case));
    (decide(case), diagnostics)
}

/// What the next pod would get; and diagnostics where Git's template would bring another sidecar
/// than the live one, and where a dry run gave another than the model computes.
fn expectation(
    inputs: Inputs<'_>,
    member: &Member<'_>,
    origin: &Origin<'_>,
) -> (Expectation, Vec<Diagnostic>) {
    if let Some(reason) = incomplete(inputs) {
        return (Expectation::Unknown(reason), Vec::new());
    }
    let Some(Templates { next, live }) = template::of(member, origin) else {
        let workload = &member.reference;
        let message = format!("neither Git nor the snapshot holds the pod template of {workload}");
        let reason = Reason::new(ReasonCode::SnapshotIncomplete, message);
        return (Expectation::Unknown(reason), Vec::new());
    };
    let namespace = &member.reference.namespace;
    let labels = inputs
        .snapshot
        .namespaces
        .get(namespace)
        .map(|metadata| &metadata.labels);
    let controller_labels = member.controller_labels();
    let expect = |template: &PodTemplate| {
        inputs
            .mesh
            .expect(namespace, labels, template, &controller_labels)
    };
    let model = expect(&next);
    let differs = live.filter(|live| expect(live) != model);
    let differs = differs.and_then(|_| template_differs(origin));
    let (expectation, disagrees) = oracle::preferred(inputs, member, &next, model);
    (expectation, differs.into_iter().chain(disagrees).collect())
}

/// How the injectors come to give the next pod what they give it.
pub(super) fn explanation(inputs: Inputs<'_>, member: &Member<'_>) -> Option<Explanation> {
    let Templates { next, .. } = template::of(member, &inputs.deliveries.origin(member))?;
    let namespace = &member.reference.namespace;
    let labels = inputs
        .snapshot
        .namespaces
        .get(namespace)
        .map(|metadata| &metadata.labels);
    let controller_labels = member.controller_labels();
    let mut explanation = inputs
        .mesh
        .explain(namespace, labels, &next, &controller_labels);
    let model = explanation.expectation;
    (explanation.expectation, _) = oracle::preferred(inputs, member, &next, model);
    Some(explanation)
}

/// Why nothing can be told at all: a kind that is needed is not in the snapshot.
fn incomplete(inputs: Inputs<'_>) -> Option<Reason> {
    let command = inputs
        .gaps
        .command()
        .filter(|_| !inputs.gaps.required.is_empty())?;
    let kinds: Vec<&str> = inputs.gaps.required.iter().map(|kind| kind.kind).collect();
    let message = format!(
        "the snapshot does not hold {}: add the output of `{command}`",
        kinds.join(", ")
    );
    Some(Reason::new(ReasonCode::SnapshotIncomplete, message))
}

/// What could not be computed and is therefore not compared, said once for each cause.
fn limits(case: &Case<'_, '_>) -> Vec<Diagnostic> {
    let Expectation::Sidecar(expected) = &case.expectation else {
        return Vec::new();
    };
    let limit = |(class, why): &(DriftClass, String)| {
        let message = format!("{class} is not compared: {why}");
        Diagnostic::warning(DiagnosticCode::ModelLimit, message)
    };
    expected.limits.iter().map(limit).collect()
}

fn template_differs(origin: &Origin<'_>) -> Option<Diagnostic> {
    let Source::Manifest { file, object, .. } = &origin.source else {
        return None;
    };
    let message = format!(
        "{} would be injected differently in Git than live",
        object.reference
    );
    let diagnostic = Diagnostic::warning(DiagnosticCode::TemplateDiffers, message)
        .at(Location::line(&file.path, object.line))
        .hint("the plan goes by the template in Git, which the commit delivers");
    Some(diagnostic)
}

fn gather<'a, 'b>(
    inputs: Inputs<'a>,
    member: &'b Member<'b>,
    origin: Origin<'a>,
    expectation: Expectation,
) -> Case<'a, 'b> {
    let keys = &inputs.policy.annotations;
    let git = match &origin.source {
        Source::Manifest { object, .. } => Marks::in_git(object, keys),
        Source::Elsewhere(_) => Marks::default(),
    };
    let live = member
        .live
        .map(|live| Marks::live(live, keys))
        .unwrap_or_default();
    let mut pods: Vec<PodCase<'b>> = Vec::with_capacity(member.pods.len());
    for pod in &member.pods {
        let held = match pods.last() {
            Some(previous) if previous.tells_of(pod) => PodCase {
                pod,
                ..previous.clone()
            },
            _ => {
                let observation = mesh::observe_in(pod, member.template());
                let comparison = inputs.mesh.compare(&expectation, &observation);
                PodCase {
                    pod,
                    observation,
                    comparison,
                }
            }
        };
        pods.push(held);
    }
    Case {
        inputs,
        member,
        origin,
        expectation,
        pods,
        git,
        live,
    }
}

fn decide<'a>(case: Case<'a, '_>) -> Decision<'a> {
    let judgement = case.judge();
    let expected = match &case.expectation {
        Expectation::Sidecar(sidecar) => Some(case.stamp(sidecar)),
        _ => None,
    };
    let restart = judgement.restart;
    Decision {
        reference: case.member.reference.clone(),
        api_version: case.member.api_version.clone(),
        verdict: judgement.verdict,
        reasons: judgement.reasons,
        drifts: drift_counts(&case),
        pods: PodCounts {
            total: case.pods.len(),
            stale: case.pods.iter().filter(|pod| case.is_stale(pod)).count(),
        },
        stamps: Stamps {
            expected: restart
                .as_ref()
                .map(|restart| restart.stamp.clone())
                .or(expected),
            git: case.git.text.clone(),
            live: case.live.text.clone(),
        },
        risks: if restart.is_some() {
            risks(&case)
        } else {
            Vec::new()
        },
        restart,
        in_mesh: case.is_in_mesh(),
        manifest: match case.origin.source {
            Source::Manifest { file, object, .. } => Some((file, object)),
            Source::Elsewhere(_) => None,
        },
        delivery: case.origin.delivery,
    }
}

fn drift_counts(case: &Case<'_, '_>) -> Vec<DriftCount> {
    let mut counts = BTreeMap::new();
    for drift in case.pods.iter().flat_map(|pod| &pod.comparison.drifts) {
        *counts.entry(drift.clone()).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .map(|(drift, pods)| DriftCount { drift, pods })
        .collect()
}

fn risks(case: &Case<'_, '_>) -> Vec<Risk> {
    let mut risks = rollout::risks(case.member, case.inputs.snapshot);
    // What the live template has and Git does not is a person's restart.
    if case.live.restarted_at > case.git.restarted_at && case.origin.delivery.is_some() {
        let message =
            "somebody restarted it by hand: the delivery puts Git's restart time in its place";
        risks.push(Risk {
            code: RiskCode::RestartKeyInGit,
            message: message.to_owned(),
        });
    }
    if let Source::Manifest { object, .. } = &case.origin.source
        && let Some(workload) = object.workload()
    {
        let snapshot = case.inputs.snapshot;
        risks.extend(rollout::replicas_in_git(
            case.member,
            snapshot,
            &workload.spec,
        ));
    }
    risks.extend(case.origin.delivery.as_ref().and_then(other_changes));
    risks.sort();
    risks
}

/// What would be delivered along with the restart.
fn other_changes(delivery: &Delivery) -> Option<Risk> {
    let (first, others) = delivery.unsynced.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Some(Risk {
        code: RiskCode::OtherChanges,
        message: format!(
            "{first}{more} of Application {} differ from Git, and the sync applies them as well",
            delivery.name
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::other_changes;
    use crate::gitops::{Delivery, Engine};

    #[test]
    fn other_changes_of_an_application_travel_along() {
        let delivery = |unsynced: &[&str]| Delivery {
            engine: Engine::ArgoCd,
            name: "argocd/shop".into(),
            blockers: Vec::new(),
            withheld: Vec::new(),
            unsynced: unsynced.iter().map(|text| (*text).to_owned()).collect(),
        };
        assert_eq!(other_changes(&delivery(&[])), None);
        let risk = other_changes(&delivery(&["Service shop/cart", "Service shop/web"]));
        let risk = risk.expect("a risk");
        assert_eq!(risk.code.to_string(), "other-changes");
        assert_eq!(
            risk.message,
            "Service shop/cart and 1 more of Application argocd/shop differ from Git, and the sync applies them as well"
        );
    }
}
