//! The world: everything that a run reads, read once and before anything is computed.

use std::path::{Path, PathBuf};

use git2::Oid;
use jiff::Timestamp;

use crate::cli::InputArgs;
use crate::config::{ClusterPolicy, Policy};
use crate::decision::Inputs;
use crate::diagnostic::Diagnostic;
use crate::edge::git::GitRepository;
use crate::edge::{files, snapshot_file};
use crate::error::{ErrorKind, RunError};
use crate::gitops::DeliveryMap;
use crate::manifest::{self, ManifestSet, RawFile, Screen};
use crate::mesh::Mesh;
use crate::snapshot::{self, ClusterSnapshot, Gaps, ReadOptions};

/// Where manifests are read from when the user does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadFrom {
    /// The work tree.
    WorkTree,
    /// `HEAD`.
    Commit,
}

/// Everything that a run goes by.
pub(super) struct World {
    pub(super) repository: GitRepository,
    /// The root of the work tree; none for a bare repository.
    pub(super) root: Option<PathBuf>,
    /// The commit that manifests were read from; none for the work tree.
    pub(super) base: Option<Oid>,
    pub(super) policy: Policy,
    pub(super) manifests: ManifestSet,
    pub(super) snapshot: ClusterSnapshot,
    pub(super) gaps: Gaps,
    pub(super) mesh: Mesh,
    pub(super) now: Timestamp,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl World {
    /// Reads everything.
    ///
    /// # Errors
    ///
    /// When an input cannot be used at all.
    pub(super) fn read(args: &InputArgs, read_from: ReadFrom) -> Result<Self, RunError> {
        let repository = GitRepository::open(&args.repo)?;
        let root = repository.work_tree();
        let from_commit = args.rev.is_some() || read_from == ReadFrom::Commit || root.is_none();
        let base = match &args.rev {
            Some(revision) => Some(repository.commit(revision)?),
            None if from_commit => Some(repository.commit("HEAD")?),
            None => None,
        };
        let source = ManifestSource {
            repository: &repository,
            root: root.as_deref(),
            base,
        };
        let policy = source.policy(args)?;
        let cluster = cluster_policy(&policy, &args.cluster)?;
        let (snapshot, mut diagnostics) = read_snapshot(args, &policy, &cluster, root.as_deref())?;
        if let Some(uid) = &cluster.uid {
            snapshot.capture.check_cluster(uid)?;
        }
        let gaps = snapshot::gaps(&snapshot);
        diagnostics.extend(gaps.diagnostics());
        let now = plan_time(args, &snapshot)?;
        let paths = source.paths(args, &cluster)?;
        let (files, mut found) = source.files(&paths, args.max_file_size)?;
        diagnostics.append(&mut found);
        let (manifests, mut found) = manifest::parse(files, &Screen::new());
        diagnostics.append(&mut found);
        let (mesh, mut found) = Mesh::from_snapshot(&snapshot);
        diagnostics.append(&mut found);
        Ok(Self {
            root,
            base,
            policy,
            manifests,
            snapshot,
            gaps,
            mesh,
            now,
            diagnostics,
            repository,
        })
    }

    /// What decisions are made from.
    pub(super) fn inputs<'a>(&'a self, deliveries: &'a DeliveryMap<'a>, retry: bool) -> Inputs<'a> {
        Inputs {
            policy: &self.policy,
            snapshot: &self.snapshot,
            gaps: &self.gaps,
            mesh: &self.mesh,
            deliveries,
            now: self.now,
            retry,
        }
    }

    /// Where the cluster's workloads come from.
    pub(super) fn deliveries(&self) -> (DeliveryMap<'_>, Vec<Diagnostic>) {
        DeliveryMap::new(&self.manifests, &self.snapshot, &self.policy, self.now)
    }
}

/// The work tree or a commit.
#[derive(Clone, Copy)]
struct ManifestSource<'a> {
    repository: &'a GitRepository,
    root: Option<&'a Path>,
    base: Option<Oid>,
}

/// Where the configuration is looked for.
const CONFIG_FILES: [&str; 2] = ["meshroll.yaml", ".github/meshroll.yaml"];

impl ManifestSource<'_> {
    /// The configuration: the named file, else that of the tree that manifests are read from.
    fn policy(self, args: &InputArgs) -> Result<Policy, RunError> {
        if let Some(path) = &args.config {
            let text = files::read_text(path)?;
            return Ok(Policy::parse(&path.display().to_string(), &text)?);
        }
        for name in CONFIG_FILES {
            if let Some(bytes) = self.file(name)? {
                let text = String::from_utf8(bytes).map_err(|_| {
                    RunError::new(ErrorKind::Input, format!("{name} is not valid UTF-8"))
                })?;
                return Ok(Policy::parse(name, &text)?);
            }
        }
        Ok(Policy::default())
    }

    fn file(self, name: &str) -> Result<Option<Vec<u8>>, RunError> {
        match (self.base, self.root) {
            (Some(commit), _) => Ok(self.repository.file(commit, name)?),
            (None, Some(root)) => Ok(files::read_if_present(root, name)?),
            (None, None) => Ok(None),
        }
    }

    /// The directories that belong to the cluster: the command line's, else the configuration's.
    fn paths(self, args: &InputArgs, cluster: &ClusterPolicy) -> Result<Vec<String>, RunError> {
        let mut paths = Vec::new();
        for path in &args.paths {
            let path = path.trim_start_matches("./").trim_matches('/');
            let outside = Path::new(path)
                .components()
                .any(|part| !matches!(part, std::path::Component::Normal(_)));
            if outside && path != "." {
                let message = format!("--path {path} leads out of the repository");
                return Err(RunError::new(ErrorKind::Usage, message));
            }
            paths.push(if path == "." {
                String::new()
            } else {
                path.to_owned()
            });
        }
        if paths.is_empty() {
            paths.clone_from(&cluster.paths);
        }
        for path in &paths {
            if !self.holds_directory(path)? {
                let message = format!("there is no directory {path} in the repository");
                return Err(RunError::new(ErrorKind::Input, message));
            }
        }
        Ok(paths)
    }

    fn holds_directory(self, path: &str) -> Result<bool, RunError> {
        match (self.base, self.root) {
            (Some(commit), _) => Ok(self.repository.holds_directory(commit, path)?),
            (None, Some(root)) => Ok(files::is_directory(root, path)),
            (None, None) => Ok(false),
        }
    }

    fn files(
        self,
        paths: &[String],
        size_limit: u64,
    ) -> Result<(Vec<RawFile>, Vec<Diagnostic>), RunError> {
        let screen = Screen::new();
        match (self.base, self.root) {
            (Some(commit), _) => Ok(self
                .repository
                .read_manifests(commit, paths, size_limit, &screen)?),
            (None, Some(root)) => {
                let tracked = self.repository.tracked()?;
                let selection = files::Selection {
                    root,
                    paths,
                    tracked: &tracked,
                    size_limit,
                };
                Ok(files::read_manifests(selection, &screen))
            }
            (None, None) => Ok((Vec::new(), Vec::new())),
        }
    }
}

/// What the configuration says of the cluster; nothing where it names no cluster at all.
fn cluster_policy(policy: &Policy, name: &str) -> Result<ClusterPolicy, RunError> {
    if let Some(cluster) = policy.clusters.get(name) {
        return Ok(cluster.clone());
    }
    if policy.clusters.is_empty() {
        return Ok(ClusterPolicy::default());
    }
    let known: Vec<&str> = policy.clusters.keys().map(String::as_str).collect();
    let message = format!("the configuration has no cluster `{name}`");
    Err(RunError::new(ErrorKind::Usage, message).hint(format!(
        "name one of them with --cluster: {}",
        known.join(", ")
    )))
}

fn read_snapshot(
    args: &InputArgs,
    policy: &Policy,
    cluster: &ClusterPolicy,
    root: Option<&Path>,
) -> Result<(ClusterSnapshot, Vec<Diagnostic>), RunError> {
    let configured = || Some(root?.join(cluster.snapshot.as_ref()?));
    let mut paths = args.snapshots.clone();
    if paths.is_empty() {
        paths.extend(configured());
    }
    if paths.is_empty() {
        return Err(
            RunError::new(ErrorKind::Usage, "there is no snapshot of the cluster")
                .hint("record one with `kubectl get … -A -o json` and name it with --snapshot"),
        );
    }
    let keys = &policy.annotations;
    let options = ReadOptions {
        allow_partial: args.allow_partial,
        annotation_keys: keys
            .restarted_at
            .iter()
            .chain([&keys.restarted_for])
            .cloned()
            .collect(),
    };
    Ok(snapshot::read_with(snapshot_file::open(&paths)?, &options)?)
}

/// The time that is planned for: `--now`, else when the snapshot was taken.
fn plan_time(args: &InputArgs, snapshot: &ClusterSnapshot) -> Result<Timestamp, RunError> {
    let time = args.now.or(snapshot.capture.captured_at).ok_or_else(|| {
        RunError::new(
            ErrorKind::Input,
            "nothing in the snapshot tells when it was taken",
        )
        .hint("name the time with --now")
    })?;
    Ok(Timestamp::from_second(time.as_second()).unwrap_or(time))
}
