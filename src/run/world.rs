//! The world: everything that a run reads, read once and before anything is computed.

use std::path::{Path, PathBuf};

use git2::Oid;
use jiff::Timestamp;

use super::source::{ManifestSource, cluster_policy};
use crate::cli::InputArgs;
use crate::config::{ClusterPolicy, Policy};
use crate::decision::Inputs;
use crate::diagnostic::Diagnostic;
use crate::edge::git::GitRepository;
use crate::edge::snapshot_file;
use crate::error::{ErrorKind, RunError};
use crate::gitops::DeliveryMap;
use crate::manifest::{self, ManifestSet, Screen};
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
        let repository = GitRepository::open(&args.repository.repo)?;
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
        let policy = source.policy(&args.repository)?;
        let cluster = cluster_policy(&policy, &args.repository.cluster)?;
        let (snapshot, mut diagnostics) = read_snapshot(args, &policy, &cluster, root.as_deref())?;
        if let Some(uid) = &cluster.uid {
            snapshot.capture.check_cluster(uid)?;
        }
        let gaps = snapshot::gaps(&snapshot);
        diagnostics.extend(gaps.diagnostics());
        let now = plan_time(args, &snapshot)?;
        let paths = source.paths(&args.repository, &cluster)?;
        let (files, mut found) = source.files(&paths, args.repository.max_file_size)?;
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
