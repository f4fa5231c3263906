//! GitOps delivery: which file of the repository makes which object of the cluster, through which
//! engine, and what keeps a commit from arriving.
//!
//! The rules are those of `spec/gitops.md` §1 and §2.

#[cfg(test)]
pub(crate) mod fixture;
mod kustomize;
mod origin;
mod ownership;
mod path;
mod placement;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::config::Policy;
use crate::diagnostic::{Diagnostic, codes};
use crate::manifest::{ManifestFile, ManifestSet, Object};
use crate::reason::Reason;
use crate::snapshot::ClusterSnapshot;
use kustomize::Kustomizations;
use placement::Placements;

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
    placements: Placements,
}

impl<'a> DeliveryMap<'a> {
    /// Works out which manifests make which objects of the cluster.
    ///
    /// Every manifest counts as this cluster's. `now` is the time at which sync windows are looked
    /// at.
    #[must_use]
    pub fn new(
        manifests: &'a ManifestSet,
        snapshot: &'a ClusterSnapshot,
        policy: &'a Policy,
        now: Timestamp,
    ) -> (Self, Vec<Diagnostic>) {
        Self::in_repository(manifests, &[], snapshot, policy, now)
    }

    /// Works out which manifests make which objects of the cluster, in a repository of which only
    /// some directories belong to it.
    ///
    /// `manifests` is the whole repository: a base outside of `paths` is found, and what other
    /// clusters make of it is known, so that it is not edited behind their backs.
    #[must_use]
    pub fn in_repository(
        manifests: &'a ManifestSet,
        paths: &[String],
        _snapshot: &'a ClusterSnapshot,
        _policy: &'a Policy,
        _now: Timestamp,
    ) -> (Self, Vec<Diagnostic>) {
        let kustomizations = Kustomizations::new(manifests);
        let mut placements = Placements::default();
        placement::add_implicit(
            &mut placements,
            manifests,
            &kustomizations,
            &BTreeSet::new(),
            paths,
        );
        let map = Self {
            manifests,
            placements,
        };
        (map, Vec::new())
    }
}
