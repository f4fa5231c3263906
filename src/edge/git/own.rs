//! Branches of ours: which commits are meshroll's, and what a branch asks for.

use git2::{Commit, DiffOptions, Oid};
use sha2::{Digest as _, Sha256};

use super::{GitError, GitRepository, failed};

/// Merges of base on a branch that are looked through.
const MOST_MERGES: usize = 50;
/// How far below a person's commit the last one of ours is looked for.
const MOST_COMMITS: usize = 100;

/// A branch of ours as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBranch {
    /// Where it stands.
    pub tip: Oid,
    /// The commit of base that its changes are made to; the tip where base has them already.
    pub base: Oid,
    /// Whether it holds commits that base no longer has, so that it cannot stay.
    pub is_stranded: bool,
    /// The message of our commit; none where base has it already.
    pub message: Option<String>,
}

/// How commits of ours are known.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    /// Whether a commit is ours, by its message and the digest of what it changes.
    pub is_ours: fn(&str, &str) -> bool,
    /// The commit that it was made on, by its message.
    pub base_of: fn(&str) -> Option<&str>,
}

impl GitRepository {
    /// What a branch of ours stands at: a single commit of ours, and clean merges of base over it.
    ///
    /// # Errors
    ///
    /// When the branch has a commit that is not ours, or cannot be read;
    /// [`GitError::ShallowHistory`] where a shallow clone does not reach far enough to tell.
    pub fn own_tip(
        &self,
        branch: &str,
        tip: Oid,
        base: Oid,
        signs: Signs,
    ) -> Result<OwnBranch, GitError> {
        let tip = self
            .repository
            .find_commit(tip)
            .map_err(failed("reading the branch"))?;
        // Merged already, or nothing on it yet.
        if self.is_on(base, tip.id())? == Some(true) {
            return Ok(OwnBranch {
                tip: tip.id(),
                base: tip.id(),
                is_stranded: false,
                message: None,
            });
        }
        let (own, merged) = self.below_merges(&tip, base)?;
        if let (Some(parent), true) = (own.parent_id(0).ok(), self.is_own(&own, &signs.is_ours)) {
            let message = String::from_utf8_lossy(own.message_bytes()).into_owned();
            let base_of_tip = merged.unwrap_or(parent);
            let is_on_base = self.is_on(base, base_of_tip)?;
            let is_on_base = is_on_base.ok_or(GitError::ShallowHistory)?;
            // What base no longer has may be what base gave up, or what a person put below ours.
            let was_base = (signs.base_of)(&message) == Some(parent.to_string().as_str());
            if is_on_base || was_base {
                return Ok(OwnBranch {
                    tip: tip.id(),
                    base: base_of_tip,
                    is_stranded: !is_on_base,
                    message: Some(message),
                });
            }
        }
        Err(GitError::ForeignBranch {
            branch: branch.to_owned(),
            remote: None,
            commit: tip.id().to_string(),
            ours: self.last_own(&tip, &signs.is_ours).map(|id| id.to_string()),
        })
    }

    /// What a commit changes against its parent, as a digest of the changed lines: it stays the same
    /// when the commit is put on another base.
    ///
    /// # Errors
    ///
    /// When a tree cannot be read.
    pub fn patch_digest(&self, old_tree: Oid, new_tree: Oid) -> Result<String, GitError> {
        self.digest(old_tree, new_tree)
            .map_err(failed("comparing two trees"))
    }

    /// Whether two commits on one base conflict: their changes cannot be merged.
    ///
    /// # Errors
    ///
    /// When a tree cannot be read.
    pub fn conflicts(&self, base: Oid, ours: Oid, theirs: Oid) -> Result<bool, GitError> {
        let tree = |id| {
            self.repository
                .find_commit(id)
                .and_then(|commit| commit.tree())
        };
        let merged = tree(base).and_then(|base| {
            self.repository
                .merge_trees(&base, &tree(ours)?, &tree(theirs)?, None)
        });
        let merged = merged.map_err(failed("comparing two commits"))?;
        Ok(merged.has_conflicts())
    }

    fn digest(&self, old: Oid, new: Oid) -> Result<String, git2::Error> {
        let (old, new) = (
            self.repository.find_tree(old)?,
            self.repository.find_tree(new)?,
        );
        let mut options = DiffOptions::new();
        options.context_lines(0).force_text(true);
        let diff = self
            .repository
            .diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
        let mut digest = Sha256::new();
        diff.print(git2::DiffFormat::Patch, |delta, _, line| {
            let path = delta.new_file().path_bytes().unwrap_or_default();
            match line.origin() {
                // What a file's header says of modes and names counts, its blob ids do not.
                'F' => {
                    digest.update(path);
                    digest.update(format!("\0{:?}\0", delta.new_file().mode()));
                }
                origin @ ('+' | '-') => {
                    digest.update([u8::try_from(origin).unwrap_or_default()]);
                    digest.update(line.content());
                }
                _ => {}
            }
            true
        })?;
        let digest = digest.finalize();
        let digits = digest.iter().map(|byte| format!("{byte:02x}"));
        Ok(digits.collect())
    }

    fn is_own(&self, commit: &Commit<'_>, is_ours: &impl Fn(&str, &str) -> bool) -> bool {
        let message = String::from_utf8_lossy(commit.message_bytes());
        let digest = || {
            let parent = commit.parent(0)?;
            self.digest(parent.tree_id(), commit.tree_id())
        };
        commit.parent_count() == 1 && digest().is_ok_and(|digest| is_ours(&message, &digest))
    }

    /// Whether a commit is another one or in its history; none where a shallow clone does not reach
    /// far enough to tell.
    fn is_on(&self, tip: Oid, commit: Oid) -> Result<Option<bool>, GitError> {
        let below = |commit| self.repository.graph_descendant_of(tip, commit);
        match below(commit) {
            _ if tip == commit => Ok(Some(true)),
            Ok(true) => Ok(Some(true)),
            // Behind the boundary of the clone there is more.
            _ if self
                .boundary()
                .iter()
                .any(|&end| end == tip || below(end).unwrap_or(false)) =>
            {
                Ok(None)
            }
            Ok(false) => Ok(Some(false)),
            Err(error) => Err(failed("reading the history")(error)),
        }
    }

    /// The commits at which the history of a shallow clone ends.
    fn boundary(&self) -> Vec<Oid> {
        let list = std::fs::read_to_string(self.repository.commondir().join("shallow"));
        let list = list.unwrap_or_default();
        list.lines()
            .filter_map(|line| Oid::from_str(line.trim()).ok())
            .collect()
    }

    /// The commit below clean merges of base, which "Update branch" makes and which add nothing of
    /// anybody's, and the commit of base that was merged last.
    fn below_merges<'r>(
        &'r self,
        tip: &Commit<'r>,
        base: Oid,
    ) -> Result<(Commit<'r>, Option<Oid>), GitError> {
        let (mut own, mut last) = (tip.clone(), None);
        for _ in 0..MOST_MERGES {
            let Some((below, merged)) = self.clean_merge(&own) else {
                break;
            };
            match self.is_on(base, merged)? {
                Some(true) => {}
                Some(false) => break,
                None => return Err(GitError::ShallowHistory),
            }
            last = last.or(Some(merged));
            own = below;
        }
        Ok((own, last))
    }

    /// Both parents of a commit that merges the second into the first and changes nothing else.
    fn clean_merge(&self, tip: &Commit<'_>) -> Option<(Commit<'_>, Oid)> {
        if tip.parent_count() != 2 {
            return None;
        }
        let own = self.repository.find_commit(tip.parent_id(0).ok()?).ok()?;
        let merged = self.repository.find_commit(tip.parent_id(1).ok()?).ok()?;
        let merge = self.repository.merge_commits(&own, &merged, None);
        let tree = merge.ok()?.write_tree_to(&self.repository).ok()?;
        (tree == tip.tree_id()).then(|| (own, merged.id()))
    }

    /// The last commit of ours in a branch's first-parent history, if it is near its tip.
    fn last_own(&self, tip: &Commit<'_>, is_ours: &impl Fn(&str, &str) -> bool) -> Option<Oid> {
        let mut id = tip.parent_id(0).ok()?;
        for _ in 0..MOST_COMMITS {
            let commit = self.repository.find_commit(id).ok()?;
            if self.is_own(&commit, is_ours) {
                return Some(id);
            }
            id = commit.parent_id(0).ok()?;
        }
        None
    }
}
