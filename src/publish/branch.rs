//! Branches: what becomes of the one that holds a wave's restarts, and what it keeps.

use std::collections::BTreeSet;

use crate::config::AnnotationKeys;
use crate::decision::{Decision, Marks, Restart, is_argo_rollout};
use crate::manifest::{ManifestSet, ObjectRef};
use crate::mesh::Stamp;
use crate::reason::{ReasonCode, Verdict};
use crate::rollout::{Effect, shell_word};
use crate::wave::RestartPlan;

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
    /// The same files as base has them by now, whatever they hold.
    pub now: ManifestSet,
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

/// How a person gives a branch back that has a commit of theirs: on a remote, or here where there is
/// none; `ours` is the last commit of meshroll's on it.
#[must_use]
pub fn hand_back(branch: &str, remote: Option<&str>, ours: Option<&str>) -> String {
    let name = shell_word(branch);
    let command = match (remote.map(shell_word), ours) {
        (Some(remote), Some(ours)) => {
            format!("git push --force {remote} {ours}:refs/heads/{name}")
        }
        (Some(remote), None) => format!("git push {remote} --delete {name}"),
        (None, Some(ours)) => format!("git branch --force {name} {ours}"),
        (None, None) => format!("git branch --delete --force {name}"),
    };
    format!(
        "meshroll never overwrites a person's commit: merge the branch, or hand it back with `{command}`"
    )
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
/// Returns the workload for which the branch has to stay as it is, if there is one: the branch
/// restarts it, nothing can be told of its manifest now, and so no edit of this run could keep that.
#[must_use]
pub fn keep_held(
    plan: &mut RestartPlan<'_>,
    open: &OpenBranch,
    keys: &AnnotationKeys,
) -> Option<ObjectRef> {
    let edits = open.restarts(keys);
    let lost = lost(plan, &edits, &open.now);
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
    lost
}

/// The workload that a branch of ours restarts in a file of base that no edit of this run could be
/// proven in, if there is one: the branch has to stay as it is.
#[must_use]
pub fn refused(
    plan: &RestartPlan<'_>,
    open: &OpenBranch,
    keys: &AnnotationKeys,
) -> Option<ObjectRef> {
    let edits = open.restarts(keys);
    let is_refused = |decision: &Decision<'_>| {
        let mut codes = decision.reasons.iter().map(|reason| reason.code);
        codes.any(|code| {
            code == ReasonCode::UneditableManifest || code == ReasonCode::TemplatedManifest
        })
    };
    let is_for = |edit: &RestartEdit, decision: &Decision<'_>| {
        let expected = decision.stamps.expected.as_ref();
        let stamp: Option<Stamp> = edit.stamp.parse().ok();
        let targets = expected.zip(stamp.as_ref());
        is_made_by(edit, decision)
            && targets.is_some_and(|(expected, stamp)| expected.same_target(stamp))
    };
    let decisions = plan.workloads.iter().map(|workload| &workload.decision);
    let mut refused = decisions.filter(|decision| is_refused(decision));
    let found = refused.find(|decision| edits.iter().any(|edit| is_for(edit, decision)))?;
    Some(found.reference.clone())
}

/// The first workload that may still need an edit of the branch and whose manifest cannot be told now,
/// though base still has what the branch edits.
fn lost(
    plan: &RestartPlan<'_>,
    edits: &BTreeSet<RestartEdit>,
    base: &ManifestSet,
) -> Option<ObjectRef> {
    let decisions = || plan.workloads.iter().map(|workload| &workload.decision);
    let is_taken = |edit: &RestartEdit| decisions().any(|decision| is_made_by(edit, decision));
    let open: Vec<&RestartEdit> = edits
        .iter()
        .filter(|edit| is_in_base(edit, base) && !is_taken(edit))
        .collect();
    let is_lost = |decision: &Decision<'_>| {
        may_need_it(decision)
            && decision.manifest.is_none()
            && open.iter().any(|edit| may_make(edit, &decision.reference))
    };
    let found = decisions().find(|decision| is_lost(decision))?;
    Some(found.reference.clone())
}

/// Whether a workload is none of which an edit may leave a branch.
fn may_need_it(decision: &Decision<'_>) -> bool {
    !matches!(
        decision.verdict,
        Verdict::UpToDate | Verdict::Pending | Verdict::Excluded | Verdict::Tolerated
    )
}

/// Whether base still has what an edit changes, or a file of which that cannot be told.
fn is_in_base(edit: &RestartEdit, base: &ManifestSet) -> bool {
    let file = base.files.iter().find(|file| file.path == edit.path);
    let mut objects = file.into_iter().flat_map(|file| &file.objects);
    let mut unparsed = base.unparsed.iter();
    unparsed.any(|file| file.path == edit.path)
        || objects.any(|one| one.reference == edit.reference)
}

/// Whether an edit is in the very manifest that makes a workload.
fn is_made_by(edit: &RestartEdit, decision: &Decision<'_>) -> bool {
    let manifest = decision
        .manifest
        .map(|(file, object)| (&file.path, &object.reference));
    manifest == Some((&edit.path, &edit.reference))
}

/// Whether what an edit changes may make a live object: a kustomization may put something before or
/// after the name, and give another namespace.
fn may_make(edit: &RestartEdit, live: &ObjectRef) -> bool {
    let written = &edit.reference;
    (&written.group, &written.kind) == (&live.group, &live.kind)
        && live.name.contains(&written.name)
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
        _ if !may_need_it(decision) => false,
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
