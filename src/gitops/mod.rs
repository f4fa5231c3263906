//! GitOps delivery: which file of the repository makes which object of the cluster, through which
//! engine, and what keeps a commit from arriving.
//!
//! The rules are those of `spec/gitops.md` §1 and §2.

use jiff::Timestamp;

use crate::config::Policy;
use crate::diagnostic::{Diagnostic, codes};
use crate::manifest::{ManifestFile, ManifestSet, Object, ObjectRef};
use crate::reason::Reason;
use crate::rollout::Member;
use crate::snapshot::ClusterSnapshot;

codes! {
    /// What keeps a commit from reaching the cluster.
    pub enum BlockerCode {
        ManualSync = "manual-sync": "The Application does not sync by itself: somebody must press Sync.",
    }
}

/// Something that keeps a commit from reaching the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blocker {
    /// The stable code.
    pub code: BlockerCode,
    /// The object that causes it: `Application argocd/shop`.
    pub object: String,
    /// The field of it that causes it.
    pub field: String,
    /// What is the case and what to do about it.
    pub message: String,
}

/// The engine that delivers a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Argo CD.
    ArgoCd,
    /// Flux.
    Flux,
}

impl Engine {
    /// As it stands in plan JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ArgoCd => "argo-cd",
            Self::Flux => "flux",
        }
    }
}

/// What carries a file to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The engine.
    pub engine: Engine,
    /// `namespace/name` of the Application or Kustomization.
    pub name: String,
    /// What keeps a commit from arriving, sorted.
    pub blockers: Vec<Blocker>,
}

/// Where a live workload comes from.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// This object of this file makes it.
    Manifest {
        /// The file.
        file: &'a ManifestFile,
        /// The object in it.
        object: &'a Object,
        /// Whether something changes the pod template on its way to the cluster.
        transformed: bool,
    },
    /// No manifest that meshroll may edit makes it; the reason says what does, and the remedy.
    Elsewhere(Reason),
}

/// Where a live workload comes from, and what delivers it.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    /// The manifest, or why there is none to edit.
    pub source: Source<'a>,
    /// The engine that carries it, where one could be told.
    pub delivery: Option<Delivery>,
}

/// The map from live workloads to manifests.
#[derive(Debug)]
pub struct DeliveryMap<'a> {
    manifests: &'a ManifestSet,
}

impl<'a> DeliveryMap<'a> {
    /// Works out which manifests make which objects of the cluster.
    ///
    /// `now` is the time at which sync windows are looked at.
    #[must_use]
    pub fn new(
        manifests: &'a ManifestSet,
        _snapshot: &'a ClusterSnapshot,
        _policy: &'a Policy,
        _now: Timestamp,
    ) -> (Self, Vec<Diagnostic>) {
        (Self { manifests }, Vec::new())
    }

    /// Where a live workload comes from.
    #[must_use]
    pub fn origin(&self, member: &Member<'_>) -> Origin<'a> {
        let _ = (self.manifests, &member.reference);
        let reference: &ObjectRef = &member.reference;
        let message = format!("no manifest in the repository makes {reference}");
        Origin {
            source: Source::Elsewhere(Reason::new(crate::reason::ReasonCode::NotInGit, message)),
            delivery: None,
        }
    }
}
