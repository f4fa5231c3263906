//! A plan on its way out: with its edits, and everything that was said of the input.

use std::collections::BTreeSet;

use super::selection::Selection;
use super::world::World;
use super::{narration, same_pr};
use crate::cli::{Cli, InputArgs, OutputArgs};
use crate::config::AnnotationKeys;
use crate::decision::{self, Decision};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::edit::{self, FileEdit};
use crate::error::{self, RunError};
use crate::gitops::DeliveryMap;
use crate::manifest::ObjectRef;
use crate::mesh::Usage;
use crate::publish::{self, OpenBranch, RestartEdit};
use crate::reason::Verdict;
use crate::report::{Report, SnapshotSummary, Written};
use crate::rollout;
use crate::upgrade::Change;
use crate::wave::{self, RestartPlan};

/// A plan with its edits and everything that was said of the input on the way.
pub(super) struct Planned<'a> {
    pub(super) world: &'a World,
    pub(super) plan: RestartPlan<'a>,
    pub(super) edits: Vec<FileEdit>,
    pub(super) diagnostics: Vec<Diagnostic>,
    usage: Vec<Usage>,
    pub(super) cluster: &'a str,
    /// Why an open branch has to stay as it is, whatever the plan says.
    pub(super) keeps_branch: Option<String>,
    /// What is assumed of the mesh, and the revision before the change.
    pub(super) assumed: Option<(&'a [Change], Option<&'a str>)>,
}

/// What else decides which restarts are written.
#[derive(Clone, Copy)]
pub(super) enum Gate<'g> {
    /// Nothing.
    None,
    /// An open branch keeps what it has.
    Open(&'g OpenBranch),
    /// Only what is delivered after these changes.
    Order(&'g [Change]),
}

impl Gate<'_> {
    /// Holds what it holds; tells why an open branch stays as it is, if it does.
    fn hold(
        self,
        plan: &mut RestartPlan<'_>,
        world: &World,
        deliveries: &DeliveryMap<'_>,
    ) -> Option<String> {
        let open = match self {
            Self::None => return None,
            Self::Order(changes) => {
                same_pr::hold_unordered(plan, deliveries, changes);
                return None;
            }
            Self::Open(open) => open,
        };
        let lost = publish::keep_held(plan, open, &world.policy.annotations);
        if let Some(lost) = lost {
            return Some(format!(
                "it restarts {lost}, whose manifest cannot be told now"
            ));
        }
        // Of a snapshot that broke off nothing can be taken for gone.
        world
            .is_partial()
            .then(|| "only a part of the snapshot could be read".to_owned())
    }

    /// Why an open branch stays as it is once its edits are planned. One that cannot be merged
    /// keeps no edit alive.
    fn refused(self, plan: &RestartPlan<'_>, keys: &AnnotationKeys) -> Option<String> {
        let open = match self {
            Self::Open(open) if !open.conflicts => open,
            _ => return None,
        };
        let refused = publish::refused(plan, open, keys)?;
        Some(format!(
            "it restarts {refused}, whose manifest cannot be edited now"
        ))
    }
}

fn kept_branch(why: &str) -> Diagnostic {
    let message = format!("the open branch stays as it is: {why}");
    Diagnostic::warning(DiagnosticCode::BranchKept, message)
        .hint("mend that, merge the branch, or delete it to begin anew")
}

impl<'a> Planned<'a> {
    /// Plans. What an open branch asks for already stays in the plan's edits while it is held.
    ///
    /// # Errors
    ///
    /// When the selection cannot be read.
    pub(super) fn new(
        world: &'a World,
        deliveries: &'a DeliveryMap<'a>,
        mut found: Vec<Diagnostic>,
        args: &'a InputArgs,
        gate: Gate<'_>,
    ) -> Result<Self, RunError> {
        let inputs = world.inputs(deliveries, args.retry);
        let selection = Selection::new(args)?;
        let mut members = rollout::members(&world.snapshot);
        found.extend(selection.diagnostics(&world.snapshot, &members));
        // An open branch is looked at as a whole: what it asks for is not the selection's to take out.
        if !matches!(gate, Gate::Open(_)) {
            members.retain(|member| selection.covers(member));
        }
        let covered: BTreeSet<ObjectRef> = members
            .iter()
            .filter(|member| selection.covers(member))
            .map(|member| member.reference.clone())
            .collect();
        let (mesh, snapshot) = (&world.mesh, &world.snapshot);
        let ((decisions, mut decided), usage) = rayon::join(
            || decision::decide(inputs, &members),
            || mesh.usage(snapshot),
        );
        found.append(&mut decided);
        let mut plan = wave::schedule(decisions, &world.policy);
        let keys = &world.policy.annotations;
        let lost = gate.hold(&mut plan, world, deliveries);
        plan.workloads
            .retain(|workload| workload.kept || covered.contains(&workload.decision.reference));
        let (edits, mut edited) = edit::plan_edits(&mut plan, keys, world.now);
        found.append(&mut edited);
        let keeps_branch = lost.or_else(|| gate.refused(&plan, keys));
        found.extend(keeps_branch.as_deref().map(kept_branch));
        let mut diagnostics = world.diagnostics.clone();
        diagnostics.append(&mut found);
        diagnostics.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
        diagnostics.dedup();
        Ok(Self {
            world,
            plan,
            edits,
            diagnostics,
            usage,
            cluster: &args.repository.cluster,
            assumed: None,
            keeps_branch,
        })
    }

    /// The restarts that are written.
    pub(super) fn restart_edits(&self) -> BTreeSet<RestartEdit> {
        publish::planned_edits(&self.plan)
    }

    /// What there is to report.
    pub(super) fn report<'r>(&'r self, written: Option<&'r Written>) -> Report<'r> {
        Report {
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
            all: false,
            color: false,
        }
    }

    /// Says what was wrong with the input, prints the answer and gives the exit code.
    ///
    /// # Errors
    ///
    /// When the answer cannot be written.
    pub(super) fn finish(
        &self,
        cli: &Cli,
        args: &OutputArgs,
        written: Option<&Written>,
    ) -> Result<u8, RunError> {
        narration::diagnostics(cli, &self.diagnostics);
        let report = Report {
            all: args.all,
            ..self.report(written)
        };
        narration::print(report, args, cli.color)?;
        Ok(self.exit_code(args))
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
