//! Forges: where pull requests live. GitHub is the only one so far; what it does for meshroll is
//! behind one small interface, so that others can follow.

mod github;

pub use github::{Github, GithubAddress};

use crate::publish::{PullRequest, PullRequestContent, Status};

/// A forge did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// There is no token to ask with.
    #[error("there is no token for {api}")]
    NoToken {
        /// The API's base URL.
        api: String,
    },
    /// Nothing tells which repository it is.
    #[error("which repository on GitHub this is cannot be told from the remote {remote}")]
    NoRepository {
        /// URL of the remote, without credentials.
        remote: String,
    },
    /// The address would carry the token in clear text.
    #[error("the API at {url} is not reached over https")]
    Insecure {
        /// The URL.
        url: String,
    },
    /// The token is not valid.
    #[error("{action}: the token is not accepted (401): {message}")]
    Unauthorized {
        /// What was being done.
        action: &'static str,
        /// What the forge said.
        message: String,
    },
    /// The token may not do this.
    #[error("{action}: not allowed (403): {message}")]
    Forbidden {
        /// What was being done.
        action: &'static str,
        /// The permission that it takes.
        permission: &'static str,
        /// What the forge said.
        message: String,
    },
    /// There is no such thing, or the token may not see it.
    #[error("{action}: not found (404): {message}")]
    NotFound {
        /// What was being done.
        action: &'static str,
        /// What the forge said.
        message: String,
    },
    /// Too many requests.
    #[error("{action}: GitHub asks to wait for {seconds} s (rate limit): {message}")]
    RateLimited {
        /// What was being done.
        action: &'static str,
        /// How long.
        seconds: u64,
        /// What the forge said.
        message: String,
    },
    /// The request is not one that the forge takes.
    #[error("{action}: refused ({status}): {message}")]
    Refused {
        /// What was being done.
        action: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the forge said.
        message: String,
    },
    /// Somebody else did the same at the same moment.
    #[error("{action}: somebody else was faster: {message}")]
    Raced {
        /// What was being done.
        action: &'static str,
        /// What the forge said.
        message: String,
    },
    /// No answer, or none that can be read.
    #[error("{action}: no answer from {host}: {message}")]
    Unreachable {
        /// What was being done.
        action: &'static str,
        /// The host.
        host: String,
        /// What happened.
        message: String,
    },
}

/// One file of a commit that the forge makes.
#[derive(Debug, Clone)]
pub struct ForgeFile {
    /// Path in the repository.
    pub path: String,
    /// The new bytes.
    pub bytes: Vec<u8>,
}

/// A commit that the forge makes and signs.
#[derive(Debug, Clone, Copy)]
pub struct ForgeCommit<'a> {
    /// Short name of the branch.
    pub branch: &'a str,
    /// Where the branch must stand until then; none where it must not exist.
    pub expected: Option<&'a str>,
    /// The commit that the new one stands on.
    pub base: &'a str,
    /// A name that no other run has, for the branch that it is made on.
    pub draft: &'a str,
    /// The whole message.
    pub message: &'a str,
    /// The files that it changes, all of them plain.
    pub files: &'a [ForgeFile],
}

/// A new pull request.
#[derive(Debug, Clone, Copy)]
pub struct NewPullRequest<'a> {
    /// The branch that is to be merged.
    pub head: &'a str,
    /// The branch that it goes into.
    pub base: &'a str,
    /// What it says.
    pub content: &'a PullRequestContent,
    /// Whether it is a draft.
    pub draft: bool,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Its text.
    pub body: String,
}

/// What meshroll asks of a forge. Every call may fail with any [`ForgeError`].
pub trait Forge {
    /// Every pull request that was ever opened from a branch of the repository, the newest first.
    ///
    /// # Errors
    ///
    /// When the forge does not answer.
    fn pull_requests(&self, head: &str, base: &str) -> Result<Vec<PullRequest>, ForgeError>;
    /// Opens a pull request.
    ///
    /// # Errors
    ///
    /// [`ForgeError::Raced`] when there is one by now.
    fn open(&self, new: NewPullRequest<'_>) -> Result<PullRequest, ForgeError>;
    /// Gives a pull request a title and a text.
    ///
    /// # Errors
    ///
    /// When the forge refuses.
    fn update(&self, number: u64, content: &PullRequestContent) -> Result<(), ForgeError>;
    /// Closes a pull request.
    ///
    /// # Errors
    ///
    /// When the forge refuses.
    fn close(&self, number: u64) -> Result<(), ForgeError>;
    /// Adds labels to a pull request.
    ///
    /// # Errors
    ///
    /// When the forge refuses.
    fn label(&self, number: u64, labels: &[String]) -> Result<(), ForgeError>;
    /// The comment of a pull request that begins with a marker and that the token's owner wrote.
    ///
    /// # Errors
    ///
    /// When the forge does not answer.
    fn comment(&self, number: u64, marker: &str) -> Result<Option<Comment>, ForgeError>;
    /// Writes a comment: a new one, or in the place of an old one.
    ///
    /// # Errors
    ///
    /// When the forge refuses.
    fn write_comment(&self, number: u64, old: Option<u64>, body: &str) -> Result<(), ForgeError>;
    /// Takes a comment away.
    ///
    /// # Errors
    ///
    /// When the forge refuses.
    fn delete_comment(&self, id: u64) -> Result<(), ForgeError>;
    /// Sets a commit status, unless it says the same already.
    ///
    /// # Errors
    ///
    /// When the forge refuses.
    fn set_status(&self, commit: &str, context: &str, status: &Status) -> Result<(), ForgeError>;
    /// Makes a commit and moves a branch to it in one step; gives the commit's id.
    ///
    /// # Errors
    ///
    /// [`ForgeError::Raced`] when the branch or the base does not stand where it is expected to.
    fn commit(&self, commit: ForgeCommit<'_>) -> Result<String, ForgeError>;
}
