//! Kustomize: which objects a `kustomization.yaml` brings together, under which names.
//!
//! Only what decides identity is computed (`namespace`, `namePrefix`, `nameSuffix`, which files are
//! listed), and whether something on the way changes pod templates. Nothing is rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use super::patch::Patches;
use super::path;
use crate::manifest::{Body, ManifestSet, ObjectRef};
use crate::rollout::value;

/// Bases of bases of bases: deeper than this is a mistake or an attack.
const MAX_DEPTH: usize = 32;
/// More objects than a cluster holds.
const MAX_ITEMS: usize = 100_000;

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// One object of a file, as a kustomization renders it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Index of the file in the set.
    pub(super) file: usize,
    /// Index of the object in the file.
    pub(super) object: usize,
    /// The namespace it gets; none where nothing sets one.
    pub(super) namespace: Option<String>,
    /// The name it gets.
    pub(super) name: String,
    /// Whether something changes pod templates on the way.
    pub(super) transformed: bool,
    /// Whether a kustomization lists the file, as opposed to an engine that reads a directory.
    pub(super) listed: bool,
}

/// What changes objects on their way: of a `kustomization.yaml`, or of an engine's object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Transform {
    /// Set on every object.
    pub(super) namespace: Option<String>,
    /// Put before every name.
    pub(super) prefix: String,
    /// Put after every name.
    pub(super) suffix: String,
    /// What changes pod templates.
    pub(super) patches: Patches,
}

impl Transform {
    pub(super) fn apply(&self, manifests: &ManifestSet, item: &mut Item) {
        // Patches come first: they know an object by the names that it has had so far.
        item.transformed |= self.patches.change(manifests, item);
        if self.namespace.is_some() {
            item.namespace.clone_from(&self.namespace);
        }
        if !self.prefix.is_empty() || !self.suffix.is_empty() {
            item.name = format!("{}{}{}", self.prefix, item.name, self.suffix);
        }
    }

    /// The transforming fields of a kustomization.
    fn of(manifests: &ManifestSet, directory: &str, kustomization: &Value) -> Self {
        let text = |key: &str| value::text(kustomization, &[key]).unwrap_or_default();
        let namespace = text("namespace");
        Self {
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            prefix: text("namePrefix").to_owned(),
            suffix: text("nameSuffix").to_owned(),
            patches: Patches::of(manifests, directory, kustomization),
        }
    }
}

/// One `kustomization.yaml`.
#[derive(Debug)]
struct Kustomization {
    /// Files it lists, as indices into the set.
    files: Vec<usize>,
    /// Directories of kustomizations that it lists as resources or bases.
    bases: Vec<String>,
    /// Directories of components that it lists.
    components: Vec<String>,
    transform: Transform,
    is_component: bool,
}

/// Every `kustomization.yaml` of the repository, by directory.
#[derive(Debug)]
pub(super) struct Kustomizations<'a> {
    manifests: &'a ManifestSet,
    by_directory: BTreeMap<String, Kustomization>,
    /// Directories that another kustomization lists.
    referenced: BTreeSet<String>,
    /// Files that a kustomization lists as resources.
    listed: BTreeSet<usize>,
    /// Files that a kustomization lists as patches, which are never objects of their own.
    patches: BTreeSet<usize>,
}

impl<'a> Kustomizations<'a> {
    pub(super) fn new(manifests: &'a ManifestSet) -> Self {
        let mut all = Self {
            manifests,
            by_directory: BTreeMap::new(),
            referenced: BTreeSet::new(),
            listed: BTreeSet::new(),
            patches: BTreeSet::new(),
        };
        let bodies: Vec<(&str, bool, &Value)> = manifests
            .files
            .iter()
            .filter(|file| is_kustomization(&file.path))
            .filter_map(|file| {
                file.objects.iter().find_map(|object| match &object.body {
                    Body::Configuration(body) if is_of_kustomize(&object.reference) => {
                        let is_component = object.reference.kind == "Component";
                        Some((path::directory(&file.path), is_component, body))
                    }
                    _ => None,
                })
            })
            .collect();
        let directories: BTreeSet<&str> = bodies.iter().map(|(at, ..)| *at).collect();
        for (directory, is_component, body) in bodies {
            let mut read = Kustomization::read(manifests, &directories, directory, body);
            read.is_component = is_component;
            all.listed.extend(&read.files);
            all.patches.extend(patch_files(manifests, directory, body));
            all.referenced.extend(read.bases.iter().cloned());
            all.referenced.extend(read.components.iter().cloned());
            all.by_directory.entry(directory.to_owned()).or_insert(read);
        }
        all
    }

    /// Whether a directory has a `kustomization.yaml`.
    pub(super) fn is_at(&self, directory: &str) -> bool {
        self.by_directory.contains_key(directory)
    }

    /// Directories of kustomizations that no other kustomization lists.
    pub(super) fn roots(&self) -> impl Iterator<Item = &str> {
        self.by_directory
            .iter()
            .filter(|(at, read)| !read.is_component && !self.referenced.contains(*at))
            .map(|(at, _)| at.as_str())
    }

    /// The directories that a kustomization brings in, itself among them.
    pub(super) fn reach(&self, directory: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![directory];
        while let Some(next) = waiting.pop() {
            let Some((at, read)) = self.by_directory.get_key_value(next) else {
                continue;
            };
            if reached.insert(at.as_str()) {
                waiting.extend(
                    read.bases
                        .iter()
                        .chain(&read.components)
                        .map(String::as_str),
                );
            }
        }
        reached
    }

    /// The directories with a kustomization in or below one, without those below another of them.
    pub(super) fn topmost_within(&self, directory: &str) -> BTreeSet<&str> {
        let mut tops: BTreeSet<&str> = BTreeSet::new();
        let (first, end) = path::bounds(directory);
        let below = self.by_directory.range(first..end);
        let own = self.by_directory.get_key_value(directory);
        for (at, read) in own.into_iter().chain(below) {
            // A directory comes before everything below it, in order of name.
            let is_below = path::ancestors(at).any(|above| tops.contains(above));
            if !read.is_component && !is_below {
                tops.insert(at);
            }
        }
        tops
    }

    /// The nearest directory above a file that has a kustomization.
    pub(super) fn above<'p>(&self, file: &'p str) -> Option<&'p str> {
        path::ancestors(file).find(|directory| self.is_at(directory))
    }

    /// Whether some kustomization lists the file.
    pub(super) fn lists(&self, file: usize) -> bool {
        self.listed.contains(&file)
    }

    /// Whether some kustomization lists the file as a patch, and none as a resource.
    pub(super) fn is_patch(&self, file: usize) -> bool {
        self.patches.contains(&file) && !self.lists(file)
    }

    /// The manifests that they stand among.
    pub(super) fn manifests(&self) -> &'a ManifestSet {
        self.manifests
    }

    /// The objects that the kustomization of a directory renders.
    pub(super) fn render(&self, directory: &str) -> Rc<Vec<Item>> {
        let mut known = BTreeMap::new();
        self.items(directory, 0, &mut known)
    }

    /// The same with components that an engine's object adds (`spec.components` of a Flux
    /// Kustomization, `kustomize.components` of an Application), as if its `kustomization.yaml`
    /// listed them. One that is not in the repository may change anything.
    pub(super) fn render_with(&self, directory: &str, components: &[&str]) -> Vec<Item> {
        let Some(read) = self
            .by_directory
            .get(directory)
            .filter(|_| !components.is_empty())
        else {
            return self.render(directory).as_ref().clone();
        };
        let paths = components
            .iter()
            .filter_map(|written| path::resolve(directory, written));
        let further: Vec<String> = paths.filter(|path| self.is_at(path)).collect();
        let mut known = BTreeMap::from([(directory.to_owned(), Rc::default())]);
        let mut items = self.assemble(read, &further, 0, &mut known);
        if further.len() < components.len() {
            items.iter_mut().for_each(|item| item.transformed = true);
        }
        items
    }

    fn items(
        &self,
        directory: &str,
        depth: usize,
        known: &mut BTreeMap<String, Rc<Vec<Item>>>,
    ) -> Rc<Vec<Item>> {
        if let Some(items) = known.get(directory) {
            return Rc::clone(items);
        }
        let Some(read) = self.by_directory.get(directory) else {
            return Rc::default();
        };
        if depth >= MAX_DEPTH {
            return Rc::default();
        }
        // A cycle finds itself here as empty, and ends.
        known.insert(directory.to_owned(), Rc::default());
        let items = Rc::new(self.assemble(read, &[], depth, known));
        known.insert(directory.to_owned(), Rc::clone(&items));
        items
    }

    /// What one kustomization makes of what it lists, with further components.
    fn assemble(
        &self,
        read: &Kustomization,
        further: &[String],
        depth: usize,
        known: &mut BTreeMap<String, Rc<Vec<Item>>>,
    ) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for file in &read.files {
            items.extend(plain_items(self.manifests, *file, true));
        }
        for base in &read.bases {
            let rendered = self.items(base, depth + 1, known);
            let room = MAX_ITEMS.saturating_sub(items.len());
            items.extend(rendered.iter().take(room).cloned());
        }
        for component in read.components.iter().chain(further) {
            let own = self.items(component, depth + 1, known);
            if let Some(component) = self.by_directory.get(component) {
                items
                    .iter_mut()
                    .for_each(|item| component.transform.apply(self.manifests, item));
            }
            let room = MAX_ITEMS.saturating_sub(items.len());
            items.extend(own.iter().take(room).cloned());
        }
        items
            .iter_mut()
            .for_each(|item| read.transform.apply(self.manifests, item));
        items
    }
}

impl Kustomization {
    fn read(
        manifests: &ManifestSet,
        directories: &BTreeSet<&str>,
        directory: &str,
        body: &Value,
    ) -> Self {
        let mut read = Self {
            files: Vec::new(),
            bases: Vec::new(),
            components: Vec::new(),
            transform: Transform::of(manifests, directory, body),
            is_component: false,
        };
        let resources = value::texts(body, &["resources"]).chain(value::texts(body, &["bases"]));
        for entry in resources {
            // A remote base is no path of this repository and resolves to nothing in it.
            let Some(path) = path::resolve(directory, entry) else {
                continue;
            };
            if directories.contains(path.as_str()) {
                read.bases.push(path);
            } else if let Some(file) = file_at(manifests, &path) {
                read.files.push(file);
            }
        }
        let components = value::texts(body, &["components"]);
        read.components = components
            .filter_map(|entry| path::resolve(directory, entry))
            .filter(|path| directories.contains(path.as_str()))
            .collect();
        read
    }
}

/// The files of the patches of a kustomization; inline patches have none.
fn patch_files(manifests: &ManifestSet, directory: &str, body: &Value) -> Vec<usize> {
    let with_path = ["patches", "patchesJson6902"];
    let paths = with_path
        .iter()
        .flat_map(|field| value::items(body, &[field]))
        .filter_map(|patch| value::text(patch, &["path"]));
    let merges = value::texts(body, &["patchesStrategicMerge"]);
    paths
        .chain(merges)
        .filter(|written| !written.contains('\n'))
        .filter_map(|written| file_at(manifests, &path::resolve(directory, written)?))
        .collect()
}

/// A Flux Kustomization may stand in a file of this name too; Kustomize reads no such file.
fn is_of_kustomize(reference: &ObjectRef) -> bool {
    matches!(&*reference.group, "" | "kustomize.config.k8s.io")
}

/// The objects of a file as they are written.
pub(super) fn plain_items(
    manifests: &ManifestSet,
    file: usize,
    listed: bool,
) -> impl Iterator<Item = Item> {
    let objects = manifests
        .files
        .get(file)
        .map(|file| file.objects.as_slice());
    let objects = objects.unwrap_or_default().iter().enumerate();
    objects.filter_map(move |(index, object)| {
        let workload = object.workload();
        let refers =
            workload.is_some_and(|workload| value::at(&workload.spec, &["workloadRef"]).is_some());
        if workload.is_some_and(|workload| workload.is_patch) && !refers {
            return None;
        }
        let namespace = &object.reference.namespace;
        Some(Item {
            file,
            object: index,
            namespace: (!namespace.is_empty()).then(|| namespace.clone()),
            name: object.reference.name.clone(),
            // The template of a Rollout that refers to a Deployment does not stand in its manifest.
            transformed: refers,
            listed,
        })
    })
}

/// Whether a file is one that kustomize reads as its own.
pub(super) fn is_kustomization(file: &str) -> bool {
    FILE_NAMES.contains(&path::base_name(file))
}

fn file_at(manifests: &ManifestSet, path: &str) -> Option<usize> {
    manifests
        .files
        .binary_search_by(|file| file.path.as_str().cmp(path))
        .ok()
}
