//! Quotas: whether a namespace has room for the pods that a rollout adds.

use serde_json::Value;

use super::arithmetic::Disruption;
use super::risk::{objects_in, pod_spec};
use super::{Member, Risk, RiskCode, value};
use crate::manifest::{PodSpec, Resources, StringMap};
use crate::mesh::nano;
use crate::snapshot::{ClusterObject, ClusterSnapshot};

const NANO: i128 = 1_000_000_000;

/// The first quota that leaves too little for the surge.
pub(super) fn quota_too_small(
    member: &Member<'_>,
    disruption: Disruption,
    snapshot: &ClusterSnapshot,
) -> Option<Risk> {
    if disruption.surge == 0 {
        return None;
    }
    let namespace = &member.reference.namespace;
    let quotas = objects_in(snapshot, "", "ResourceQuota", namespace);
    // A running pod has the sidecar's requests too, a template has not.
    let running = member.current.first().map(|pod| &*pod.spec);
    let spec = running.or_else(|| pod_spec(member))?;
    quotas
        .iter()
        .filter(|quota| !is_scoped(quota))
        .find_map(|quota| shortage(quota, spec, disruption.surge))
}

/// A quota with scopes counts some pods only; which, cannot be told from here.
fn is_scoped(quota: &ClusterObject) -> bool {
    !value::items(&quota.body, &["spec", "scopes"]).is_empty()
        || value::at(&quota.body, &["spec", "scopeSelector"]).is_some()
}

fn shortage(quota: &ClusterObject, spec: &PodSpec, surge: i64) -> Option<Risk> {
    let hard = value::at(&quota.body, &["status", "hard"])
        .or_else(|| value::at(&quota.body, &["spec", "hard"]))?;
    let used = value::at(&quota.body, &["status", "used"]);
    let limits = hard.as_object()?;
    limits.iter().find_map(|(name, limit)| {
        let each = demand(spec, name)?;
        let limit = amount(limit)?;
        let used = used.and_then(|used| amount(used.get(name)?)).unwrap_or(0);
        let wanted = each.checked_mul(i128::from(surge))?;
        let left = (limit - used).max(0);
        (wanted > left).then(|| Risk {
            code: RiskCode::QuotaTooSmall,
            message: format!(
                "ResourceQuota {} leaves {name} {} of {}, and {surge} surge pods ask for {}",
                quota.reference.name,
                in_words(left),
                in_words(limit),
                in_words(wanted)
            ),
        })
    })
}

fn amount(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => nano(text),
        Value::Number(number) => nano(&number.to_string()),
        _ => None,
    }
}

/// What one pod asks of a quota's resource, in nano-units.
fn demand(spec: &PodSpec, name: &str) -> Option<i128> {
    let requests: fn(&Resources) -> &StringMap = |resources| &resources.requests;
    let limits: fn(&Resources) -> &StringMap = |resources| &resources.limits;
    match name {
        "pods" | "count/pods" => Some(NANO),
        "cpu" | "requests.cpu" => Some(of_pod(spec, requests, "cpu")),
        "memory" | "requests.memory" => Some(of_pod(spec, requests, "memory")),
        "limits.cpu" => Some(of_pod(spec, limits, "cpu")),
        "limits.memory" => Some(of_pod(spec, limits, "memory")),
        _ => None,
    }
}

/// Containers and native sidecars run together; each other init container runs alone, beside the
/// native sidecars before it, which is near enough to the larger of the two sums.
fn of_pod(spec: &PodSpec, part: fn(&Resources) -> &StringMap, name: &str) -> i128 {
    let one = |resources: &Resources| {
        let written = part(resources).get(name);
        written.and_then(|text| nano(text)).unwrap_or(0)
    };
    let is_sidecar = |policy: Option<&str>| policy == Some("Always");
    let mut together: i128 = spec.containers.iter().map(|c| one(&c.resources)).sum();
    let mut alone = 0;
    for container in &spec.init_containers {
        let asked = one(&container.resources);
        if is_sidecar(container.restart_policy.as_deref()) {
            together = together.saturating_add(asked);
        } else {
            alone = asked.max(alone);
        }
    }
    together.max(alone)
}

/// Nano-units as Kubernetes would write them, binary where that is shorter.
fn in_words(nano: i128) -> String {
    if nano % NANO != 0 {
        return format!("{}m", nano.div_euclid(1_000_000));
    }
    let whole = nano / NANO;
    for (unit, suffix) in [(1_i128 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")] {
        if whole >= unit && whole % unit == 0 {
            return format!("{}{suffix}", whole / unit);
        }
    }
    whole.to_string()
}
