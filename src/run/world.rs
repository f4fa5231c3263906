//! The world: everything that a run reads, read once and before anything is computed.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use git2::Oid;
use jiff::Timestamp;

use super::preview::ISTIOD;
use super::record;
use super::source::{ManifestSource, cluster_policy};
use crate::cli::{Cli, InputArgs};
use crate::config::{ClusterPolicy, Policy};
use crate::decision::Inputs;
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::edge::git::GitRepository;
use crate::error::{ErrorKind, RunError};
use crate::gitops::{DeliveryMap, Repository};
use crate::manifest::{self, ManifestSet};
use crate::mesh::Mesh;
use crate::snapshot::{self, ClusterSnapshot, Gaps};

/// Where manifests are read from when the user does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadFrom {
    /// The work tree.
    WorkTree,
    /// `HEAD`.
    Commit,
    /// This commit.
    At(Oid),
}

/// Everything that a run goes by.
pub(super) struct World {
    pub(super) repository: GitRepository,
    /// The root of the work tree; none for a bare repository.
    pub(super) root: Option<PathBuf>,
    /// The commit that manifests were read from; none for the work tree.
    pub(super) base: Option<Oid>,
    pub(super) policy: Policy,
    /// Directories that belong to the cluster; none means all.
    pub(super) paths: Vec<String>,
    /// URLs of the repository's remotes.
    pub(super) remotes: Vec<String>,
    pub(super) manifests: ManifestSet,
    pub(super) snapshot: ClusterSnapshot,
    pub(super) gaps: Gaps,
    pub(super) mesh: Mesh,
    pub(super) now: Timestamp,
    /// What was wrong with the input, of every kind.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What of it was wrong with the snapshot.
    said_of_snapshot: Vec<Diagnostic>,
}

impl World {
    /// Reads everything. It is never freed: the process ends with it, and freeing a large cluster
    /// piece by piece takes a while.
    ///
    /// # Errors
    ///
    /// When an input cannot be used at all.
    pub(super) fn read(
        cli: &Cli,
        args: &InputArgs,
        read_from: ReadFrom,
    ) -> Result<ManuallyDrop<Self>, RunError> {
        let repository = GitRepository::open(&args.repository.repo)?;
        let root = repository.work_tree();
        let base = match (&args.rev, read_from) {
            (_, ReadFrom::At(commit)) => Some(commit),
            (Some(revision), _) => Some(repository.commit(revision)?),
            (None, ReadFrom::Commit) => Some(repository.commit("HEAD")?),
            (None, ReadFrom::WorkTree) if root.is_none() => Some(repository.commit("HEAD")?),
            (None, ReadFrom::WorkTree) => None,
        };
        let source = ManifestSource {
            repository: &repository,
            root: root.as_deref(),
            base,
        };
        let policy = source.policy(&args.repository)?;
        let cluster = cluster_policy(&policy, &args.repository.cluster)?;
        let configured = root.as_ref().zip(cluster.snapshot.as_ref());
        let configured = configured.map(|(root, snapshot)| root.join(snapshot));
        let (snapshot, mut said_of_snapshot) = read_snapshot(cli, args, &policy, configured)?;
        tracing::info!(
            pods = snapshot.pods.len(),
            workloads = snapshot.workloads.len(),
            "read the snapshot"
        );
        let gaps = snapshot::gaps(&snapshot);
        let now = plan_time(args, &snapshot)?;
        let (mesh, mut found) = Mesh::from_snapshot(&snapshot);
        said_of_snapshot.append(&mut found);
        tracing::info!(revisions = mesh.revisions.len(), "resolved the mesh");
        let tree = Tree::read(source, args, &cluster, &snapshot)?;
        Ok(ManuallyDrop::new(Self {
            root,
            base,
            policy,
            paths: tree.paths,
            remotes: repository.remotes(),
            manifests: tree.manifests,
            snapshot,
            gaps,
            mesh,
            now,
            diagnostics: [said_of_snapshot.clone(), tree.diagnostics].concat(),
            said_of_snapshot,
            repository,
        }))
    }

    /// Takes the manifests and the configuration of another commit, for the same cluster.
    ///
    /// # Errors
    ///
    /// When that commit cannot be read, or its configuration wants other annotations kept of the
    /// snapshot, which was read already.
    pub(super) fn move_to(&mut self, args: &InputArgs, base: Oid) -> Result<(), RunError> {
        let source = ManifestSource {
            repository: &self.repository,
            root: self.root.as_deref(),
            base: Some(base),
        };
        let policy = source.policy(&args.repository)?;
        if policy.annotations != self.policy.annotations {
            let message = "the configuration names other annotations than when the run began";
            return Err(RunError::new(ErrorKind::Environment, message).hint("run again"));
        }
        let cluster = cluster_policy(&policy, &args.repository.cluster)?;
        let tree = Tree::read(source, args, &cluster, &self.snapshot)?;
        self.base = Some(base);
        self.policy = policy;
        self.paths = tree.paths;
        self.manifests = tree.manifests;
        self.diagnostics = [self.said_of_snapshot.clone(), tree.diagnostics].concat();
        Ok(())
    }

    /// Whether only a part of the snapshot could be read.
    pub(super) fn is_partial(&self) -> bool {
        let broken = |one: &Diagnostic| one.code == DiagnosticCode::SnapshotUnparsable;
        self.said_of_snapshot.iter().any(broken)
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
        DeliveryMap::in_repository(
            &self.manifests,
            Repository {
                paths: &self.paths,
                remotes: &self.remotes,
            },
            &self.snapshot,
            &self.policy,
            self.now,
        )
    }
}

/// What is read of one tree of the repository.
struct Tree {
    paths: Vec<String>,
    manifests: ManifestSet,
    diagnostics: Vec<Diagnostic>,
}

impl Tree {
    fn read(
        source: ManifestSource<'_>,
        args: &InputArgs,
        cluster: &ClusterPolicy,
        snapshot: &ClusterSnapshot,
    ) -> Result<Self, RunError> {
        if let Some(uid) = &cluster.uid {
            snapshot.capture.check_cluster(uid)?;
        }
        let paths = source.paths(&args.repository, cluster)?;
        // The whole repository: a base outside of the cluster's paths may make its workloads, and
        // other clusters may share it. What is wrong elsewhere is not this cluster's.
        let names = (!snapshot.renames()).then(|| {
            let mut names = snapshot.workload_names();
            names.insert(ISTIOD);
            names
        });
        let size_limit = args.repository.max_file_size;
        let (mut manifests, mut diagnostics) =
            source.manifests(&[], size_limit, names.as_ref(), &snapshot.operators())?;
        // A recording that lies in the repository makes nothing.
        let recordings = recordings(source.root, &args.snapshots, cluster);
        manifests.files.retain(|file| {
            let lies_in = |recording: &String| manifest::is_inside(&file.path, recording);
            !recordings.iter().any(lies_in)
        });
        diagnostics.retain(|diagnostic| concerns(diagnostic, &paths));
        tracing::info!(
            files = manifests.files.len(),
            "read the manifests that can matter"
        );
        Ok(Self {
            paths,
            manifests,
            diagnostics,
        })
    }
}

/// Paths in the repository of what the snapshot was read from.
fn recordings(root: Option<&Path>, snapshots: &[PathBuf], cluster: &ClusterPolicy) -> Vec<String> {
    let root = root.and_then(|root| root.canonicalize().ok());
    let below = |path: &PathBuf| {
        let path = path.canonicalize().ok()?;
        let path = path.strip_prefix(root.as_ref()?).ok()?.to_str()?;
        (!path.is_empty()).then(|| path.to_owned())
    };
    let named = snapshots.iter().filter_map(below);
    named.chain(cluster.snapshot.clone()).collect()
}

/// Whether a diagnostic is of a file in one of the directories, or of no file at all.
fn concerns(diagnostic: &Diagnostic, paths: &[String]) -> bool {
    let file = diagnostic
        .location
        .as_ref()
        .map(|location| location.file.as_str());
    let inside = |file: &str| paths.iter().any(|path| manifest::is_inside(file, path));
    paths.is_empty() || file.is_none_or(inside)
}

/// The snapshot that is named, else the cluster's own in the configuration, else the live cluster.
fn read_snapshot(
    cli: &Cli,
    args: &InputArgs,
    policy: &Policy,
    configured: Option<PathBuf>,
) -> Result<(ClusterSnapshot, Vec<Diagnostic>), RunError> {
    let mut paths = args.snapshots.clone();
    let names_cluster = args.live.kubeconfig.is_some() || args.live.context.is_some();
    if paths.is_empty() && !names_cluster {
        paths.extend(configured);
    }
    record::read(
        cli,
        &paths,
        &args.live,
        record::options(policy, args.allow_partial),
    )
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
