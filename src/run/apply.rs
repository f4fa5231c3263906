//! `apply`: the plan, then its writing: into the work tree, on a branch here, or on a remote's.

use super::branch::WaveBranch;
use super::planned::{Gate, Planned};
use super::world::{ReadFrom, World};
use super::{publish, record, same_pr, write};
use crate::cli::{ApplyArgs, Cli, CommitWith, Destination};
use crate::error::{ErrorKind, RunError};
use crate::publish::BranchAction;
use crate::report::Written;
use crate::wave;
use crate::{publish as values, run::narration};

/// Without waves no more workloads than this go into one pull request unasked.
const MOST_RESTARTS: usize = 50;

/// Plans and writes.
///
/// # Errors
///
/// When an input cannot be used, the plan is suspicious, or it cannot be written.
pub(super) fn apply(cli: &Cli, args: &ApplyArgs) -> Result<u8, RunError> {
    refuse_ignored(args)?;
    match args.to {
        Destination::Worktree if args.same_pr => same_pr::work_tree(cli, args),
        Destination::Branch if args.same_pr && args.remote.push => publish::publish(cli, args),
        _ if args.same_pr => Err(RunError::new(
            ErrorKind::Usage,
            "--same-pr writes into the pull request that is there already",
        )
        .hint("use --to worktree in its checkout, or --to branch --push with --base")),
        Destination::Worktree => work_tree(cli, args),
        Destination::Branch if !args.remote.push => local_branch(cli, args),
        Destination::Branch | Destination::PullRequest => publish::publish(cli, args),
    }
}

/// Refuses what would be asked for in vain.
fn refuse_ignored(args: &ApplyArgs) -> Result<(), RunError> {
    let commit = &args.commit;
    if commit.commit_with != CommitWith::GithubApi {
        return Ok(());
    }
    let (message, hint) = if args.to != Destination::PullRequest {
        (
            "--commit-with github-api makes the commit of a pull request",
            "use --to pull-request, or leave it out",
        )
    } else if commit.author.is_some() || commit.committer.is_some() || commit.sign == Some(true) {
        (
            "GitHub signs its commits for the owner of the token",
            "leave --author, --committer and --sign out, or use --commit-with git",
        )
    } else {
        return Ok(());
    };
    Err(RunError::new(ErrorKind::Usage, message).hint(hint))
}

fn work_tree(cli: &Cli, args: &ApplyArgs) -> Result<u8, RunError> {
    if args.input.rev.is_some() {
        let message = "--rev reads a commit, and --to worktree writes the work tree";
        return Err(
            RunError::new(ErrorKind::Usage, message).hint("leave --rev out, or use --to branch")
        );
    }
    if args.remote.push {
        let message = "--push pushes a branch, and --to worktree makes none";
        return Err(RunError::new(ErrorKind::Usage, message).hint("use --to branch"));
    }
    let world = World::read(cli, &args.input, ReadFrom::WorkTree)?;
    let (deliveries, found) = world.deliveries();
    let planned = Planned::new(&world, &deliveries, found, &args.input, Gate::None)?;
    planned.check(cli, args)?;
    let written = match planned.edits.as_slice() {
        [] => Written::Nothing,
        edits => write::to_work_tree(world.root.as_deref(), &world.manifests, edits)?,
    };
    planned.finish(cli, &args.output, Some(&written))
}

fn local_branch(cli: &Cli, args: &ApplyArgs) -> Result<u8, RunError> {
    let world = World::read(cli, &args.input, ReadFrom::Commit)?;
    let (deliveries, found) = world.deliveries();
    let name = values::branch(&args.input.repository.cluster, wave::ALL);
    let tip = world.repository.local_branch(&name)?;
    if tip.is_some() && tip == world.base && !is_on_branch(&world, args) {
        let message = format!("the commit that is planned for is {name} itself");
        return Err(RunError::new(ErrorKind::Input, message)
            .hint("check out the branch that the restarts are to be merged into"));
    }
    let branch = WaveBranch::read(&world, name, None, tip)?;
    let gate = branch.gate();
    let planned = Planned::new(&world, &deliveries, found, &args.input, gate)?;
    planned.check(cli, args)?;
    let action = match branch.action(&planned) {
        // Only a branch can have merged it: a commit that somebody looks at says nothing of that.
        BranchAction::Delete if !is_on_branch(&world, args) => BranchAction::Nothing,
        action => action,
    };
    let written = branch.bring_about(action, &planned, &args.commit)?;
    let written = written.map_or(Written::Nothing, Written::Branch);
    planned.finish(cli, &args.output, Some(&written))
}

/// Whether the plan is for a branch, and not for a commit that was named or looked at.
fn is_on_branch(world: &World, args: &ApplyArgs) -> bool {
    args.input.rev.is_none() && world.repository.checked_out().is_some()
}

impl Planned<'_> {
    /// Refuses what should be asked twice, having said what there is to say.
    ///
    /// # Errors
    ///
    /// When the plan is suspicious, or too much or too old for a pull request.
    pub(super) fn check(&self, cli: &Cli, args: &ApplyArgs) -> Result<(), RunError> {
        let doubt = self.doubt(cli, args);
        if doubt.is_err() {
            narration::diagnostics(cli, &self.diagnostics);
        }
        doubt
    }

    fn doubt(&self, cli: &Cli, args: &ApplyArgs) -> Result<(), RunError> {
        let is_pull_request = args.to == Destination::PullRequest;
        if let Some(age) = record::age(&self.world.snapshot, args.max_snapshot_age) {
            // An age that is not known is a warning everywhere.
            if is_pull_request && self.world.snapshot.capture.captured_at.is_some() {
                return Err(RunError::new(ErrorKind::Input, age.message).hint(
                    "record the cluster again, or allow older ones with --max-snapshot-age",
                ));
            }
            narration::diagnostics(cli, &[age]);
        }
        if args.allow_large {
            return Ok(());
        }
        if let Some(why) = self.plan.brake() {
            return Err(RunError::new(ErrorKind::Input, why)
                .hint("look at `meshroll plan`; if it is right, apply with --allow-large"));
        }
        let restarts = self.plan.written().count();
        if is_pull_request && restarts > MOST_RESTARTS {
            let message = format!(
                "{restarts} workloads would restart with one merge, and no waves are configured"
            );
            return Err(RunError::new(ErrorKind::Input, message).hint(
                "narrow the plan with --namespace or --selector, or allow it with --allow-large",
            ));
        }
        Ok(())
    }
}
