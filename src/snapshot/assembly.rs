//! The assembly: objects from any number of inputs become one snapshot.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::document::ListMetadata;
use super::gaps::gaps;
use super::items::ItemReader;
use super::kinds::{Kind, Role, find};
use super::merge::{InputFacts, Merge, Sighting, Sightings};
use super::object::{Context, Found, Item, TypeMeta};
use super::pool::Pool;
use super::{
    CAPTURE_INFERRED, CAPTURED_AT, CLUSTER_UID, Capture, ClusterObject, ClusterSnapshot,
    HELD_KINDS, HeldKind, Injection, LiveWorkload, Metadata, Pod, ReplicaSet, SnapshotError,
};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{ObjectRef, group_of};

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    annotation_keys: Arc<[String]>,
    pool: Arc<Pool>,
    namespaces: Sightings<Metadata>,
    pods: Sightings<Pod>,
    replica_sets: Sightings<ReplicaSet>,
    workloads: Sightings<LiveWorkload>,
    objects: Sightings<ClusterObject>,
    injections: Sightings<Injection>,
    held: BTreeSet<HeldKind>,
    inputs: Vec<InputFacts>,
    /// UIDs that `kube-system` was seen with.
    cluster_uids: BTreeSet<String>,
    has_secrets: bool,
    seen: usize,
}

impl Assembly {
    pub(super) fn new(annotation_keys: Vec<String>) -> Self {
        Self {
            annotation_keys: annotation_keys.into(),
            ..Self::default()
        }
    }

    /// What reading an item may look at.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            annotation_keys: &self.annotation_keys,
            previous: self.pods.last().map(|sighting| &sighting.value),
            repeats: None,
        }
    }

    /// How the items of a List are read beside the rest of it.
    pub(super) fn item_reader(&self, typed: Option<TypeMeta<'static>>) -> ItemReader {
        ItemReader {
            typed,
            annotation_keys: Arc::clone(&self.annotation_keys),
            pool: Arc::clone(&self.pool),
            repeats: RefCell::default(),
        }
    }

    /// Notes that a kind is covered, be it with no object.
    pub(super) fn hold(&mut self, type_meta: &TypeMeta<'_>) {
        let group = group_of(&type_meta.api_version);
        if find(group, &type_meta.kind).is_some() {
            self.hold_kind(group, &type_meta.kind);
        }
    }

    /// As [`Assembly::hold`], for a kind that is known.
    pub(super) fn hold_kind(&mut self, group: &str, kind: &str) {
        let held = |held: &HeldKind| held.group == group && held.kind == kind;
        if !self.held.iter().any(held) {
            self.held.insert(HeldKind {
                group: group.to_owned(),
                kind: kind.to_owned(),
            });
        }
    }

    /// How many items were taken in.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Forgets every object of a kind, and that the kind is covered.
    pub(super) fn discard(&mut self, kind: &Kind) {
        self.held
            .retain(|held| (held.group.as_str(), held.kind.as_str()) != (kind.group, kind.kind));
        let differs = |reference: &ObjectRef| {
            (reference.group.as_str(), reference.kind.as_str()) != (kind.group, kind.kind)
        };
        match kind.role {
            Role::Namespace => self.namespaces.clear(),
            Role::Pod => self.pods.clear(),
            Role::ReplicaSet => self.replica_sets.clear(),
            Role::Workload | Role::CronWorkload => {
                self.workloads.retain(|it| differs(&it.value.reference));
            }
            Role::Object => self.objects.retain(|it| differs(&it.value.reference)),
        }
    }

    /// Notes when everything was taken.
    pub(super) fn captured(&mut self, at: Timestamp) {
        self.inputs.push(InputFacts {
            captured_at: Some(at),
            inferred: false,
        });
    }

    /// Takes in one item.
    pub(super) fn add(&mut self, mut item: Item) {
        if let Item::Kept { found, .. } = &mut item {
            self.pool.share(found);
        }
        self.add_shared(item);
    }

    /// As [`Assembly::add`], for an item that shares already what it can.
    pub(super) fn add_shared(&mut self, item: Item) {
        self.seen += 1;
        let input = self.inputs.len();
        match item {
            Item::Kept {
                kind,
                found,
                version,
            } => {
                self.hold_kind(kind.group, kind.kind);
                self.add_found(found, version, input);
            }
            Item::Injection(injection) => self.injections.push(Sighting {
                value: *injection,
                version: None,
                input,
            }),
            Item::Passed(kind) => self.hold_kind(kind.group, kind.kind),
            Item::Secret => self.has_secrets = true,
            Item::Other | Item::Untyped => {}
        }
    }

    fn add_found(&mut self, found: Found, version: Option<u64>, input: usize) {
        fn sighting<T>(value: T, version: Option<u64>, input: usize) -> Sighting<T> {
            Sighting {
                value,
                version,
                input,
            }
        }
        match found {
            Found::Namespace(metadata) => {
                if metadata.name == "kube-system" && !metadata.uid.is_empty() {
                    self.cluster_uids.insert(metadata.uid.clone());
                }
                self.namespaces.push(sighting(*metadata, version, input));
            }
            Found::Pod(pod) => self.pods.push(sighting(*pod, version, input)),
            Found::ReplicaSet(set) => self.replica_sets.push(sighting(*set, version, input)),
            Found::Workload(live) => self.workloads.push(sighting(*live, version, input)),
            Found::Object(object) => self.objects.push(sighting(*object, version, input)),
        }
    }

    /// Ends an input, with what its outermost metadata says.
    ///
    /// # Errors
    ///
    /// When that is a recording's, and does not read as one.
    pub(super) fn end_input(&mut self, metadata: &ListMetadata) -> Result<(), String> {
        let annotations = &metadata.annotations;
        let captured_at = match annotations.get(CAPTURED_AT) {
            Some(written) => match written.parse() {
                Ok(time) => Some(time),
                Err(_) => return Err(format!("{CAPTURED_AT} is {written:?}, which is no time")),
            },
            None => None,
        };
        let held = annotations.get(HELD_KINDS).map_or("", String::as_str);
        for resource in held.split(',').filter(|resource| !resource.is_empty()) {
            let (kind, group) = resource.split_once('.').unwrap_or((resource, ""));
            self.hold_kind(group, kind);
        }
        self.cluster_uids
            .extend(annotations.get(CLUSTER_UID).cloned());
        self.inputs.push(InputFacts {
            captured_at,
            inferred: annotations.contains_key(CAPTURE_INFERRED),
        });
        Ok(())
    }

    /// The snapshot, and what was odd about its inputs.
    ///
    /// # Errors
    ///
    /// When there is no pod, or the inputs are of two clusters.
    pub(super) fn finish(self) -> Result<(ClusterSnapshot, Vec<Diagnostic>), SnapshotError> {
        if self.pods.is_empty() {
            return Err(SnapshotError::NoPods);
        }
        let cluster_uid = cluster_uid(self.cluster_uids)?;
        let mut diagnostics = Vec::new();
        if self.has_secrets {
            diagnostics.push(
                Diagnostic::warning(
                    DiagnosticCode::SnapshotHoldsSecrets,
                    "the snapshot holds Secrets, which are never looked at",
                )
                .hint("leave secrets out of what is recorded"),
            );
        }
        let mut merge = Merge::new(&self.inputs, &mut diagnostics);
        let namespaces = merge.unique(self.namespaces);
        let mut snapshot = ClusterSnapshot {
            capture: Capture::default(),
            namespaces: BTreeMap::new(),
            pods: merge.unique(self.pods),
            replica_sets: merge.unique(self.replica_sets),
            workloads: merge.unique(self.workloads),
            objects: merge.unique(self.objects),
            injections: Vec::new(),
            held: self.held,
        };
        let injections = merge.unique(of_newest(&self.inputs, self.injections));
        snapshot.namespaces = namespaces
            .into_iter()
            .map(|metadata| (metadata.name.clone(), metadata))
            .collect();
        let (captured_at, inferred) = captured_at(&self.inputs, &snapshot);
        snapshot.capture = Capture {
            cluster_uid,
            captured_at,
            inferred,
        };
        diagnostics.extend(gaps(&snapshot).diagnostics());
        diagnostics.extend(snapshot.add_injections(injections));
        Ok((snapshot, diagnostics))
    }
}

/// The one cluster that the inputs are of.
fn cluster_uid(seen: BTreeSet<String>) -> Result<Option<String>, SnapshotError> {
    let mut seen = seen.into_iter();
    match (seen.next(), seen.next()) {
        (Some(first), Some(second)) => Err(SnapshotError::TwoClusters { first, second }),
        (first, _) => Ok(first),
    }
}

/// The results of the newest recordings: what an older one was told says nothing of the control
/// plane that a newer one holds.
fn of_newest(inputs: &[InputFacts], injections: Sightings<Injection>) -> Sightings<Injection> {
    let newest = inputs.iter().filter_map(|facts| facts.captured_at).max();
    let is_newest = |sighting: &Sighting<Injection>| {
        let facts = inputs.get(sighting.input);
        facts.and_then(|facts| facts.captured_at) == newest
    };
    injections.into_iter().filter(is_newest).collect()
}

/// When the oldest recording among the inputs was taken; the newest time in the objects where none
/// of them is one.
fn captured_at(inputs: &[InputFacts], snapshot: &ClusterSnapshot) -> (Option<Timestamp>, bool) {
    let recorded = inputs.iter().filter_map(|facts| facts.captured_at).min();
    match recorded {
        Some(_) => (recorded, inputs.iter().any(|facts| facts.inferred)),
        None => (newest_timestamp(snapshot), true),
    }
}

/// The newest time at which something in the snapshot was created or changed.
fn newest_timestamp(snapshot: &ClusterSnapshot) -> Option<Timestamp> {
    let pods = snapshot
        .pods
        .iter()
        .flat_map(|pod| [pod.metadata.creation_timestamp, pod.status.ready_since]);
    let created = snapshot
        .namespaces
        .values()
        .chain(snapshot.replica_sets.iter().map(|set| &set.metadata))
        .chain(snapshot.workloads.iter().map(|live| &live.metadata))
        .chain(snapshot.objects.iter().map(|object| &object.metadata))
        .flat_map(|metadata| [metadata.creation_timestamp, metadata.managed_at]);
    pods.chain(created).flatten().max()
}
