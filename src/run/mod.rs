//! The run: one short function a verb, and the only caller of the edges.
//!
//! Read everything, then compute, then write.

mod carry;
mod narration;
mod oracle;
mod preview;
mod record;
mod selection;
mod source;
mod world;
mod write;

use crate::cli::{
    ApplyArgs, Cli, Command, Destination, ExplainArgs, InputArgs, OutputArgs, PlanArgs,
};
use crate::decision::{self, Decision};
use crate::diagnostic::Diagnostic;
use crate::edge::terminal::{self, ColorChoice};
use crate::edit::{self, FileEdit};
use crate::error::{self, ErrorKind, RunError};
use crate::gitops::DeliveryMap;
use crate::mesh::Usage;
use crate::reason::Verdict;
use crate::report::{self, Report, SnapshotSummary, Written};
use crate::rollout;
use crate::upgrade::Change;
use crate::wave::{self, RestartPlan};
use selection::Selection;
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
        Command::Apply(args) => apply(cli, args),
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
        true => Some(world.assume_applied(args)?),
        false => None,
    };
    let (deliveries, found) = world.deliveries();
    let mut planned = Planned::new(&world, &deliveries, found, &input)?;
    planned.assumed = changes
        .as_deref()
        .map(|changes| (changes, args.base.as_deref()));
    narration::diagnostics(cli, &planned.diagnostics);
    planned.print(&args.output, cli.color, None)?;
    if args.verify_oracle {
        oracle::verify(cli, &world, &planned.diagnostics)?;
    }
    Ok(planned.exit_code(&args.output))
}

fn apply(cli: &Cli, args: &ApplyArgs) -> Result<u8, RunError> {
    let read_from = match args.to {
        Destination::Worktree if args.input.rev.is_some() => {
            let message = "--rev reads a commit, and --to worktree writes the work tree";
            return Err(RunError::new(ErrorKind::Usage, message)
                .hint("leave --rev out, or use --to branch"));
        }
        Destination::Worktree => ReadFrom::WorkTree,
        Destination::Branch => ReadFrom::Commit,
    };
    let world = World::read(cli, &args.input, read_from)?;
    let (deliveries, found) = world.deliveries();
    let planned = Planned::new(&world, &deliveries, found, &args.input)?;
    narration::diagnostics(cli, &planned.diagnostics);
    let age = record::age(&world.snapshot, args.max_snapshot_age);
    narration::diagnostics(cli, age.as_slice());
    if let Some(why) = planned.plan.brake().filter(|_| !args.allow_large) {
        return Err(RunError::new(ErrorKind::Input, why)
            .hint("look at `meshroll plan`; if it is right, apply with --allow-large"));
    }
    let written = match args.to {
        _ if planned.edits.is_empty() => Written::Nothing,
        Destination::Worktree => {
            write::to_work_tree(world.root.as_deref(), &world.manifests, &planned.edits)?
        }
        Destination::Branch => write::to_branch(
            &world,
            &planned.plan,
            &planned.edits,
            &args.input.repository.cluster,
        )?,
    };
    planned.print(&args.output, cli.color, Some(&written))?;
    Ok(planned.exit_code(&args.output))
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
        return Err(RunError::new(ErrorKind::Usage, message));
    };
    let world = World::read(cli, &args.input, ReadFrom::WorkTree)?;
    let (deliveries, _) = world.deliveries();
    let members = rollout::members(&world.snapshot);
    let is_meant = |member: &&rollout::Member<'_>| {
        let reference = &member.reference;
        reference.namespace == *namespace
            && reference.kind.eq_ignore_ascii_case(kind)
            && reference.name == *name
    };
    let member = members.iter().find(is_meant).ok_or_else(|| {
        let message = format!("the snapshot holds no {kind} {name} in the namespace {namespace}");
        RunError::new(ErrorKind::Input, message)
    })?;
    let inputs = world.inputs(&deliveries, args.input.retry);
    let (decision, explanation) = decision::explain(inputs, member);
    Ok(report::explain_workload(&decision, explanation.as_ref()))
}

/// A plan with its edits and everything that was said of the input on the way.
struct Planned<'a> {
    world: &'a World,
    plan: RestartPlan<'a>,
    edits: Vec<FileEdit>,
    diagnostics: Vec<Diagnostic>,
    usage: Vec<Usage>,
    cluster: &'a str,
    /// What is assumed of the mesh, and the revision before the change.
    assumed: Option<(&'a [Change], Option<&'a str>)>,
}

impl<'a> Planned<'a> {
    fn new(
        world: &'a World,
        deliveries: &'a DeliveryMap<'a>,
        mut found: Vec<Diagnostic>,
        args: &'a InputArgs,
    ) -> Result<Self, RunError> {
        let inputs = world.inputs(deliveries, args.retry);
        let selection = Selection::new(args)?;
        let members = rollout::members(&world.snapshot);
        let members: Vec<_> = members
            .into_iter()
            .filter(|member| selection.covers(member))
            .collect();
        let (decisions, mut decided) = decision::decide(inputs, &members);
        found.append(&mut decided);
        let mut plan = wave::schedule(decisions, &world.policy);
        let (edits, mut edited) = edit::plan_edits(&mut plan, &world.policy.annotations, world.now);
        found.append(&mut edited);
        let mut diagnostics = world.diagnostics.clone();
        diagnostics.append(&mut found);
        diagnostics.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        diagnostics.dedup();
        Ok(Self {
            world,
            plan,
            edits,
            diagnostics,
            usage: world.mesh.usage(&world.snapshot),
            cluster: &args.repository.cluster,
            assumed: None,
        })
    }

    fn print(
        &self,
        args: &OutputArgs,
        color: ColorChoice,
        written: Option<&Written>,
    ) -> Result<(), RunError> {
        let report = Report {
            plan: &self.plan,
            edits: &self.edits,
            manifests: &self.world.manifests,
            mesh: &self.world.mesh,
            usage: &self.usage,
            diagnostics: &self.diagnostics,
            snapshot: SnapshotSummary {
                cluster: self.cluster,
                captured_at: self.world.snapshot.capture.captured_at,
                pods: self.world.snapshot.pods.len(),
            },
            written,
            assumed: self.assumption(),
            all: args.all,
            color: false,
        };
        narration::print(report, args, color)
    }

    fn exit_code(&self, args: &OutputArgs) -> u8 {
        let needs_a_person = |decision: &Decision<'_>| {
            let blocked = decision
                .delivery
                .as_ref()
                .is_some_and(|delivery| !delivery.blockers.is_empty());
            match decision.verdict {
                Verdict::Manual | Verdict::Blocked | Verdict::Ineffective | Verdict::Unknown => {
                    true
                }
                Verdict::Restart | Verdict::Held | Verdict::Pending => blocked,
                _ => false,
            }
        };
        let listed = || {
            self.plan
                .workloads
                .iter()
                .map(|workload| &workload.decision)
        };
        if args.strict && listed().any(|decision| decision.in_mesh && needs_a_person(decision)) {
            error::ATTENTION
        } else if args.detailed_exitcode && !self.edits.is_empty() {
            error::CHANGES_DUE
        } else {
            error::DONE
        }
    }
}
