//! Shared manifests: what an edit would restart besides the workload that it is for.
//!
//! One object of a file lands in as many places as roots render it, but for roots that are parts of
//! others: what a kustomization brings in, or an engine's object that another one delivers. The live
//! ones are all of one cluster. What lies apart is another cluster's or tenant's (`spec/gitops.md`
//! §1.3, T3).

use std::collections::{BTreeMap, BTreeSet};

use super::argo_cd::ApplicationSet;
use super::carrier::{Carrier, EngineObject, SourceRepository};
use super::ownership::Owner;
use super::placement::{Placement, Placements, Root};
use super::{DeliveryMap, path};
use crate::manifest::{ManifestFile, ObjectRef};
use crate::reason::{Reason, ReasonCode};

/// More places than this are counted only.
const MOST_SHOWN: usize = 5;

/// One place where an object of a file lands.
#[derive(Debug, Clone, Copy)]
struct Place<'p> {
    /// Cluster, namespace and name.
    identity: (&'p str, &'p str, &'p str),
    /// What brings it there: number and root.
    root: (usize, &'p Root),
}

impl DeliveryMap<'_> {
    /// Why a manifest makes more than the object that it is looked at for.
    pub(super) fn shared(&self, placement: &Placement, file: &ManifestFile) -> Option<Reason> {
        let places = places(&self.placements, placement, &file.path);
        if places.len() < 2 {
            return None;
        }
        let mut shown: Vec<String> = places
            .iter()
            .take(MOST_SHOWN)
            .map(|place| described(place, &places))
            .collect();
        if let Some(more) = places
            .len()
            .checked_sub(MOST_SHOWN)
            .filter(|more| *more > 0)
        {
            shown.push(format!("{more} more"));
        }
        let message = format!(
            "{} makes {} objects ({}), so an edit would restart them all: give this one {}",
            file.path,
            places.len(),
            shown.join(", "),
            self.place_of_patch(placement, &places)
        );
        Some(Reason::new(ReasonCode::SharedManifest, message))
    }

    /// What else is known to deliver a manifest, where the live object names another deliverer that is
    /// not known: that one may be another cluster's.
    pub(super) fn delivered_otherwise(
        &self,
        placement: &Placement,
        file: &ManifestFile,
        owner: &Owner,
    ) -> Option<Reason> {
        let root = self.placements.root(placement)?;
        let carrier = self.carriers.get(root.carrier?)?;
        let name = match owner {
            Owner::Application(instance) => instance.name.as_str(),
            Owner::Kustomization { name, .. } => name.as_str(),
            Owner::HelmRelease { .. } | Owner::Release { .. } => return None,
        };
        // What is live is of this cluster, whatever the mark says, and so is what stands in its
        // directories. What delivers itself delivers others, which are not known here.
        let defined = carrier.file?;
        let own = self.paths.iter().chain(&root.directories);
        let is_own = own.into_iter().any(|own| path::is_within(defined, own));
        if carrier.name() == name || is_own {
            return None;
        }
        let message = format!(
            "{} delivers {}, and {} delivers the live object: an edit may restart another cluster's; \
             add both to the snapshot, or name the directories of this cluster in the configuration",
            carrier.place(),
            file.path,
            owner.carrier()?
        );
        Some(Reason::new(ReasonCode::SharedManifest, message))
    }

    /// The ApplicationSet that may deliver a manifest to other places than the one it is looked at
    /// for: to several, or to another cluster than what is known to deliver it.
    pub(super) fn shared_by_set(
        &self,
        placement: &Placement,
        file: &ManifestFile,
    ) -> Option<Reason> {
        let root = self.placements.root(placement)?;
        let carrier = root.carrier.and_then(|number| self.carriers.get(number));
        let read = |set: &ApplicationSet<'_>| {
            let directories = root.directories.iter().map(String::as_str);
            let own = std::iter::once(path::directory(&file.path));
            own.chain(directories).filter_map(|at| set.reads(at)).max()
        };
        let mut reading: Vec<(&ApplicationSet<'_>, bool)> = self
            .sets
            .iter()
            .filter_map(|set| Some((set, read(set)?)))
            .collect();
        let own = self.live_sets(carrier, &reading);
        reading.retain(|(set, _)| !own.contains(set.file));
        let alone = carrier.is_none() && reading.len() == 1;
        let (set, _) = reading.iter().find(|(_, fans_out)| *fans_out || !alone)?;
        let message = format!(
            "{} may deliver {} to other places as well ({}), so an edit may restart them all: give \
             this one a manifest of its own, or add the Applications and ApplicationSets of its Argo CD to the \
             snapshot",
            set.display(),
            file.path,
            set.file
        );
        Some(Reason::new(ReasonCode::SharedManifest, message))
    }

    /// The files of those sets that are this cluster's, since they are live: their Applications are,
    /// too, and so known. Of several definitions the one in the cluster's directories is its own.
    fn live_sets<'s>(
        &self,
        carrier: Option<&Carrier<'_>>,
        reading: &[(&'s ApplicationSet<'_>, bool)],
    ) -> BTreeSet<&'s str> {
        let application = match carrier.map(|carrier| (carrier.file, &carrier.object)) {
            Some((None, EngineObject::Application(application))) => Some(application),
            _ => None,
        };
        let is_live = |set: &ApplicationSet<'_>| {
            application.is_some_and(|application| set.may_make(application))
                || self.snapshot.object(set.reference).is_some()
        };
        let stands = |file: &str| self.paths.iter().any(|own| path::is_within(file, own));
        let mut own: BTreeMap<&ObjectRef, &str> = BTreeMap::new();
        for (set, _) in reading.iter().filter(|(set, _)| is_live(set)) {
            let nearest = own.entry(set.reference).or_insert(set.file);
            if stands(set.file) && !stands(nearest) {
                *nearest = set.file;
            }
        }
        own.into_values().collect()
    }

    /// Where a patch stands that reaches the one object alone.
    fn place_of_patch(&self, placement: &Placement, places: &[Place<'_>]) -> String {
        let Some(root) = self.placements.root(placement) else {
            return "a patch of its own".to_owned();
        };
        let others = || places.iter().filter(|place| place.root.0 != placement.root);
        let is_own = |directory: &&String| {
            root.reach.contains(*directory)
                && others().all(|place| !place.root.1.reach.contains(*directory))
        };
        if let Some(directory) = root.directories.iter().find(is_own) {
            let directory = match directory.as_str() {
                "" => "the root directory",
                directory => directory,
            };
            return format!("a patch of its own in the kustomization of {directory}");
        }
        let carrier = root.carrier.and_then(|number| self.carriers.get(number));
        match carrier {
            Some(carrier) if matches!(carrier.object, EngineObject::Kustomization(_)) => {
                format!(
                    "a patch of its own in `spec.patches` of {}",
                    carrier.display()
                )
            }
            Some(carrier) if carrier.reads_kustomization() => format!(
                "a patch of its own in `spec.source.kustomize.patches` of {}",
                carrier.display()
            ),
            _ => "a manifest of its own".to_owned(),
        }
    }
}

/// The distinct places where the object of a placement lands.
fn places<'p>(placements: &'p Placements, placement: &Placement, file: &str) -> Vec<Place<'p>> {
    let Some(own) = placements.root(placement) else {
        return Vec::new();
    };
    let mut by_identity: BTreeMap<_, BTreeMap<usize, &Root>> = BTreeMap::new();
    for other in placements.of_object(placement.file, placement.object) {
        let root = placements.root(other);
        let Some(root) = root.filter(|root| root.certain && may_be_one_repository(own, root))
        else {
            continue;
        };
        let (namespace, name) = (other.namespace.as_str(), other.name.as_str());
        let identity = (root.destination.as_str(), namespace, name);
        let roots = by_identity.entry(identity).or_default();
        roots.insert(other.root, root);
    }
    by_identity
        .iter()
        .flat_map(|(identity, roots)| {
            let place = |root| Place {
                identity: *identity,
                root,
            };
            whole(roots, file).into_iter().map(place)
        })
        .collect()
}

/// Whether two roots may read one repository: the names of sources tell only within one cluster, and
/// one repository may have several hosts, by mirrors and by aliases of ssh.
fn may_be_one_repository(one: &Root, other: &Root) -> bool {
    use SourceRepository::{Named, Url};
    match (&one.repository, &other.repository) {
        (Some(Url(one)), Some(Url(other))) => owner_and_name(one) == owner_and_name(other),
        (Some(Named(first)), Some(Named(second))) if one.is_live() && other.is_live() => {
            first == second
        }
        _ => true,
    }
}

/// The last two parts of a URL's path.
fn owner_and_name(url: &str) -> [Option<&str>; 2] {
    let mut parts = url.rsplit('/');
    [parts.next(), parts.next()]
}

/// Of roots that bring an object to one identity, those that are no part of another one. All live
/// ones count as one: they are one cluster's.
fn whole<'p>(roots: &BTreeMap<usize, &'p Root>, file: &str) -> Vec<(usize, &'p Root)> {
    let parts = parts(roots, file);
    let mut has_live = false;
    let roots = roots.iter().map(|(number, root)| (*number, *root));
    roots
        .filter(|(number, _)| !parts.contains(number))
        .filter(|(_, root)| !root.is_live() || !std::mem::replace(&mut has_live, true))
        .collect()
}

/// The roots that are part of another one: the inner of two, but for a kustomization that brings in
/// what an engine's object reads, which nothing is known to apply.
fn parts(roots: &BTreeMap<usize, &Root>, file: &str) -> BTreeSet<usize> {
    let mut by_directory: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, root) in roots {
        for directory in &root.directories {
            by_directory.entry(directory).or_default().push(*number);
        }
    }
    let mut parts = BTreeSet::new();
    for (inner_number, inner) in roots {
        for directory in &inner.directories {
            let above = path::ancestors(directory).filter(|above| *above != directory);
            let above = above.filter_map(|above| by_directory.get(above)).flatten();
            let beside = by_directory.get(directory.as_str()).into_iter().flatten();
            let beside = beside.filter(|number| *number < inner_number);
            for number in above.chain(beside).filter(|number| *number != inner_number) {
                let outer = roots.get(number);
                let outer = outer.filter(|outer| brings_in(outer, inner, directory, file));
                if let Some(outer) = outer {
                    let is_view = outer.carrier.is_none() && inner.carrier.is_some();
                    parts.insert(if is_view { *number } else { *inner_number });
                }
            }
        }
    }
    parts
}

/// Whether a root that reads a directory around another one's brings the object of a file to the
/// same place in the same cluster: since it renders what the other reads.
fn brings_in(outer: &Root, inner: &Root, directory: &str, file: &str) -> bool {
    // An overlay below its base brings in what lies outside of its directory.
    let renders = path::is_within(file, directory) || outer.reach.contains(directory);
    // An engine's object that is known from Git alone is of the cluster of what delivers it; of two
    // that nothing brings together, each may be another cluster's.
    let is_one_cluster = match &inner.file {
        Some(defined) if outer.carrier.is_some() => {
            let mut read = outer.directories.iter();
            outer.file == inner.file || read.any(|directory| path::is_within(defined, directory))
        }
        None if inner.is_live() => outer.carrier.is_none(),
        _ => true,
    };
    renders && is_one_cluster
}

/// A place in words; what brings the object there is named where several do.
fn described(place: &Place<'_>, places: &[Place<'_>]) -> String {
    let (cluster, namespace, name) = place.identity;
    let shown = match cluster {
        "" => format!("{namespace}/{name}"),
        cluster => format!("{namespace}/{name} of {cluster}"),
    };
    let alike = places
        .iter()
        .filter(|other| other.identity == place.identity);
    match place.root.1.by().filter(|_| alike.take(2).count() > 1) {
        Some(by) => format!("{shown} by {by}"),
        None => shown,
    }
}
