//! The live cluster: everything that a snapshot holds, listed from the API server.
//!
//! Nothing is ever written, and Secrets are never asked for: the only requests are the list of API
//! groups and a list of each kind of [`KINDS`], and, where the user asks for an oracle, the creation
//! of pods as a dry run. Pages go through the same reader as recordings.

mod connect;
mod list;
mod oracle;
mod retry;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use jiff::Timestamp;

pub use connect::ConnectError;
pub use list::ListError;
use list::{Api, Outcome};
pub use retry::Pause;

use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::snapshot::{ClusterSnapshot, Collector, KINDS, Kind, ReadOptions, SnapshotError};

/// Which cluster to read, and how.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// The kubeconfig; absent means `KUBECONFIG`, then `~/.kube/config`, then the pod that meshroll
    /// runs in.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; absent means its current one.
    pub context: Option<String>,
    /// Whether the kubeconfig may name a program to run for credentials even under `CI=true`.
    pub allow_exec: bool,
    /// Whether a dry run of each workload's next pod is made, which tells what injection gives now.
    pub oracle: bool,
    /// How objects are read; parts of objects are never read from a live cluster.
    pub read: ReadOptions,
}

/// How far the listing is, or the dry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done: the plural of the kind that is listed, or `dry runs`.
    pub what: &'static str,
    /// How many there are of it so far.
    pub done: usize,
}

/// The cluster could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no way to it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The API server answers, and not with what was asked for.
    #[error("{what} cannot be listed")]
    List {
        /// What was asked for: `pods`.
        what: String,
        /// The cause.
        #[source]
        source: ListError,
    },
    /// What it answered is no snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Takes a snapshot of a live cluster at a moment.
///
/// A kind that may not be listed is a diagnostic and the rest goes on; what the snapshot then lacks
/// is among its [`gaps`](crate::snapshot::gaps).
///
/// # Errors
///
/// When the cluster cannot be reached, or does not answer after a few tries.
pub fn snapshot(
    options: &ClusterOptions,
    now: Timestamp,
    progress: &mut dyn FnMut(Progress),
) -> Result<(ClusterSnapshot, Vec<Diagnostic>), ClusterError> {
    let api = connect::connect(options)?;
    collect(&api, options, now, &mut Pause::sleeping(), progress)
}

fn collect(
    api: &Api,
    options: &ClusterOptions,
    now: Timestamp,
    pause: &mut Pause,
    progress: &mut dyn FnMut(Progress),
) -> Result<(ClusterSnapshot, Vec<Diagnostic>), ClusterError> {
    let groups = api.groups(pause).map_err(failed("API groups".to_owned()))?;
    let mut collector = Collector::new(&options.read);
    let mut diagnostics = Vec::new();
    for kind in KINDS {
        let versions = groups.versions(kind.group);
        let outcome = api
            .list(kind, versions, &mut collector, pause, progress)
            .map_err(failed(kind.resource()))?;
        match outcome {
            Outcome::Whole => collector.complete(kind),
            Outcome::Denied(message) => {
                collector.discard(kind);
                diagnostics.push(denied(kind, &message));
            }
        }
    }
    let (mut snapshot, found) = collector.finish(now)?;
    diagnostics.extend(found);
    if options.oracle {
        let injections = oracle::ask(api, &groups, &snapshot, options, pause, progress)?;
        diagnostics.extend(snapshot.add_injections(injections));
    }
    Ok((snapshot, diagnostics))
}

fn failed(what: String) -> impl FnOnce(ListError) -> ClusterError {
    move |source| ClusterError::List { what, source }
}

fn denied(kind: &Kind, message: &str) -> Diagnostic {
    let message = format!("{} may not be listed: {message}", kind.resource());
    let group = if kind.group.is_empty() {
        "\"\""
    } else {
        kind.group
    };
    Diagnostic::warning(DiagnosticCode::KindNotListed, message).hint(format!(
        "allow `list` on {} of API group {group}, as in deploy/cluster-role.yaml",
        kind.plural
    ))
}
