//! `Settling`: whether a pod that starts now surely gets a revision's present sidecar
//! (`spec/istio.md` §5.4, `design.md` §2).

use jiff::Timestamp;
use serde_json::Value;

use super::control_plane::{ControlPlane, labelled_version};
use super::injector::Injector;
use crate::manifest::ObjectRef;
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::{ClusterSnapshot, LiveWorkload, Pod, ReplicaSet};

/// Number of a Deployment's template, on the Deployment and on its ReplicaSets.
const REVISION_NUMBER: &str = "deployment.kubernetes.io/revision";

/// Whether a control plane has settled, since when, and if not, why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settling {
    /// No pod that started earlier proves anything.
    pub(crate) at: Option<Timestamp>,
    /// Why it has not settled; empty where it has.
    pub(crate) reasons: Vec<Reason>,
}

/// The image of istiod's container.
pub(crate) fn istiod_image(istiod: &LiveWorkload) -> Option<&str> {
    let containers = &istiod.template.as_ref()?.spec.containers;
    let discovery = containers
        .iter()
        .find(|container| container.name == "discovery");
    discovery.or(containers.first())?.image.as_deref()
}

/// Judges a control plane; `injectors` are the webhooks that lead to it.
pub(crate) fn settling(
    snapshot: &ClusterSnapshot,
    istiod: &LiveWorkload,
    plane: &ControlPlane,
    injectors: &[&Injector],
) -> Settling {
    let mut reasons = Vec::new();
    let pods = pods_of(snapshot, istiod);
    if let Some(message) = unfinished_rollout(istiod) {
        reasons.push(Reason::new(ReasonCode::ControlPlaneNotSettled, message));
    }
    reasons.extend(mixed_images(istiod, &pods));
    reasons.extend(configuration_fault(snapshot, istiod, plane));
    reasons.extend(missing_certificate(injectors));
    reasons.sort();
    Settling {
        at: settled_at(snapshot, istiod, plane, &pods, injectors),
        reasons,
    }
}

/// What of istiod's rollout is not done.
fn unfinished_rollout(istiod: &LiveWorkload) -> Option<String> {
    let name = &istiod.reference;
    let status = |key: &str| istiod.status.get(key).and_then(Value::as_i64).unwrap_or(0);
    let replicas = istiod
        .spec
        .get("replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let generation = istiod.metadata.generation.unwrap_or(0);
    if replicas < 1 {
        return Some(format!("{name} is scaled to zero"));
    }
    if status("observedGeneration") < generation {
        return Some(format!("{name} was changed a moment ago"));
    }
    let (updated, total) = (status("updatedReplicas"), status("replicas"));
    if updated < replicas || total > updated {
        return Some(format!(
            "{name} is rolling out: {updated} of {replicas} pods are updated"
        ));
    }
    let available = status("availableReplicas");
    (available < updated).then(|| format!("{name} has {available} of {updated} pods available"))
}

/// Serving pods of istiod whose image is not the one of its template.
fn mixed_images(istiod: &LiveWorkload, pods: &[&Pod]) -> Option<Reason> {
    let expected = istiod_image(istiod)?;
    let other = pods
        .iter()
        .filter(|pod| pod.status.ready && pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| pod_image(pod))
        .find(|image| *image != expected)?;
    Some(Reason::new(
        ReasonCode::ControlPlaneMixedVersions,
        format!("pods of {} run {other} and {expected}", istiod.reference),
    ))
}

fn pod_image(pod: &Pod) -> Option<&str> {
    let containers = &pod.spec.containers;
    let discovery = containers
        .iter()
        .find(|container| container.name == "discovery");
    discovery.or(containers.first())?.image.as_deref()
}

/// A ConfigMap that is missing, or of another version than istiod.
fn configuration_fault(
    snapshot: &ClusterSnapshot,
    istiod: &LiveWorkload,
    plane: &ControlPlane,
) -> Option<Reason> {
    let configuration = match &plane.configuration {
        Ok(configuration) => configuration,
        Err(reason) => return Some(reason.clone()),
    };
    let name = &configuration.config_map;
    let reference = ObjectRef::new("", "ConfigMap", &plane.namespace, name);
    let labels = &snapshot.object(&reference)?.metadata.labels;
    let ours = labelled_version(labels)?;
    let theirs = labelled_version(&istiod.metadata.labels)?;
    (ours != theirs).then(|| {
        Reason::new(
            ReasonCode::ControlPlaneMixedVersions,
            format!(
                "ConfigMap {}/{name} is of {ours} and istiod of {theirs}",
                plane.namespace
            ),
        )
    })
}

/// A webhook that the API server cannot call for want of a certificate.
fn missing_certificate(injectors: &[&Injector]) -> Option<Reason> {
    let injector = injectors.iter().find(|injector| !injector.has_ca_bundle)?;
    Some(Reason::new(
        ReasonCode::ControlPlaneNotSettled,
        format!("webhook {} has an empty caBundle", injector.title()),
    ))
}

/// The oldest Ready transition among the pods of istiod's current template, or a later change of
/// what it injects from.
fn settled_at(
    snapshot: &ClusterSnapshot,
    istiod: &LiveWorkload,
    plane: &ControlPlane,
    pods: &[&Pod],
    injectors: &[&Injector],
) -> Option<Timestamp> {
    let current = current_replica_set(snapshot, istiod);
    let image = istiod_image(istiod);
    let is_current = |pod: &Pod| match (current, pod.metadata.controller()) {
        (Some(current), Some(owner)) => owner.name == current.metadata.name,
        _ => pod_image(pod) == image,
    };
    let ready = pods
        .iter()
        .filter(|pod| pod.status.ready && is_current(pod))
        .filter_map(|pod| pod.status.ready_since)
        .min()?;
    let suffix = match plane.revision.as_str() {
        "default" => String::new(),
        revision => format!("-{revision}"),
    };
    let config_maps = ["istio-sidecar-injector", "istio"]
        .into_iter()
        .filter_map(|name| {
            let name = format!("{name}{suffix}");
            let reference = ObjectRef::new("", "ConfigMap", &plane.namespace, name);
            snapshot.object(&reference)?.metadata.managed_at
        });
    let webhooks = injectors
        .iter()
        .filter(|injector| injector.tag.is_none())
        .filter_map(|injector| injector.managed_at);
    config_maps.chain(webhooks).chain([ready]).max()
}

/// The pods of istiod: those of the Deployment's ReplicaSets, or those that it selects.
fn pods_of<'a>(snapshot: &'a ClusterSnapshot, istiod: &LiveWorkload) -> Vec<&'a Pod> {
    let namespace = &istiod.reference.namespace;
    let selector = istiod
        .spec
        .pointer("/selector/matchLabels")
        .and_then(Value::as_object);
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        return Vec::new();
    };
    let is_selected = |pod: &Pod| {
        selector.iter().all(|(key, value)| {
            let label = pod.metadata.labels.get(key).map(String::as_str);
            label.is_some() && label == value.as_str()
        })
    };
    let is_owned = |pod: &Pod| {
        let owner = pod.metadata.controller().and_then(|owner| {
            let sets = snapshot.replica_sets.iter();
            let mut sets = sets.filter(|set| set.metadata.namespace == *namespace);
            sets.find(|set| set.metadata.name == owner.name)?
                .metadata
                .controller()
        });
        owner.is_none_or(|owner| owner.name == istiod.reference.name)
    };
    let pods = snapshot.pods.iter();
    pods.filter(|pod| pod.metadata.namespace == *namespace && is_selected(pod) && is_owned(pod))
        .collect()
}

/// The ReplicaSet of istiod's current template, where the snapshot tells which it is.
fn current_replica_set<'a>(
    snapshot: &'a ClusterSnapshot,
    istiod: &LiveWorkload,
) -> Option<&'a ReplicaSet> {
    let number = istiod.metadata.annotations.get(REVISION_NUMBER)?;
    snapshot.replica_sets.iter().find(|set| {
        set.metadata.namespace == istiod.reference.namespace
            && set.metadata.annotations.get(REVISION_NUMBER) == Some(number)
            && set
                .metadata
                .controller()
                .is_some_and(|owner| owner.name == istiod.reference.name)
    })
}
