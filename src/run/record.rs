//! Snapshots: read from files or from a live cluster, and `snapshot`, which records them.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use super::{narration, source};
use crate::cli::{Cli, ClusterArgs, SnapshotArgs};
use crate::config::Policy;
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::edge::cluster::{self, ClusterOptions};
use crate::edge::git::{GitRepository, Orphan};
use crate::edge::{clock, snapshot_file, terminal};
use crate::error::{DONE, ErrorKind, RunError};
use crate::publish;
use crate::snapshot::{self, ClusterSnapshot, ReadOptions};

/// Name of a recording on a branch of its own.
const RECORDING: &str = "snapshot.json.zst";

/// Records files or a live cluster.
///
/// # Errors
///
/// When the cluster or a file cannot be read, or the recording cannot be written.
pub(super) fn record(cli: &Cli, args: &SnapshotArgs) -> Result<u8, RunError> {
    if args.live.oracle && !args.from.is_empty() {
        let message = "--oracle asks a live cluster, and --from reads files";
        return Err(RunError::new(ErrorKind::Usage, message).hint("leave one of them out"));
    }
    let policy = source::policy_of(&args.repo, args.config.as_deref())?;
    let options = options(&policy, args.allow_partial);
    let (snapshot, diagnostics) = read(cli, &args.from, &args.live, options)?;
    narration::diagnostics(cli, &diagnostics);
    match &args.to_branch {
        Some(branch) => to_branch(args, branch, &snapshot)?,
        None => to_file(cli, &snapshot, &args.output)?,
    }
    Ok(DONE)
}

/// Writes the recording into a file and says so; standard output speaks for itself.
fn to_file(cli: &Cli, snapshot: &ClusterSnapshot, file: &Path) -> Result<(), RunError> {
    snapshot_file::record(snapshot, file)?;
    if file.as_os_str() != "-" {
        let (pods, workloads) = (snapshot.pods.len(), snapshot.workloads.len());
        let time = match snapshot.capture.captured_at {
            Some(time) => format!("as of {time}"),
            None => "of an unknown time".to_owned(),
        };
        let file = file.display();
        let message = format!("recorded {pods} pods and {workloads} workloads {time} in {file}");
        narration::done(cli, &message);
    }
    Ok(())
}

/// Puts the recording on a branch that holds nothing else.
fn to_branch(
    args: &SnapshotArgs,
    branch: &str,
    snapshot: &ClusterSnapshot,
) -> Result<(), RunError> {
    let repository = GitRepository::open(&args.repo)?;
    let time = snapshot.capture.captured_at.unwrap_or_else(clock::now);
    let bytes = snapshot_file::bytes(snapshot, RECORDING)?;
    let message = publish::recording_message(&args.cluster, time);
    let orphan = Orphan {
        branch,
        file: RECORDING,
        bytes: &bytes,
        message: &message,
        time,
    };
    let (commit, changed) = repository.replace_orphan(&orphan, publish::is_recording)?;
    let state = if changed {
        "recorded on"
    } else {
        "recorded already on"
    };
    narration::answer(&format!("{state} {branch} ({commit})\n"))
}

/// Reads the named files, or the live cluster where there are none.
///
/// # Errors
///
/// When neither can be read.
pub(super) fn read(
    cli: &Cli,
    files: &[PathBuf],
    live: &ClusterArgs,
    options: ReadOptions,
) -> Result<(ClusterSnapshot, Vec<Diagnostic>), RunError> {
    if !files.is_empty() {
        let (snapshot, mut found) = snapshot::read_with(snapshot_file::open(files)?, &options)?;
        if live.oracle && snapshot.injections.is_empty() {
            found.push(no_dry_runs());
        }
        return Ok((snapshot, found));
    }
    let options = ClusterOptions {
        kubeconfig: live.kubeconfig.clone(),
        context: live.context.clone(),
        allow_exec: live.allow_exec,
        oracle: live.oracle,
        read: options,
    };
    let shows = !cli.quiet && terminal::is_watched();
    let mut progress = |progress: cluster::Progress| {
        if shows {
            terminal::progress(&format!("{}: {}", progress.what, progress.done));
        }
    };
    let result = cluster::snapshot(&options, clock::now(), &mut progress);
    if shows {
        terminal::progress("");
    }
    Ok(result?)
}

fn no_dry_runs() -> Diagnostic {
    let message = "the recording holds no dry runs, and --oracle makes them in a live cluster only";
    Diagnostic::warning(DiagnosticCode::OracleUnanswered, message)
        .hint("record them with `meshroll snapshot --oracle`; the plan goes by the model")
}

/// Options that keep the annotations which the policy writes.
pub(super) fn options(policy: &Policy, allow_partial: bool) -> ReadOptions {
    let keys = &policy.annotations;
    let annotation_keys = keys
        .restarted_at
        .iter()
        .chain([&keys.restarted_for])
        .cloned()
        .collect();
    ReadOptions {
        allow_partial,
        annotation_keys,
    }
}

/// What is said of a snapshot's age before something is written for it.
pub(super) fn age(snapshot: &ClusterSnapshot, max_age: SignedDuration) -> Option<Diagnostic> {
    snapshot.capture.age_diagnostic(clock::now(), max_age)
}
