//! Rollouts: what a restart does to a workload, how far it is, and what it risks.
//!
//! The rules are those of `spec/gitops.md` §3, kind by kind.

use crate::diagnostic::codes;
use crate::manifest::ObjectRef;
use crate::reason::Reason;
use crate::snapshot::{ClusterSnapshot, LiveWorkload, Pod};

codes! {
    /// What a restart puts at risk. A risk informs and never changes a verdict.
    pub enum RiskCode {
        SingleReplica = "single-replica": "One replica and no surge: the workload is down while the pod is replaced.",
        Recreate = "recreate": "The Recreate strategy stops every old pod before the first new one starts.",
        NoReadinessProbe = "no-readiness-probe": "Without a readiness probe a pod counts as ready as soon as it starts, so the rollout does not wait for it.",
        BudgetNotHonored = "budget-not-honored": "A PodDisruptionBudget does not limit a rolling update, and this one takes more pods away than the budget allows.",
        ReplicasInGit = "replicas-in-git": "A HorizontalPodAutoscaler scales the workload and Git sets its replicas: the delivery may scale it back.",
        VolumeWithSurge = "volume-with-surge": "A ReadWriteOnce volume may keep a surge pod from starting on another node.",
        RestartPolicyNever = "restart-policy-never": "With restartPolicy Never a native sidecar that fails is not restarted (istio#49210).",
        LongTermination = "long-termination": "Pods may take long to terminate, and so will the rollout.",
        QuotaTooSmall = "quota-too-small": "The namespace's quota leaves no room for surge pods.",
        Partitioned = "partitioned": "The StatefulSet's partition keeps pods of lower ordinals as they are.",
        OperatorOwned = "operator-owned": "Another object owns the workload and may undo the edit.",
        RestartKeyInGit = "restart-key-in-git": "With the restart time in Git, a later `kubectl rollout restart` is drift: a self-healing engine rolls the workload once more.",
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
    /// The pods that count (`design.md` §2), sorted by name.
    pub pods: Vec<&'a Pod>,
    /// An owner of the workload itself that is not a built-in controller: an operator's object.
    pub operator: Option<ObjectRef>,
}

/// Groups the pods of a snapshot by the workload that owns their template.
///
/// Every workload of the snapshot appears, those without pods too; every pod that counts appears
/// once.
#[must_use]
pub fn members(_snapshot: &ClusterSnapshot) -> Vec<Member<'_>> {
    Vec::new()
}

/// What an edit in Git would do to the pods.
#[must_use]
pub fn effect(_member: &Member<'_>) -> Effect {
    Effect::TemplateAnnotation
}

/// How far the present rollout is.
#[must_use]
pub fn progress(_member: &Member<'_>) -> Progress {
    Progress::Finished
}

/// What a restart puts at risk, sorted by code.
#[must_use]
pub fn risks(_member: &Member<'_>, _snapshot: &ClusterSnapshot) -> Vec<Risk> {
    Vec::new()
}
