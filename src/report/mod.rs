//! Reports: the plan as table, JSON, YAML, names, diff and Markdown.
//!
//! Everything that is printed comes from a repository or a cluster and is untrusted: each format
//! escapes it in its own way (`spec/threats.md` T12-T14).

mod change;
mod diff;
mod escape;
mod explain;
mod json;
mod markdown;
mod table;

use jiff::Timestamp;
use markdown::Surface;

pub use escape::for_terminal;
pub use explain::{code as explain_code, workload as explain_workload};

use crate::diagnostic::Diagnostic;
use crate::edit::{EditedObject, FileEdit};
use crate::manifest::ManifestSet;
use crate::mesh::{Mesh, Usage};
use crate::upgrade::Change;
use crate::wave::RestartPlan;

/// A format of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line a workload.
    Table,
    /// The same, with more columns.
    Wide,
    /// Plan JSON, version 1.
    Json,
    /// The same as YAML.
    Yaml,
    /// `NAMESPACE/KIND/NAME` of every workload that this plan restarts, one a line.
    Name,
    /// The unified diff of the edits.
    Diff,
    /// Markdown for job summaries: at most 1 MiB.
    Markdown,
}

/// Everything that a report may say.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// The plan.
    pub plan: &'a RestartPlan<'a>,
    /// Its edits, sorted by path.
    pub edits: &'a [FileEdit],
    /// The manifests that they edit.
    pub manifests: &'a ManifestSet,
    /// The mesh.
    pub mesh: &'a Mesh,
    /// Who uses which revision and tag.
    pub usage: &'a [Usage],
    /// What was wrong with the input, sorted.
    pub diagnostics: &'a [Diagnostic],
    /// What the plan was made from.
    pub snapshot: SnapshotSummary<'a>,
    /// What was written; none for `plan`.
    pub written: Option<&'a Written>,
    /// What is assumed of the mesh; none where the plan is for the cluster as it is.
    pub assumed: Option<Assumption<'a>>,
    /// Whether workloads outside the mesh are listed.
    pub all: bool,
    /// Whether to colour.
    pub color: bool,
}

impl Report<'_> {
    /// Whether nothing is restarted yet: a change of the mesh is looked at before it is applied.
    fn is_preview(&self) -> bool {
        self.assumed.is_some() && self.written.is_none()
    }

    /// The word for a settled control plane: one that is there, or one that is assumed to be.
    fn settled(&self) -> &'static str {
        match self.assumed {
            Some(assumed) if !assumed.changes.is_empty() => "assumed",
            _ => "settled",
        }
    }
}

/// The snapshot in one line.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotSummary<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    /// When it was taken, if that is known.
    pub captured_at: Option<Timestamp>,
    /// How many pods it holds.
    pub pods: usize,
}

/// What a plan assumes of the mesh.
#[derive(Debug, Clone, Copy)]
pub struct Assumption<'a> {
    /// What the repository wants otherwise than the cluster has it, sorted.
    pub changes: &'a [Change],
    /// The revision before the change, as it was named.
    pub base: Option<&'a str>,
    /// Whether the change since the base does not touch the mesh: nothing else was looked at then.
    pub untouched: bool,
}

/// What `apply` wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Files of the work tree.
    Worktree,
    /// A branch.
    Branch(WrittenBranch),
    /// A branch of the remote, and its pull request.
    PullRequest {
        /// The branch; none where it was not looked at, since a person closed its pull request.
        branch: Option<WrittenBranch>,
        /// The pull request; none where there is none and none is needed.
        pull_request: Option<WrittenPullRequest>,
    },
    /// Nothing: no restart is due.
    Nothing,
}

/// What became of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenBranch {
    /// Its short name.
    pub branch: String,
    /// The remote that it is on; none for a local branch.
    pub remote: Option<String>,
    /// Where it stands; none where it was deleted.
    pub commit: Option<String>,
    /// What was done.
    pub operation: BranchOperation,
}

/// What was done with a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchOperation {
    /// It is new.
    Created,
    /// It moved.
    Updated,
    /// It had it already.
    Kept,
    /// Nothing is left to restart: it is gone.
    Deleted,
}

/// What became of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPullRequest {
    /// Its number.
    pub number: u64,
    /// Where a person reads it.
    pub url: String,
    /// What was done.
    pub operation: PullRequestOperation,
}

/// What was done with a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequestOperation {
    /// It is new.
    Created,
    /// Its title or text changed.
    Updated,
    /// It said it already.
    Kept,
    /// Nothing is left to restart: it is closed.
    Closed,
    /// A person closed it, and nothing else is to be restarted since.
    Declined,
}

impl BranchOperation {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Kept => "kept",
            Self::Deleted => "deleted",
        }
    }
}

impl PullRequestOperation {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Kept => "kept",
            Self::Closed => "closed",
            Self::Declined => "declined",
        }
    }
}

/// Renders the report in a format.
#[must_use]
pub fn render(report: Report<'_>, format: Format) -> String {
    match format {
        Format::Table => table::render(report, table::Width::Normal),
        Format::Wide => table::render(report, table::Width::Wide),
        Format::Json => json::render(report),
        Format::Yaml => json::render_yaml(report),
        Format::Name => names(report),
        Format::Diff => diff::render(report.manifests, report.edits, report.color),
        Format::Markdown => markdown::render(report, Surface::Summary),
    }
}

/// What reviewers of a pull request read: at most 60,000 characters of Markdown.
#[must_use]
pub fn pull_request_body(report: Report<'_>) -> String {
    markdown::render(report, Surface::PullRequest)
}

/// What was carried, one workload a line, then the count; `nothing` says why there is none.
#[must_use]
pub fn carried(edits: &[FileEdit], nothing: Option<&str>) -> String {
    let objects = || {
        edits
            .iter()
            .flat_map(|edit| edit.objects.iter().map(move |object| (edit, object)))
    };
    let line = |(edit, object): (&FileEdit, &EditedObject)| {
        let line = format!("{} ({}:{})", object.reference, edit.path, object.line);
        format!("{}\n", for_terminal(&line))
    };
    let lines: String = objects().map(line).collect();
    let why = match nothing {
        Some(why) if edits.is_empty() => format!(": {}", for_terminal(why)),
        _ => String::new(),
    };
    format!("{lines}{} carried{why}\n", objects().count())
}

fn names(report: Report<'_>) -> String {
    let line = |position: usize| {
        let reference = &report.plan.workloads[position].decision.reference;
        let name = format!(
            "{}/{}/{}",
            reference.namespace, reference.kind, reference.name
        );
        format!("{}\n", for_terminal(&name))
    };
    report.plan.restarts().map(line).collect()
}
