//! Pull requests: the wave's branch, its pull request and its commit status, brought to what the
//! plan asks for.

use git2::Oid;

use super::branch::{self, Draft, WaveBranch};
use super::planned::Planned;
use crate::cli::{ApplyArgs, CommitWith, GithubArgs, PullRequestArgs};
use crate::edge::clock;
use crate::edge::forge::{
    Forge, ForgeCommit, ForgeError, ForgeFile, Github, GithubAddress, NewPullRequest,
};
use crate::edge::git::{GitError, GitRepository};
use crate::error::{ErrorKind, RunError};
use crate::publish::{
    self, BranchAction, FOREIGN_MARKER, PullRequest, PullRequestAction, PullRequestContent,
};
use crate::report::{
    BranchOperation, PullRequestOperation, Written, WrittenBranch, WrittenPullRequest,
};

/// Where pull requests go.
pub(super) struct Site {
    forge: Box<dyn Forge>,
    /// The branch that they go into.
    base: String,
}

impl Site {
    /// Finds the forge of the remote.
    ///
    /// # Errors
    ///
    /// When it cannot be told, or there is no token.
    pub(super) fn connect(
        repository: &GitRepository,
        args: &ApplyArgs,
        base: &str,
    ) -> Result<Self, RunError> {
        let delay = args.remote.retry_delay;
        Ok(Self {
            forge: connect(repository, &args.github, &args.remote.remote, delay)?,
            base: base.to_owned(),
        })
    }
}

/// Finds the forge of a remote.
///
/// # Errors
///
/// When it cannot be told, or there is no token.
pub(super) fn connect(
    repository: &GitRepository,
    args: &GithubArgs,
    remote: &str,
    delay: jiff::SignedDuration,
) -> Result<Box<dyn Forge>, RunError> {
    let url = repository.remote_url(remote);
    let address = GithubAddress::find(
        args.github_repository.as_deref(),
        args.github_api_url.as_deref(),
        &url,
    )?;
    let delay = delay.try_into().unwrap_or_default();
    Ok(Box::new(Github::connect(address, delay)?))
}

/// Brings branch, pull request and commit status to what the plan asks for.
///
/// # Errors
///
/// When the remote or the forge refuses; what was done by then stays, and the next run goes on
/// from it.
pub(super) fn reconcile(
    site: &Site,
    planned: &Planned<'_>,
    branch: &WaveBranch<'_>,
    args: &ApplyArgs,
) -> Result<Written, RunError> {
    let forge = site.forge.as_ref();
    let existing = forge.pull_requests(&branch.name, &site.base)?;
    let content = content(planned);
    let edits = planned.restart_edits();
    let action = match publish::pull_request_action(&edits, &content, &existing) {
        // The branch stays for what cannot be told, and so does its pull request.
        PullRequestAction::Close(open) | PullRequestAction::Update(open, _)
            if planned.keeps_branch.is_some() =>
        {
            PullRequestAction::Keep(open)
        }
        PullRequestAction::Open if planned.keeps_branch.is_some() => PullRequestAction::Nothing,
        action => action,
    };
    if let PullRequestAction::Declined(declined) = action {
        return Ok(Written::PullRequest {
            branch: None,
            pull_request: Some(written(declined, PullRequestOperation::Declined)),
        });
    }
    if let PullRequestAction::Close(open) = action {
        let title = open.title.clone();
        let body = publish::closing_body(&open.body);
        // The marker goes first: closed by us, the same restarts may be asked for again.
        forge.update(open.number, &PullRequestContent { title, body })?;
        forge.close(open.number)?;
    }
    let branch_action = branch.action(planned);
    let pushed = match (branch_action, args.commit.commit_with) {
        (BranchAction::Write, CommitWith::GithubApi) => {
            let made = commit_by_forge(forge, planned, branch);
            Some(made.map_err(|error| moved_or(planned, branch, error))?)
        }
        _ => branch.bring_about(branch_action, planned, &args.commit)?,
    };
    let pull_request = follow(site, action, branch, &content, &args.pull_request)?;
    if let Some(commit) = pushed.as_ref().and_then(|pushed| pushed.commit.as_deref()) {
        let status = match planned.keeps_branch.as_deref() {
            Some(why) => publish::status_without_plan(false, why),
            None => publish::status(&planned.plan),
        };
        forge.set_status(commit, &branch.name, &status)?;
    }
    Ok(match (pushed, pull_request) {
        (None, None) => Written::Nothing,
        (branch, pull_request) => Written::PullRequest {
            branch,
            pull_request,
        },
    })
}

/// Opens or updates the pull request once its branch is there.
fn follow(
    site: &Site,
    action: PullRequestAction<'_>,
    branch: &WaveBranch<'_>,
    content: &PullRequestContent,
    args: &PullRequestArgs,
) -> Result<Option<WrittenPullRequest>, RunError> {
    let forge = site.forge.as_ref();
    Ok(match action {
        PullRequestAction::Nothing => None,
        PullRequestAction::Open => {
            let opened = forge.open(NewPullRequest {
                head: &branch.name,
                base: &site.base,
                content,
                draft: args.draft,
            })?;
            // Labels are a courtesy: a token that may not set them opens pull requests all the same.
            if !args.labels.is_empty()
                && let Err(error) = forge.label(opened.number, &args.labels)
            {
                tracing::warn!(%error, "the pull request has no labels");
            }
            Some(written(&opened, PullRequestOperation::Created))
        }
        PullRequestAction::Update(open, content) => {
            forge.update(open.number, &content)?;
            Some(written(open, PullRequestOperation::Updated))
        }
        PullRequestAction::Keep(open) => Some(written(open, PullRequestOperation::Kept)),
        PullRequestAction::Close(open) => Some(written(open, PullRequestOperation::Closed)),
        PullRequestAction::Declined(declined) => {
            Some(written(declined, PullRequestOperation::Declined))
        }
    })
}

fn written(pull_request: &PullRequest, operation: PullRequestOperation) -> WrittenPullRequest {
    WrittenPullRequest {
        number: pull_request.number,
        url: pull_request.url.clone(),
        operation,
    }
}

/// Title and text for a plan.
fn content(planned: &Planned<'_>) -> PullRequestContent {
    let report = crate::report::pull_request_body(planned.report(None));
    publish::pull_request_content(&planned.plan, &planned.edits, planned.cluster, &report)
}

/// Lets the forge make the commit, with the tree that meshroll made of it here.
fn commit_by_forge(
    forge: &dyn Forge,
    planned: &Planned<'_>,
    branch: &WaveBranch<'_>,
) -> Result<WrittenBranch, RunError> {
    let world = planned.world;
    let base = branch::base(world)?;
    let Draft { tree, message } = branch::draft(planned)?;
    let mut files = Vec::new();
    for edit in &planned.edits {
        if world.repository.is_executable(base, &edit.path)? {
            let message = format!(
                "GitHub's API would take the executable bit of {}",
                edit.path
            );
            return Err(RunError::new(ErrorKind::Input, message)
                .hint("use --commit-with git, or make the file a plain one"));
        }
        let bytes = world.repository.file_of_tree(tree, &edit.path)?;
        let (path, bytes) = (edit.path.clone(), bytes.unwrap_or_default());
        files.push(ForgeFile { path, bytes });
    }
    let expected = branch.existing.as_ref().map(|one| one.tip.to_string());
    let draft = format!("{:08x}", clock::number());
    let made = forge.commit(ForgeCommit {
        draft: &draft,
        branch: &branch.name,
        expected: expected.as_deref(),
        base: &base.to_string(),
        message: &message,
        files: &files,
    })?;
    let made = Oid::from_str(&made).map_err(|_| ForgeError::Refused {
        action: "making the commit",
        status: 200,
        message: "the answer holds no commit id".to_owned(),
    })?;
    let operation = match expected {
        Some(_) => BranchOperation::Updated,
        None => BranchOperation::Created,
    };
    Ok(branch.written(Some(made), operation))
}

/// The error, or that somebody was faster: the remote says so, not the words of the error.
fn moved_or(planned: &Planned<'_>, branch: &WaveBranch<'_>, error: RunError) -> RunError {
    let Some(remote) = branch.remote else {
        return error;
    };
    let name = branch.name.as_str();
    let there = planned.world.repository.remote_branches(remote, &[name]);
    let expected = branch.existing.as_ref().map(|existing| existing.tip);
    match there {
        Ok(there) if there.get(name).copied() != expected => RunError::from(GitError::Moved {
            branch: name.to_owned(),
        }),
        _ => error,
    }
}

/// Turns the commit status of an open branch to pending, since there is no plan that could vouch for
/// it; gives the error that says why back.
pub(super) fn hold_all(site: &Site, name: &str, tip: Oid, error: RunError) -> RunError {
    // A person's commit has a status of its own, and a forge that refuses will refuse this as well.
    if error.is_foreign() || error.is_of_forge() {
        return error;
    }
    let status = publish::status_without_plan(false, &error.to_string());
    if let Err(failed) = site.forge.set_status(&tip.to_string(), name, &status) {
        tracing::warn!(error = %failed, "the commit status does not say why");
    }
    error
}

/// Says on the open pull request why its branch is left alone; gives the error back.
///
/// The commit status of a person's commit is theirs to have: success, unless everything is halted.
pub(super) fn explain(
    site: &Site,
    name: &str,
    tip: Option<Oid>,
    halted: Option<&str>,
    error: RunError,
) -> RunError {
    if !error.is_foreign() {
        return error;
    }
    let say = || -> Result<(), ForgeError> {
        let forge = site.forge.as_ref();
        if let Some(tip) = tip {
            let why = halted.unwrap_or("a person's commit: meshroll leaves the branch alone");
            let status = publish::status_without_plan(halted.is_none(), why);
            forge.set_status(&tip.to_string(), name, &status)?;
        }
        let existing = forge.pull_requests(name, &site.base)?;
        let open = existing
            .iter()
            .find(|one| one.state == publish::PullRequestState::Open);
        let Some(open) = open else {
            return Ok(());
        };
        let body = publish::foreign_commit_comment(name, &error.hints.join("\n"));
        let old = forge.comment(open.number, FOREIGN_MARKER)?;
        if old
            .as_ref()
            .is_some_and(|old| old.body.trim() == body.trim())
        {
            return Ok(());
        }
        // Handed back by deleting the branch, which closes the pull request, is not declined.
        let (title, text) = (open.title.clone(), publish::closing_body(&open.body));
        forge.update(open.number, &PullRequestContent { title, body: text })?;
        forge.write_comment(open.number, old.map(|old| old.id), &body)
    };
    if let Err(failed) = say() {
        tracing::warn!(error = %failed, "the pull request does not say why");
    }
    error
}

/// Keeps the one comment that shows what a change of the mesh would bring; none takes it away.
///
/// # Errors
///
/// When the forge refuses.
pub(super) fn preview(
    forge: &dyn Forge,
    number: u64,
    cluster: &str,
    report: Option<&str>,
) -> Result<(), ForgeError> {
    let old = forge.comment(number, &publish::preview_marker(cluster))?;
    match (report, old) {
        (None, None) => Ok(()),
        (None, Some(old)) => forge.delete_comment(old.id),
        (Some(report), old) => {
            let body = publish::preview_comment(cluster, report);
            if old
                .as_ref()
                .is_some_and(|old| old.body.trim() == body.trim())
            {
                return Ok(());
            }
            forge.write_comment(number, old.map(|old| old.id), &body)
        }
    }
}
