//! Blockers: what keeps a commit from reaching the cluster.
//!
//! Each code is one row of the checklists of `spec/gitops.md` §1.5-1.7 and §2.4-2.5.

use crate::diagnostic::codes;

codes! {
    /// What keeps a commit from reaching the cluster.
    pub enum BlockerCode {
        ManualSync = "manual-sync": "The Application does not sync by itself: somebody must press Sync.",
        RollingSync = "rolling-sync": "An ApplicationSet syncs its Applications group by group, so this one waits for its turn, or for a person.",
        SyncWindow = "sync-window": "A sync window of the AppProject keeps the Application from syncing now.",
        IgnoredDifference = "ignored-difference": "The engine is told to ignore every field that a restart writes, so the commit changes nothing that it sees.",
        SkipReconcile = "skip-reconcile": "The Application is told to skip its reconciliation.",
        PinnedRevision = "pinned-revision": "The engine follows a tag or a commit, so a new commit on a branch does not arrive.",
        SyncFailed = "sync-failed": "The last sync failed. A new commit is a new attempt and may fail alike.",
        OperationRunning = "operation-running": "A sync is under way: a new commit waits for its end.",
        ComparisonError = "comparison-error": "The engine cannot tell what the repository asks for, so it applies nothing.",
        PathFilter = "path-filter": "The engine is told to look at other paths only, so a commit to this file goes unseen.",
        SignatureRequired = "signature-required": "The engine accepts signed commits only: an unsigned one stops every delivery from the repository.",
        HookSkipped = "hook-skipped": "The manifest is marked as a hook that is never applied.",
        ResourceExcluded = "resource-excluded": "The engine is told to leave out this kind of object.",
        SharedResource = "shared-resource": "Two Applications claim an object, and this one is told to fail on that.",
        EarlierWave = "earlier-wave": "A resource of an earlier sync wave is unhealthy, so later waves are not applied.",
        Suspended = "suspended": "Reconciliation is suspended.",
        ApplyPolicy = "apply-policy": "The object is marked so that an existing one is not applied again.",
        ReconcileDisabled = "reconcile-disabled": "The object is marked so that it is left as it is.",
        DependencyNotReady = "dependency-not-ready": "Something that the Kustomization depends on is not ready.",
        NotReady = "not-ready": "The last reconciliation failed: until its cause is gone, nothing is applied.",
        SourceNotGit = "source-not-git": "The engine reads an artifact, not the Git repository: somebody must build and push it after the commit.",
        BeingDeleted = "being-deleted": "The engine's object is being deleted.",
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

impl Blocker {
    pub(super) fn new(
        code: BlockerCode,
        object: impl Into<String>,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            object: object.into(),
            field: field.into(),
            message: message.into(),
        }
    }
}
