//! Upgrades: the control plane that a revision of the repository asks for, laid over a snapshot, and
//! whether Istio supports the way there.
//!
//! A pull request that bumps Istio restarts nothing and makes much stale. This stage answers, before
//! the merge, what that will be: the repository's namespaces, webhooks, ConfigMaps and istiods are
//! put into the snapshot as if the engine had applied them and istiod had settled; everything after
//! it sees a snapshot like any other. Where the repository holds charts and not what they render,
//! only the target version is known, and that is said.

mod assumed_version;
mod desired;
mod overlay;
mod path;
mod target;
mod webhook;

pub use desired::Desired;
pub use path::check;

use crate::diagnostic::{Diagnostic, Location};
use crate::manifest::ObjectRef;
use crate::snapshot::ClusterSnapshot;

/// A snapshot as it would be once the repository is applied.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// The snapshot with the repository's mesh in it.
    pub snapshot: ClusterSnapshot,
    /// What that changes, sorted by identity.
    pub changes: Vec<Change>,
}

/// One object of the mesh that the repository wants otherwise than the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The object.
    pub object: ObjectRef,
    /// What is different, from → to, in words.
    pub what: String,
    /// Where the repository says so; none for what it no longer holds.
    pub location: Option<Location>,
}

/// Lays what the repository wants of the mesh over a snapshot.
///
/// `base` is what the repository wanted before the change, where that is known: what it held and the
/// new revision does not is taken away, as an engine that prunes does.
#[must_use]
pub fn assume_applied(
    snapshot: &ClusterSnapshot,
    desired: &Desired,
    base: Option<&Desired>,
) -> (Upgrade, Vec<Diagnostic>) {
    let mut overlay = overlay::Overlay::new(snapshot);
    overlay.objects(desired, base);
    overlay.targets(desired);
    overlay.finish()
}

#[cfg(test)]
mod tests;
