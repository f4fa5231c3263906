//! Objects: what a document's tree holds, with the identity that Kubernetes reads from it.

use serde_json::{Map, Value};

use super::kind::{self, Role};
use super::object_ref::{ObjectRef, group_of};
use super::tree::{NodeId, Tree};
use super::value::{ValueError, lookup, value_of};
use super::{Body, Document, Object, Screen, Workload, lenient, template};
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};

/// A document about to be read: its tree and where it stands.
pub(crate) struct Source<'t, 'a> {
    /// Path of the file.
    pub(crate) path: &'t str,
    /// The document's place.
    pub(crate) document: &'t Document,
    /// Its tree.
    pub(crate) tree: &'t Tree<'a>,
    /// Whether comments say that it was rendered from a source.
    pub(crate) rendered: bool,
    /// What is looked for.
    pub(crate) screen: &'t Screen,
}

/// What a document holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The objects of interest, in order.
    pub(crate) objects: Vec<Object>,
    /// Whether placeholders stand where an identity should be.
    pub(crate) templated: bool,
    /// What is wrong with the objects.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads the objects of a document: the document itself, or the items of a list.
pub(crate) fn read(source: &Source<'_, '_>) -> Found {
    let mut found = Found::default();
    let Some(root) = source.tree.root() else {
        return found;
    };
    let list = Identity::of(source.tree, root);
    if !list.kind.ends_with("List") || lookup(source.tree, root, "items").is_none() {
        source.object(root, None, list, &mut found);
        return found;
    }
    for (item, id) in list_items(source.tree, root).iter().enumerate() {
        let id = source.tree.resolve(*id);
        if is_dumped(source.tree, id) {
            continue;
        }
        let identity = Identity::of(source.tree, id).or_of_list(&list);
        source.object(id, Some(item), identity, &mut found);
    }
    found
}

/// The items of a `kind: List`.
pub(crate) fn list_items<'t>(tree: &'t Tree<'_>, root: NodeId) -> &'t [NodeId] {
    lookup(tree, root, "items").map_or(&[], |items| tree.items(items))
}

/// Whether an item of a list is what a cluster said of itself (`kubectl get … -o yaml`), and no
/// manifest: the API server alone gives out UIDs.
fn is_dumped(tree: &Tree<'_>, id: NodeId) -> bool {
    let metadata = lookup(tree, id, "metadata");
    metadata.is_some_and(|metadata| lookup(tree, metadata, "uid").is_some())
}

/// The texts that make an object's identity, as written.
#[derive(Debug, Clone, Default)]
struct Identity {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Identity {
    fn of(tree: &Tree<'_>, id: NodeId) -> Self {
        let text = |id: Option<NodeId>, key: &str| {
            id.and_then(|id| lookup(tree, id, key))
                .and_then(|id| value_of(tree, id).ok())
                .map(|value| match value {
                    Value::String(text) => text,
                    Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
                    other => other.to_string(),
                })
                .unwrap_or_default()
        };
        let metadata = lookup(tree, id, "metadata");
        Self {
            api_version: text(Some(id), "apiVersion"),
            kind: text(Some(id), "kind"),
            namespace: text(metadata, "namespace"),
            name: text(metadata, "name"),
        }
    }

    /// The same for an item that leaves kind and version to its typed list, a `DeploymentList`.
    fn or_of_list(mut self, list: &Self) -> Self {
        let item_kind = list.kind.trim_end_matches("List");
        if self.kind.is_empty() && !item_kind.is_empty() {
            item_kind.clone_into(&mut self.kind);
            self.api_version.clone_from(&list.api_version);
        }
        self
    }

    /// The same for a `kustomization.yaml` that names neither kind nor version, as Kustomize
    /// completes it, and for a file of Argo CD's parameter overrides.
    fn or_of_file(mut self, path: &str) -> Self {
        if self.kind.is_empty() && kind::is_source_override(path) {
            kind::SOURCE_OVERRIDE.clone_into(&mut self.kind);
            "argoproj.io/v1alpha1".clone_into(&mut self.api_version);
        }
        if self.kind.is_empty() && kind::is_kustomization_file(path) {
            "Kustomization".clone_into(&mut self.kind);
            if self.api_version.is_empty() {
                "kustomize.config.k8s.io/v1beta1".clone_into(&mut self.api_version);
            }
        }
        self
    }

    fn has_placeholder(&self) -> bool {
        [&self.api_version, &self.kind, &self.namespace, &self.name]
            .into_iter()
            .any(|text| template::has_placeholder(text))
    }

    fn reference(&self) -> ObjectRef {
        let group = group_of(&self.api_version);
        ObjectRef::new(group, &*self.kind, &*self.namespace, &*self.name)
    }
}

impl Source<'_, '_> {
    /// Reads one object into what was found, if it is of interest.
    fn object(&self, id: NodeId, item: Option<usize>, identity: Identity, found: &mut Found) {
        let identity = identity.or_of_file(self.path);
        let reference = identity.reference();
        let role = kind::role_of(&reference.group, &reference.kind, &reference.name).or(self
            .screen
            .is_owner(&reference)
            .then_some(Role::Configuration));
        if identity.has_placeholder() {
            found.templated |= role.is_some() || template::has_placeholder(&identity.kind);
            return;
        }
        let Some(role) = role else {
            return;
        };
        let line = self.tree.node(id).line;
        let is_nameless = reference.name.is_empty() && role != Role::Configuration;
        if is_nameless && is_generated_name(self.tree, id) {
            // `kubectl create` makes a new object of it each time: it is nobody's manifest.
            return;
        }
        if is_nameless {
            let kind = &reference.kind;
            found
                .diagnostics
                .push(self.invalid(line, format!("{kind} without a name")));
            return;
        }
        let body = match self.body(id, role, &reference, found) {
            Ok(body) => body,
            Err(error) => {
                let message = format!("{reference}: {error}");
                found.diagnostics.push(self.invalid(error.line(), message));
                return;
            }
        };
        found.objects.push(Object {
            document: self.document.clone(),
            item,
            line,
            api_version: identity.api_version,
            reference,
            labels: body.labels,
            annotations: body.annotations,
            body: body.body,
        });
    }

    fn body(
        &self,
        id: NodeId,
        role: Role,
        reference: &ObjectRef,
        found: &mut Found,
    ) -> Result<ReadBody, ValueError> {
        let value = value_of(self.tree, id)?;
        let metadata = value.get("metadata").cloned().unwrap_or_default();
        let mut invalid = Vec::new();
        let labels = lenient::string_map(&metadata, "labels", &mut invalid);
        let annotations = lenient::string_map(&metadata, "annotations", &mut invalid);
        let body = match role {
            Role::Configuration => Body::Configuration(value),
            Role::Pod => Body::Workload(Box::new(self.pod(value, &mut invalid))),
            Role::Workload(path) => {
                Body::Workload(Box::new(self.workload(value, path, &mut invalid)))
            }
        };
        if !invalid.is_empty() {
            let fields = invalid.join(", ");
            let message = format!("{reference}: the API server would refuse {fields}");
            let line = self.tree.node(id).line;
            found.diagnostics.push(self.invalid(line, message));
        }
        Ok(ReadBody {
            labels,
            annotations,
            body,
        })
    }

    fn workload(
        &self,
        mut value: Value,
        path: &'static [&'static str],
        invalid: &mut Vec<String>,
    ) -> Workload {
        let refers = value
            .pointer("/spec/workloadRef")
            .is_some_and(Value::is_object);
        let template = take(&mut value, path).unwrap_or_default();
        let (template, fields) = lenient::pod_template(template);
        invalid.extend(fields.into_iter().map(|field| format!("template.{field}")));
        // A Rollout with a `workloadRef` has no template of its own: it is the Deployment's.
        Workload {
            template_path: if refers { &[] } else { path },
            is_patch: !refers && template.spec.containers.is_empty(),
            template,
            spec: take(&mut value, &["spec"]).unwrap_or_default(),
            rendered: self.rendered,
        }
    }

    /// A bare pod is its own template.
    fn pod(&self, value: Value, invalid: &mut Vec<String>) -> Workload {
        let (template, fields) = lenient::pod_template(value);
        invalid.extend(fields);
        Workload {
            template_path: &[],
            is_patch: template.spec.containers.is_empty(),
            template,
            spec: Value::Object(Map::new()),
            rendered: self.rendered,
        }
    }

    fn invalid(&self, line: usize, message: String) -> Diagnostic {
        Diagnostic::warning(DiagnosticCode::ManifestInvalid, message)
            .at(Location::line(self.path, line))
    }
}

fn is_generated_name(tree: &Tree<'_>, id: NodeId) -> bool {
    lookup(tree, id, "metadata").is_some_and(|id| lookup(tree, id, "generateName").is_some())
}

/// The contents of an object, before it is put together.
struct ReadBody {
    labels: super::StringMap,
    annotations: super::StringMap,
    body: Body,
}

/// Takes a field out of nested objects.
fn take(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, levels) = path.split_last()?;
    let mut level = value;
    for key in levels {
        level = level.get_mut(*key)?;
    }
    level.as_object_mut()?.remove(*last)
}
