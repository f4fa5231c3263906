//! Placements: which object of which file becomes which object of the cluster.
//!
//! A *root* is what something applies: the path of an Application or of a Flux Kustomization, a
//! `kustomization.yaml` that no other one lists, or a plain file. Each root renders objects, and
//! each of them lands under one identity.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::carrier::SourceRepository;
use super::kustomize::{Item, Kustomizations, is_kustomization, plain_items};
use super::path;
use crate::manifest::{ManifestSet, ObjectRef};

/// Where an object without a namespace lands when nothing says otherwise.
const DEFAULT_NAMESPACE: &str = "default";

/// One object of a file under the identity that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    /// Index of the file in the set.
    pub(super) file: usize,
    /// Index of the object in the file.
    pub(super) object: usize,
    /// The namespace it lands in.
    pub(super) namespace: String,
    /// The name it gets.
    pub(super) name: String,
    /// Whether something changes its pod template on the way.
    pub(super) transformed: bool,
    /// Whether a kustomization lists the file.
    pub(super) listed: bool,
    /// What applies it: an index into the roots.
    pub(super) root: usize,
}

/// What applies files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Root {
    /// Index of the engine's object, where there is one.
    pub(super) carrier: Option<usize>,
    /// The file that defines the engine's object, where it is known from Git alone.
    pub(super) file: Option<String>,
    /// Which cluster it applies to: empty for this one.
    pub(super) destination: String,
    /// Whether it certainly applies to another cluster than the snapshot's. Of an engine's object
    /// that is known from Git alone, which of its destinations the snapshot is of cannot be told.
    pub(super) is_foreign: bool,
    /// Which repository it reads, as far as it is known.
    pub(super) repository: Option<SourceRepository>,
    /// Whether it certainly applies anything: a file that a kustomization above it leaves out does
    /// not count as applied.
    pub(super) certain: bool,
    /// The directories that it reads, of an engine's object or a kustomization; where those of two
    /// roots lie apart, they are two clusters' or two tenants'.
    pub(super) directories: Vec<String>,
    /// Directories of the kustomizations that it brings in.
    pub(super) reach: BTreeSet<String>,
}

impl Root {
    /// Whether it is an engine's object of the snapshot.
    pub(super) fn is_live(&self) -> bool {
        self.carrier.is_some() && self.file.is_none()
    }

    /// What tells it from others in words: the file of an engine's object, or a directory.
    pub(super) fn by(&self) -> Option<&str> {
        let directory = self.directories.first().filter(|at| !at.is_empty());
        self.file.as_deref().or(directory.map(String::as_str))
    }
}

/// Placements by the identity that they get.
#[derive(Debug, Default)]
pub(super) struct Placements {
    pub(super) roots: Vec<Root>,
    all: Vec<Placement>,
    by_identity: HashMap<(String, String, String), Vec<usize>>,
    by_object: HashMap<(usize, usize), Vec<usize>>,
}

impl Placements {
    /// Adds what a root renders; `namespace` is for objects without one.
    pub(super) fn add(
        &mut self,
        manifests: &ManifestSet,
        root: Root,
        items: impl IntoIterator<Item = Item>,
        namespace: Option<&str>,
    ) {
        let number = self.roots.len();
        self.roots.push(root);
        for item in items {
            let Some(object) = object(manifests, item.file, item.object) else {
                continue;
            };
            let index = self.all.len();
            let key = identity(&object.reference.group, &object.reference.kind, &item.name);
            self.by_identity.entry(key).or_default().push(index);
            self.by_object
                .entry((item.file, item.object))
                .or_default()
                .push(index);
            let fallback = namespace.unwrap_or(DEFAULT_NAMESPACE);
            let namespace = item.namespace.unwrap_or_else(|| fallback.to_owned());
            self.all.push(Placement {
                file: item.file,
                object: item.object,
                namespace,
                name: item.name,
                transformed: item.transformed,
                listed: item.listed,
                root: number,
            });
        }
    }

    /// Every placement of a group, kind and name, in whatever namespace.
    pub(super) fn named(&self, reference: &ObjectRef) -> impl Iterator<Item = &Placement> {
        let key = identity(&reference.group, &reference.kind, &reference.name);
        let found = self.by_identity.get(&key);
        found
            .into_iter()
            .flatten()
            .filter_map(|index| self.all.get(*index))
    }

    /// Every placement of one object of a file.
    pub(super) fn of_object(&self, file: usize, object: usize) -> impl Iterator<Item = &Placement> {
        let found = self.by_object.get(&(file, object));
        found
            .into_iter()
            .flatten()
            .filter_map(|index| self.all.get(*index))
    }

    /// The directories that engines' objects of this cluster read.
    fn read_here(&self) -> Vec<String> {
        let own = self.roots.iter();
        let own = own.filter(|root| root.carrier.is_some() && root.destination.is_empty());
        own.flat_map(|root| root.directories.iter().cloned())
            .collect()
    }

    /// What applies a placement.
    pub(super) fn root(&self, placement: &Placement) -> Option<&Root> {
        self.roots.get(placement.root)
    }
}

/// The group without its history: Deployments were in `extensions` once.
fn identity(group: &str, kind: &str, name: &str) -> (String, String, String) {
    let group = if group == "extensions" { "apps" } else { group };
    (group.to_owned(), kind.to_owned(), name.to_owned())
}

/// An object of a set by its indices.
pub(super) fn object(
    manifests: &ManifestSet,
    file: usize,
    object: usize,
) -> Option<&crate::manifest::Object> {
    manifests.files.get(file)?.objects.get(object)
}

/// Adds the roots that no engine's object accounts for: kustomizations that nothing lists, and
/// plain files.
///
/// A file that a kustomization beside or above it does not list is kept as an uncertain root: an
/// engine that the repository does not show may read it all the same.
pub(super) fn add_implicit(
    placements: &mut Placements,
    manifests: &ManifestSet,
    kustomizations: &Kustomizations<'_>,
    accounted: &BTreeSet<String>,
    paths: &[String],
) {
    let is_ours = |at: &str| paths.is_empty() || paths.iter().any(|own| path::is_within(at, own));
    let read: Vec<String> = placements.read_here();
    let destination = |at: &str| {
        if is_ours(at) {
            String::new()
        } else {
            format!("another cluster ({at})")
        }
    };
    let roots: Vec<&str> = kustomizations
        .roots()
        .filter(|at| !accounted.contains(*at))
        .collect();
    for at in roots {
        let reach = kustomizations.reach(at);
        // One below what the cluster reads, or above it and bringing it in, is no other cluster's.
        let brings_in = |own: &String| path::is_within(own, at) && reach.contains(own.as_str());
        let lies_in = |own: &String| path::is_within(at, own);
        let is_near =
            paths.iter().any(brings_in) || read.iter().any(|own| brings_in(own) || lies_in(own));
        let destination = match is_near {
            true => String::new(),
            false => destination(at),
        };
        let root = Root {
            is_foreign: !destination.is_empty(),
            destination,
            certain: true,
            directories: vec![at.to_owned()],
            reach: reach.into_iter().map(str::to_owned).collect(),
            ..Root::default()
        };
        let items = kustomizations.render(at);
        placements.add(manifests, root, items.iter().cloned(), None);
    }
    let mut plain: BTreeMap<(String, bool), Vec<Item>> = BTreeMap::new();
    for (index, file) in manifests.files.iter().enumerate() {
        let is_patch = kustomizations.is_patch(index);
        if is_patch || is_kustomization(&file.path) || kustomizations.lists(index) {
            continue;
        }
        let certain = kustomizations.above(&file.path).is_none();
        let items = plain_items(manifests, index, false).filter(|item| {
            placements
                .of_object(item.file, item.object)
                .next()
                .is_none()
        });
        plain
            .entry((destination(&file.path), certain))
            .or_default()
            .extend(items);
    }
    for ((destination, certain), items) in plain {
        let root = Root {
            is_foreign: !destination.is_empty(),
            destination,
            certain,
            ..Root::default()
        };
        placements.add(manifests, root, items, None);
    }
}
