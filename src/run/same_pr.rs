//! `--same-pr`: the restarts in the pull request that changes the mesh, where the order is proven.

use git2::Oid;

use super::branch;
use super::planned::{Gate, Planned};
use super::world::{ReadFrom, World};
use super::write;
use crate::cli::{ApplyArgs, Cli};
use crate::edge::git::{Push, redacted};
use crate::error::RunError;
use crate::gitops::DeliveryMap;
use crate::reason::{Reason, ReasonCode};
use crate::report::{BranchOperation, Written, WrittenBranch};
use crate::upgrade::Change;
use crate::wave::RestartPlan;

/// Edits the files of the pull request's checkout.
///
/// # Errors
///
/// When an input cannot be used, or a file cannot be written.
pub(super) fn work_tree(cli: &Cli, args: &ApplyArgs) -> Result<u8, RunError> {
    let mut world = World::read(cli, &args.input, ReadFrom::WorkTree)?;
    let changes = world.assume_applied(&args.input.repository, None)?;
    let (deliveries, found) = world.deliveries();
    let gate = Gate::Order(&changes);
    let mut planned = Planned::new(&world, &deliveries, found, &args.input, gate)?;
    planned.assumed = Some((&changes, None));
    planned.check(cli, args)?;
    let written = match planned.edits.as_slice() {
        [] => Written::Nothing,
        edits => write::to_work_tree(world.root.as_deref(), &world.manifests, edits)?,
    };
    planned.finish(cli, &args.output, Some(&written))
}

/// Adds one commit to the branch of the pull request, on the remote.
///
/// # Errors
///
/// When an input cannot be used, or the branch moved meanwhile or cannot be pushed.
pub(super) fn push(
    cli: &Cli,
    args: &ApplyArgs,
    world: &mut World,
    branch: &str,
    tip: Oid,
) -> Result<u8, RunError> {
    let changes = world.assume_applied(&args.input.repository, None)?;
    let (deliveries, found) = world.deliveries();
    let gate = Gate::Order(&changes);
    let mut planned = Planned::new(world, &deliveries, found, &args.input, gate)?;
    planned.assumed = Some((&changes, None));
    planned.check(cli, args)?;
    if planned.edits.is_empty() {
        return planned.finish(cli, &args.output, Some(&Written::Nothing));
    }
    let commit = branch::commit(&planned, &args.commit)?;
    let push = Push {
        branch,
        commit: Some(commit),
        expected: Some(tip),
    };
    world.repository.push(&args.remote.remote, push)?;
    let written = Written::Branch(WrittenBranch {
        branch: branch.to_owned(),
        remote: Some(redacted(&args.remote.remote)),
        commit: Some(commit.to_string()),
        operation: BranchOperation::Updated,
    });
    planned.finish(cli, &args.output, Some(&written))
}

/// Holds what is not proven to be delivered after the change of the mesh.
pub(super) fn hold_unordered(
    plan: &mut RestartPlan<'_>,
    deliveries: &DeliveryMap<'_>,
    changes: &[Change],
) {
    let changes: Vec<_> = changes
        .iter()
        .map(|change| (&change.object, change.location.as_ref()))
        .collect();
    let held: Vec<(usize, String)> = plan
        .restarts()
        .filter_map(|position| {
            let workload = plan.workloads[position].decision.manifest?;
            let why = match changes.as_slice() {
                [] => "these manifests ask for no other mesh than the cluster has".to_owned(),
                changes => deliveries.comes_after(workload, changes).err()?,
            };
            Some((position, why))
        })
        .collect();
    for (position, why) in held {
        plan.hold(position, Reason::new(ReasonCode::OrderNotProven, why));
    }
}
