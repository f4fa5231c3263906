//! Written fields: where a restart writes in an object, which is what rules about ignored
//! differences are held against.

use crate::config::AnnotationKeys;
use crate::rollout::WorkloadKind;

/// One field that a restart writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrittenField {
    /// Keys from the object's root.
    pub(super) path: Vec<String>,
    /// Whether the field by itself makes the controller restart the pods.
    pub(super) restarts: bool,
}

impl WrittenField {
    fn new(path: &[&str], restarts: bool) -> Self {
        Self {
            path: path.iter().map(|key| (*key).to_owned()).collect(),
            restarts,
        }
    }

    /// The last key: an annotation's, or `restartAt`.
    pub(super) fn key(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// As a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        self.path
            .iter()
            .map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1")))
            .collect()
    }
}

/// The fields that a restart of a kind writes: the stamp first.
pub(super) fn written(kind: WorkloadKind, keys: &AnnotationKeys) -> Vec<WrittenField> {
    if kind == WorkloadKind::Rollout {
        return vec![
            WrittenField::new(&["metadata", "annotations", &keys.restarted_for], false),
            WrittenField::new(&["spec", "restartAt"], true),
        ];
    }
    let annotation =
        |key: &str| WrittenField::new(&["spec", "template", "metadata", "annotations", key], true);
    let restarted_at = keys.restarted_at.as_deref().map(annotation);
    [annotation(&keys.restarted_for)]
        .into_iter()
        .chain(restarted_at)
        .collect()
}
