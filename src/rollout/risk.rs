//! Risks: what a restart puts at stake, in the numbers of the case.

use super::{Member, Risk};
use crate::snapshot::ClusterSnapshot;

/// What a restart puts at risk, sorted by code.
pub(super) fn risks(_member: &Member<'_>, _snapshot: &ClusterSnapshot) -> Vec<Risk> {
    Vec::new()
}

/// Whether a delivery would scale an autoscaled workload back.
pub(super) fn replicas_in_git(
    _member: &Member<'_>,
    _snapshot: &ClusterSnapshot,
    _spec: &serde_json::Value,
) -> Option<Risk> {
    None
}
