//! The command line: declarations only.

mod apply;
mod kinds;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum as _};

pub use apply::{
    ApplyArgs, CommitArgs, CommitWith, Destination, GithubArgs, PullRequestArgs, RemoteArgs,
};

pub use crate::edge::terminal::ColorChoice;
pub use crate::report::Format;

/// Restarts stale Istio sidecars through Git.
///
/// meshroll works out which workloads would come back with a different sidecar if they restarted
/// now, and writes those restarts into the manifests in Git as the smallest reviewable diff, so that
/// Argo CD or Flux rolls them out. It never touches the cluster.
#[derive(Debug, Parser)]
#[command(
    name = "meshroll",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say more on standard error; twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// Say nothing on standard error but errors.
    #[arg(
        short,
        long,
        global = true,
        env = "MESHROLL_QUIET",
        help_heading = "Output"
    )]
    pub quiet: bool,
    /// When to colour the answer.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "MESHROLL_COLOR",
        help_heading = "Output"
    )]
    pub color: ColorChoice,
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   failed
  2   changes are due (only with --detailed-exitcode)
  3   something is manual, blocked, ineffective or unknown, or will not be delivered
      (only with --strict)
  64  the command line is not one that meshroll takes, or lacks what this run needs";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is stale and what would be done; changes nothing.
    Plan(PlanArgs),
    /// The same plan, then writes it.
    Apply(ApplyArgs),
    /// Records a cluster into a file: kubectl-compatible, only the fields that plans use, no secrets.
    Snapshot(SnapshotArgs),
    /// One workload's whole reasoning, or what a code means.
    Explain(ExplainArgs),
    /// Writes the restarts of a previous commit into freshly rendered manifests.
    ///
    /// A render knows nothing of restarts: it drops their annotations, and that would restart every
    /// workload once more. Run this right after the render, before the commit.
    Carry(CarryArgs),
}

/// `meshroll plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,
    /// What to print.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Plan for the mesh as it will be once these manifests are applied.
    ///
    /// The control plane, webhooks, ConfigMaps and namespaces of the repository are laid over the
    /// snapshot, as if the engine had applied them and istiod had rolled out: what would be stale
    /// after a merge, and whether Istio supports the way there.
    #[arg(long, env = "MESHROLL_ASSUME_APPLIED", help_heading = "Preview")]
    pub assume_applied: bool,
    /// The revision before the change: a change that does not touch the mesh ends the run at once.
    #[arg(
        long,
        value_name = "REV",
        requires = "assume_applied",
        env = "MESHROLL_BASE",
        help_heading = "Preview"
    )]
    pub base: Option<String>,
    /// Hold what meshroll computes against what dry runs gave, and fail where the two differ.
    ///
    /// The dry runs are those of the recording, or are made now (`--oracle`).
    #[arg(
        long,
        conflicts_with = "assume_applied",
        env = "MESHROLL_VERIFY_ORACLE",
        help_heading = "Live cluster"
    )]
    pub verify_oracle: bool,
    /// Keep the plan as the one comment of meshroll's on this pull request; no comment where the
    /// change does not touch the mesh.
    #[arg(
        long,
        value_name = "NUMBER",
        requires = "assume_applied",
        env = "MESHROLL_COMMENT_ON",
        help_heading = "Preview"
    )]
    pub comment_on: Option<u64>,
    /// The forge.
    #[command(flatten)]
    pub github: GithubArgs,
}

/// `meshroll explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A workload as NAMESPACE/KIND/NAME, or a code of any output.
    pub subject: String,
    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,
}

/// `meshroll snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Record what these files hold instead of a live cluster; repeatable.
    #[arg(long, value_name = "FILE|DIR|-")]
    pub from: Vec<PathBuf>,
    /// Go on with what could be read of a broken file.
    #[arg(long, requires = "from", env = "MESHROLL_ALLOW_PARTIAL")]
    pub allow_partial: bool,
    /// The file to write; packed when its name ends in `.zst` or `.gz`, standard output for `-`.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "-",
        conflicts_with = "to_branch"
    )]
    pub output: PathBuf,
    /// Commit the recording, as `snapshot.json.zst`, to this branch, which holds nothing else.
    #[arg(long, value_name = "BRANCH", env = "MESHROLL_TO_BRANCH")]
    pub to_branch: Option<String>,
    /// The Git repository of that branch, and of the configuration.
    #[arg(long, value_name = "DIR", default_value = ".", env = "MESHROLL_REPO")]
    pub repo: PathBuf,
    /// The configuration, whose annotation keys are recorded as well; `meshroll.yaml` or
    /// `.github/meshroll.yaml` of the repository by default, where there is one.
    #[arg(long, value_name = "FILE", env = "MESHROLL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Name of the cluster for the commit's message.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        env = "MESHROLL_CLUSTER"
    )]
    pub cluster: String,
    /// The live cluster.
    #[command(flatten)]
    pub live: ClusterArgs,
}

/// Which live cluster to read, where there is no snapshot.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Live cluster")]
pub struct ClusterArgs {
    /// The kubeconfig; `KUBECONFIG`, `~/.kube/config` or the pod's service account by default.
    #[arg(long, value_name = "FILE", env = "MESHROLL_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; its current one by default.
    #[arg(long, value_name = "NAME", env = "MESHROLL_CONTEXT")]
    pub context: Option<String>,
    /// Let the kubeconfig run a program for credentials even under CI=true.
    #[arg(long, env = "MESHROLL_ALLOW_EXEC")]
    pub allow_exec: bool,
    /// Ask the cluster, by a dry run of each workload's next pod, what injection gives it now.
    ///
    /// Nothing is created, but it takes the right to create pods (deploy/oracle.yaml). Plans go by
    /// what the dry runs gave, and say where meshroll had computed something else.
    #[arg(long, env = "MESHROLL_ORACLE")]
    pub oracle: bool,
}

/// `meshroll carry`.
#[derive(Debug, Args)]
pub struct CarryArgs {
    /// The commit that the restarts are in.
    #[arg(
        long,
        value_name = "REV",
        default_value = "HEAD",
        env = "MESHROLL_FROM"
    )]
    pub from: String,
    /// The manifests.
    #[command(flatten)]
    pub repository: RepositoryArgs,
}

/// Which manifests a verb looks at.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input")]
pub struct RepositoryArgs {
    /// The Git repository of rendered manifests.
    #[arg(long, value_name = "DIR", default_value = ".", env = "MESHROLL_REPO")]
    pub repo: PathBuf,
    /// A directory of the repository that belongs to this cluster; repeatable.
    #[arg(
        long = "path",
        value_name = "DIR",
        env = "MESHROLL_PATH",
        value_delimiter = ','
    )]
    pub paths: Vec<String>,
    /// The configuration; `meshroll.yaml` or `.github/meshroll.yaml` of the repository by default.
    #[arg(long, value_name = "FILE", env = "MESHROLL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Name of the cluster in the configuration and in branch names.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        env = "MESHROLL_CLUSTER"
    )]
    pub cluster: String,
    /// Leave out manifests of more bytes than this.
    #[arg(long, value_name = "BYTES", default_value_t = crate::manifest::SIZE_LIMIT, env = "MESHROLL_MAX_FILE_SIZE")]
    pub max_file_size: u64,
}

/// What every verb looks at.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input")]
pub struct InputArgs {
    /// The manifests.
    #[command(flatten)]
    pub repository: RepositoryArgs,
    /// Read the manifests of this commit; the work tree by default, HEAD for `--to branch`.
    #[arg(long, value_name = "REV", env = "MESHROLL_REV")]
    pub rev: Option<String>,
    /// The recorded cluster: what `kubectl get … -A -o json` prints; a file, a directory, or `-`;
    /// repeatable.
    #[arg(
        long = "snapshot",
        long_help = kinds::snapshot_help(),
        value_name = "FILE|DIR|-",
        env = "MESHROLL_SNAPSHOT"
    )]
    pub snapshots: Vec<PathBuf>,
    /// The live cluster, where no snapshot is named.
    #[command(flatten)]
    pub live: ClusterArgs,
    /// Go on with what could be read of a broken snapshot.
    #[arg(long, env = "MESHROLL_ALLOW_PARTIAL", help_heading = "Input")]
    pub allow_partial: bool,
    /// Only workloads of this namespace; repeatable.
    #[arg(
        short,
        long = "namespace",
        value_name = "NAME",
        env = "MESHROLL_NAMESPACE",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,
    /// Only workloads with these labels, in kubectl's syntax.
    #[arg(short = 'l', long, value_name = "SELECTOR", env = "MESHROLL_SELECTOR")]
    pub selector: Option<String>,
    /// The time to plan for, instead of the snapshot's own.
    #[arg(long, value_name = "RFC3339", env = "MESHROLL_NOW")]
    pub now: Option<jiff::Timestamp>,
    /// Restart workloads once more that came back stale (`ineffective`).
    #[arg(long, env = "MESHROLL_RETRY")]
    pub retry: bool,
}

/// What `plan` and `apply` print.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What to print: FORMAT, or FORMAT=FILE; repeatable.
    ///
    /// The formats are table, wide, json, yaml, name, diff and markdown.
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT[=FILE]",
        default_value = "table",
        env = "MESHROLL_OUTPUT"
    )]
    pub outputs: Vec<Output>,
    /// List workloads that are not in the mesh, too.
    #[arg(long, env = "MESHROLL_ALL")]
    pub all: bool,
    /// Exit with 2 when changes are due.
    #[arg(long, env = "MESHROLL_DETAILED_EXITCODE")]
    pub detailed_exitcode: bool,
    /// Exit with 3 when something is manual, blocked, ineffective or unknown, or will not be
    /// delivered.
    #[arg(long, env = "MESHROLL_STRICT")]
    pub strict: bool,
}

/// One `-o`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// The file; none for standard output.
    pub file: Option<PathBuf>,
}

impl std::str::FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the file's name is empty".into()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let unknown = |_| {
            let formats: Vec<String> = Format::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("`{format}` is none of the formats: {}", formats.join(", "))
        };
        Ok(Self {
            format: Format::from_str(format, false).map_err(unknown)?,
            file,
        })
    }
}
