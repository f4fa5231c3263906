//! Branches: what becomes of the one that holds a wave's restarts, and what it keeps.

use std::collections::BTreeSet;

use crate::config::AnnotationKeys;
use crate::decision::{Decision, Marks, Restart, is_argo_rollout};
use crate::manifest::{ManifestSet, ObjectRef};
use crate::mesh::Stamp;
use crate::reason::Verdict;
use crate::rollout::Effect;
use crate::wave::{PlannedWorkload, RestartPlan};

/// One restart as a branch has it: the file, the object in it, and the stamp.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RestartEdit {
    /// Path of the file.
    pub path: String,
    /// Identity as written in the manifest.
    pub reference: ObjectRef,
    /// The stamp.
    pub stamp: String,
}

/// A branch of ours as it stands: the files that it edits, before and after.
#[derive(Debug, Clone, Default)]
pub struct OpenBranch {
    /// The files as they are in the commit that the branch stands on.
    pub before: ManifestSet,
    /// The same files as the branch has them.
    pub after: ManifestSet,
    /// Whether base changed since in a way that cannot be merged with it.
    pub conflicts: bool,
}

/// What is to be done with a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchAction {
    /// There is none, and none is needed.
    Nothing,
    /// It asks for the same restarts: it keeps its bytes, whatever else changed.
    Keep,
    /// It gets a new commit on the head of base.
    Write,
    /// Nothing is left to restart: it goes.
    Delete,
}

/// What is to be done with the branch that holds a wave's restarts (`design.md` §8).
///
/// The same restarts are the same stamps in the same objects: a newer snapshot or a base that moved
/// is no reason to write again, and a reviewer's approval stays.
#[must_use]
pub fn branch_action(
    planned: &BTreeSet<RestartEdit>,
    open: Option<&OpenBranch>,
    keys: &AnnotationKeys,
) -> BranchAction {
    match open {
        None if planned.is_empty() => BranchAction::Nothing,
        Some(_) if planned.is_empty() => BranchAction::Delete,
        Some(open) if !open.conflicts && open.restarts(keys) == *planned => BranchAction::Keep,
        _ => BranchAction::Write,
    }
}

/// How a person gives a branch back that has a commit of theirs; `ours` is the last commit of
/// meshroll's on it.
#[must_use]
pub fn hand_back(branch: &str, ours: Option<&str>) -> String {
    match ours {
        Some(ours) => format!(
            "meshroll never overwrites a person's commit: merge the branch, or hand it back with `git push --force origin {ours}:refs/heads/{branch}` (a local one with `git branch --force {branch} {ours}`)"
        ),
        None => format!(
            "meshroll never overwrites a person's commit: merge the branch, or hand it back by deleting {branch}"
        ),
    }
}

/// The restarts that a plan writes.
#[must_use]
pub fn planned_edits(plan: &RestartPlan<'_>) -> BTreeSet<RestartEdit> {
    let edit = |position: usize| {
        let decision = &plan.workloads.get(position)?.decision;
        let (file, object) = decision.manifest?;
        Some(RestartEdit {
            path: file.path.clone(),
            reference: object.reference.clone(),
            stamp: decision.restart.as_ref()?.stamp.to_string(),
        })
    };
    plan.written().filter_map(edit).collect()
}

/// Keeps in the plan what a branch of ours asks for already and the plan would leave out.
///
/// A hold never takes an edit out of an open branch, and neither does a snapshot that cannot tell: an
/// edit leaves only when its workload is not stale any more, is excluded, or has another target. What
/// stays is marked as kept, be it restarted by this plan as well or not.
///
/// Returns whether the branch has to stay as it is: it asks for a restart of which nothing can be told
/// now, and which no edit of this run could keep.
#[must_use]
pub fn keep_held(
    plan: &mut RestartPlan<'_>,
    open: &OpenBranch,
    manifests: &ManifestSet,
    keys: &AnnotationKeys,
) -> bool {
    let edits = open.restarts(keys);
    let is_lost = |workload: &PlannedWorkload<'_>| is_lost(&workload.decision, &edits, manifests);
    let has_lost = plan.workloads.iter().any(is_lost);
    let kept: Vec<(usize, Restart)> = plan
        .workloads
        .iter()
        .enumerate()
        .filter_map(|(position, workload)| {
            Some((position, kept(&workload.decision, &edits, keys)?))
        })
        .collect();
    for (position, restart) in kept {
        plan.keep(position, restart);
    }
    has_lost
}

/// Whether an edit of the branch is for a workload that may still need it and whose manifest cannot be
/// told now, though base still has what the branch edits.
fn is_lost(
    decision: &Decision<'_>,
    edits: &BTreeSet<RestartEdit>,
    manifests: &ManifestSet,
) -> bool {
    let live = &decision.reference;
    let is_in_base = |edit: &RestartEdit| {
        let file = manifests.files.iter().find(|file| file.path == edit.path);
        let unparsed = manifests.unparsed.iter().any(|file| file.path == edit.path);
        let objects = file.into_iter().flat_map(|file| &file.objects);
        unparsed
            || objects
                .into_iter()
                .any(|one| one.reference == edit.reference)
    };
    let is_for = |edit: &RestartEdit| {
        let written = &edit.reference;
        (&written.group, &written.kind, &written.name) == (&live.group, &live.kind, &live.name)
            && (written.namespace.is_empty() || written.namespace == live.namespace)
    };
    let may_need_it = !matches!(
        decision.verdict,
        Verdict::UpToDate | Verdict::Pending | Verdict::Excluded | Verdict::Tolerated
    );
    may_need_it
        && decision.manifest.is_none()
        && edits.iter().any(|edit| is_for(edit) && is_in_base(edit))
}

/// The restart of the branch that is kept for a workload, if one is.
fn kept(
    decision: &Decision<'_>,
    edits: &BTreeSet<RestartEdit>,
    keys: &AnnotationKeys,
) -> Option<Restart> {
    let (file, object) = decision.manifest?;
    let mut same = edits
        .iter()
        .filter(|edit| edit.reference == object.reference);
    let in_place = same.clone().find(|edit| edit.path == file.path);
    // Base may have moved the manifest since.
    let ((Some(edit), ..) | (None, Some(edit), None)) = (in_place, same.next(), same.next()) else {
        return None;
    };
    if Marks::in_git(object, keys).text.as_ref() == Some(&edit.stamp) {
        return None;
    }
    let stamp: Stamp = edit.stamp.parse().ok()?;
    let is_kept = match decision.verdict {
        Verdict::UpToDate | Verdict::Pending | Verdict::Excluded | Verdict::Tolerated => false,
        Verdict::Unknown => true,
        _ => {
            let expected = decision.stamps.expected.as_ref();
            expected.is_some_and(|expected| expected.same_target(&stamp))
        }
    };
    let reference = &object.reference;
    let effect = match is_argo_rollout(&reference.group, &reference.kind) {
        true => Effect::RestartAt,
        false => Effect::TemplateAnnotation,
    };
    is_kept.then_some(Restart { effect, stamp })
}

impl OpenBranch {
    /// What the branch asks for: every stamp that it changes.
    fn restarts(&self, keys: &AnnotationKeys) -> BTreeSet<RestartEdit> {
        let before = stamps(&self.before, keys);
        stamps(&self.after, keys)
            .difference(&before)
            .cloned()
            .collect()
    }
}

fn stamps(manifests: &ManifestSet, keys: &AnnotationKeys) -> BTreeSet<RestartEdit> {
    let objects = manifests
        .files
        .iter()
        .flat_map(|file| file.objects.iter().map(move |object| (file, object)));
    objects
        .filter_map(|(file, object)| {
            Some(RestartEdit {
                path: file.path.clone(),
                reference: object.reference.clone(),
                stamp: Marks::in_git(object, keys).text?,
            })
        })
        .collect()
}
