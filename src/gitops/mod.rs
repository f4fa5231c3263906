//! GitOps delivery: which file of the repository makes which object of the cluster, through which
//! engine, and what keeps a commit from arriving.
//!
//! The rules are those of `spec/gitops.md` §1 and §2.

mod argo_cd;
mod blocker;
mod carrier;
mod delivery;
mod elsewhere;
#[cfg(test)]
pub(crate) mod fixture;
mod flux;
mod generated;
mod helm;
mod kustomize;
mod order;
mod origin;
mod ownership;
mod patch;
mod path;
mod placement;
mod revision;
mod rival;
mod shared;
mod standing;
#[cfg(test)]
mod tests;
mod written;

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

pub use blocker::{Blocker, BlockerCode};

use crate::config::Policy;
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::manifest::{ManifestFile, ManifestSet, Object, ObjectRef};
use crate::reason::Reason;
use crate::snapshot::ClusterSnapshot;
use argo_cd::{ApplicationSet, Settings};
use carrier::{Carrier, SourceRepository};
use generated::Generated;
use kustomize::Kustomizations;
use ownership::Ownership;
use placement::{Placements, Root};
use standing::Standing;

/// The engine that delivers a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// Argo CD.
    ArgoCd,
    /// Flux.
    Flux,
}

impl Engine {
    /// As it stands in plan JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ArgoCd => "argo-cd",
            Self::Flux => "flux",
        }
    }
}

/// What is known of the repository that the manifests stand in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repository<'r> {
    /// Directories that belong to the cluster; none means all.
    pub paths: &'r [String],
    /// URLs of its remotes, as written.
    pub remotes: &'r [String],
}

/// What carries a file to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The engine.
    pub engine: Engine,
    /// `namespace/name` of the Application or Kustomization.
    pub name: String,
    /// What keeps a commit from arriving, sorted.
    pub blockers: Vec<Blocker>,
    /// Keys that the engine never changes in the live object, though the restart arrives: their
    /// live values say nothing about what was delivered. Sorted.
    pub withheld: Vec<String>,
    /// Other objects that the engine knows to differ from Git: what delivers the restart delivers
    /// them too (`spec/gitops.md` §1.6, T6). Sorted.
    pub unsynced: Vec<String>,
}

/// Where a live workload comes from.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// This object of this file makes it.
    Manifest {
        /// The file.
        file: &'a ManifestFile,
        /// The object in it.
        object: &'a Object,
        /// Whether something changes the pod template on its way to the cluster.
        transformed: bool,
    },
    /// No manifest that meshroll may edit makes it; the reason says what does, and the remedy.
    Elsewhere(Reason),
}

/// Where a live workload comes from, and what delivers it.
#[derive(Debug, Clone)]
pub struct Origin<'a> {
    /// The manifest, or why there is none to edit.
    pub source: Source<'a>,
    /// The engine that carries it, where one could be told.
    pub delivery: Option<Delivery>,
}

/// The map from live workloads to manifests.
#[derive(Debug)]
pub struct DeliveryMap<'a> {
    manifests: &'a ManifestSet,
    snapshot: &'a ClusterSnapshot,
    policy: &'a Policy,
    now: Timestamp,
    settings: Settings<'a>,
    /// Directories that belong to the cluster; none means all.
    paths: Vec<String>,
    carriers: Vec<Carrier<'a>>,
    sets: Vec<ApplicationSet<'a>>,
    /// Carriers by `namespace/name` and by name.
    by_name: HashMap<(Engine, String), Vec<usize>>,
    ownership: Ownership,
    placements: Placements,
    generated: Generated,
    /// Files of HelmReleases by namespace and name.
    releases: HashMap<(&'a str, &'a str), &'a str>,
}

impl<'a> DeliveryMap<'a> {
    /// Works out which manifests make which objects of the cluster.
    ///
    /// Every manifest counts as this cluster's. `now` is the time at which sync windows are looked
    /// at.
    #[must_use]
    pub fn new(
        manifests: &'a ManifestSet,
        snapshot: &'a ClusterSnapshot,
        policy: &'a Policy,
        now: Timestamp,
    ) -> (Self, Vec<Diagnostic>) {
        Self::in_repository(manifests, Repository::default(), snapshot, policy, now)
    }

    /// Works out which manifests make which objects of the cluster, in a repository of which only
    /// some directories belong to it.
    ///
    /// `manifests` is the whole repository: a base outside of `paths` is found, and what other
    /// clusters make of it is known, so that it is not edited behind their backs.
    #[must_use]
    pub fn in_repository(
        manifests: &'a ManifestSet,
        repository: Repository<'_>,
        snapshot: &'a ClusterSnapshot,
        policy: &'a Policy,
        now: Timestamp,
    ) -> (Self, Vec<Diagnostic>) {
        let kustomizations = Kustomizations::new(manifests);
        let settings = Settings::new(snapshot);
        let (carriers, unchecked) = carrier::carriers(
            manifests,
            snapshot,
            &kustomizations,
            &settings,
            repository.paths,
            now,
        );
        let placements = placements(manifests, repository, &kustomizations, &carriers);
        let ownership = Ownership::new(snapshot, &settings);
        let map = Self {
            manifests,
            snapshot,
            policy,
            now,
            generated: Generated::new(manifests, &carriers, &policy.generated),
            releases: releases(manifests),
            settings,
            by_name: by_name(&carriers),
            sets: ApplicationSet::all(manifests),
            paths: repository.paths.to_vec(),
            carriers,
            ownership,
            placements,
        };
        let mut diagnostics = map.unchecked(unchecked);
        diagnostics.extend(map.unclear_repositories());
        diagnostics.extend(rival::rivals(snapshot));
        (map, diagnostics)
    }

    /// Where the manifest of an operator's object stands, of those that own workloads: file and line.
    /// Its namespace counts where the manifest names one.
    #[must_use]
    pub fn place_of(&self, owner: &ObjectRef) -> Option<Location> {
        let is_owner = |object: &&Object| {
            let written = &object.reference;
            (&written.group, &written.kind, &written.name)
                == (&owner.group, &owner.kind, &owner.name)
                && (written.namespace.is_empty() || written.namespace == owner.namespace)
        };
        self.manifests.files.iter().find_map(|file| {
            let object = file.objects.iter().find(is_owner)?;
            Some(Location::line(&file.path, object.line))
        })
    }

    /// One diagnostic for each engine of which objects are missing.
    fn unchecked(&self, unchecked: BTreeSet<String>) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<Diagnostic> = unchecked
            .into_iter()
            .map(|message| Diagnostic::info(DiagnosticCode::NotChecked, message))
            .collect();
        for (engine, kinds) in [
            (Engine::ArgoCd, "applications,appprojects,applicationsets"),
            (Engine::Flux, "kustomizations,gitrepositories,helmreleases"),
        ] {
            let missing = self.missing(engine);
            let Some(first) = missing.first() else {
                continue;
            };
            let more = match missing.len() {
                1 => String::new(),
                several => format!(" and {} more", several - 1),
            };
            let message = format!(
                "{first}{more} delivers workloads and is not in the snapshot: whether anything \
                 blocks delivery was not checked"
            );
            let hint = format!("add `kubectl get {kinds} -A -o json` to the snapshot");
            diagnostics.push(Diagnostic::warning(DiagnosticCode::NotChecked, message).hint(hint));
        }
        let has_applications = self.carriers.iter().any(|c| c.engine() == Engine::ArgoCd);
        if has_applications {
            if !self.settings.has_config() {
                let message = "ConfigMap argocd-cm is not in the snapshot: rules about ignored \
                               differences, exclusions and tracking were not checked";
                diagnostics.push(Diagnostic::info(DiagnosticCode::NotChecked, message));
            }
            let message = "cluster Secrets of Argo CD are never read: whether one of them skips \
                           reconciliation was not checked";
            diagnostics.push(Diagnostic::info(DiagnosticCode::NotChecked, message));
        }
        diagnostics
    }

    /// Files that sources of different repositories have in common by name.
    fn unclear_repositories(&self) -> Vec<Diagnostic> {
        let mut pairs: BTreeSet<(String, String)> = BTreeSet::new();
        for (file, index) in self.manifests.files.iter().zip(0..) {
            for object in 0..file.objects.len() {
                let roots = self.placements.of_object(index, object);
                let roots = roots.filter_map(|placement| self.placements.root(placement));
                let named: BTreeSet<(&SourceRepository, usize)> = roots
                    .filter_map(|root| Some((root.repository.as_ref()?, root.carrier?)))
                    .collect();
                let Some((first, carrier)) = named.first() else {
                    continue;
                };
                if let Some((_, other)) = named.iter().find(|(other, _)| other != first) {
                    let name = |number: &usize| {
                        self.carriers
                            .get(*number)
                            .map_or_else(String::new, Carrier::display)
                    };
                    pairs.insert((name(carrier), name(other)));
                }
            }
        }
        let diagnostic = |(one, other): (String, String)| {
            let message = format!(
                "{one} and {other} read the same path of different repositories: which of them \
                 reads this one cannot be told"
            );
            Diagnostic::warning(DiagnosticCode::DeliveryUnknown, message)
        };
        pairs.into_iter().map(diagnostic).collect()
    }
}

/// Everything that the carriers render, then what no carrier accounts for.
fn placements(
    manifests: &ManifestSet,
    repository: Repository<'_>,
    kustomizations: &Kustomizations<'_>,
    carriers: &[Carrier<'_>],
) -> Placements {
    let paths = repository.paths;
    let foreign = foreign_repositories(repository.remotes, carriers);
    let mut placements = Placements::default();
    let mut accounted = BTreeSet::new();
    for (number, carrier) in carriers.iter().enumerate() {
        let file = carrier.file.unwrap_or_default();
        let destination = match carrier.standing {
            Standing::Ours => carrier.destination(),
            Standing::OneOfSeveral => format!("the cluster of {file}"),
            Standing::Elsewhere => format!("another cluster ({file})"),
        };
        let is_ours = carrier.standing != Standing::Elsewhere;
        let reach = carrier.reach(kustomizations);
        let is_live = carrier.file.is_none();
        for (source, items) in carrier.renders(manifests, kustomizations) {
            if matches!(&source, Some(SourceRepository::Url(url)) if foreign.contains(url)) {
                continue;
            }
            let root = Root {
                carrier: Some(number),
                file: carrier.file.map(str::to_owned),
                destination: destination.clone(),
                is_foreign: !is_ours || is_live && !destination.is_empty(),
                repository: source,
                certain: true,
                directories: carrier.directories(),
                reach: reach.clone(),
            };
            placements.add(manifests, root, items, carrier.namespace_of_objects());
        }
        accounted.extend(reach);
    }
    placement::add_implicit(
        &mut placements,
        manifests,
        kustomizations,
        &accounted,
        paths,
    );
    placements
}

/// Repositories that carriers read and that are certainly not this one.
///
/// Only where one of them is this one by its remotes: a clone of a mirror has a URL of its own, and
/// then nothing can be told.
fn foreign_repositories(remotes: &[String], carriers: &[Carrier<'_>]) -> BTreeSet<String> {
    let own: BTreeSet<String> = remotes.iter().map(|url| carrier::canonical(url)).collect();
    let read: BTreeSet<String> = carriers.iter().flat_map(Carrier::repositories).collect();
    if read.is_disjoint(&own) {
        return BTreeSet::new();
    }
    read.difference(&own).cloned().collect()
}

fn releases(manifests: &ManifestSet) -> HashMap<(&str, &str), &str> {
    carrier::in_git(manifests, flux::HELM_GROUP, "HelmRelease")
        .map(|(file, object, _)| {
            let reference = &object.reference;
            ((&*reference.namespace, &*reference.name), file)
        })
        .collect()
}

/// The cluster's own carriers by name: another cluster's of the same name delivers nothing to it.
fn by_name(carriers: &[Carrier<'_>]) -> HashMap<(Engine, String), Vec<usize>> {
    let mut by_name: HashMap<(Engine, String), Vec<usize>> = HashMap::new();
    let ours = carriers.iter().enumerate();
    for (number, carrier) in ours.filter(|(_, carrier)| carrier.standing != Standing::Elsewhere) {
        let full = (carrier.engine(), carrier.display_name());
        let short = (carrier.engine(), carrier.name().to_owned());
        if full != short {
            by_name.entry(full).or_default().push(number);
        }
        by_name.entry(short).or_default().push(number);
    }
    by_name
}
