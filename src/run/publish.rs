//! Publishing on a remote: fetch, plan at the head of base, push with a lease; when somebody was
//! faster, fetch and plan again.

use std::time::Duration;

use git2::Oid;
use jiff::SignedDuration;

use super::branch::WaveBranch;
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
    let mut world: Option<World> = None;
    let mut tries = 1;
    loop {
        let attempt = tips(&repository, remote, &base, &name)
            .map_err(RunError::from)
            .and_then(|tips| {
                let at = match world.take() {
                    Some(world) if !args.same_pr => world.at(&args.input, tips.base)?,
                    _ => World::read(cli, &args.input, ReadFrom::At(tips.base))?,
                };
                if args.same_pr {
                    return same_pr::push(cli, args, at, &base, tips.base);
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
            done => return done,
        }
    }
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
    match repository.fetch(remote, &wanted) {
        Ok(tips) => {
            let mut tips = tips.into_iter();
            let base = tips.next().ok_or_else(missing)?;
            let own = tips.next();
            Ok(Tips { base, own })
        }
        // The branch may have gone between the question and the fetch.
        Err(error) => match repository.remote_branches(remote, &[name])? {
            now if now.contains_key(name) == has_own => Err(error),
            _ => Err(GitError::Moved {
                branch: name.to_owned(),
            }),
        },
    }
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
    if let Err(error) = planned.check(cli, args) {
        return Err(match site {
            Some(site) => pull_request::hold_all(site, &branch, error),
            None => error,
        });
    }
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
