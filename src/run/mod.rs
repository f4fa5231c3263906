//! The run: one short function a verb, and the only caller of the edges.
//!
//! Read everything, then compute, then write.

mod apply;
mod branch;
mod carry;
mod narration;
mod oracle;
mod planned;
mod preview;
mod publish;
mod pull_request;
mod record;
mod same_pr;
mod selection;
mod source;
mod world;
mod write;

use crate::cli::{Cli, Command, ExplainArgs, PlanArgs};
use crate::decision;
use crate::edge::terminal;
use crate::error::{self, ErrorKind, RunError};
use crate::report;
use crate::rollout;
use planned::{Gate, Planned};
use world::{ReadFrom, World};

pub use narration::error as narrate_error;

/// Runs the command line and returns the exit code.
///
/// # Errors
///
/// When the run cannot go on; the error tells whose fault it is and what to do.
pub fn run(cli: &Cli) -> Result<u8, RunError> {
    terminal::trace(cli.verbose);
    match &cli.command {
        Command::Plan(args) => plan(cli, args),
        Command::Apply(args) => apply::apply(cli, args),
        Command::Snapshot(args) => record::record(cli, args),
        Command::Explain(args) => explain(cli, args),
        Command::Carry(args) => carry::carry(cli, args),
    }
}

fn plan(cli: &Cli, args: &PlanArgs) -> Result<u8, RunError> {
    if let Some(code) = preview::unchanged(cli, args)? {
        return Ok(code);
    }
    let input = oracle::input(args);
    let mut world = World::read(cli, &input, ReadFrom::WorkTree)?;
    let changes = match args.assume_applied {
        true => Some(world.assume_applied(&args.input.repository, args.base.as_deref())?),
        false => None,
    };
    let (deliveries, found) = world.deliveries();
    let mut planned = Planned::new(&world, &deliveries, found, &input, Gate::None)?;
    planned.assumed = changes
        .as_deref()
        .map(|changes| (changes, args.base.as_deref()));
    let code = planned.finish(cli, &args.output, None)?;
    preview::comment(args, Some(&planned))?;
    if args.verify_oracle {
        oracle::verify(cli, &world, &planned.diagnostics)?;
    }
    Ok(code)
}

fn explain(cli: &Cli, args: &ExplainArgs) -> Result<u8, RunError> {
    let text = match report::explain_code(&args.subject) {
        Some(text) => text,
        None => explain_workload(cli, args)?,
    };
    narration::answer(&text)?;
    Ok(error::DONE)
}

fn explain_workload(cli: &Cli, args: &ExplainArgs) -> Result<String, RunError> {
    let parts: Vec<&str> = args.subject.split('/').collect();
    let [namespace, kind, name] = parts.as_slice() else {
        let message = format!(
            "`{}` is neither a code nor NAMESPACE/KIND/NAME",
            args.subject
        );
        return Err(RunError::new(ErrorKind::Usage, message).hint(
            "name a code as the output has it (on-delete), or a workload: shop/deploy/cart",
        ));
    };
    let world = World::read(cli, &args.input, ReadFrom::WorkTree)?;
    let (deliveries, _) = world.deliveries();
    let members = rollout::members(&world.snapshot);
    let is_meant = |member: &&rollout::Member<'_>| {
        let reference = &member.reference;
        reference.namespace == *namespace
            && is_kind(&reference.kind, kind)
            && reference.name == *name
    };
    let member = members.iter().find(is_meant).ok_or_else(|| {
        let message = format!("the snapshot holds no {kind} {name} in the namespace {namespace}");
        RunError::new(ErrorKind::Input, message)
            .hint("`meshroll plan --all` lists the workloads that it holds")
    })?;
    let inputs = world.inputs(&deliveries, args.input.retry);
    let (decision, explanation) = decision::explain(inputs, member);
    Ok(report::explain_workload(&decision, explanation.as_ref()))
}

/// Short names that `kubectl get` takes for the kinds of workloads (`kubectl api-resources`).
const SHORT_NAMES: [(&str, &str); 6] = [
    ("deploy", "Deployment"),
    ("sts", "StatefulSet"),
    ("ds", "DaemonSet"),
    ("rs", "ReplicaSet"),
    ("cj", "CronJob"),
    ("po", "Pod"),
];

/// Whether somebody who wrote `named` means this kind: whatever the case, or by its short name.
fn is_kind(kind: &str, named: &str) -> bool {
    let is_short = |(short, _): &&(&str, &str)| short.eq_ignore_ascii_case(named);
    let long = SHORT_NAMES.iter().find(is_short).map(|(_, long)| *long);
    kind.eq_ignore_ascii_case(long.unwrap_or(named))
}
