//! Restart marks: what a template says it was restarted for, and when.

use jiff::Timestamp;

use crate::config::AnnotationKeys;
use crate::manifest::{Object, StringMap};
use crate::mesh::Stamp;
use crate::snapshot::LiveWorkload;

/// The stamp and the restart time that a template carries, in Git or live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The stamp as it is written.
    pub text: Option<String>,
    /// The stamp, where the text is one.
    pub stamp: Option<Stamp>,
    /// The restart time, where the text is one; instants are compared, never strings.
    pub restarted_at: Option<Timestamp>,
}

impl Marks {
    /// The marks of a manifest.
    #[must_use]
    pub fn in_git(object: &Object, keys: &AnnotationKeys) -> Self {
        let Some(workload) = object.workload() else {
            return Self::default();
        };
        if is_argo_rollout(&object.reference.group, &object.reference.kind) {
            let restart_at = workload
                .spec
                .get("restartAt")
                .and_then(|value| value.as_str());
            return Self::read(&object.annotations, restart_at, keys);
        }
        let annotations = &workload.template.metadata.annotations;
        Self::read(annotations, restart_time(annotations, keys), keys)
    }

    /// The marks of a live object.
    pub(super) fn live(live: &LiveWorkload, keys: &AnnotationKeys) -> Self {
        if is_argo_rollout(&live.reference.group, &live.reference.kind) {
            let restart_at = live.spec.get("restartAt").and_then(|value| value.as_str());
            return Self::read(&live.metadata.annotations, restart_at, keys);
        }
        let Some(template) = &live.template else {
            return Self::default();
        };
        let annotations = &template.metadata.annotations;
        Self::read(annotations, restart_time(annotations, keys), keys)
    }

    fn read(annotations: &StringMap, restarted_at: Option<&str>, keys: &AnnotationKeys) -> Self {
        let text = annotations.get(&keys.restarted_for).cloned();
        Self {
            stamp: text.as_deref().and_then(|text| text.parse().ok()),
            text,
            restarted_at: restarted_at.and_then(|time| time.parse().ok()),
        }
    }

    /// Whether the stamp names the same sidecar as the expected one, whatever the attempt.
    pub(super) fn is_for(&self, expected: &Stamp) -> bool {
        self.stamp
            .as_ref()
            .is_some_and(|stamp| stamp.same_target(expected))
    }
}

fn restart_time<'a>(annotations: &'a StringMap, keys: &AnnotationKeys) -> Option<&'a str> {
    annotations
        .get(keys.restarted_at.as_ref()?)
        .map(String::as_str)
}

/// An Argo Rollout carries the stamp in its own metadata and restarts by `spec.restartAt`.
pub(crate) fn is_argo_rollout(group: &str, kind: &str) -> bool {
    group == "argoproj.io" && kind == "Rollout"
}
