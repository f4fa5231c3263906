//! The error that ends a run: whose fault it is, what happened, what to do.

use std::error::Error as StdError;
use std::fmt;

use crate::config::ConfigError;
use crate::edge::cluster::{ClusterError, ConnectError, ListError};
use crate::edge::files::FilesError;
use crate::edge::forge::ForgeError;
use crate::edge::git::GitError;
use crate::publish;
use crate::snapshot::SnapshotError;

/// Whose fault an error is; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line is not one that meshroll takes, or lacks what this run needs.
    Usage,
    /// An input (repository, snapshot, configuration) cannot be used.
    Input,
    /// The world around did not let meshroll work: an unwritable file, a branch that moved.
    Environment,
}

/// An error that ends the run.
#[derive(Debug)]
pub struct RunError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    source: Box<dyn StdError + Send + Sync>,
    /// What to do about it, a sentence each.
    pub hints: Vec<String>,
}

/// Exit code of a run that did what it was asked.
pub const DONE: u8 = 0;
/// Exit code of a run that failed.
pub const FAILED: u8 = 1;
/// Exit code of a run that found changes due, only with `--detailed-exitcode`.
pub const CHANGES_DUE: u8 = 2;
/// Exit code of a run that found something nobody but a person can mend, only with `--strict`.
pub const ATTENTION: u8 = 3;
/// Exit code of a command line that meshroll does not take, or that lacks what the run needs
/// (`EX_USAGE`).
pub const USAGE: u8 = 64;

impl RunError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            kind,
            source: source.into(),
            hints: Vec::new(),
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Whether somebody else did something at the same moment, so that another look may help.
    #[must_use]
    pub fn is_race(&self) -> bool {
        matches!(
            self.source.downcast_ref::<GitError>(),
            Some(GitError::Moved { .. })
        ) || matches!(
            self.source.downcast_ref::<ForgeError>(),
            Some(ForgeError::Raced { .. })
        )
    }

    /// Whether a forge refused.
    #[must_use]
    pub fn is_of_forge(&self) -> bool {
        self.source.downcast_ref::<ForgeError>().is_some()
    }

    /// Whether a branch has a commit that is not ours.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        let error = self.source.downcast_ref::<GitError>();
        matches!(error, Some(GitError::ForeignBranch { .. }))
    }

    /// The exit code that the run ends with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Usage => USAGE,
            ErrorKind::Input | ErrorKind::Environment => FAILED,
        }
    }
}

impl fmt::Display for RunError {
    /// The error and its causes, joined by `: `; a cause that repeats its parent is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.source.to_string();
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text = format!("{text}: {message}");
            }
            cause = error.source();
        }
        f.write_str(&text)
    }
}

impl StdError for RunError {}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint.clone();
        let error = Self::new(ErrorKind::Input, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<SnapshotError> for RunError {
    fn from(error: SnapshotError) -> Self {
        let hint = match &error {
            SnapshotError::NoPods => {
                "record one with `kubectl get pods,… -A -o json`; `meshroll plan --help` lists the kinds"
            }
            SnapshotError::Unparsable { .. } => {
                "it is to be what `kubectl get … -A -o json` prints, or a recording of `meshroll snapshot`; --allow-partial goes on with what could be read of it"
            }
            SnapshotError::Io { .. } => {
                "name a whole file that can be read: what `kubectl get … -A -o json` prints, or a recording of `meshroll snapshot`"
            }
            SnapshotError::Unwritable { .. } => "name a file in a directory that can be written",
            SnapshotError::TwoClusters { .. } => "name the files of one cluster only",
            SnapshotError::OtherCluster { .. } => {
                "name a snapshot of this cluster, or another cluster with --cluster; its `uid` in the configuration is what `kubectl get namespace kube-system -o jsonpath={.metadata.uid}` prints"
            }
        };
        Self::new(ErrorKind::Input, error).hint(hint)
    }
}

impl From<ClusterError> for RunError {
    fn from(error: ClusterError) -> Self {
        let (kind, hint) = match &error {
            ClusterError::Connect(ConnectError::NoCluster(_)) => (
                ErrorKind::Usage,
                "name a recording (`kubectl get … -A -o json`) with --snapshot, for `meshroll snapshot` with --from; or a cluster with --kubeconfig",
            ),
            ClusterError::Connect(ConnectError::ExecRefused) => (
                ErrorKind::Environment,
                "allow it with --allow-exec if the kubeconfig is your own",
            ),
            ClusterError::Connect(_) => (
                ErrorKind::Environment,
                "look at the kubeconfig and its context",
            ),
            ClusterError::List {
                source: ListError::Untrusted(_),
                ..
            } => (
                ErrorKind::Environment,
                "look at the server and certificate-authority-data of the kubeconfig; the certificate is never left unchecked",
            ),
            ClusterError::List { .. } => (
                ErrorKind::Environment,
                "run again when the API server answers",
            ),
            ClusterError::Snapshot(_) => (
                ErrorKind::Input,
                "see deploy/cluster-role.yaml for what may be listed",
            ),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<FilesError> for RunError {
    fn from(error: FilesError) -> Self {
        Self::new(ErrorKind::Environment, error)
    }
}

impl From<ForgeError> for RunError {
    fn from(error: ForgeError) -> Self {
        let hint = match &error {
            ForgeError::NoToken { .. } => Some(
                "set MESHROLL_GITHUB_TOKEN (GITHUB_TOKEN will do for github.com, and with --github-api-url); in a workflow: `env: {GITHUB_TOKEN: ${{ github.token }}}`".to_owned(),
            ),
            ForgeError::NoRepository { .. } => {
                Some("name it with --github-repository OWNER/NAME".to_owned())
            }
            ForgeError::Insecure { .. } => Some("name an https URL with --github-api-url".to_owned()),
            ForgeError::Unauthorized { .. } => {
                Some("the token has expired, or belongs to another GitHub".to_owned())
            }
            ForgeError::Forbidden { permission, .. } => Some(format!(
                "the token needs the permission `{permission}`; for pull requests also allow \"GitHub Actions to create and approve pull requests\" in the settings of repository and organisation"
            )),
            ForgeError::NotFound { .. } => Some(
                "the repository does not exist under this name, or the token may not see it".to_owned(),
            ),
            ForgeError::RateLimited { seconds, .. } => Some(format!(
                "run again in {seconds} s: the next run goes on where this one stopped"
            )),
            ForgeError::Raced { .. } => Some("run again".to_owned()),
            ForgeError::Refused { .. } | ForgeError::Unreachable { .. } => {
                Some("the next run goes on where this one stopped".to_owned())
            }
        };
        let kind = match &error {
            ForgeError::NoRepository { .. } | ForgeError::Insecure { .. } => ErrorKind::Usage,
            _ => ErrorKind::Environment,
        };
        let error = Self::new(kind, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<GitError> for RunError {
    fn from(error: GitError) -> Self {
        let (kind, hint) = match &error {
            GitError::NotARepository { .. } => (
                ErrorKind::Input,
                Some("name the repository with --repo, or create one with `git init`"),
            ),
            GitError::OtherOwner { .. } => (
                ErrorKind::Environment,
                // Its hint names the directory, below.
                None,
            ),
            GitError::Unborn => (ErrorKind::Input, Some("commit the manifests first")),
            GitError::UnknownRevision { .. } => (
                ErrorKind::Input,
                Some(
                    "name a branch, a tag or a commit that this clone holds; a shallow clone may lack it",
                ),
            ),
            // Its hint names the way back, below.
            GitError::ForeignBranch { .. } => (ErrorKind::Environment, None),
            GitError::CheckedOut { .. } => (
                ErrorKind::Environment,
                Some("check out another branch, then run again"),
            ),
            GitError::Moved { .. } => (
                ErrorKind::Environment,
                Some("something else wrote it at the same moment: run again"),
            ),
            error => remote_hint(error),
        };
        let way_back = match &error {
            GitError::ForeignBranch {
                branch,
                remote,
                ours,
                ..
            } => Some(publish::hand_back(
                branch,
                remote.as_deref(),
                ours.as_deref(),
            )),
            GitError::OtherOwner { path } => Some(format!(
                "trust it with `git config --global --add safe.directory {path}` (in ~/.gitconfig)"
            )),
            _ => None,
        };
        let error = Self::new(kind, error);
        match hint.map(str::to_owned).or(way_back) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Whose fault it is that Git did not fetch, push, sign or commit, and what to do.
fn remote_hint(error: &GitError) -> (ErrorKind, Option<&'static str>) {
    match error {
        GitError::NoExecutable { .. } => (
            ErrorKind::Environment,
            Some("install git: meshroll fetches, pushes and signs with it"),
        ),
        GitError::Transport { .. } => (
            ErrorKind::Environment,
            Some(
                "`git fetch` and `git push` must work here: look at the remote's URL, the network and the credentials; nothing was pushed",
            ),
        ),
        GitError::Refused { .. } => (
            ErrorKind::Environment,
            Some(
                "let meshroll/** be written by the credentials in use (`contents: write` in a workflow) and by the rules of the repository; nothing was pushed",
            ),
        ),
        GitError::NoSuchRemote { .. } => (
            ErrorKind::Input,
            Some("name one with --remote, or add it with `git remote add`"),
        ),
        GitError::NoSuchBranch { .. } => (
            ErrorKind::Input,
            Some("name the branch that the restarts go to with --base"),
        ),
        GitError::BadName { .. } => (ErrorKind::Usage, None),
        GitError::Password { .. } => (
            ErrorKind::Usage,
            Some("name a remote of the repository, or leave the password to a credential helper"),
        ),
        GitError::Unsigned { .. } => (
            ErrorKind::Environment,
            Some(
                "look at gpg.format and user.signingKey of git's configuration, or leave --sign out",
            ),
        ),
        _ => (ErrorKind::Environment, None),
    }
}
