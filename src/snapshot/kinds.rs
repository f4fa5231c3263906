//! The kinds: everything that a snapshot holds, and which of its fields.
//!
//! One table is the source of what is read out of any input, what is recorded, what a live cluster
//! is asked for, and what the ClusterRole in `deploy/` allows. Secrets are not in it.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::fields::{
    APPLICATION, APPLICATION_SET, BUDGET, CLAIM, CONFIG_MAP, CONTROL_PLANE, FLUX_KUSTOMIZATION,
    FLUX_SOURCE, HELM_RELEASE, POLICY, PROJECT, QUOTA, SCALER, SERVICE, WEBHOOK, WORKLOAD,
};
use super::keep::Kept;

/// One kind of object that a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Kind, as in `Deployment`.
    pub kind: &'static str,
    /// Plural name in URLs and in `kubectl get`.
    pub plural: &'static str,
    /// What becomes of its objects.
    pub role: Role,
    /// Whether nothing can be told without it (`design.md` §10, *missing or empty*).
    pub required: bool,
    /// Paths of the fields that are kept, besides `metadata` and pod templates; see
    /// [`Kind::fields`].
    fields: &'static [&'static str],
}

/// What becomes of the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An entry of [`ClusterSnapshot::namespaces`](super::ClusterSnapshot::namespaces).
    Namespace,
    /// An entry of [`ClusterSnapshot::pods`](super::ClusterSnapshot::pods).
    Pod,
    /// An entry of [`ClusterSnapshot::replica_sets`](super::ClusterSnapshot::replica_sets).
    ReplicaSet,
    /// An entry of [`ClusterSnapshot::workloads`](super::ClusterSnapshot::workloads), with its
    /// pod template at `spec.template`.
    Workload,
    /// The same, with the pod template at `spec.jobTemplate.spec.template`.
    CronWorkload,
    /// An entry of [`ClusterSnapshot::objects`](super::ClusterSnapshot::objects).
    Object,
}

impl Kind {
    /// The name that `kubectl get` takes: `deployments`, `rollouts.argoproj.io`.
    #[must_use]
    pub fn resource(&self) -> String {
        if self.is_built_in() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether every cluster of today serves it, so that `kubectl get` knows it.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        let everywhere = !self.group.contains('.') || self.group == "admissionregistration.k8s.io";
        everywhere && self.kind != "MutatingAdmissionPolicy"
    }

    /// Paths of the fields that are kept besides `metadata` and pod templates: keys joined by
    /// slashes, where a list stands for each of its items and a trailing `*` for any rest of a key.
    #[must_use]
    pub fn fields(&self) -> &'static [&'static str] {
        self.fields
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

const fn row(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    role: Role,
    fields: &'static [&'static str],
) -> Kind {
    Kind {
        group,
        kind,
        plural,
        role,
        required: false,
        fields,
    }
}

const fn workload(group: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    row(group, kind, plural, Role::Workload, WORKLOAD)
}

const fn object(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    fields: &'static [&'static str],
) -> Kind {
    row(group, kind, plural, Role::Object, fields)
}

/// Every kind, in the order in which a live cluster is asked for them.
pub const KINDS: &[Kind] = &[
    row("", "Namespace", "namespaces", Role::Namespace, &[]).required(),
    // The mesh.
    object(
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        WEBHOOK,
    )
    .required(),
    object(
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        &["webhooks/name"],
    ),
    object(
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        POLICY,
    ),
    object("", "ConfigMap", "configmaps", CONFIG_MAP).required(),
    object("", "Service", "services", SERVICE),
    object(
        "",
        "Node",
        "nodes",
        &["spec/unschedulable", "status/nodeInfo/kubeletVersion"],
    ),
    object(
        "networking.istio.io",
        "ProxyConfig",
        "proxyconfigs",
        &["spec"],
    ),
    object(
        "gateway.networking.k8s.io",
        "Gateway",
        "gateways",
        &["spec/gatewayClassName"],
    ),
    object(
        "install.istio.io",
        "IstioOperator",
        "istiooperators",
        CONTROL_PLANE,
    ),
    object("sailoperator.io", "Istio", "istios", CONTROL_PLANE),
    object(
        "sailoperator.io",
        "IstioRevision",
        "istiorevisions",
        CONTROL_PLANE,
    ),
    object(
        "sailoperator.io",
        "IstioRevisionTag",
        "istiorevisiontags",
        CONTROL_PLANE,
    ),
    object(
        "mesh.cloud.google.com",
        "ControlPlaneRevision",
        "controlplanerevisions",
        CONTROL_PLANE,
    ),
    object(
        "mesh.cloud.google.com",
        "DataPlaneControl",
        "dataplanecontrols",
        CONTROL_PLANE,
    ),
    // Workloads.
    workload("apps", "Deployment", "deployments").required(),
    workload("apps", "StatefulSet", "statefulsets").required(),
    workload("apps", "DaemonSet", "daemonsets").required(),
    row("apps", "ReplicaSet", "replicasets", Role::ReplicaSet, &[]).required(),
    workload("batch", "Job", "jobs"),
    row("batch", "CronJob", "cronjobs", Role::CronWorkload, WORKLOAD),
    workload("", "ReplicationController", "replicationcontrollers"),
    workload("argoproj.io", "Rollout", "rollouts"),
    workload("apps.kruise.io", "CloneSet", "clonesets"),
    workload("apps.kruise.io", "StatefulSet", "statefulsets"),
    workload("apps.kruise.io", "DaemonSet", "daemonsets"),
    workload("apps.kruise.io", "BroadcastJob", "broadcastjobs"),
    workload("apps.openshift.io", "DeploymentConfig", "deploymentconfigs"),
    workload("serving.knative.dev", "Service", "services"),
    object(
        "serving.knative.dev",
        "Configuration",
        "configurations",
        &["status/conditions"],
    ),
    object(
        "serving.knative.dev",
        "Revision",
        "revisions",
        &["status/conditions"],
    ),
    // Disruption.
    object(
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        BUDGET,
    ),
    object(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        SCALER,
    ),
    object("", "PersistentVolumeClaim", "persistentvolumeclaims", CLAIM),
    object("", "ResourceQuota", "resourcequotas", QUOTA),
    // Delivery.
    object("argoproj.io", "Application", "applications", APPLICATION),
    object(
        "argoproj.io",
        "ApplicationSet",
        "applicationsets",
        APPLICATION_SET,
    ),
    object("argoproj.io", "AppProject", "appprojects", PROJECT),
    object(
        "kustomize.toolkit.fluxcd.io",
        "Kustomization",
        "kustomizations",
        FLUX_KUSTOMIZATION,
    ),
    object(
        "helm.toolkit.fluxcd.io",
        "HelmRelease",
        "helmreleases",
        HELM_RELEASE,
    ),
    object(
        "source.toolkit.fluxcd.io",
        "GitRepository",
        "gitrepositories",
        FLUX_SOURCE,
    ),
    object(
        "source.toolkit.fluxcd.io",
        "OCIRepository",
        "ocirepositories",
        FLUX_SOURCE,
    ),
    object("source.toolkit.fluxcd.io", "Bucket", "buckets", FLUX_SOURCE),
    object(
        "source.toolkit.fluxcd.io",
        "ExternalArtifact",
        "externalartifacts",
        FLUX_SOURCE,
    ),
    // Pods come last: whatever starts while the others are listed is in the list.
    row("", "Pod", "pods", Role::Pod, &[]).required(),
];

/// A kind with its tree of kept fields.
pub(super) struct Reading {
    pub(super) kind: &'static Kind,
    pub(super) kept: Kept,
}

/// The kind of this group and name, if a snapshot holds it.
pub(super) fn find(group: &str, kind: &str) -> Option<&'static Reading> {
    static BY_KIND: LazyLock<HashMap<&str, Vec<Reading>>> = LazyLock::new(|| {
        let mut by_kind: HashMap<&str, Vec<Reading>> = HashMap::new();
        for kind in KINDS {
            let kept = Kept::new(kind.fields);
            by_kind
                .entry(kind.kind)
                .or_default()
                .push(Reading { kind, kept });
        }
        by_kind
    });
    let readings = BY_KIND.get(kind)?;
    readings.iter().find(|reading| reading.kind.group == group)
}
