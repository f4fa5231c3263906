//! `meshroll apply`: where the restarts go, and as whose.

use clap::{Args, ValueEnum};

use super::{InputArgs, OutputArgs};
use crate::edge::git::Person;

/// `meshroll apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Where the restarts are written.
    #[arg(long, value_enum, env = "MESHROLL_TO")]
    pub to: Destination,
    /// Add the restarts to the pull request that changes the mesh itself, for the mesh as it will be
    /// after the merge: only where the engine's order is proven.
    ///
    /// With Flux, the Kustomization of a workload must depend on that of istiod, both of one source,
    /// and the latter must wait. Everything else is held, and says why. `--to branch --push` adds one
    /// commit to the branch of the pull request, which --base names.
    #[arg(long, env = "MESHROLL_SAME_PR")]
    pub same_pr: bool,
    /// Write even when suspiciously much of the mesh is stale, or more than 50 workloads at once go
    /// into one pull request.
    #[arg(long, env = "MESHROLL_ALLOW_LARGE")]
    pub allow_large: bool,
    /// Warn about a snapshot older than this; open no pull request for it.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "3h",
        env = "MESHROLL_MAX_SNAPSHOT_AGE"
    )]
    pub max_snapshot_age: jiff::SignedDuration,
    /// The remote.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// The commit.
    #[command(flatten)]
    pub commit: CommitArgs,
    /// The pull request.
    #[command(flatten)]
    pub pull_request: PullRequestArgs,
    /// The forge.
    #[command(flatten)]
    pub github: GithubArgs,
    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,
    /// What to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where `apply` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Destination {
    /// The files of the work tree.
    Worktree,
    /// One commit on the branch `meshroll/<cluster>/<wave>`, made in the object store.
    Branch,
    /// The same on a branch of the remote, with a pull request on GitHub.
    PullRequest,
}

/// Which remote is pushed to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Remote")]
pub struct RemoteArgs {
    /// Push the branch; `--to pull-request` always does.
    #[arg(long, env = "MESHROLL_PUSH")]
    pub push: bool,
    /// The remote: its name or its URL.
    #[arg(
        long,
        value_name = "NAME|URL",
        default_value = "origin",
        env = "MESHROLL_REMOTE"
    )]
    pub remote: String,
    /// The branch of the remote that the restarts are for; the one that is checked out by default,
    /// else the remote's own default.
    #[arg(long, value_name = "BRANCH", env = "MESHROLL_BASE")]
    pub base: Option<String>,
    /// How long to wait before the second try when somebody else pushed first; longer each time.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        env = "MESHROLL_RETRY_DELAY"
    )]
    pub retry_delay: jiff::SignedDuration,
}

/// Whose a commit is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Commit")]
pub struct CommitArgs {
    /// The author; a named committer by default, else the one that git would write.
    #[arg(long, value_name = "NAME <MAIL>", env = "MESHROLL_AUTHOR")]
    pub author: Option<Person>,
    /// The committer; the one that git would write by default (`GIT_COMMITTER_NAME`, `user.name`, …).
    #[arg(long, value_name = "NAME <MAIL>", env = "MESHROLL_COMMITTER")]
    pub committer: Option<Person>,
    /// Add the committer's `Signed-off-by`.
    #[arg(long, env = "MESHROLL_SIGN_OFF")]
    pub sign_off: bool,
    /// Sign with the key of git's configuration (`gpg.format`, `user.signingKey`); as its
    /// `commit.gpgSign` says by default.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "MESHROLL_SIGN"
    )]
    pub sign: Option<bool>,
    /// What makes the commit of a pull request.
    #[arg(long, value_enum, default_value = "git", env = "MESHROLL_COMMIT_WITH")]
    pub commit_with: CommitWith,
}

/// What makes commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CommitWith {
    /// Git: meshroll makes the commit and pushes it.
    Git,
    /// GitHub's API: the commit is verified, and its author is the owner of the token.
    GithubApi,
}

/// Which repository on GitHub it is. The token is `MESHROLL_GITHUB_TOKEN`, `GITHUB_TOKEN` or
/// `GH_TOKEN`, and never an argument.
#[derive(Debug, Args)]
#[command(next_help_heading = "GitHub")]
pub struct GithubArgs {
    /// The repository on GitHub; that of the remote by default.
    #[arg(long, value_name = "OWNER/NAME", env = "MESHROLL_GITHUB_REPOSITORY")]
    pub github_repository: Option<String>,
    /// The API of a GitHub Enterprise Server; that of the remote's host by default.
    #[arg(long, value_name = "URL", env = "MESHROLL_GITHUB_API_URL")]
    pub github_api_url: Option<String>,
}

/// How pull requests are opened.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pull request")]
pub struct PullRequestArgs {
    /// Open pull requests as drafts.
    #[arg(long, env = "MESHROLL_DRAFT")]
    pub draft: bool,
    /// A label for the pull request; repeatable.
    #[arg(
        long = "label",
        value_name = "NAME",
        env = "MESHROLL_LABEL",
        value_delimiter = ','
    )]
    pub labels: Vec<String>,
}
