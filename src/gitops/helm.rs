//! Helm: what to add by hand where a release, not a manifest, makes the workload.
//!
//! Source: `spec/gitops.md` §2.6. A strategic-merge patch is used, since a JSON patch fails where
//! the template has no annotations yet.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::AnnotationKeys;
use crate::manifest::ObjectRef;
use crate::rollout::shell_word;

/// The annotation that a restart needs, as key and value.
fn annotation(keys: &AnnotationKeys, now: Timestamp) -> (String, String) {
    let key = keys
        .restarted_at
        .as_deref()
        .unwrap_or(crate::config::RESTARTED_AT);
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
    (key.to_owned(), seconds.to_string())
}

/// The pod annotation as a patch of the workload.
fn patch(reference: &ObjectRef, api_version: &str, keys: &AnnotationKeys, now: Timestamp) -> Value {
    let (key, value) = annotation(keys, now);
    json!({
        "apiVersion": api_version,
        "kind": reference.kind,
        "metadata": {"name": reference.name},
        "spec": {"template": {"metadata": {"annotations": {key: value}}}},
    })
}

/// The post-renderer of a HelmRelease that restarts one workload, in one line of YAML.
pub(super) fn post_renderer(
    reference: &ObjectRef,
    api_version: &str,
    keys: &AnnotationKeys,
    now: Timestamp,
) -> String {
    let patch = patch(reference, api_version, keys, now).to_string();
    let target = json!({"kind": reference.kind, "name": reference.name});
    json!([{"kustomize": {"patches": [{"target": target, "patch": patch}]}}]).to_string()
}

/// The pod annotation as most charts take it, in one line of YAML.
pub(super) fn values(keys: &AnnotationKeys, now: Timestamp) -> String {
    let (key, value) = annotation(keys, now);
    json!({"podAnnotations": {key: value}}).to_string()
}

/// What restarts a workload of a release that no GitOps engine manages.
pub(super) fn rollout_restart(reference: &ObjectRef) -> String {
    let target = format!("{}/{}", reference.kind.to_lowercase(), reference.name);
    format!(
        "kubectl rollout restart -n {} {}",
        shell_word(&reference.namespace),
        shell_word(&target)
    )
}
