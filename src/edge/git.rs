//! Git: reading trees, and building commits straight in the object store.
//!
//! Nothing here touches the work tree or the index, runs a hook or a filter, or follows a symbolic
//! link or a submodule (`design.md` §8).

use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{
    ErrorCode, FileMode, ObjectType, Oid, Repository, Signature, Time, TreeWalkMode, TreeWalkResult,
};
use jiff::Timestamp;
use rayon::prelude::{ParallelIterator as _, ParallelSlice as _};

use crate::diagnostic::Diagnostic;
use crate::manifest::{self, RawFile, Screen};

/// Git did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The directory is in no Git repository.
    #[error("{path} is not in a Git repository")]
    NotARepository {
        /// The directory as it was given.
        path: String,
    },
    /// The repository belongs to somebody else, and Git was not told to trust it.
    #[error("the repository {path} belongs to another user")]
    OtherOwner {
        /// The directory as it was given.
        path: String,
    },
    /// The repository uses a format that this build cannot read: SHA-256, reftable.
    #[error("the repository {path} cannot be opened")]
    Unsupported {
        /// The directory as it was given.
        path: String,
        /// The cause.
        #[source]
        source: git2::Error,
    },
    /// There is no commit yet.
    #[error("HEAD has no commit yet")]
    Unborn,
    /// A name resolves to no commit.
    #[error("`{revision}` names no commit")]
    UnknownRevision {
        /// The name as it was given.
        revision: String,
    },
    /// The branch has a commit that meshroll did not write.
    #[error("the branch {branch} has a commit that meshroll did not write ({commit})")]
    ForeignBranch {
        /// Short name of the branch.
        branch: String,
        /// The commit.
        commit: String,
    },
    /// The branch is checked out, so that moving it would make the work tree look dirty.
    #[error("the branch {branch} is checked out")]
    CheckedOut {
        /// Short name of the branch.
        branch: String,
    },
    /// The branch moved between the reading and the writing.
    #[error("the branch {branch} moved while meshroll was at work")]
    Moved {
        /// Short name of the branch.
        branch: String,
    },
    /// Anything else.
    #[error("git: {action}")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: git2::Error,
    },
}

/// Path and id of a manifest's blob.
type ManifestBlob = (String, Oid);

/// Mode of a symbolic link in a tree.
const LINK: i32 = 0o120_000;
/// Mode of an executable file in a tree.
const EXECUTABLE: i32 = 0o100_755;

/// Names the action that a Git error ended.
fn failed(action: &'static str) -> impl Fn(git2::Error) -> GitError {
    move |source| GitError::Failed { action, source }
}

/// The repository that holds the manifests.
pub struct GitRepository {
    repository: Repository,
}

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
    /// Opens the repository that a directory is in.
    ///
    /// # Errors
    ///
    /// When there is none, it belongs to another user, or it has a format that cannot be read.
    pub fn open(directory: &Path) -> Result<Self, GitError> {
        let path = directory.display().to_string();
        // What is read was hashed when it was written; git does not hash it again either.
        git2::opts::strict_hash_verification(false);
        match Repository::discover(directory) {
            Ok(repository) => Ok(Self { repository }),
            Err(error) if error.code() == ErrorCode::NotFound => {
                Err(GitError::NotARepository { path })
            }
            Err(error) if error.code() == ErrorCode::Owner => Err(GitError::OtherOwner { path }),
            Err(source) => Err(GitError::Unsupported { path, source }),
        }
    }

    /// The root of the work tree; none for a bare repository.
    #[must_use]
    pub fn work_tree(&self) -> Option<PathBuf> {
        self.repository.workdir().map(Path::to_owned)
    }

    /// Paths in the index, which Git tracks whatever `.gitignore` says.
    ///
    /// # Errors
    ///
    /// When the index cannot be read.
    pub fn tracked(&self) -> Result<Vec<String>, GitError> {
        let index = self
            .repository
            .index()
            .map_err(failed("reading the index"))?;
        Ok(index
            .iter()
            .filter_map(|entry| String::from_utf8(entry.path).ok())
            .collect())
    }

    /// The commit that a name stands for.
    ///
    /// # Errors
    ///
    /// When the name resolves to no commit, or is `HEAD` and there is none yet.
    pub fn commit(&self, revision: &str) -> Result<Oid, GitError> {
        let unknown = || GitError::UnknownRevision {
            revision: revision.to_owned(),
        };
        match self.repository.revparse_single(revision) {
            Ok(object) => Ok(object.peel_to_commit().map_err(|_| unknown())?.id()),
            Err(_) if revision == "HEAD" && self.is_unborn() => Err(GitError::Unborn),
            Err(_) => Err(unknown()),
        }
    }

    fn is_unborn(&self) -> bool {
        self.repository
            .head()
            .is_err_and(|error| error.code() == ErrorCode::UnbornBranch)
    }

    /// Reads every manifest of a commit that the screen lets pass, sorted by path.
    ///
    /// `paths` are directories to read; empty means all. What looks like a manifest and is left out
    /// (symbolic link, submodule, too large) is a diagnostic.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read. A blob that is not there is a diagnostic.
    pub fn read_manifests(
        &self,
        commit: Oid,
        paths: &[String],
        size_limit: u64,
        screen: &Screen,
    ) -> Result<(Vec<RawFile>, Vec<Diagnostic>), GitError> {
        let (blobs, mut diagnostics) = self.manifest_blobs(commit, paths)?;
        let location = self.repository.path();
        // One repository for each thread and not for each of rayon's splits: opening one costs more
        // than reading a blob.
        let share = blobs.len().div_ceil(rayon::current_num_threads()).max(1);
        let read: Vec<Result<Option<RawFile>, Diagnostic>> = blobs
            .par_chunks(share)
            .flat_map_iter(|blobs| {
                let repository = Repository::open(location);
                blobs.iter().map(move |(path, id)| match &repository {
                    Ok(repository) => read_blob(repository, path, *id, size_limit, screen),
                    Err(error) => Err(manifest::unreadable(path, error.message())),
                })
            })
            .collect();
        let mut files = Vec::new();
        for file in read {
            match file {
                Ok(file) => files.extend(file),
                Err(diagnostic) => diagnostics.push(diagnostic),
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((files, diagnostics))
    }

    /// Path and id of every blob that is a manifest by its name.
    fn manifest_blobs(
        &self,
        commit: Oid,
        paths: &[String],
    ) -> Result<(Vec<ManifestBlob>, Vec<Diagnostic>), GitError> {
        let tree = self
            .repository
            .find_commit(commit)
            .and_then(|commit| commit.tree());
        let tree = tree.map_err(failed("reading the commit"))?;
        let (mut blobs, mut diagnostics) = (Vec::new(), Vec::new());
        let visited = tree.walk(TreeWalkMode::PreOrder, |directory, entry| {
            let Ok(name) = entry.name() else {
                return TreeWalkResult::Skip;
            };
            let path = format!("{directory}{name}");
            let is_tree = entry.kind() == Some(ObjectType::Tree);
            if name == ".github" || (is_tree && !leads_to(&path, paths)) {
                return TreeWalkResult::Skip;
            }
            if is_tree || !manifest::is_manifest_path(&path) || !leads_to(&path, paths) {
                return TreeWalkResult::Ok;
            }
            match entry.filemode() {
                LINK => diagnostics.push(manifest::skipped(
                    &path,
                    "a symbolic link is never followed",
                )),
                _ if entry.kind() == Some(ObjectType::Blob) => blobs.push((path, entry.id())),
                _ => {}
            }
            TreeWalkResult::Ok
        });
        visited.map_err(failed("reading the commit's tree"))?;
        Ok((blobs, diagnostics))
    }

    /// The bytes of a file of a commit; none where the commit has no such file.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read.
    pub fn file(&self, commit: Oid, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let tree = self
            .repository
            .find_commit(commit)
            .and_then(|commit| commit.tree());
        let tree = tree.map_err(failed("reading the commit"))?;
        let Ok(entry) = tree.get_path(Path::new(path)) else {
            return Ok(None);
        };
        let blob = self
            .repository
            .find_blob(entry.id())
            .map_err(failed("reading a file"))?;
        Ok(Some(blob.content().to_owned()))
    }

    /// Whether a commit has a directory of this path; the empty path is the root.
    ///
    /// # Errors
    ///
    /// When the commit's tree cannot be read.
    pub fn holds_directory(&self, commit: Oid, path: &str) -> Result<bool, GitError> {
        let tree = self
            .repository
            .find_commit(commit)
            .and_then(|commit| commit.tree());
        let tree = tree.map_err(failed("reading the commit"))?;
        let entry = tree.get_path(Path::new(path));
        Ok(path.is_empty() || entry.is_ok_and(|entry| entry.kind() == Some(ObjectType::Tree)))
    }

    /// Paths of the files in which two commits differ.
    ///
    /// # Errors
    ///
    /// When a tree cannot be read.
    pub fn changed_files(&self, old: Oid, new: Oid) -> Result<Vec<String>, GitError> {
        let tree = |id| {
            self.repository
                .find_commit(id)
                .and_then(|commit| commit.tree())
        };
        let diff = tree(old).and_then(|old| {
            let new = tree(new)?;
            self.repository
                .diff_tree_to_tree(Some(&old), Some(&new), None)
        });
        let diff = diff.map_err(failed("comparing two commits"))?;
        let path = |delta: git2::DiffDelta<'_>| {
            Some(delta.new_file().path()?.to_string_lossy().into_owned())
        };
        Ok(diff.deltas().filter_map(path).collect())
    }

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

/// Whether a path lies in one of the directories, or one of them lies in it. No directory means all.
fn leads_to(path: &str, directories: &[String]) -> bool {
    directories.is_empty()
        || directories.iter().any(|directory| {
            manifest::is_inside(path, directory) || manifest::is_inside(directory, path)
        })
}

fn read_blob(
    repository: &Repository,
    path: &str,
    id: Oid,
    size_limit: u64,
    screen: &Screen,
) -> Result<Option<RawFile>, Diagnostic> {
    let unreadable = |error: git2::Error| manifest::unreadable(path, error.message());
    let size = repository
        .odb()
        .and_then(|odb| odb.read_header(id))
        .map_err(unreadable)?
        .0;
    if size as u64 > size_limit {
        return Err(manifest::too_large(path, size_limit));
    }
    let blob = repository.find_blob(id).map_err(unreadable)?;
    let bytes = blob.content();
    Ok(screen.admits(path, bytes).then(|| RawFile {
        path: path.to_owned(),
        bytes: bytes.to_owned(),
    }))
}
