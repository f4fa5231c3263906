//! `--verify-oracle`: the model is held against what dry runs gave.

use super::narration;
use super::world::World;
use crate::cli::{Cli, InputArgs, PlanArgs};
use crate::decision;
use crate::diagnostic::Diagnostic;
use crate::error::{ErrorKind, RunError};

/// What a plan looks at: a live cluster is asked where the model is to be held against it.
pub(super) fn input(args: &PlanArgs) -> InputArgs {
    let mut input = args.input.clone();
    let reads_files = !input.snapshots.is_empty();
    input.live.oracle |= args.verify_oracle && !reads_files;
    input
}

/// Holds the model against every dry run of the snapshot; `said` was said already.
///
/// # Errors
///
/// When they differ, or there is nothing to compare.
pub(super) fn verify(cli: &Cli, world: &World, said: &[Diagnostic]) -> Result<(), RunError> {
    if !world.gaps.required.is_empty() {
        let message = "the snapshot is incomplete, so that there is no model to hold against it";
        return Err(RunError::new(ErrorKind::Input, message));
    }
    let verification = decision::verify(&world.mesh, &world.snapshot);
    let mut disagreements = verification.disagreements;
    let (agreed, wrong) = (verification.agreed, disagreements.len());
    disagreements.retain(|one| !said.contains(one));
    narration::diagnostics(cli, &disagreements);
    let made = agreed + wrong;
    if made == 0 {
        let message = "there is no dry run to hold the model against";
        return Err(RunError::new(ErrorKind::Input, message)
            .hint("record them with `meshroll snapshot --oracle`, or name a live cluster"));
    }
    if wrong > 0 {
        let message = format!("the model disagrees with {wrong} of {made} dry runs");
        return Err(RunError::new(ErrorKind::Input, message)
            .hint("report it, with what `meshroll snapshot --oracle` recorded"));
    }
    narration::done(
        cli,
        &format!(
            "the model agrees with all of {made} dry runs; of {} it cannot be told",
            verification.untold
        ),
    );
    Ok(())
}
