//! `--assume-applied`: the plan for the mesh that the repository asks for, before it is there.

use super::planned::Planned;
use super::source::{ManifestSource, cluster_policy};
use super::world::World;
use super::{narration, pull_request};
use crate::cli::{Cli, PlanArgs, RepositoryArgs};
use crate::edge::git::GitRepository;
use crate::error::{DONE, RunError};
use crate::manifest::ManifestSet;
use crate::mesh::Mesh;
use crate::report::{self, Assumption, Report, SnapshotSummary};
use crate::snapshot;
use crate::upgrade::{self, Desired};
use crate::wave::RestartPlan;

/// A name that istiods have, so that their manifests are read even where the cluster has no
/// workload of that name yet.
pub(super) const ISTIOD: &str = "istiod";

/// Ends the run early where the change since the base does not touch the mesh: neither cluster nor
/// snapshot is looked at then.
///
/// # Errors
///
/// When a revision cannot be read, or the answer not be written.
pub(super) fn unchanged(cli: &Cli, args: &PlanArgs) -> Result<Option<u8>, RunError> {
    let Some(base) = &args.base else {
        return Ok(None);
    };
    let repository = GitRepository::open(&args.input.repository.repo)?;
    let root = repository.work_tree();
    let head = match &args.input.rev {
        Some(revision) => Some(repository.commit(revision)?),
        None if root.is_none() => Some(repository.commit("HEAD")?),
        None => None,
    };
    let head = ManifestSource {
        repository: &repository,
        root: root.as_deref(),
        base: head,
    };
    let before = ManifestSource {
        base: Some(repository.commit(base)?),
        ..head
    };
    let wanted = desired(head, &args.input.repository)?;
    let changes = wanted.changes_since(&desired(before, &args.input.repository)?);
    if !changes.is_empty() {
        for change in &changes {
            tracing::info!(change, "touches the mesh");
        }
        return Ok(None);
    }
    let (plan, mesh) = (
        RestartPlan {
            workloads: Vec::new(),
        },
        Mesh::default(),
    );
    let report = Report {
        plan: &plan,
        edits: &[],
        manifests: &ManifestSet::default(),
        mesh: &mesh,
        usage: &[],
        diagnostics: &[],
        snapshot: SnapshotSummary {
            cluster: &args.input.repository.cluster,
            captured_at: None,
            pods: 0,
        },
        written: None,
        assumed: Some(Assumption {
            changes: &[],
            base: Some(base),
            untouched: true,
        }),
        all: false,
        color: false,
    };
    narration::print(report, &args.output, cli.color)?;
    comment(args, None)?;
    Ok(Some(DONE))
}

/// Keeps the comment of the pull request that makes the change: one, and none where the mesh stays
/// as it is.
///
/// # Errors
///
/// When the forge refuses.
pub(super) fn comment(args: &PlanArgs, planned: Option<&Planned<'_>>) -> Result<(), RunError> {
    let Some(number) = args.comment_on else {
        return Ok(());
    };
    let repository = GitRepository::open(&args.input.repository.repo)?;
    let delay = jiff::SignedDuration::from_secs(1);
    let forge = pull_request::connect(&repository, &args.github, "origin", delay)?;
    let report = planned
        .filter(|planned| {
            planned
                .assumed
                .is_some_and(|(changes, _)| !changes.is_empty())
        })
        .map(|planned| report::pull_request_body(planned.report(None)));
    let cluster = &args.input.repository.cluster;
    Ok(pull_request::preview(
        forge.as_ref(),
        number,
        cluster,
        report.as_deref(),
    )?)
}

/// What a revision wants of the cluster's mesh.
fn desired(source: ManifestSource<'_>, args: &RepositoryArgs) -> Result<Desired, RunError> {
    let policy = source.policy(args)?;
    let cluster = cluster_policy(&policy, &args.cluster)?;
    let paths = source.paths(args, &cluster)?;
    let names = std::collections::BTreeSet::from([ISTIOD]);
    let (manifests, _) =
        source.manifests(&[], args.max_file_size, Some(&names), &Default::default())?;
    Ok(Desired::read(&manifests, &paths))
}

impl World {
    /// Puts what the repository wants of the mesh in the place of what the cluster has.
    ///
    /// # Errors
    ///
    /// When the base cannot be read.
    pub(super) fn assume_applied(
        &mut self,
        args: &RepositoryArgs,
        base: Option<&str>,
    ) -> Result<Vec<upgrade::Change>, RunError> {
        let wanted = Desired::read(&self.manifests, &self.paths);
        let base = match base {
            Some(base) => {
                let source = ManifestSource {
                    repository: &self.repository,
                    root: self.root.as_deref(),
                    base: Some(self.repository.commit(base)?),
                };
                Some(desired(source, args)?)
            }
            None => None,
        };
        self.diagnostics.extend_from_slice(wanted.diagnostics());
        let (upgrade, found) = upgrade::assume_applied(&self.snapshot, &wanted, base.as_ref());
        self.diagnostics.extend(found);
        let (mesh, found) = Mesh::from_snapshot(&upgrade.snapshot);
        // What was said of the mesh of now is said of the one that is assumed instead.
        let (_, said) = Mesh::from_snapshot(&self.snapshot);
        self.diagnostics.retain(|one| !said.contains(one));
        self.diagnostics.extend(found);
        let way = upgrade::check(&self.mesh, &mesh, &upgrade.snapshot);
        self.diagnostics.extend(way);
        self.gaps = snapshot::gaps(&upgrade.snapshot);
        self.snapshot = upgrade.snapshot;
        self.mesh = mesh;
        Ok(upgrade.changes)
    }
}

impl Planned<'_> {
    /// What the plan assumes, for its report.
    pub(super) fn assumption(&self) -> Option<Assumption<'_>> {
        self.assumed.map(|(changes, base)| Assumption {
            changes,
            base,
            untouched: false,
        })
    }
}
