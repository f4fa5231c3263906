//! Git: the repository that holds the manifests.
//!
//! Reading trees is in `read`, building commits straight in the object store in `commit` with
//! `tree` and `pack`, telling our own from others' in `own`, and `remote` fetches and pushes with
//! the `git` executable. Nothing here touches the work tree or the index, runs a hook or a filter,
//! or follows a symbolic link or a submodule (`design.md` §8).

mod commit;
mod own;
mod pack;
mod read;
mod remote;
mod tree;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

pub use commit::{Authorship, NewCommit, Orphan, Person};
pub use own::{OwnBranch, Signs};
pub use remote::{Push, Reach, redacted};

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
        /// The remote that it is on, without credentials; none for a local branch.
        remote: Option<String>,
        /// The commit.
        commit: String,
        /// The last commit of meshroll's below it, where there is one.
        ours: Option<String>,
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
    /// The `git` executable, which fetches, pushes and signs, cannot be run.
    #[error("the git executable cannot be run")]
    NoExecutable {
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A remote did not answer, or did not let us in.
    #[error("{action} at {remote}: {message}")]
    Transport {
        /// What was being done.
        action: &'static str,
        /// The remote, without credentials.
        remote: String,
        /// What git said.
        message: String,
    },
    /// A remote does not let a branch be moved: it is protected, a hook says no, or the credentials
    /// may only read.
    #[error("the remote refuses the branch {branch}: {message}")]
    Refused {
        /// Short name of the branch.
        branch: String,
        /// What git said.
        message: String,
    },
    /// The repository has no remote of a name.
    #[error("there is no remote `{remote}`")]
    NoSuchRemote {
        /// The name.
        remote: String,
    },
    /// A remote has no branch of a name.
    #[error("{remote} has no branch {branch}")]
    NoSuchBranch {
        /// Name of the remote.
        remote: String,
        /// Short name of the branch.
        branch: String,
    },
    /// A URL with a password, which would end up in places where it stays.
    #[error("the URL {remote} names a password")]
    Password {
        /// The URL, without it.
        remote: String,
    },
    /// The clone is shallow, and what it lacks would tell whose a branch is.
    #[error("the clone is too shallow to tell what the branch stands on")]
    ShallowHistory,
    /// A name that would be an option, a program, or no branch at all.
    #[error("`{name}` is not taken as a remote or branch")]
    BadName {
        /// The name.
        name: String,
    },
    /// A file that meshroll never writes.
    #[error("{path} is nothing that meshroll writes")]
    Protected {
        /// Path of the file.
        path: String,
    },
    /// A commit could not be signed.
    #[error("the commit cannot be signed: {message}")]
    Unsigned {
        /// What git said.
        message: String,
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

impl GitError {
    /// The same of a branch on a remote.
    #[must_use]
    pub fn on(self, on: Option<&str>) -> Self {
        match self {
            Self::ForeignBranch {
                branch,
                commit,
                ours,
                ..
            } => Self::ForeignBranch {
                branch,
                remote: on.map(redacted),
                commit,
                ours,
            },
            error => error,
        }
    }
}

/// Names the action that a Git error ended.
fn failed(action: &'static str) -> impl Fn(git2::Error) -> GitError {
    move |source| GitError::Failed { action, source }
}

/// The repository that holds the manifests.
pub struct GitRepository {
    repository: Repository,
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
            Err(error) if error.code() == ErrorCode::Owner => {
                let path = directory.canonicalize();
                let path = path.unwrap_or_else(|_| directory.to_owned());
                let path = path.display().to_string();
                Err(GitError::OtherOwner { path })
            }
            Err(source) => Err(GitError::Unsupported { path, source }),
        }
    }

    /// The same repository as it is now.
    ///
    /// # Errors
    ///
    /// When it cannot be opened any more.
    pub fn reopen(&self) -> Result<Self, GitError> {
        let path = self.repository.path();
        let repository = Repository::open(path);
        Ok(Self {
            repository: repository.map_err(failed("opening the repository"))?,
        })
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

    /// URLs of the remotes, as configured; those that cannot be read are left out.
    #[must_use]
    pub fn remotes(&self) -> Vec<String> {
        let Ok(names) = self.repository.remotes() else {
            return Vec::new();
        };
        names
            .iter()
            .filter_map(|name| {
                let remote = self.repository.find_remote(name.ok()??).ok()?;
                Some(remote.url().ok()?.to_owned())
            })
            .collect()
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
}
