//! Writing a plan: into the work tree, or as a commit on a branch of its own.

use std::collections::BTreeMap;
use std::path::Path;

use super::World;
use crate::decision::Marks;
use crate::edge::files;
use crate::edge::git::{NewCommit, OwnBranch};
use crate::edit::FileEdit;
use crate::error::{ErrorKind, RunError};
use crate::manifest::{self, ManifestFile, ManifestSet, RawFile, Screen};
use crate::publish;
use crate::report::Written;
use crate::wave::{self, RestartPlan};

/// Edits the files of the work tree, each in one step.
///
/// # Errors
///
/// When a file cannot be written: the error says which files have the new bytes; every other file is
/// as it was.
pub(super) fn to_work_tree(
    root: Option<&Path>,
    manifests: &ManifestSet,
    edits: &[FileEdit],
) -> Result<Written, RunError> {
    let Some(root) = root else {
        return Err(
            RunError::new(ErrorKind::Input, "a bare repository has no work tree")
                .hint("use --to branch"),
        );
    };
    let contents = new_contents(manifests, edits)?;
    let mut done: Vec<&str> = Vec::new();
    for (file, new) in &contents {
        if let Err(error) = files::replace(root, &file.path, &file.bytes, new) {
            let error = RunError::from(error);
            return Err(match done.as_slice() {
                [] => error.hint("no file was changed"),
                done => error.hint(format!(
                    "written before it, and complete: {}",
                    done.join(", ")
                )),
            });
        }
        done.push(&file.path);
    }
    Ok(Written::Worktree)
}

/// Makes one commit on `meshroll/<cluster>/<wave>`, unless the branch has it already.
///
/// # Errors
///
/// When the branch has a person's commit, is checked out, or moved meanwhile.
pub(super) fn to_branch(
    world: &World,
    plan: &RestartPlan<'_>,
    edits: &[FileEdit],
    cluster: &str,
) -> Result<Written, RunError> {
    let base = world
        .base
        .ok_or_else(|| RunError::new(ErrorKind::Input, "there is no commit to stand on"))?;
    let branch = publish::branch(cluster, wave::ALL);
    let existing = world
        .repository
        .own_branch(&branch, base, publish::is_ours)?;
    if let Some(existing) = &existing
        && keeps(world, edits, existing)?
    {
        let commit = existing.tip.to_string();
        return Ok(Written::Branch {
            branch,
            commit,
            changed: false,
        });
    }
    let files: Vec<(String, Vec<u8>)> = new_contents(&world.manifests, edits)?
        .into_iter()
        .map(|(file, new)| (file.path.clone(), new))
        .collect();
    let message = publish::commit_message(plan, edits, cluster, world.now);
    let commit = NewCommit {
        branch: &branch,
        base,
        message: &message,
        time: world.now,
        files: &files,
    };
    let commit = world
        .repository
        .commit_to_branch(&commit, existing.map(|existing| existing.tip))?;
    Ok(Written::Branch {
        branch,
        commit: commit.to_string(),
        changed: true,
    })
}

/// The new bytes of every edited file.
fn new_contents<'a>(
    manifests: &'a ManifestSet,
    edits: &[FileEdit],
) -> Result<Vec<(&'a ManifestFile, Vec<u8>)>, RunError> {
    let by_path: BTreeMap<&str, &ManifestFile> = manifests
        .files
        .iter()
        .map(|file| (file.path.as_str(), file))
        .collect();
    let contents = edits.iter().map(|edit| {
        let file = by_path.get(edit.path.as_str()).copied();
        let file =
            file.ok_or_else(|| RunError::new(ErrorKind::Input, format!("{} is gone", edit.path)))?;
        let new = edit
            .edit
            .apply(&file.bytes)
            .map_err(|error| RunError::new(ErrorKind::Input, error))?;
        Ok((file, new))
    });
    contents.collect()
}

/// Whether a branch of ours already asks for the same restarts, so that it keeps its bytes.
///
/// It does when the files that it edits are unchanged since its base, are the files of the plan, and
/// carry the same stamps: a newer snapshot alone is no reason to write again (`design.md` §2, §8).
fn keeps(world: &World, edits: &[FileEdit], existing: &OwnBranch) -> Result<bool, RunError> {
    let mut changed = world
        .repository
        .changed_files(existing.base, existing.tip)?;
    changed.sort();
    if !changed.iter().eq(edits.iter().map(|edit| &edit.path)) {
        return Ok(false);
    }
    for (file, new) in new_contents(&world.manifests, edits)? {
        let before = world.repository.file(existing.base, &file.path)?;
        let after = world.repository.file(existing.tip, &file.path)?;
        let (Some(before), Some(after)) = (before, after) else {
            return Ok(false);
        };
        if before != file.bytes
            || stamps(world, &file.path, after) != stamps(world, &file.path, new)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The stamp of every object of a file, in file order.
fn stamps(world: &World, path: &str, bytes: Vec<u8>) -> Vec<Option<String>> {
    let file = RawFile {
        path: path.to_owned(),
        bytes,
    };
    let (manifests, _) = manifest::parse(vec![file], &Screen::new());
    let objects = manifests.files.iter().flat_map(|file| &file.objects);
    objects
        .map(|object| Marks::in_git(object, &world.policy.annotations).text)
        .collect()
}
