//! Current pods: which pods of a workload were made from its present template.
//!
//! Each controller leaves a mark of the template's revision on its pods; nothing here compares
//! templates.

use std::cmp::Reverse;

use super::kind::WorkloadKind;
use super::value;
use crate::snapshot::{LiveWorkload, Metadata, Pod, ReplicaSet};

/// Label of the pods of a Deployment's ReplicaSet.
pub(super) const POD_TEMPLATE_HASH: &str = "pod-template-hash";
/// Label of the pods of an Argo Rollout's ReplicaSet.
pub(super) const ROLLOUTS_POD_TEMPLATE_HASH: &str = "rollouts-pod-template-hash";
/// Label of the pods of StatefulSets, DaemonSets and CloneSets.
pub(super) const CONTROLLER_REVISION_HASH: &str = "controller-revision-hash";
const POD_TEMPLATE_GENERATION: &str = "pod-template-generation";
/// Annotation of a DaemonSet that counts its templates (Kubernetes keeps writing it).
const DAEMON_TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const DEPLOYMENT_REVISION: &str = "deployment.kubernetes.io/revision";
const ROLLOUT_REVISION: &str = "rollout.argoproj.io/revision";
const KNATIVE_REVISION: &str = "serving.knative.dev/revision";
const DEPLOYMENT_CONFIG_POD: &str = "deployment";

/// The ReplicaSet that was made from the present template, by the revision that the controller
/// wrote on it, else the youngest.
pub(super) fn replica_set<'a>(
    live: &LiveWorkload,
    owned: &[&'a ReplicaSet],
) -> Option<&'a ReplicaSet> {
    let key = match WorkloadKind::of(&live.reference) {
        WorkloadKind::Rollout => ROLLOUT_REVISION,
        _ => DEPLOYMENT_REVISION,
    };
    if let Some(hash) = value::text(&live.status, &["currentPodHash"]) {
        let named = |set: &&&ReplicaSet| label(&set.metadata, ROLLOUTS_POD_TEMPLATE_HASH) == hash;
        if let Some(found) = owned.iter().find(named) {
            return Some(found);
        }
    }
    owned.iter().copied().max_by_key(|set| {
        let revision = annotation(&set.metadata, key).parse::<i64>().ok();
        let name = Reverse(set.metadata.name.as_str());
        (revision, set.metadata.creation_timestamp, name)
    })
}

/// The pods that were made from the present template.
pub(super) fn pods<'a>(
    live: Option<&LiveWorkload>,
    set: Option<&ReplicaSet>,
    pods: &[&'a Pod],
) -> Vec<&'a Pod> {
    let Some(mark) = live.and_then(|live| mark(live, set, pods)) else {
        return pods.to_vec();
    };
    pods.iter().copied().filter(|pod| mark.fits(pod)).collect()
}

/// What a controller writes on the pods of its present template.
enum Mark {
    /// The pod is owned by this ReplicaSet or ReplicationController.
    Owner(String),
    /// The pod has this label with this value.
    Label(&'static str, String),
}

impl Mark {
    fn fits(&self, pod: &Pod) -> bool {
        match self {
            Self::Owner(name) => pod
                .metadata
                .controller()
                .is_some_and(|owner| owner.name == *name),
            // OpenKruise writes either the whole name of the revision or its hash alone.
            Self::Label(key, value) => {
                let written = label(&pod.metadata, key);
                written == value
                    || !written.is_empty()
                        && value
                            .strip_suffix(written)
                            .is_some_and(|rest| rest.ends_with('-'))
            }
        }
    }
}

fn mark(live: &LiveWorkload, set: Option<&ReplicaSet>, pods: &[&Pod]) -> Option<Mark> {
    let status = |field: &str| value::text(&live.status, &[field]).map(str::to_owned);
    match WorkloadKind::of(&live.reference) {
        WorkloadKind::Deployment | WorkloadKind::Rollout => {
            Some(Mark::Owner(set?.metadata.name.clone()))
        }
        WorkloadKind::StatefulSet | WorkloadKind::AdvancedStatefulSet | WorkloadKind::CloneSet => {
            Some(Mark::Label(
                CONTROLLER_REVISION_HASH,
                status("updateRevision")?,
            ))
        }
        WorkloadKind::AdvancedDaemonSet => Some(Mark::Label(
            CONTROLLER_REVISION_HASH,
            status("daemonSetHash").or_else(|| youngest_hash(pods))?,
        )),
        WorkloadKind::DaemonSet => daemon_set(live, pods),
        WorkloadKind::DeploymentConfig => {
            let version = value::integer(&live.status, &["latestVersion"])?;
            let controller = format!("{}-{version}", live.reference.name);
            Some(Mark::Label(DEPLOYMENT_CONFIG_POD, controller))
        }
        WorkloadKind::KnativeService => Some(Mark::Label(
            KNATIVE_REVISION,
            status("latestCreatedRevisionName")?,
        )),
        _ => None,
    }
}

fn daemon_set(live: &LiveWorkload, pods: &[&Pod]) -> Option<Mark> {
    let generation = annotation(&live.metadata, DAEMON_TEMPLATE_GENERATION);
    let counted = pods
        .iter()
        .any(|pod| !label(&pod.metadata, POD_TEMPLATE_GENERATION).is_empty());
    if !generation.is_empty() && counted {
        return Some(Mark::Label(POD_TEMPLATE_GENERATION, generation.to_owned()));
    }
    Some(Mark::Label(CONTROLLER_REVISION_HASH, youngest_hash(pods)?))
}

/// The revision of the pod that was made last: a controller never makes pods of an old template,
/// but for a rollback, which re-creates them all.
fn youngest_hash(pods: &[&Pod]) -> Option<String> {
    let youngest = pods.iter().max_by_key(|pod| {
        let name = Reverse(pod.metadata.name.as_str());
        (pod.metadata.creation_timestamp, name)
    })?;
    let hash = label(&youngest.metadata, CONTROLLER_REVISION_HASH);
    (!hash.is_empty()).then(|| hash.to_owned())
}

fn label<'m>(metadata: &'m Metadata, key: &str) -> &'m str {
    metadata.labels.get(key).map_or("", String::as_str)
}

fn annotation<'m>(metadata: &'m Metadata, key: &str) -> &'m str {
    metadata.annotations.get(key).map_or("", String::as_str)
}
