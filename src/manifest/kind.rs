//! Kinds: which objects of the repository matter, and where their pod template stands.
//!
//! The version of an API group plays no part: `apps/v1beta1` and `apps/v1` name the same kinds.

/// Why an object is of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has a pod template, at this path.
    Workload(&'static [&'static str]),
    /// It is a pod, and so its own template.
    Pod,
    /// Its fields decide how files reach the cluster, or what the mesh is.
    Configuration,
}

/// Path of the pod template of most kinds.
const TEMPLATE: &[&str] = &["spec", "template"];

/// Path of the pod template of a CronJob.
const JOB_TEMPLATE: &[&str] = &["spec", "jobTemplate", "spec", "template"];

/// Kinds with a pod template: group, kind, path (`spec/gitops.md` §3).
const WORKLOADS: &[(&str, &str, &[&str])] = &[
    ("apps", "Deployment", TEMPLATE),
    ("apps", "StatefulSet", TEMPLATE),
    ("apps", "DaemonSet", TEMPLATE),
    ("apps", "ReplicaSet", TEMPLATE),
    // The group in which these kinds stood before Kubernetes 1.16; old manifests still say so.
    ("extensions", "Deployment", TEMPLATE),
    ("extensions", "DaemonSet", TEMPLATE),
    ("extensions", "ReplicaSet", TEMPLATE),
    ("", "ReplicationController", TEMPLATE),
    ("batch", "Job", TEMPLATE),
    ("batch", "CronJob", JOB_TEMPLATE),
    ("argoproj.io", "Rollout", TEMPLATE),
    ("apps.kruise.io", "CloneSet", TEMPLATE),
    ("apps.kruise.io", "StatefulSet", TEMPLATE),
    ("apps.kruise.io", "DaemonSet", TEMPLATE),
    ("apps.openshift.io", "DeploymentConfig", TEMPLATE),
    ("serving.knative.dev", "Service", TEMPLATE),
];

/// Kinds whose fields are read as they stand; no kind means every kind of the group.
const CONFIGURATION: &[(&str, Option<&str>)] = &[
    ("", Some("Namespace")),
    ("kustomize.config.k8s.io", None),
    ("kustomize.toolkit.fluxcd.io", Some("Kustomization")),
    ("source.toolkit.fluxcd.io", None),
    ("helm.toolkit.fluxcd.io", Some("HelmRelease")),
    ("argoproj.io", Some("Application")),
    ("argoproj.io", Some("ApplicationSet")),
    ("argoproj.io", Some("AppProject")),
    ("argoproj.io", Some(SOURCE_OVERRIDE)),
    (
        "admissionregistration.k8s.io",
        Some("MutatingWebhookConfiguration"),
    ),
    ("sailoperator.io", None),
    ("operator.istio.io", None),
    ("install.istio.io", None),
    ("networking.istio.io", Some("ProxyConfig")),
];

/// What an object of this identity is to meshroll; none for most objects.
pub(crate) fn role_of(group: &str, kind: &str, name: &str) -> Option<Role> {
    if (group, kind) == ("", "Pod") {
        return Some(Role::Pod);
    }
    if let Some((_, _, path)) = WORKLOADS
        .iter()
        .find(|(workload_group, workload, _)| *workload_group == group && *workload == kind)
    {
        return Some(Role::Workload(path));
    }
    let configures = CONFIGURATION.iter().any(|(of_group, of_kind)| {
        *of_group == group && of_kind.is_none_or(|of_kind| of_kind == kind)
    });
    let is_map = (group, kind) == ("", "ConfigMap") && is_configuration_map(name);
    let is_istiod = (group, kind) == ("", "Service") && name.starts_with("istiod");
    (configures || is_map || is_istiod).then_some(Role::Configuration)
}

/// Whether a kind is a workload's, for a template whose group cannot be told. `Service` is almost
/// always the core group's.
pub(crate) fn is_workload_kind(kind: &str) -> bool {
    let is_workload = WORKLOADS.iter().any(|(_, workload, _)| *workload == kind);
    kind == "Pod" || (is_workload && kind != "Service")
}

/// Whether a ConfigMap of this name configures Argo CD or the mesh.
fn is_configuration_map(name: &str) -> bool {
    name == "argocd-cm" || name.starts_with("istio")
}

/// The kind that is given to a file of parameter overrides, which has none of its own.
pub(crate) const SOURCE_OVERRIDE: &str = "ApplicationSource";

/// Whether a file of this name overrides parameters of Argo CD's sources:
/// `.argocd-source.yaml`, `.argocd-source-<application>.yaml`.
pub(crate) fn is_source_override(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_prefix(".argocd-source")
        .and_then(|rest| rest.strip_suffix(".yaml"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether a file of this name is a `kustomization.yaml`, which needs neither kind nor version.
pub(crate) fn is_kustomization_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(
        name,
        "kustomization.yaml" | "kustomization.yml" | "Kustomization"
    )
}

#[cfg(test)]
mod tests {
    use super::{JOB_TEMPLATE, Role, TEMPLATE, is_kustomization_file, role_of};

    #[track_caller]
    fn check(group: &str, kind: &str, name: &str, expected: Option<Role>) {
        assert_eq!(
            role_of(group, kind, name),
            expected,
            "{group}/{kind} {name}"
        );
    }

    #[test]
    fn workloads_have_their_template_path() {
        check("apps", "Deployment", "a", Some(Role::Workload(TEMPLATE)));
        check("batch", "CronJob", "a", Some(Role::Workload(JOB_TEMPLATE)));
        check("", "Pod", "a", Some(Role::Pod));
        check(
            "serving.knative.dev",
            "Service",
            "a",
            Some(Role::Workload(TEMPLATE)),
        );
        check("", "Service", "a", None);
        check("example.com", "Deployment", "a", None);
    }

    #[test]
    fn configuration_is_read_by_group_kind_and_name() {
        check("", "Namespace", "shop", Some(Role::Configuration));
        check("", "ConfigMap", "argocd-cm", Some(Role::Configuration));
        check(
            "",
            "ConfigMap",
            "istio-sidecar-injector-canary",
            Some(Role::Configuration),
        );
        check("", "ConfigMap", "settings", None);
        check(
            "source.toolkit.fluxcd.io",
            "OCIRepository",
            "a",
            Some(Role::Configuration),
        );
        check("argoproj.io", "Application", "a", Some(Role::Configuration));
        check("argoproj.io", "Workflow", "a", None);
    }

    #[test]
    fn kustomizations_are_known_by_their_file_name() {
        for path in [
            "kustomization.yaml",
            "a/b/kustomization.yml",
            "Kustomization",
        ] {
            assert!(is_kustomization_file(path), "{path}");
        }
        assert!(!is_kustomization_file("a/my-kustomization.yaml"));
    }
}
