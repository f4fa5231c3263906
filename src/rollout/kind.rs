//! Kinds: the workload kinds that meshroll knows, apart from their versions.

use crate::manifest::{ObjectRef, group_of};

/// A kind of object that owns pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// `apps` Deployment.
    Deployment,
    /// `apps` StatefulSet.
    StatefulSet,
    /// `apps` DaemonSet.
    DaemonSet,
    /// `apps` ReplicaSet.
    ReplicaSet,
    /// Core ReplicationController.
    ReplicationController,
    /// `batch` Job.
    Job,
    /// `batch` CronJob.
    CronJob,
    /// A pod without a controller.
    Pod,
    /// Argo Rollouts' Rollout.
    Rollout,
    /// OpenKruise CloneSet.
    CloneSet,
    /// OpenKruise Advanced StatefulSet.
    AdvancedStatefulSet,
    /// OpenKruise Advanced DaemonSet.
    AdvancedDaemonSet,
    /// OpenShift DeploymentConfig.
    DeploymentConfig,
    /// Knative Service.
    KnativeService,
    /// Anything else: an operator's custom resource.
    Other,
}

impl WorkloadKind {
    /// The kind of an identity.
    #[must_use]
    pub fn of(reference: &ObjectRef) -> Self {
        Self::of_group_kind(&reference.group, &reference.kind)
    }

    /// The kind of an `apiVersion` and kind.
    #[must_use]
    pub fn of_api(api_version: &str, kind: &str) -> Self {
        Self::of_group_kind(group_of(api_version), kind)
    }

    /// The kind of a group and kind.
    #[must_use]
    pub fn of_group_kind(group: &str, kind: &str) -> Self {
        match (group, kind) {
            ("apps" | "extensions", "Deployment") => Self::Deployment,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("apps" | "extensions", "DaemonSet") => Self::DaemonSet,
            ("apps" | "extensions", "ReplicaSet") => Self::ReplicaSet,
            ("", "ReplicationController") => Self::ReplicationController,
            ("batch", "Job") => Self::Job,
            ("batch", "CronJob") => Self::CronJob,
            ("", "Pod") => Self::Pod,
            ("argoproj.io", "Rollout") => Self::Rollout,
            ("apps.kruise.io", "CloneSet") => Self::CloneSet,
            ("apps.kruise.io", "StatefulSet") => Self::AdvancedStatefulSet,
            ("apps.kruise.io", "DaemonSet") => Self::AdvancedDaemonSet,
            ("apps.openshift.io", "DeploymentConfig") => Self::DeploymentConfig,
            ("serving.knative.dev", "Service") => Self::KnativeService,
            _ => Self::Other,
        }
    }

    /// Whether pods of this kind stand on nodes rather than in replicas.
    #[must_use]
    pub fn is_per_node(self) -> bool {
        matches!(self, Self::DaemonSet | Self::AdvancedDaemonSet)
    }
}
