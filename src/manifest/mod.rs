//! Manifests: bytes of the repository become files, documents, objects and workloads.
//!
//! A *manifest file* is a YAML or JSON file of the repository. A *document* is what stands between
//! two `---` lines, with its byte span in the file. An *object* is one Kubernetes object: a
//! document, or one item of a `kind: List`. A *workload* is an object with a pod template.
//!
//! Reading looks at bytes before it parses: a [`Screen`] tells from the raw bytes whether a file
//! can matter at all, and only the documents that can are parsed (`spec/yaml.md` §0).

mod document;
mod file;
mod kind;
mod lenient;
pub(crate) mod object;
mod object_ref;
mod path;
mod pod;
pub(crate) mod reader;
pub(crate) mod scalar;
mod screen;
pub(crate) mod stream;
mod string_map;
mod template;
pub(crate) mod tree;
pub(crate) mod value;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use file::{SIZE_LIMIT, is_hydrator_metadata, is_lfs_pointer, is_manifest_path};
pub use object_ref::{ObjectRef, group_of};
pub use path::{is_inside, skipped, too_large, unreadable};
pub(crate) use pod::null_default;
pub use pod::{
    ClaimVolume, Container, EnvVar, PodSpec, PodTemplate, Present, Resources, TemplateMetadata,
    Volume,
};
pub use string_map::StringMap;

pub use screen::Screen;
pub use template::Template;

use rayon::prelude::*;

use crate::diagnostic::{Diagnostic, DiagnosticCode};

/// One file as an edge read it: from the work tree or from a commit's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFile {
    /// Path relative to the repository root, `/`-separated.
    pub path: String,
    /// The bytes, untouched.
    pub bytes: Vec<u8>,
}

/// Every manifest of the repository that can matter.
#[derive(Debug, Clone, Default)]
pub struct ManifestSet {
    /// Files sorted by path. Files that hold nothing of interest are left out, but for the marks of
    /// hydrated directories.
    pub files: Vec<ManifestFile>,
    /// Documents that are templates of workloads, sorted by path and line. Nothing in them is read
    /// as an object or edited.
    pub templates: Vec<Template>,
    /// Files of which a part cannot be parsed, sorted by path: what that part makes is not known.
    pub unparsed: Vec<UnparsedFile>,
}

/// A file of which a part cannot be parsed.
#[derive(Debug, Clone)]
pub struct UnparsedFile {
    /// Path relative to the repository root.
    pub path: String,
    /// All of its bytes.
    bytes: Vec<u8>,
}

impl UnparsedFile {
    /// Whether the file holds a name as a word of its own.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        memchr::memmem::find_iter(&self.bytes, name).any(|start| {
            let before = start.checked_sub(1).and_then(|index| self.bytes.get(index));
            let after = self.bytes.get(start + name.len());
            !before.copied().is_some_and(is_word) && !after.copied().is_some_and(is_word)
        })
    }
}

impl UnparsedFile {
    /// What stands between blanks, quotes and the signs of flow style: paths, among others.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || b",[]{}\"'".contains(byte);
        let words = self.bytes.split(is_between);
        words.filter_map(|word| {
            std::str::from_utf8(word)
                .ok()
                .filter(|word| !word.is_empty())
        })
    }
}

impl ManifestSet {
    /// Whether something among the manifests gives objects another name than their files do:
    /// `namePrefix` or `nameSuffix` of a kustomization, an Application or a Flux Kustomization.
    #[must_use]
    pub fn renames(&self) -> bool {
        let objects = self.files.iter().flat_map(|file| &file.objects);
        objects
            .filter_map(|object| match &object.body {
                Body::Configuration(value) => Some(value),
                Body::Workload(_) => None,
            })
            .any(gives_affix)
    }
}

/// How deep affixes are looked for: they stand near the root, in a source, or in a template of an
/// ApplicationSet.
const MAX_AFFIX_DEPTH: usize = 12;

/// Whether an object has a `namePrefix` or `nameSuffix` somewhere.
pub(crate) fn gives_affix(value: &serde_json::Value) -> bool {
    has_affix(value, MAX_AFFIX_DEPTH)
}

fn has_affix(value: &serde_json::Value, depth: usize) -> bool {
    match value {
        _ if depth == 0 => false,
        serde_json::Value::Object(fields) => fields.iter().any(|(key, value)| {
            let is_affix = key == "namePrefix" || key == "nameSuffix";
            (is_affix && value.as_str().is_some_and(|affix| !affix.is_empty()))
                || has_affix(value, depth - 1)
        }),
        serde_json::Value::Array(items) => items.iter().any(|item| has_affix(item, depth - 1)),
        _ => false,
    }
}

/// One manifest file: its bytes and what they hold.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// Path relative to the repository root, `/`-separated.
    pub path: String,
    /// The bytes, untouched; every span points into them.
    pub bytes: Vec<u8>,
    /// The objects of interest, in file order.
    pub objects: Vec<Object>,
}

/// One Kubernetes object of a file.
#[derive(Debug, Clone)]
pub struct Object {
    /// Which document of the file holds it.
    pub document: Document,
    /// Position in the document's `items`, for an item of a `kind: List`.
    pub item: Option<usize>,
    /// One-based line on which the object starts.
    pub line: usize,
    /// `apiVersion` as written.
    pub api_version: String,
    /// Identity as written: the namespace is empty where the manifest names none.
    pub reference: ObjectRef,
    /// `metadata.labels`.
    pub labels: StringMap,
    /// `metadata.annotations`.
    pub annotations: StringMap,
    /// What stands in the object, according to its kind.
    pub body: Body,
}

/// A document's place in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Zero-based number of the document in the file's stream.
    pub index: usize,
    /// Byte span of the document's text in the file: without its `---` line, unless directives
    /// stand before it or text stands on it.
    pub span: Range<usize>,
}

/// The contents of an object, as far as anybody looks at them.
#[derive(Debug, Clone)]
pub enum Body {
    /// An object with a pod template.
    Workload(Box<Workload>),
    /// An object whose fields decide how files reach the cluster or what the mesh is: a
    /// `kustomization.yaml`, an Argo CD Application, a Flux Kustomization, a Namespace, …
    Configuration(serde_json::Value),
}

/// An object with a pod template, as it stands in Git.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Where the pod template stands in the object: `["spec", "template"]` for most kinds.
    pub template_path: &'static [&'static str],
    /// The pod template.
    pub template: PodTemplate,
    /// Whether it is a Kustomize patch: a template without containers, which is no source.
    pub is_patch: bool,
    /// `spec` of the object without its pod template: strategy, replicas, selectors.
    pub spec: serde_json::Value,
    /// Whether the file says that the object was rendered from a source (`# Source:` and such).
    pub rendered: bool,
}

impl Object {
    /// The workload, for an object with a pod template.
    #[must_use]
    pub fn workload(&self) -> Option<&Workload> {
        match &self.body {
            Body::Workload(workload) => Some(workload),
            Body::Configuration(_) => None,
        }
    }
}

/// Parses files into manifests.
///
/// A document that does not parse becomes a diagnostic with line and column, and hides no other
/// document. Files are read in parallel; the order of everything is that of paths and lines.
#[must_use]
pub fn parse(files: Vec<RawFile>, screen: &Screen) -> (ManifestSet, Vec<Diagnostic>) {
    let mut read: Vec<_> = files
        .into_par_iter()
        .map(|file| reader::read(file, screen))
        .collect();
    read.sort_by(|one, other| one.file.path.cmp(&other.file.path));
    let mut set = ManifestSet::default();
    let mut diagnostics = Vec::new();
    for read in read {
        let is_unparsed = |one: &Diagnostic| one.code == DiagnosticCode::ManifestUnparsable;
        if read.diagnostics.iter().any(is_unparsed) {
            set.unparsed.push(UnparsedFile {
                path: read.file.path.clone(),
                bytes: read.file.bytes.clone(),
            });
        }
        diagnostics.extend(read.diagnostics);
        set.templates.extend(read.templates);
        if !read.file.objects.is_empty() || is_hydrator_metadata(&read.file.path) {
            set.files.push(read.file);
        }
    }
    (set, diagnostics)
}
