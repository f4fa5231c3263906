//! Rollouts: what a restart does to a workload, how far it is, and what it risks.
//!
//! The rules are those of `spec/gitops.md` §3, kind by kind.

mod arithmetic;
mod current;
mod dry_run;
mod effect;
#[cfg(test)]
pub(crate) mod fixture;
mod gateway;
mod kind;
mod members;
mod progress;
mod quota;
mod remedy;
mod risk;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use jiff::Timestamp;

pub use arithmetic::{Disruption, disruption};
pub use dry_run::{DryRun, dry_runs};
pub use gateway::{Gateway, gateway};
pub use kind::WorkloadKind;
pub use remedy::{delete_pods, kubectl, shell_word};

use crate::config::AnnotationKeys;
use crate::diagnostic::codes;
use crate::manifest::{ObjectRef, PodTemplate, StringMap};
use crate::reason::Reason;
use crate::snapshot::{ClusterSnapshot, LiveWorkload, Pod, ReplicaSet};

codes! {
    /// What a restart puts at risk. A risk informs and never changes a verdict.
    pub enum RiskCode {
        SingleReplica = "single-replica": "One replica and no surge: the workload is down while the pod is replaced.",
        Recreate = "recreate": "The Recreate strategy stops every old pod before the first new one starts.",
        NoReadinessProbe = "no-readiness-probe": "Without a readiness probe a pod counts as ready as soon as it starts, so the rollout does not wait for it.",
        BudgetNotHonored = "budget-not-honored": "A PodDisruptionBudget does not limit a rolling update, and this one takes more pods away than the budget allows.",
        BudgetBlocks = "budget-blocks": "An Argo Rollout restarts by eviction, and a PodDisruptionBudget lets no pod go: the restart does not get on until it does.",
        ReplicasInGit = "replicas-in-git": "A HorizontalPodAutoscaler scales the workload and Git sets its replicas: the delivery may scale it back.",
        VolumeWithSurge = "volume-with-surge": "A ReadWriteOnce volume may keep a surge pod from starting on another node.",
        RestartPolicyNever = "restart-policy-never": "With restartPolicy Never a native sidecar that fails is not restarted (istio#49210).",
        LongTermination = "long-termination": "Pods may take long to terminate, and so will the rollout.",
        QuotaTooSmall = "quota-too-small": "The namespace's quota leaves no room for surge pods.",
        Partitioned = "partitioned": "The StatefulSet's partition keeps pods of lower ordinals as they are.",
        OperatorOwned = "operator-owned": "Another object owns the workload and may undo the edit.",
        RestartKeyInGit = "restart-key-in-git": "With the restart time in Git, a later `kubectl rollout restart` is drift: a self-healing engine rolls the workload once more.",
        OtherChanges = "other-changes": "The Application has other changes that are not applied yet: the sync that delivers the restart applies all of them.",
        Gateway = "gateway": "Traffic enters the mesh through these pods.",
    }
}

/// One risk of restarting a workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Risk {
    /// The stable code.
    pub code: RiskCode,
    /// The facts of the case, with its numbers.
    pub message: String,
}

/// What an edit in Git does to a workload's pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An annotation in the pod template replaces the pods.
    TemplateAnnotation,
    /// `spec.restartAt` of an Argo Rollout replaces the pods.
    RestartAt,
    /// No edit of ours replaces them; the reason names the remedy.
    None(Reason),
    /// There is no pod to replace.
    NothingToDo(Reason),
}

/// How far the rollout of a workload's present template is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Every replica runs the present template and is available.
    Finished,
    /// Pods are being replaced.
    Running {
        /// How many of how many are done, in words.
        message: String,
    },
    /// It does not get on: crash loops, a missed deadline.
    Stuck {
        /// What is wrong.
        message: String,
    },
}

/// A workload with all of its pods.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Identity of what owns the pod template (or of the bare pod).
    pub reference: ObjectRef,
    /// `apiVersion` of it.
    pub api_version: String,
    /// The live object; none for bare pods and owners that the snapshot does not hold.
    pub live: Option<&'a LiveWorkload>,
    /// The ReplicaSet of the present template, or the bare ReplicaSet that the member is.
    pub replica_set: Option<&'a ReplicaSet>,
    /// The Deployment that an Argo Rollout takes its template from (`spec.workloadRef`).
    pub referenced: Option<&'a LiveWorkload>,
    /// The pods that count (`design.md` §2), sorted by name.
    pub pods: Vec<&'a Pod>,
    /// Those of [`Member::pods`] that were made from the present template, sorted by name.
    pub current: Vec<&'a Pod>,
    /// An owner of the workload itself that is not a built-in controller: an operator's object.
    pub operator: Option<ObjectRef>,
}

/// What the live object says of its last restart through Git.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestartMarks<'m> {
    /// The stamp, as written.
    pub stamp: Option<&'m str>,
    /// When it was restarted, as written: the annotation, or `spec.restartAt` of an Argo Rollout.
    pub restarted_at: Option<&'m str>,
}

impl RestartMarks<'_> {
    /// [`RestartMarks::restarted_at`] as an instant.
    #[must_use]
    pub fn restarted(&self) -> Option<Timestamp> {
        self.restarted_at?.parse().ok()
    }
}

/// Labels that controllers add to the pods that they make.
const CONTROLLER_LABELS: [&str; 14] = [
    "apps.kubernetes.io/pod-index",
    "apps.kruise.io/cloneset-instance-id",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "deployment",
    "deploymentconfig",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "rollouts-pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

impl<'a> Member<'a> {
    /// Which kind of workload it is.
    #[must_use]
    pub fn kind(&self) -> WorkloadKind {
        WorkloadKind::of(&self.reference)
    }

    /// The live pod template; of an Argo Rollout that refers to a Deployment, the Deployment's.
    #[must_use]
    pub fn template(&self) -> Option<&'a PodTemplate> {
        self.live
            .and_then(|live| live.template.as_ref())
            .or_else(|| self.referenced?.template.as_ref())
            .or_else(|| self.replica_set?.template.as_deref())
    }

    /// The annotations that carry a restart: the object's own for an Argo Rollout, whose template
    /// stays untouched, else the pod template's.
    #[must_use]
    pub fn live_annotations(&self) -> Option<&'a StringMap> {
        let live = self.live?;
        if self.kind() == WorkloadKind::Rollout {
            return Some(&live.metadata.annotations);
        }
        Some(&live.template.as_ref()?.metadata.annotations)
    }

    /// The marks of the last restart through Git, as they are live.
    #[must_use]
    pub fn restart_marks(&self, keys: &AnnotationKeys) -> RestartMarks<'a> {
        let Some(annotations) = self.live_annotations() else {
            return RestartMarks::default();
        };
        let annotation = |key: &str| annotations.get(key).map(String::as_str);
        let restarted_at = if self.kind() == WorkloadKind::Rollout {
            self.live
                .and_then(|live| value::text(&live.spec, &["restartAt"]))
        } else {
            keys.restarted_at.as_deref().and_then(annotation)
        };
        RestartMarks {
            stamp: annotation(&keys.restarted_for),
            restarted_at,
        }
    }

    /// The labels that the controller adds to its pods, such as `pod-template-hash`: webhook
    /// selectors see them on every pod, and no template holds them. Taken from a pod, else from the
    /// ReplicaSet; empty where neither is there.
    #[must_use]
    pub fn controller_labels(&self) -> StringMap {
        let pod = self.current.first().or_else(|| self.pods.first());
        let labels = pod
            .map(|pod| &pod.metadata.labels)
            .or_else(|| Some(&self.replica_set?.metadata.labels));
        let template = self.template().map(|template| &template.metadata.labels);
        let added = |key: &str| template.is_none_or(|labels| !labels.contains_key(key));
        labels.map_or_else(StringMap::new, |labels| {
            labels
                .iter()
                .filter(|(key, _)| CONTROLLER_LABELS.contains(&key.as_str()) && added(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })
    }
}

/// Groups the pods of a snapshot by the workload that owns their template.
///
/// Every workload of the snapshot appears, those without pods too; every pod that counts appears
/// once. Sorted by namespace, kind, name.
#[must_use]
pub fn members(snapshot: &ClusterSnapshot) -> Vec<Member<'_>> {
    members::members(snapshot)
}

/// What an edit in Git would do to the pods.
#[must_use]
pub fn effect(member: &Member<'_>) -> Effect {
    effect::effect(member, &member.pods)
}

/// What an edit in Git would do to the pods, with remedies that name only these pods: the stale
/// ones.
#[must_use]
pub fn effect_on(member: &Member<'_>, stale: &[&Pod]) -> Effect {
    effect::effect(member, stale)
}

/// How far the present rollout is.
#[must_use]
pub fn progress(member: &Member<'_>) -> Progress {
    progress::progress(member)
}

/// What a restart puts at risk, sorted by code.
///
/// [`RiskCode::RestartKeyInGit`] and [`RiskCode::ReplicasInGit`] need the manifest and are the
/// decision's to add, the latter through [`replicas_in_git`].
#[must_use]
pub fn risks(member: &Member<'_>, snapshot: &ClusterSnapshot) -> Vec<Risk> {
    risk::risks(member, snapshot)
}

/// The risk that a delivery scales an autoscaled workload back to the replicas that `spec` in Git
/// sets; none where Git sets none or nothing autoscales the workload.
#[must_use]
pub fn replicas_in_git(
    member: &Member<'_>,
    snapshot: &ClusterSnapshot,
    spec: &serde_json::Value,
) -> Option<Risk> {
    risk::replicas_in_git(member, snapshot, spec)
}
