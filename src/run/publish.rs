//! Publishing on a remote: fetch, plan at the head of base, push with a lease; when somebody was
//! faster, fetch and plan again.

use std::mem::ManuallyDrop;
use std::time::Duration;

use git2::Oid;
use jiff::SignedDuration;

use super::branch::{SIGNS, WaveBranch};
use super::planned::Planned;
use super::pull_request::{self, Site};
use super::same_pr;
use super::world::{ReadFrom, World};
use crate::cli::{ApplyArgs, Cli, Destination};
use crate::edge::clock;
use crate::edge::git::{GitError, GitRepository, Reach, redacted};
use crate::error::{ErrorKind, RunError};
use crate::publish;
use crate::report::Written;
use crate::wave;

/// How often a lost race is tried again.
const TRIES: u32 = 10;

/// Plans and publishes until nobody is faster.
///
/// # Errors
///
/// When an input cannot be used, the remote or the forge refuses, or others are faster every time.
pub(super) fn publish(cli: &Cli, args: &ApplyArgs) -> Result<u8, RunError> {
    if args.input.rev.is_some() {
        let message = "--rev reads a commit, and a remote's branch is planned at the head of base";
        return Err(
            RunError::new(ErrorKind::Usage, message).hint("leave --rev out, or name --base")
        );
    }
    let repository = GitRepository::open(&args.input.repository.repo)?;
    let remote = args.remote.remote.as_str();
    let base = base_branch(&repository, args)?;
    let name = publish::branch(&args.input.repository.cluster, wave::ALL);
    let site = match args.to {
        Destination::PullRequest => Some(Site::connect(&repository, args, &base)?),
        _ => None,
    };
    let mut world: Option<ManuallyDrop<World>> = None;
    let mut own = None;
    let mut tries = 1;
    // A person's commit has a status of its own.
    let is_ours = |tips: &Tips, tip| {
        let opened = repository.reopen();
        opened.is_ok_and(|it| it.own_tip(&name, tip, tips.base, SIGNS).is_ok())
    };
    loop {
        let attempt = tips(&repository, remote, &base, &name)
            .map_err(RunError::from)
            .and_then(|tips| {
                own = tips
                    .own
                    .filter(|&tip| site.is_some() && is_ours(&tips, tip));
                refuse_copy(&repository, remote, &base, &name, &tips)?;
                let mut at = match world.take() {
                    Some(mut world) if !args.same_pr => {
                        world.move_to(&args.input, tips.base)?;
                        world
                    }
                    _ => World::read(cli, &args.input, ReadFrom::At(tips.base))?,
                };
                if args.same_pr {
                    return same_pr::push(cli, args, &mut at, &base, tips.base);
                }
                let done = attempt(cli, args, &at, &name, &tips, site.as_ref());
                world = Some(at);
                done
            });
        match attempt {
            Err(error) if error.is_race() && tries < TRIES => {
                tracing::info!(%error, tries, "planning again");
                clock::wait(delay(args.remote.retry_delay, tries));
                tries += 1;
            }
            Err(error) => {
                return Err(match (&site, own) {
                    (Some(site), Some(own)) => pull_request::hold_all(site, &name, own, error),
                    _ => error,
                });
            }
            done => return done,
        }
    }
}

/// Refuses a base that is a copy of the wave's own branch: what it asks for would look delivered. The
/// remote's default branch is where it was merged.
fn refuse_copy(
    repository: &GitRepository,
    remote: &str,
    base: &str,
    name: &str,
    tips: &Tips,
) -> Result<(), RunError> {
    if tips.own != Some(tips.base) || repository.default_branch(remote)?.as_deref() == Some(base) {
        return Ok(());
    }
    let message = format!("{base} stands where {name} does");
    Err(RunError::new(ErrorKind::Input, message)
        .hint("name the branch that the restarts are to be merged into with --base"))
}

/// Where the branches of a remote stand.
struct Tips {
    base: Oid,
    own: Option<Oid>,
}

/// Fetches base and the wave's branch.
fn tips(
    repository: &GitRepository,
    remote: &str,
    base: &str,
    name: &str,
) -> Result<Tips, GitError> {
    let there = repository.remote_branches(remote, &[base, name])?;
    let missing = || GitError::NoSuchBranch {
        remote: redacted(remote),
        branch: base.to_owned(),
    };
    if !there.contains_key(base) {
        return Err(missing());
    }
    let has_own = there.contains_key(name);
    let mut wanted = vec![(base, Reach::Boundary)];
    wanted.extend(has_own.then_some((name, Reach::Deep)));
    let tips = match repository.fetch(remote, &wanted) {
        Ok(tips) => tips,
        // The branch may have gone between the question and the fetch.
        Err(error) => match repository.remote_branches(remote, &[name])? {
            now if now.contains_key(name) == has_own => return Err(error),
            _ => {
                return Err(GitError::Moved {
                    branch: name.to_owned(),
                });
            }
        },
    };
    let mut tips = tips.into_iter();
    let tips = Tips {
        base: tips.next().ok_or_else(missing)?,
        own: tips.next(),
    };
    reach(repository, remote, [base, name], &tips)?;
    Ok(tips)
}

/// Fetches as much history into a shallow clone as it takes to tell what the branch stands on.
fn reach(
    repository: &GitRepository,
    remote: &str,
    branches: [&str; 2],
    tips: &Tips,
) -> Result<(), GitError> {
    let Some(own) = tips.own else {
        return Ok(());
    };
    for commits in [Some(200), Some(2_000), Some(20_000), None] {
        // Opened anew: the history of an open repository stays as it was read.
        let opened = repository.reopen()?;
        match opened.own_tip(branches[1], own, tips.base, SIGNS) {
            Err(GitError::ShallowHistory) => repository.deepen(remote, &branches, commits)?,
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn attempt(
    cli: &Cli,
    args: &ApplyArgs,
    world: &World,
    name: &str,
    tips: &Tips,
    site: Option<&Site>,
) -> Result<u8, RunError> {
    let (deliveries, found) = world.deliveries();
    let remote = Some(args.remote.remote.as_str());
    let branch = WaveBranch::read(world, name.to_owned(), remote, tips.own);
    let branch = match (branch, site) {
        (Err(error), Some(site)) => {
            let halted = world.policy.halt.as_deref();
            return Err(pull_request::explain(site, name, tips.own, halted, error));
        }
        (branch, _) => branch?,
    };
    let gate = branch.gate();
    let planned = Planned::new(world, &deliveries, found, &args.input, gate)?;
    planned.check(cli, args)?;
    let written = match site {
        Some(site) => pull_request::reconcile(site, &planned, &branch, args)?,
        None => {
            let action = branch.action(&planned);
            let written = branch.bring_about(action, &planned, &args.commit)?;
            written.map_or(Written::Nothing, Written::Branch)
        }
    };
    planned.finish(cli, &args.output, Some(&written))
}

/// The branch that restarts are for: the named one, else the one that is checked out, else the
/// remote's default. Never one of ours: a reviewer may have it checked out.
fn base_branch(repository: &GitRepository, args: &ApplyArgs) -> Result<String, RunError> {
    let remote = args.remote.remote.as_str();
    if let Some(base) = &args.remote.base {
        if publish::is_wave_branch(base) {
            let message = format!("--base {base} is a branch that meshroll writes");
            return Err(RunError::new(ErrorKind::Usage, message)
                .hint("name the branch that the restarts are to be merged into"));
        }
        if args.same_pr && repository.default_branch(remote)?.as_ref() == Some(base) {
            let message = format!("--base {base} is the remote's default branch");
            return Err(RunError::new(ErrorKind::Usage, message)
                .hint("--same-pr adds to the branch of a pull request: name that"));
        }
        return Ok(base.clone());
    }
    if args.same_pr {
        let message = "--same-pr needs --base";
        return Err(RunError::new(ErrorKind::Usage, message)
            .hint("name the branch of the pull request that changes the mesh"));
    }
    let checked_out = repository.checked_out();
    if let Some(branch) = checked_out.filter(|branch| !publish::is_wave_branch(branch)) {
        return Ok(branch);
    }
    repository.default_branch(remote)?.ok_or_else(|| {
        RunError::new(
            ErrorKind::Input,
            "no branch is checked out, and the remote names no default",
        )
        .hint("name the branch that the restarts go to with --base")
    })
}

/// The wait after so many tries: half as long again each time, at most 30 s, and never quite as
/// long as others that lost the same race.
fn delay(first: SignedDuration, tries: u32) -> Duration {
    let first = Duration::try_from(first).unwrap_or_default();
    let grown = first.mul_f64(1.5_f64.powi(i32::try_from(tries).unwrap_or(1) - 1));
    grown
        .min(Duration::from_secs(30))
        .mul_f64(0.5 + clock::chance())
}
