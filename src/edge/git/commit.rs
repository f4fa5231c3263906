//! Commits, built straight in the object store, and the one step that moves a branch to them.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, Oid, Signature, Time};
use jiff::Timestamp;

use super::{GitError, GitRepository, failed};

/// Mode of an executable file in a tree.
const EXECUTABLE: i32 = 0o100_755;

/// A commit to be made on a branch of its own.
#[derive(Debug, Clone)]
pub struct NewCommit<'a> {
    /// Short name of the branch.
    pub branch: &'a str,
    /// The commit that it stands on.
    pub base: Oid,
    /// The whole message.
    pub message: &'a str,
    /// Author and commit time.
    pub time: Timestamp,
    /// New contents by path; every path exists in the base.
    pub files: &'a [(String, Vec<u8>)],
}

/// One file on a branch of its own.
#[derive(Debug, Clone)]
pub struct Orphan<'a> {
    /// Short name of the branch.
    pub branch: &'a str,
    /// Name of the file.
    pub file: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The whole message.
    pub message: &'a str,
    /// Author and commit time.
    pub time: Timestamp,
}

/// A branch of ours as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBranch {
    /// Its only commit.
    pub tip: Oid,
    /// The commit that it stands on.
    pub base: Oid,
}

impl GitRepository {
    /// The branch, if it exists and its tip is a single commit of ours on a commit of `base`'s
    /// history.
    ///
    /// `is_ours` tells our commits by their message.
    ///
    /// # Errors
    ///
    /// When the branch has a commit that is not ours, or cannot be read.
    pub fn own_branch(
        &self,
        branch: &str,
        base: Oid,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Option<OwnBranch>, GitError> {
        let Ok(reference) = self.repository.find_reference(&full_name(branch)) else {
            return Ok(None);
        };
        let tip = reference
            .peel_to_commit()
            .map_err(failed("reading the branch"))?;
        let foreign = || GitError::ForeignBranch {
            branch: branch.to_owned(),
            commit: tip.id().to_string(),
        };
        if tip.id() == base {
            return Ok(Some(OwnBranch { tip: base, base }));
        }
        let parent = tip.parent_id(0).map_err(|_| foreign())?;
        let on_base = parent == base
            || self
                .repository
                .graph_descendant_of(base, parent)
                .map_err(failed("reading the history"))?;
        if tip.parent_count() == 1
            && on_base
            && is_ours(&String::from_utf8_lossy(tip.message_bytes()))
        {
            Ok(Some(OwnBranch {
                tip: tip.id(),
                base: parent,
            }))
        } else {
            Err(foreign())
        }
    }

    /// Builds the commit in the object store and moves the branch to it, if the branch still stands
    /// where `expected` says.
    ///
    /// # Errors
    ///
    /// When the branch is checked out, moved meanwhile, or cannot be written.
    pub fn commit_to_branch(
        &self,
        commit: &NewCommit<'_>,
        expected: Option<Oid>,
    ) -> Result<Oid, GitError> {
        self.refuse_checked_out(commit.branch)?;
        let id = self
            .build_commit(commit)
            .map_err(failed("building the commit"))?;
        self.move_branch(commit.branch, id, expected)?;
        Ok(id)
    }

    /// Puts one file on a branch of its own, as a commit without a parent; nothing where the branch
    /// holds the same bytes already.
    ///
    /// # Errors
    ///
    /// When the branch has a commit that is not ours, is checked out, moved meanwhile, or cannot be
    /// written.
    pub fn replace_orphan(
        &self,
        orphan: &Orphan<'_>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<(Oid, bool), GitError> {
        self.refuse_checked_out(orphan.branch)?;
        let reference = self
            .repository
            .find_reference(&full_name(orphan.branch))
            .ok();
        let tip = reference
            .map(|reference| reference.peel_to_commit())
            .transpose();
        let tip = tip.map_err(failed("reading the branch"))?;
        if let Some(tip) = &tip
            && !is_ours(&String::from_utf8_lossy(tip.message_bytes()))
        {
            let (branch, commit) = (orphan.branch.to_owned(), tip.id().to_string());
            return Err(GitError::ForeignBranch { branch, commit });
        }
        let tree = self
            .single_file_tree(orphan)
            .map_err(failed("building the commit"))?;
        if let Some(tip) = tip.as_ref().filter(|tip| tip.tree_id() == tree) {
            return Ok((tip.id(), false));
        }
        let commit = || {
            let author = self.signature(orphan.time)?;
            let tree = self.repository.find_tree(tree)?;
            self.repository
                .commit(None, &author, &author, orphan.message, &tree, &[])
        };
        let id = commit().map_err(failed("building the commit"))?;
        self.move_branch(orphan.branch, id, tip.map(|tip| tip.id()))?;
        Ok((id, true))
    }

    fn single_file_tree(&self, orphan: &Orphan<'_>) -> Result<Oid, git2::Error> {
        let blob = self.repository.blob(orphan.bytes)?;
        let mut tree = self.repository.treebuilder(None)?;
        tree.insert(orphan.file, blob, FileMode::Blob.into())?;
        tree.write()
    }

    /// Moves a branch in one step, if it still stands where `expected` says.
    fn move_branch(&self, branch: &str, id: Oid, expected: Option<Oid>) -> Result<(), GitError> {
        let name = full_name(branch);
        let moved = match expected {
            Some(old) => self
                .repository
                .reference_matching(&name, id, true, old, "meshroll"),
            None => self.repository.reference(&name, id, false, "meshroll"),
        };
        match moved {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.code(),
                    ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound
                ) =>
            {
                Err(GitError::Moved {
                    branch: branch.to_owned(),
                })
            }
            Err(source) => Err(GitError::Failed {
                action: "moving the branch",
                source,
            }),
        }
    }

    fn build_commit(&self, commit: &NewCommit<'_>) -> Result<Oid, git2::Error> {
        let base = self.repository.find_commit(commit.base)?;
        let tree = base.tree()?;
        let mut update = TreeUpdateBuilder::new();
        for (path, bytes) in commit.files {
            let entry = tree.get_path(Path::new(path))?;
            let mode = match entry.filemode() {
                EXECUTABLE => FileMode::BlobExecutable,
                _ => FileMode::Blob,
            };
            update.upsert(path, self.repository.blob(bytes)?, mode);
        }
        let tree = self
            .repository
            .find_tree(update.create_updated(&self.repository, &tree)?)?;
        let author = self.signature(commit.time)?;
        self.repository
            .commit(None, &author, &author, commit.message, &tree, &[&base])
    }

    /// The user's own identity, else meshroll's; at the given time, UTC.
    fn signature(&self, time: Timestamp) -> Result<Signature<'static>, git2::Error> {
        let configured = self.repository.signature().ok();
        let text = |part: Option<&str>, default: &str| {
            part.filter(|part| !part.is_empty())
                .unwrap_or(default)
                .to_owned()
        };
        let name = text(
            configured.as_ref().and_then(|who| who.name().ok()),
            "meshroll",
        );
        let email = text(
            configured.as_ref().and_then(|who| who.email().ok()),
            "noreply@meshroll.dev",
        );
        Signature::new(&name, &email, &Time::new(time.as_second(), 0))
    }

    fn refuse_checked_out(&self, branch: &str) -> Result<(), GitError> {
        let name = full_name(branch);
        let here = self
            .repository
            .head()
            .is_ok_and(|head| head.name().is_ok_and(|head| head == name));
        let elsewhere = git2::Branch::wrap(match self.repository.find_reference(&name) {
            Ok(reference) => reference,
            Err(_) => return Ok(()),
        });
        let elsewhere = elsewhere.is_head();
        if !self.repository.is_bare() && (here || elsewhere) {
            return Err(GitError::CheckedOut {
                branch: branch.to_owned(),
            });
        }
        Ok(())
    }
}

fn full_name(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
