//! Snapshots: the bytes of a recorded cluster become a [`ClusterSnapshot`].
//!
//! A snapshot is what `kubectl get … -A -o json` prints: one `List`, several files, a directory.
//! Pods are streamed into the few fields that the model uses; they never become a DOM. Secrets are
//! never looked at.
//!
//! `source` reads an input piece by piece and `chunk` has every core read the items of a piece,
//! while `window` holds the part of an input that is in memory and `document` and `yaml` cut out of
//! it what was not read ahead. `json` and serde read values, `object` and `pod` keep of each what
//! [`KINDS`] says, and `assembly` makes one snapshot of all of them.

mod assembly;
mod chunk;
mod collect;
mod compression;
mod document;
mod fields;
mod freshness;
mod gaps;
mod injection;
mod items;
mod json;
mod keep;
mod kinds;
mod list;
mod merge;
mod metadata;
mod object;
mod pod;
mod pool;
mod record;
mod source;
mod text;
mod whole;
mod window;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use collect::{Collector, Page};
pub use freshness::{DEFAULT_MAX_AGE, Freshness};
pub use gaps::{Gaps, gaps};
pub use injection::{CreateRefusal, Injection, InjectionOutcome, template_digest};
pub use kinds::{KINDS, Kind, Role};
pub use record::record;
pub use whole::{WholePage, WholeWorkload, whole_page};

use self::assembly::Assembly;
use self::document::ListMetadata;
use self::window::{Fault, Window};
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::manifest::{ObjectRef, PodSpec, PodTemplate, StringMap, gives_affix, group_of};

/// The state of one cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterSnapshot {
    /// Where and when it was taken.
    pub capture: Capture,
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, Metadata>,
    /// Pods, sorted by namespace and name.
    pub pods: Vec<Pod>,
    /// ReplicaSets, sorted by namespace and name.
    pub replica_sets: Vec<ReplicaSet>,
    /// Every other object that owns pods through a template: Deployments, StatefulSets, DaemonSets,
    /// Jobs, CronJobs, ReplicationControllers, Argo Rollouts, OpenKruise kinds, DeploymentConfigs,
    /// Knative Services; sorted by identity.
    pub workloads: Vec<LiveWorkload>,
    /// All other objects of interest, sorted by identity.
    pub objects: Vec<ClusterObject>,
    /// What dry runs of the workloads' next pods gave, where they were made; sorted by the
    /// workload's identity.
    pub injections: Vec<Injection>,
    /// Which kinds the snapshot is known to hold (also those of which there is no object).
    pub held: BTreeSet<HeldKind>,
}

/// A kind that a snapshot covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldKind {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
}

/// Where and when a snapshot was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// UID of the `kube-system` namespace, which identifies the cluster.
    pub cluster_uid: Option<String>,
    /// When it was taken.
    pub captured_at: Option<Timestamp>,
    /// Whether [`Capture::captured_at`] is only the newest timestamp found in the objects.
    pub inferred: bool,
}

/// `metadata` of a live object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Name.
    pub name: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Labels.
    pub labels: StringMap,
    /// Annotations.
    pub annotations: StringMap,
    /// Owners.
    pub owner_references: Vec<OwnerReference>,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// When the object was created.
    pub creation_timestamp: Option<Timestamp>,
    /// When its deletion began.
    pub deletion_timestamp: Option<Timestamp>,
    /// Newest time in `managedFields` (kept for the control plane's objects only).
    pub managed_at: Option<Timestamp>,
}

impl Metadata {
    /// The owner that controls the object.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// One entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerReference {
    /// `apiVersion` of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner, in the same namespace or cluster-scoped.
    pub name: String,
    /// UID of the owner.
    pub uid: String,
    /// Whether it is the managing controller.
    pub controller: bool,
}

/// A live pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Metadata.
    pub metadata: Metadata,
    /// The spec as it runs, after injection, without the name of its node. Pods of one template
    /// share it.
    pub spec: Arc<PodSpec>,
    /// Status.
    pub status: PodStatus,
}

impl Pod {
    /// Whether another pod has the same spec, labels and annotations, as pods of one template have
    /// that share them; those that are equal without being shared may count as different.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spec, &other.spec)
            && self.metadata.labels == other.metadata.labels
            && self.metadata.annotations == other.metadata.annotations
    }
}

/// The part of a pod's status that matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
    pub phase: String,
    /// Whether the `Ready` condition is true.
    pub ready: bool,
    /// Last transition of the `Ready` condition.
    pub ready_since: Option<Timestamp>,
    /// Reasons of containers that wait (`CrashLoopBackOff`, `ImagePullBackOff`, …), sorted, unique.
    pub waiting_reasons: Vec<String>,
}

/// A live ReplicaSet: a link between pods and their Deployment or Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaSet {
    /// `apiVersion` as read.
    pub api_version: String,
    /// Metadata.
    pub metadata: Metadata,
    /// `spec.replicas`, 1 where absent.
    pub replicas: i64,
    /// `status.replicas`.
    pub current_replicas: i64,
    /// `status.readyReplicas`.
    pub ready_replicas: i64,
    /// The pod template, kept only where no controller owns the ReplicaSet.
    pub template: Option<Box<PodTemplate>>,
}

/// A live object with a pod template.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveWorkload {
    /// `apiVersion` as read.
    pub api_version: String,
    /// Identity.
    pub reference: ObjectRef,
    /// Metadata.
    pub metadata: Metadata,
    /// The pod template; absent where the object refers to another's (`workloadRef`).
    pub template: Option<PodTemplate>,
    /// `spec` without the pod template.
    pub spec: Value,
    /// `status`.
    pub status: Value,
}

/// Any other live object of interest.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterObject {
    /// `apiVersion` as read.
    pub api_version: String,
    /// Identity.
    pub reference: ObjectRef,
    /// Metadata.
    pub metadata: Metadata,
    /// Everything but `apiVersion`, `kind` and `metadata`.
    pub body: Value,
}

impl ClusterSnapshot {
    /// The objects of a kind, in order of identity.
    pub fn objects_of<'a>(
        &'a self,
        group: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a ClusterObject> + 'a {
        self.objects
            .iter()
            .filter(move |object| object.reference.group == group && object.reference.kind == kind)
    }

    /// The object of this identity.
    #[must_use]
    pub fn object(&self, reference: &ObjectRef) -> Option<&ClusterObject> {
        let position = self
            .objects
            .binary_search_by(|object| object.reference.cmp(reference));
        self.objects.get(position.ok()?)
    }

    /// The workload of this identity.
    #[must_use]
    pub fn workload(&self, reference: &ObjectRef) -> Option<&LiveWorkload> {
        let position = self
            .workloads
            .binary_search_by(|live| live.reference.cmp(reference));
        self.workloads.get(position.ok()?)
    }

    /// Names of everything that a manifest could make and that owns pods: workloads, and pods and
    /// ReplicaSets of nobody; sorted, each once.
    #[must_use]
    pub fn workload_names(&self) -> BTreeSet<&str> {
        let free = |metadata: &&Metadata| metadata.controller().is_none();
        let pods = self.pods.iter().map(|pod| &pod.metadata).filter(free);
        let sets = self
            .replica_sets
            .iter()
            .map(|set| &set.metadata)
            .filter(free);
        let workloads = self.workloads.iter().map(|live| &live.metadata);
        workloads
            .chain(sets)
            .chain(pods)
            .map(|metadata| metadata.name.as_str())
            .collect()
    }

    /// Objects that control workloads or pods and are of no kind that a snapshot holds: the custom
    /// resources of operators.
    #[must_use]
    pub fn operators(&self) -> BTreeSet<ObjectRef> {
        let workloads = self.workloads.iter().map(|live| &live.metadata);
        let sets = self.replica_sets.iter().map(|set| &set.metadata);
        let pods = self.pods.iter().map(|pod| &pod.metadata);
        let is_known = |group: &str, kind: &str| {
            KINDS
                .iter()
                .any(|known| (known.group, known.kind) == (group, kind))
        };
        let owner = |metadata: &Metadata| {
            let owner = metadata.controller()?;
            let group = group_of(&owner.api_version);
            let custom = group.contains('.') && !is_known(group, &owner.kind);
            custom.then(|| ObjectRef::new(group, &*owner.kind, &*metadata.namespace, &*owner.name))
        };
        workloads
            .chain(sets)
            .chain(pods)
            .filter_map(owner)
            .collect()
    }

    /// Whether an Application or a Flux Kustomization of the cluster gives objects another name than
    /// their files do.
    #[must_use]
    pub fn renames(&self) -> bool {
        self.objects.iter().any(|object| gives_affix(&object.body))
    }

    /// What a dry run of a workload's next pod gave; none where none was made.
    #[must_use]
    pub fn injection(&self, workload: &ObjectRef) -> Option<&Injection> {
        let position = self
            .injections
            .binary_search_by(|injection| injection.workload.cmp(workload));
        self.injections.get(position.ok()?)
    }

    /// Puts down what dry runs gave, and tells of those that gave no pod.
    #[must_use]
    pub fn add_injections(&mut self, mut injections: Vec<Injection>) -> Vec<Diagnostic> {
        injections.sort_by(|a, b| a.workload.cmp(&b.workload));
        self.injections = injections;
        injection::diagnostics(&self.injections)
    }

    /// Whether the snapshot covers a kind, be it with no object.
    #[must_use]
    pub fn holds(&self, group: &str, kind: &str) -> bool {
        self.held
            .iter()
            .any(|held| held.group == group && held.kind == kind)
    }
}

/// A snapshot cannot be used at all. The input is at fault.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are neither JSON nor YAML as kubectl prints them.
    #[error("{name}: {message} at byte {offset}")]
    Unparsable {
        /// Name of the input.
        name: String,
        /// What is wrong.
        message: String,
        /// Byte offset of the fault.
        offset: u64,
    },
    /// Reading the bytes failed.
    #[error("{name}: cannot be read")]
    Io {
        /// Name of the input.
        name: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A recording cannot be written. The file is as it was.
    #[error("{name}: cannot be written")]
    Unwritable {
        /// Name of the file.
        name: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The inputs are of different clusters, by the UID of their `kube-system` namespaces.
    #[error("the inputs are of two clusters: kube-system has the UIDs {first} and {second}")]
    TwoClusters {
        /// One of them.
        first: String,
        /// Another.
        second: String,
    },
    /// The snapshot is not of the cluster that the configuration names.
    #[error("the snapshot is of another cluster: kube-system has the UID {found}, not {expected}")]
    OtherCluster {
        /// The UID that is configured.
        expected: String,
        /// The UID in the snapshot, or that there is none.
        found: String,
    },
    /// There is no pod in it.
    #[error("the snapshot holds no pods")]
    NoPods,
}

/// One input of a snapshot: a file, or standard input.
pub struct Input {
    /// Name for messages: the path as given, or `-`.
    pub name: String,
    /// The bytes, possibly compressed.
    pub reader: Box<dyn std::io::Read + Send>,
}

/// Whether a file of a directory can hold objects of a cluster, by its path below the directory.
///
/// What people have are recordings and `kubectl get` output (`*.json`, `*.yaml`, compressed or
/// not), the directories of `kubectl cluster-info dump` (`shop/pods.json`, beside logs), and the
/// `cluster` folder of an `istioctl bug-report`, whose files have no suffix.
#[must_use]
pub fn may_hold_objects(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(name);
    if plain.starts_with('.') {
        return false;
    }
    match plain.rsplit_once('.') {
        Some((_, suffix)) => matches!(suffix, "json" | "yaml" | "yml"),
        None => BUG_REPORT_FILES.contains(&plain),
    }
}

/// Files of a bug report's `cluster` folder that hold objects.
const BUG_REPORT_FILES: &[&str] = &["k8s-resources", "crs"];

/// How a snapshot is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Keep what was read before a fault of an input, which then is a diagnostic.
    pub allow_partial: bool,
    /// Keys of annotations that the policy writes, which are kept besides the known ones.
    pub annotation_keys: Vec<String>,
}

/// When a recording was taken.
const CAPTURED_AT: &str = "meshroll.dev/captured-at";
/// That the time was inferred already when the recording was made.
const CAPTURE_INFERRED: &str = "meshroll.dev/captured-at-inferred";
/// UID of the `kube-system` namespace of a recording's cluster.
const CLUSTER_UID: &str = "meshroll.dev/cluster-uid";
/// The kinds that a recording covers: `Kind` or `Kind.group`, joined by commas.
const HELD_KINDS: &str = "meshroll.dev/held-kinds";

/// Reads a snapshot from its inputs.
///
/// # Errors
///
/// When an input cannot be read or parsed, when there is no pod in any of them, or when they are of
/// different clusters.
pub fn read(inputs: Vec<Input>) -> Result<(ClusterSnapshot, Vec<Diagnostic>), SnapshotError> {
    read_with(inputs, &ReadOptions::default())
}

/// As [`read`], with options.
///
/// # Errors
///
/// As [`read`]; with `allow_partial`, a fault of an input is a diagnostic instead.
pub fn read_with(
    inputs: Vec<Input>,
    options: &ReadOptions,
) -> Result<(ClusterSnapshot, Vec<Diagnostic>), SnapshotError> {
    let mut assembly = Assembly::new(options.annotation_keys.clone());
    let mut diagnostics = Vec::new();
    for input in inputs {
        let name = input.name.clone();
        match read_input(input, &mut assembly) {
            Err(Fault::Syntax { message, offset }) if options.allow_partial => {
                let message =
                    format!("{message} at byte {offset}; what comes after it is not read");
                let unparsable = DiagnosticCode::SnapshotUnparsable;
                diagnostics.push(Diagnostic::error(unparsable, message).at(Location::file(name)));
            }
            Err(fault) => return Err(fault.named(&name)),
            Ok(()) => {}
        }
    }
    let (snapshot, found) = assembly.finish()?;
    diagnostics.extend(found);
    Ok((snapshot, diagnostics))
}

fn read_input(input: Input, assembly: &mut Assembly) -> Result<(), Fault> {
    let mut reader = compression::plain(input.reader).map_err(Fault::Io)?;
    let mut start = Vec::new();
    reader
        .by_ref()
        .take(SNIFF)
        .read_to_end(&mut start)
        .map_err(Fault::Io)?;
    if start.starts_with(BYTE_ORDER_MARK) {
        start.drain(..BYTE_ORDER_MARK.len());
    }
    let length = start.len();
    let first = start.trim_ascii_start().first().copied();
    let whole = Box::new(Cursor::new(start).chain(reader));
    let read = match first {
        None if (length as u64) < SNIFF => Err(Fault::at(0, "an empty input")),
        None | Some(b'{' | b'[') => document::read(&mut Window::new(whole), assembly),
        Some(_) => yaml::read(whole, assembly),
    };
    let (metadata, fault) = match read {
        Ok(metadata) => (metadata, None),
        Err(fault) => (ListMetadata::default(), Some(fault)),
    };
    assembly
        .end_input(&metadata)
        .map_err(|message| Fault::at(0, message))?;
    fault.map_or(Ok(()), Err)
}

/// Bytes that are looked at to tell JSON from YAML.
const SNIFF: u64 = 4096;
/// What some programs write before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod real_data;
#[cfg(test)]
mod tests;
