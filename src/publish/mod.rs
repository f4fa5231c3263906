//! Publishing: what would be delivered, as values: branches, commit messages and pull requests.

mod branch;
mod message;
mod pull_request;

pub use branch::{
    BranchAction, OpenBranch, RestartEdit, branch_action, hand_back, keep_held, planned_edits,
    refused,
};
pub use message::{
    BASE_TRAILER, CLUSTER_TRAILER, PATCH_TRAILER, Provenance, SNAPSHOT_TRAILER, TARGET_TRAILER,
    base_of, cluster_of, commit_message, is_ours, is_recording, recording_message,
};
pub use pull_request::{
    FOREIGN_MARKER, PullRequest, PullRequestAction, PullRequestContent, PullRequestState, Status,
    closing_body, foreign_commit_comment, preview_comment, preview_marker, pull_request_action,
    pull_request_content, status, status_without_plan,
};

/// The branch of a cluster's wave.
#[must_use]
pub fn branch(cluster: &str, wave: &str) -> String {
    format!("meshroll/{cluster}/{wave}")
}

/// Whether a branch is one that meshroll writes.
#[must_use]
pub fn is_wave_branch(branch: &str) -> bool {
    branch.starts_with("meshroll/")
}
