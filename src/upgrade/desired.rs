//! `Desired`: what a revision of the repository wants of the mesh.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::target::{self, Target};
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};
use crate::manifest::{Body, ManifestFile, ManifestSet, Object, ObjectRef, PodTemplate, StringMap};

/// Everything of a revision of the repository that decides what injection gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    /// Objects as they would be applied, by identity as written: the namespace is empty where the
    /// manifest names none.
    pub(super) objects: BTreeMap<ObjectRef, DesiredObject>,
    /// Versions that charts and operators are asked for, where nothing is rendered.
    pub(super) targets: Vec<Target>,
    /// What of it cannot be used.
    diagnostics: Vec<Diagnostic>,
}

/// One object of the mesh.
#[derive(Debug, Clone)]
pub(super) struct DesiredObject {
    /// `apiVersion` as written.
    pub(super) api_version: String,
    /// Labels.
    pub(super) labels: StringMap,
    /// Annotations.
    pub(super) annotations: StringMap,
    /// What stands in it.
    pub(super) content: Content,
    /// Where it stands.
    pub(super) location: Location,
}

/// What stands in an object of the mesh.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// An istiod.
    Istiod {
        /// Its pod template.
        template: Box<PodTemplate>,
        /// `spec` without the template.
        spec: Value,
    },
    /// Everything but `apiVersion`, `kind` and `metadata`.
    Fields(Value),
}

/// Two objects are the same wherever they stand.
impl PartialEq for DesiredObject {
    fn eq(&self, other: &Self) -> bool {
        self.labels == other.labels
            && self.annotations == other.annotations
            && self.content == other.content
    }
}

impl Desired {
    /// Reads what some directories of the repository (none means all) want of the mesh.
    #[must_use]
    pub fn read(manifests: &ManifestSet, paths: &[String]) -> Self {
        let mut desired = Self::default();
        let mut twice: Vec<ObjectRef> = Vec::new();
        for file in &manifests.files {
            let inside = |path: &String| crate::manifest::is_inside(&file.path, path);
            if !paths.is_empty() && !paths.iter().any(inside) {
                continue;
            }
            for object in &file.objects {
                let Some(content) = content(object) else {
                    continue;
                };
                let wanted = desired_object(file, object, content);
                let reference = object.reference.clone();
                if let Some(first) = desired.objects.get(&reference) {
                    let message = format!(
                        "{reference} stands at {} as well: which of them is applied cannot be told, so the cluster's own is taken",
                        first.location
                    );
                    let diagnostic =
                        Diagnostic::warning(DiagnosticCode::AssumptionIncomplete, message);
                    desired.diagnostics.push(
                        diagnostic
                            .at(wanted.location.clone())
                            .hint("name the directories of the cluster with --path"),
                    );
                    twice.push(reference);
                } else {
                    desired.objects.insert(reference, wanted);
                }
            }
        }
        for reference in twice {
            desired.objects.remove(&reference);
        }
        let (targets, found) = target::targets(manifests, paths);
        desired.targets = targets;
        desired.diagnostics.extend(found);
        desired
    }

    /// What of the repository could not be used.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Objects and targets of the mesh in which two revisions of the repository differ, in words.
    #[must_use]
    pub fn changes_since(&self, base: &Self) -> Vec<String> {
        let mut changes: Vec<String> = Vec::new();
        for (reference, object) in &self.objects {
            match base.objects.get(reference) {
                None => changes.push(format!("{reference} is new")),
                Some(before) if before != object => changes.push(format!("{reference} changed")),
                Some(_) => {}
            }
        }
        for reference in base.objects.keys() {
            if !self.objects.contains_key(reference) {
                changes.push(format!("{reference} is gone"));
            }
        }
        let same = |one: &Target, other: &Target| one.says_the_same(other);
        for target in &self.targets {
            if !base.targets.iter().any(|before| same(before, target)) {
                changes.push(format!("{} asks for {}", target.by, target.version));
            }
        }
        for before in &base.targets {
            if !self.targets.iter().any(|target| target.by == before.by) {
                changes.push(format!("{} is gone", before.by));
            }
        }
        changes
    }
}

fn desired_object(file: &ManifestFile, object: &Object, content: Content) -> DesiredObject {
    DesiredObject {
        api_version: object.api_version.clone(),
        labels: object.labels.clone(),
        annotations: object.annotations.clone(),
        content,
        location: Location::line(&file.path, object.line),
    }
}

/// What an object is to the mesh; none for all others.
fn content(object: &Object) -> Option<Content> {
    let reference = &object.reference;
    match &object.body {
        Body::Workload(workload) => {
            let of_istiod = reference.kind == "Deployment"
                && reference.group == "apps"
                && (reference.name.starts_with("istiod")
                    || object.labels.get("app").is_some_and(|app| app == "istiod"));
            (of_istiod && !workload.is_patch).then(|| Content::Istiod {
                template: Box::new(workload.template.clone()),
                spec: workload.spec.clone(),
            })
        }
        Body::Configuration(value) => {
            let counts = match (reference.group.as_str(), reference.kind.as_str()) {
                ("", "Namespace") | ("networking.istio.io", "ProxyConfig") => true,
                ("", "ConfigMap" | "Service") => reference.name.starts_with("istio"),
                ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => {
                    calls_an_injector(value)
                }
                _ => false,
            };
            counts.then(|| Content::Fields(fields(value)))
        }
    }
}

/// Whether one of the webhooks is Istio's injector.
fn calls_an_injector(value: &Value) -> bool {
    let webhooks = value.get("webhooks").and_then(Value::as_array);
    let name = |webhook: &Value| {
        webhook
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.ends_with("sidecar-injector.istio.io"))
    };
    webhooks.is_some_and(|webhooks| webhooks.iter().any(name))
}

/// An object without what names it.
fn fields(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    let named = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata");
    let kept: Map<String, Value> = fields
        .filter(|(key, _)| !named(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(kept)
}
