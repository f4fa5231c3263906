//! Commit messages, and how meshroll knows its own commits again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::edit::FileEdit;
use crate::text::one_line;
use crate::wave::RestartPlan;

/// Key of the trailer that names what the restarts are for.
pub const TARGET_TRAILER: &str = "Meshroll-Target";
/// Key of the trailer that names what the commit changes, by a digest.
pub const PATCH_TRAILER: &str = "Meshroll-Patch";
/// Key of the trailer that names the snapshot's cluster and capture time.
pub const SNAPSHOT_TRAILER: &str = "Meshroll-Snapshot";

/// Key of the trailer that names the commit that a commit stands on.
pub const BASE_TRAILER: &str = "Meshroll-Base";
/// Key of the trailer that names the cluster by its UID.
pub const CLUSTER_TRAILER: &str = "Meshroll-Cluster";

/// The commit that one of ours was made on, by its message.
#[must_use]
pub fn base_of(message: &str) -> Option<&str> {
    trailer(message, BASE_TRAILER)
}

/// UID of the cluster that a commit of ours is for, by its message.
#[must_use]
pub fn cluster_of(message: &str) -> Option<&str> {
    trailer(message, CLUSTER_TRAILER)
}

/// Whether a commit is one that meshroll wrote, by its message and the digest of what it changes.
///
/// The message names the digest: a commit that somebody amended is not ours any more, one that was put
/// on another base is.
#[must_use]
pub fn is_ours(message: &str, patch: &str) -> bool {
    let named = format!("{PATCH_TRAILER}: {patch}");
    has_trailer(message, TARGET_TRAILER) && message.lines().any(|line| line == named)
}

/// What a commit message tells of where its restarts come from.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// UID of its `kube-system` namespace, where the snapshot tells.
    pub cluster_uid: Option<&'a str>,
    /// The time that is planned for.
    pub captured_at: Timestamp,
    /// The commit that the restarts stand on.
    pub base: &'a str,
    /// Digest of what the commit changes.
    pub patch: &'a str,
}

/// The commit message for the restarts of a plan.
///
/// The subject names count and target version; the body lists the workloads, one a line; trailers
/// name target, snapshot, base and digest.
#[must_use]
pub fn commit_message(
    plan: &RestartPlan<'_>,
    edits: &[FileEdit],
    provenance: Provenance<'_>,
) -> String {
    let targets = targets(plan);
    let mut message = format!("{}\n\n", subject(plan, edits));
    message.push_str("Their sidecars differ from what injection would give them now.\n\n");
    for position in plan.written() {
        let decision = &plan.workloads[position].decision;
        let causes: Vec<String> = decision
            .drifts
            .iter()
            .map(|count| format!("{} -> {}", count.drift.observed, count.drift.expected))
            .collect();
        let line = format!("- {}: {}", decision.reference, causes.join("; "));
        // Writing into a String cannot fail.
        let _ = writeln!(message, "{}", plain(&line));
    }
    message.push('\n');
    for target in &targets {
        let _ = writeln!(message, "{TARGET_TRAILER}: {}", plain(target));
    }
    let Provenance {
        cluster,
        cluster_uid,
        captured_at,
        base,
        patch,
    } = provenance;
    let cluster = plain(cluster);
    let _ = writeln!(message, "{SNAPSHOT_TRAILER}: {cluster} {captured_at}");
    if let Some(uid) = cluster_uid {
        let _ = writeln!(message, "{CLUSTER_TRAILER}: {}", plain(uid));
    }
    let _ = writeln!(message, "{BASE_TRAILER}: {base}\n{PATCH_TRAILER}: {patch}");
    message
}

/// What a plan's restarts are, in one line: how many, and for which version.
pub(super) fn subject(plan: &RestartPlan<'_>, edits: &[FileEdit]) -> String {
    let targets = targets(plan);
    let workloads: usize = edits.iter().map(|edit| edit.objects.len()).sum();
    let versions: BTreeSet<&str> = targets
        .iter()
        .map(|target| target.split('/').next().unwrap_or("-"))
        .collect();
    let versions = match Vec::from_iter(versions).as_slice() {
        ["-"] | [] => String::new(),
        versions => format!(" for Istio {}", versions.join(", ")),
    };
    let noun = if workloads == 1 {
        "workload"
    } else {
        "workloads"
    };
    one_line(&format!("meshroll: restart {workloads} {noun}{versions}"))
}

/// The commit message of a recording.
#[must_use]
pub fn recording_message(cluster: &str, captured_at: Timestamp) -> String {
    let cluster = one_line(cluster);
    format!("meshroll: snapshot of {cluster}\n\n{SNAPSHOT_TRAILER}: {cluster} {captured_at}\n")
}

/// Whether a commit message is that of a recording.
#[must_use]
pub fn is_recording(message: &str) -> bool {
    has_trailer(message, SNAPSHOT_TRAILER)
}

fn has_trailer(message: &str, key: &str) -> bool {
    trailer(message, key).is_some()
}

fn trailer<'m>(message: &'m str, key: &str) -> Option<&'m str> {
    let value = |line: &'m str| line.strip_prefix(key)?.strip_prefix(": ");
    message.lines().find_map(value)
}

/// Version and revision of every restart, sorted: the stamps without their hashes.
fn targets(plan: &RestartPlan<'_>) -> BTreeSet<String> {
    plan.written()
        .filter_map(|position| plan.workloads[position].decision.restart.as_ref())
        .map(|restart| {
            format!(
                "{}/{}",
                restart.stamp.version.as_deref().unwrap_or("-"),
                restart.stamp.revision
            )
        })
        .collect()
}

/// The text in one line, in which nobody is mentioned and no issue is named: forges look for `@name`,
/// `#1` and `fixes #1` in commit messages.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = one_line(text);
    while let Some(sign) = rest.find(['@', '#']) {
        let after = rest.split_off(sign + 1);
        safe.push_str(&rest);
        if after.starts_with(|c: char| c.is_alphanumeric()) {
            safe.push('\u{2060}');
        }
        rest = after;
    }
    safe + &rest
}

#[cfg(test)]
mod tests {
    use super::{is_ours, plain};

    #[test]
    fn a_commit_is_ours_by_its_trailer() {
        let ours = "meshroll: restart 1 workload\n\nMeshroll-Target: 1.27.3/default\nMeshroll-Patch: abc\n";
        assert!(is_ours(ours, "abc"));
        assert!(!is_ours(ours, "abd"), "somebody amended it");
        assert!(!is_ours("fix: mention Meshroll-Target: in passing", "abc"));
        assert!(!is_ours("Meshroll-Targets: no\nMeshroll-Patch: abc", "abc"));
    }

    #[test]
    fn nobody_is_mentioned_and_no_issue_is_closed() {
        assert_eq!(
            plain("proxyv2@sha256:1 fixes #12\nx@ y"),
            "proxyv2@\u{2060}sha256:1 fixes #\u{2060}12\u{fffd}x@ y"
        );
    }
}
