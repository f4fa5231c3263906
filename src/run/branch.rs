//! The branch of a wave: read as it stands, and brought to what the plan asks for.

use std::collections::BTreeSet;

use git2::Oid;

use super::planned::{Gate, Planned};
use super::world::World;
use super::write::new_contents;
use crate::cli::CommitArgs;
use crate::edge::git::{Authorship, GitError, NewCommit, OwnBranch, Push, Signs, redacted};
use crate::error::{ErrorKind, RunError};
use crate::manifest::{self, ManifestSet, RawFile, Screen};
use crate::publish::{self, BranchAction, OpenBranch, Provenance};
use crate::report::{BranchOperation, WrittenBranch};

/// A branch of ours: where it lives and where it stands.
pub(super) struct WaveBranch<'a> {
    /// Its short name.
    pub(super) name: String,
    /// The remote; none for a local branch.
    pub(super) remote: Option<&'a str>,
    /// Where it stands; none where it does not exist.
    pub(super) existing: Option<OwnBranch>,
    /// What it asks for.
    pub(super) open: Option<OpenBranch>,
}

impl<'a> WaveBranch<'a> {
    /// Reads a branch that stands at `tip`.
    ///
    /// # Errors
    ///
    /// When it has a commit that is not ours, or cannot be read.
    pub(super) fn read(
        world: &World,
        name: String,
        remote: Option<&'a str>,
        tip: Option<Oid>,
    ) -> Result<Self, RunError> {
        let base = base(world)?;
        let own = |tip| world.repository.own_tip(&name, tip, base, SIGNS);
        let existing = tip.map(own).transpose();
        let existing = existing.map_err(|error| error.on(remote))?;
        if let Some(existing) = &existing {
            refuse_another_clusters(world, &name, existing)?;
        }
        let open = existing
            .as_ref()
            .map(|existing| open_branch(world, existing, base))
            .transpose()?;
        Ok(Self {
            name,
            remote,
            existing,
            open,
        })
    }

    /// What it holds of the plan.
    pub(super) fn gate(&self) -> Gate<'_> {
        self.open.as_ref().map_or(Gate::None, Gate::Open)
    }

    /// What is to be done with it.
    pub(super) fn action(&self, planned: &Planned<'_>) -> BranchAction {
        if planned.keeps_branch.is_some() {
            return BranchAction::Keep;
        }
        let edits = planned.restart_edits();
        let keys = &planned.world.policy.annotations;
        publish::branch_action(&edits, self.open.as_ref(), keys)
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// [`GitError::Moved`] when somebody was faster; otherwise what git says.
    pub(super) fn bring_about(
        &self,
        action: BranchAction,
        planned: &Planned<'_>,
        args: &CommitArgs,
    ) -> Result<Option<WrittenBranch>, RunError> {
        let tip = self.existing.as_ref().map(|existing| existing.tip);
        let (commit, operation) = match (action, tip) {
            (BranchAction::Nothing, _) | (BranchAction::Delete, None) => return Ok(None),
            (BranchAction::Keep, tip) => (tip, BranchOperation::Kept),
            (BranchAction::Delete, Some(tip)) => {
                self.remove(planned.world, tip)?;
                (None, BranchOperation::Deleted)
            }
            (BranchAction::Write, tip) => {
                let commit = commit(planned, args)?;
                if tip != Some(commit) {
                    self.advance(planned.world, commit, tip)?;
                }
                let operation = match tip {
                    Some(tip) if tip == commit => BranchOperation::Kept,
                    Some(_) => BranchOperation::Updated,
                    None => BranchOperation::Created,
                };
                (Some(commit), operation)
            }
        };
        Ok(Some(self.written(commit, operation)))
    }

    /// What is said of it.
    pub(super) fn written(&self, commit: Option<Oid>, operation: BranchOperation) -> WrittenBranch {
        WrittenBranch {
            branch: self.name.clone(),
            remote: self.remote.map(redacted),
            commit: commit.map(|commit| commit.to_string()),
            operation,
        }
    }

    fn advance(&self, world: &World, to: Oid, from: Option<Oid>) -> Result<(), GitError> {
        let Some(remote) = self.remote else {
            return world.repository.move_to(&self.name, to, from);
        };
        let push = Push {
            branch: &self.name,
            commit: Some(to),
            expected: from,
        };
        world.repository.push(remote, push)
    }

    /// Takes the branch away.
    pub(super) fn remove(&self, world: &World, tip: Oid) -> Result<(), GitError> {
        let Some(remote) = self.remote else {
            return world.repository.delete_branch(&self.name, tip);
        };
        let push = Push {
            branch: &self.name,
            commit: None,
            expected: Some(tip),
        };
        world.repository.push(remote, push)
    }
}

/// How commits of ours are known.
pub(super) const SIGNS: Signs = Signs {
    is_ours: publish::is_ours,
    base_of: publish::base_of,
};

/// Refuses a branch that holds the restarts of another cluster: the two would take turns for ever.
fn refuse_another_clusters(
    world: &World,
    name: &str,
    existing: &OwnBranch,
) -> Result<(), RunError> {
    let other = existing.message.as_deref().and_then(publish::cluster_of);
    let own = world.snapshot.capture.cluster_uid.as_deref();
    match (other, own) {
        (Some(other), Some(own)) if other != own => {
            let message = format!("{name} holds the restarts of another cluster, {other}");
            Err(RunError::new(ErrorKind::Input, message).hint(
                "give each cluster a branch of its own with --cluster NAME, or delete the \
                     branch if this cluster was made anew",
            ))
        }
        _ => Ok(()),
    }
}

/// The commit that plans stand on.
pub(super) fn base(world: &World) -> Result<Oid, RunError> {
    world
        .base
        .ok_or_else(|| RunError::new(ErrorKind::Input, "there is no commit to stand on"))
}

/// What a commit is to hold: a tree in the object store, and a message.
pub(super) struct Draft {
    pub(super) tree: Oid,
    pub(super) message: String,
}

/// Writes the tree of a plan, and the message for it.
pub(super) fn draft(planned: &Planned<'_>) -> Result<Draft, RunError> {
    let world = planned.world;
    let (base, repository) = (base(world)?, &world.repository);
    let files: Vec<(String, Vec<u8>)> = new_contents(&world.manifests, &planned.edits)?
        .into_iter()
        .map(|(file, new)| (file.path.clone(), new))
        .collect();
    let tree = repository.write_tree(base, &files)?;
    let patch = repository.patch_digest(repository.tree_of(base)?, tree)?;
    let (plan, edits) = (&planned.plan, &planned.edits);
    let provenance = Provenance {
        cluster: planned.cluster,
        cluster_uid: world.snapshot.capture.cluster_uid.as_deref(),
        captured_at: world.now,
        base: &base.to_string(),
        patch: &patch,
    };
    let message = publish::commit_message(plan, edits, provenance);
    Ok(Draft { tree, message })
}

/// Makes the commit of a plan in the object store.
pub(super) fn commit(planned: &Planned<'_>, args: &CommitArgs) -> Result<Oid, RunError> {
    let Draft { tree, message } = draft(planned)?;
    let world = planned.world;
    let commit = NewCommit {
        base: base(world)?,
        tree,
        message: &message,
        time: world.now,
        authorship: &Authorship {
            author: args.author.clone(),
            committer: args.committer.clone(),
            sign_off: args.sign_off,
            sign: args.sign,
        },
    };
    Ok(world.repository.create_commit(&commit)?)
}

/// What a branch of ours asks for, held against the base that it would be merged into.
fn open_branch(world: &World, existing: &OwnBranch, base: Oid) -> Result<OpenBranch, RunError> {
    let repository = &world.repository;
    let changed = repository.changed_files(existing.base, existing.tip)?;
    let paths = BTreeSet::from_iter(changed);
    Ok(OpenBranch {
        before: manifests(world, existing.base, &paths)?,
        after: manifests(world, existing.tip, &paths)?,
        now: manifests(world, base, &paths)?,
        conflicts: existing.is_stranded
            || repository.conflicts(existing.base, base, existing.tip)?,
    })
}

/// Some files of a commit.
fn manifests(
    world: &World,
    commit: Oid,
    paths: &BTreeSet<String>,
) -> Result<ManifestSet, RunError> {
    let mut files = Vec::new();
    for path in paths {
        if let Some(bytes) = world.repository.file(commit, path)? {
            let path = path.clone();
            files.push(RawFile { path, bytes });
        }
    }
    let (manifests, _) = manifest::parse(files, &Screen::new());
    Ok(manifests)
}
