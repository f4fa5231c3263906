//! Merging: objects that are there twice become one.
//!
//! The newest `resourceVersion` wins, then the newest capture, then the later input. Where the two
//! differ, a diagnostic says so.

use jiff::Timestamp;

use super::{ClusterObject, Injection, LiveWorkload, Metadata, Pod, ReplicaSet};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::ObjectRef;

/// What an input says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct InputFacts {
    /// When it was taken.
    pub(super) captured_at: Option<Timestamp>,
    /// Whether that was inferred when it was recorded.
    pub(super) inferred: bool,
}

/// An object, and what decides between it and another sight of it.
#[derive(Debug)]
pub(super) struct Sighting<T> {
    pub(super) value: T,
    /// `resourceVersion`.
    pub(super) version: Option<u64>,
    /// Which input it is from.
    pub(super) input: usize,
}

pub(super) type Sightings<T> = Vec<Sighting<T>>;

/// Something that has an identity in the cluster.
pub(super) trait Identified: PartialEq {
    /// Group, kind, namespace and name, in which order objects are sorted.
    fn identity(&self) -> [&str; 4];
}

impl Identified for Metadata {
    fn identity(&self) -> [&str; 4] {
        ["", "Namespace", "", &self.name]
    }
}

impl Identified for Pod {
    fn identity(&self) -> [&str; 4] {
        let Metadata {
            namespace, name, ..
        } = &self.metadata;
        ["", "Pod", namespace, name]
    }
}

impl Identified for ReplicaSet {
    fn identity(&self) -> [&str; 4] {
        let Metadata {
            namespace, name, ..
        } = &self.metadata;
        ["apps", "ReplicaSet", namespace, name]
    }
}

impl Identified for LiveWorkload {
    fn identity(&self) -> [&str; 4] {
        parts(&self.reference)
    }
}

impl Identified for ClusterObject {
    fn identity(&self) -> [&str; 4] {
        parts(&self.reference)
    }
}

impl Identified for Injection {
    fn identity(&self) -> [&str; 4] {
        parts(&self.workload)
    }
}

fn parts(reference: &ObjectRef) -> [&str; 4] {
    let ObjectRef {
        group,
        kind,
        namespace,
        name,
    } = reference;
    [group, kind, namespace, name]
}

/// Merges the objects of several inputs.
pub(super) struct Merge<'m> {
    inputs: &'m [InputFacts],
    diagnostics: &'m mut Vec<Diagnostic>,
}

impl<'m> Merge<'m> {
    /// Of these inputs; what is odd becomes a diagnostic.
    pub(super) fn new(inputs: &'m [InputFacts], diagnostics: &'m mut Vec<Diagnostic>) -> Self {
        Self {
            inputs,
            diagnostics,
        }
    }

    /// Sorts by identity and keeps the best sight of each object.
    pub(super) fn unique<T: Identified>(&mut self, mut sightings: Sightings<T>) -> Vec<T> {
        sightings.sort_by(|a, b| a.value.identity().cmp(&b.value.identity()));
        sightings.dedup_by(|other, kept| {
            let is_same = other.value.identity() == kept.value.identity();
            if is_same {
                self.contradict(kept, other);
                if self.is_newer(other, kept) {
                    std::mem::swap(other, kept);
                }
            }
            is_same
        });
        sightings
            .into_iter()
            .map(|sighting| sighting.value)
            .collect()
    }

    fn contradict<T: Identified>(&mut self, kept: &Sighting<T>, other: &Sighting<T>) {
        if kept.value == other.value {
            return;
        }
        let [group, kind, namespace, name] = kept.value.identity();
        let reference = ObjectRef::new(group, kind, namespace, name);
        let message = format!("{reference} is there twice, with different contents");
        let contradiction = DiagnosticCode::SnapshotContradiction;
        self.diagnostics
            .push(Diagnostic::warning(contradiction, message));
    }

    fn is_newer<T>(&self, other: &Sighting<T>, kept: &Sighting<T>) -> bool {
        let captured = |sighting: &Sighting<T>| {
            let facts = self.inputs.get(sighting.input);
            facts.and_then(|facts| facts.captured_at)
        };
        match (kept.version, other.version) {
            (Some(kept), Some(other)) if kept != other => other > kept,
            _ => captured(other) >= captured(kept),
        }
    }
}
