//! Configuration: `meshroll.yaml` becomes a [`Policy`].
//!
//! Every key is optional and an unknown key is an error, never a guess.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::codes;

codes! {
    /// Classes of drift, as `restartOn` names them.
    pub enum DriftClass {
        Presence = "presence": "The pod has a sidecar and should not, or the other way round.",
        Revision = "revision": "The sidecar was injected by another revision.",
        Version = "version": "The proxy has another version, digest or unrecognisable tag.",
        Variant = "variant": "The proxy is another build of the same version: distroless, debug, FIPS.",
        Registry = "registry": "The proxy comes from another registry, with the same name and version.",
        Shape = "shape": "The sidecar is regular or native, or its init container is another.",
        Config = "config": "The proxy's configuration differs.",
        Resources = "resources": "The proxy's compute resources differ.",
    }
}

/// What the user wants: validated, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Clusters by name.
    pub clusters: BTreeMap<String, ClusterPolicy>,
    /// Which annotations a restart writes.
    pub annotations: AnnotationKeys,
    /// Drift of these classes makes a workload stale.
    pub restart_on: BTreeSet<DriftClass>,
    /// Workloads that are left alone.
    pub exclude: Vec<Exclusion>,
    /// Globs of paths that only a generator may write.
    pub generated: Vec<String>,
    /// When set, everything is held, with this reason.
    pub halt: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            clusters: BTreeMap::new(),
            annotations: AnnotationKeys::default(),
            restart_on: BTreeSet::from([
                DriftClass::Revision,
                DriftClass::Version,
                DriftClass::Config,
            ]),
            exclude: Vec::new(),
            generated: Vec::new(),
            halt: None,
        }
    }
}

/// What belongs to one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterPolicy {
    /// Directories of the repository that belong to it; empty means all.
    pub paths: Vec<String>,
    /// Its recording, relative to the repository root.
    pub snapshot: Option<String>,
    /// UID of its `kube-system` namespace, which a snapshot must match.
    pub uid: Option<String>,
}

/// Keys of the annotations that a restart writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationKeys {
    /// Key of the restart time; none where it is switched off.
    pub restarted_at: Option<String>,
    /// Key of the stamp.
    pub restarted_for: String,
}

/// `kubectl.kubernetes.io/restartedAt`, which `kubectl rollout restart` writes.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// meshroll's own stamp.
pub const RESTARTED_FOR: &str = "meshroll.dev/restarted-for";
/// Opts a workload or a namespace out; the value is the reason.
pub const EXCLUDE: &str = "meshroll.dev/exclude";

impl Default for AnnotationKeys {
    fn default() -> Self {
        Self {
            restarted_at: Some(RESTARTED_AT.into()),
            restarted_for: RESTARTED_FOR.into(),
        }
    }
}

/// Workloads that the configuration leaves alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Globs of namespaces; empty means all.
    pub namespaces: Vec<String>,
    /// Globs of workload names; empty means all.
    pub names: Vec<String>,
    /// Kinds; empty means all.
    pub kinds: Vec<String>,
    /// Why.
    pub reason: String,
    /// Last day of the exclusion, inclusive, UTC.
    pub until: Option<jiff::civil::Date>,
}
