//! Commit messages, and how meshroll knows its own commits again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::edit::FileEdit;
use crate::text::one_line;
use crate::wave::RestartPlan;

/// Key of the trailer that names what the restarts are for.
pub const TARGET_TRAILER: &str = "Meshroll-Target";
/// Key of the trailer that names the commit's own tree.
pub const TREE_TRAILER: &str = "Meshroll-Tree";
/// Key of the trailer that names the snapshot's cluster and capture time.
pub const SNAPSHOT_TRAILER: &str = "Meshroll-Snapshot";

/// Whether a commit is one that meshroll wrote, by its message and the id of its tree.
///
/// The message names the tree: a commit that somebody amended is not ours any more.
#[must_use]
pub fn is_ours(message: &str, tree: &str) -> bool {
    let named = format!("{TREE_TRAILER}: {tree}");
    has_trailer(message, TARGET_TRAILER) && message.lines().any(|line| line == named)
}

/// The commit message for the restarts of a plan.
///
/// The subject names count and target version; the body lists the workloads, one a line; trailers
/// name target and snapshot.
#[must_use]
pub fn commit_message(
    plan: &RestartPlan<'_>,
    edits: &[FileEdit],
    cluster: &str,
    captured_at: Timestamp,
    tree: &str,
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
    let _ = writeln!(
        message,
        "{SNAPSHOT_TRAILER}: {} {captured_at}\n{TREE_TRAILER}: {tree}",
        one_line(cluster)
    );
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
    let is_trailer = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with(": "))
    };
    message.lines().any(is_trailer)
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
        let ours =
            "meshroll: restart 1 workload\n\nMeshroll-Target: 1.27.3/default\nMeshroll-Tree: abc\n";
        assert!(is_ours(ours, "abc"));
        assert!(!is_ours(ours, "abd"), "somebody amended it");
        assert!(!is_ours("fix: mention Meshroll-Target: in passing", "abc"));
        assert!(!is_ours("Meshroll-Targets: no\nMeshroll-Tree: abc", "abc"));
    }

    #[test]
    fn nobody_is_mentioned_and_no_issue_is_closed() {
        assert_eq!(
            plain("proxyv2@sha256:1 fixes #12\nx@ y"),
            "proxyv2@\u{2060}sha256:1 fixes #\u{2060}12\u{fffd}x@ y"
        );
    }
}
