//! Targets put into a snapshot: of a chart that is not rendered only the version is known, so
//! everything else stays as it is now.

use serde_json::Value;

use super::Change;
use super::desired::Desired;
use super::overlay::Overlay;
use super::target::Target;
use super::webhook;
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{ObjectRef, StringMap};
use crate::mesh::{istiod_image, istiod_revision, istiod_version, of_revision};
use crate::snapshot::{ClusterObject, LiveWorkload};

/// Labels that name the version of an istiod and of its ConfigMaps.
const VERSION_LABELS: [&str; 2] = ["app.kubernetes.io/version", "operator.istio.io/version"];
/// What istiod injects from.
const CONFIG_MAPS: [&str; 2] = ["istio-sidecar-injector", "istio"];

impl Overlay {
    /// Moves every revision that is asked for to its version.
    pub(super) fn targets(&mut self, desired: &Desired) {
        for target in &desired.targets {
            self.target(target);
        }
    }

    fn target(&mut self, target: &Target) {
        let istiods: Vec<LiveWorkload> = self
            .snapshot
            .workloads
            .iter()
            .filter(|live| is_istiod(live))
            .filter(|live| {
                let namespace = target.namespace.as_ref();
                namespace.is_none_or(|namespace| live.reference.namespace == *namespace)
            })
            .cloned()
            .collect();
        let own = istiods
            .iter()
            .find(|istiod| istiod_revision(istiod) == target.revision);
        let model = own.or_else(|| {
            let default = istiods.iter().find(|one| istiod_revision(one) == "default");
            default.or(istiods.first())
        });
        let Some(model) = model else {
            let message = format!(
                "{} asks for {} of revision {}, and no istiod is in the snapshot that it could be compared to",
                target.by, target.version, target.revision
            );
            self.incomplete(target, message);
            return;
        };
        let namespace = model.reference.namespace.clone();
        if self
            .rendered
            .contains(&(namespace.clone(), target.revision.clone()))
        {
            return;
        }
        let service = of_revision("istiod", &target.revision);
        let runs = own
            .and_then(istiod_version)
            .map(|version| version.to_string());
        if runs.as_deref() != Some(plain(&target.version)) {
            let model = model.clone();
            self.move_to(target, &model, runs);
        }
        for tag in &target.tags {
            self.move_tag(target, tag, &namespace, &service);
        }
    }

    /// Makes the istiod of a revision, its ConfigMaps and its webhooks out of those of another, or
    /// out of its own of another version.
    fn move_to(&mut self, target: &Target, model: &LiveWorkload, runs: Option<String>) {
        let namespace = model.reference.namespace.clone();
        let from = istiod_revision(model);
        if self.config_maps(target, &namespace, &from).is_none() {
            let message = format!(
                "{} asks for {}: what revision {from} injects from is not in the snapshot, so nothing can be said of it",
                target.by, target.version
            );
            self.incomplete(target, message);
            return;
        }
        let istiod = istiod_of(target, model);
        let object = istiod.reference.clone();
        self.changes.push(Change {
            object: object.clone(),
            what: format!(
                "{} → {}",
                runs.as_deref().unwrap_or("none"),
                plain(&target.version)
            ),
            location: Some(target.location.clone()),
        });
        self.roll_out(istiod);
        if runs.is_none() && from != target.revision {
            self.serve(target, &namespace, &object.name, &from);
        }
        let message = format!(
            "{} asks for {}: what it renders is not in the repository, so only the version is assumed, and templates and mesh configuration are those of now",
            target.by,
            plain(&target.version)
        );
        self.diagnostics.push(
            Diagnostic::info(DiagnosticCode::AssumedVersion, message).at(target.location.clone()),
        );
    }

    /// The ConfigMaps of the revision with the new version in them; none where there are none.
    fn config_maps(&mut self, target: &Target, namespace: &str, from: &str) -> Option<()> {
        let mut made = Vec::new();
        for name in CONFIG_MAPS {
            let reference = ObjectRef::new("", "ConfigMap", namespace, of_revision(name, from));
            let Some(mut object) = self.snapshot.object(&reference).cloned() else {
                continue;
            };
            object.reference.name = of_revision(name, &target.revision);
            object.metadata.name.clone_from(&object.reference.name);
            object.metadata.managed_at = None;
            relabel(&mut object.metadata.labels, &target.version);
            if name == "istio-sidecar-injector" {
                set_values(&mut object, target)?;
            }
            made.push(object);
        }
        if !made
            .iter()
            .any(|object| object.reference.name.starts_with("istio-sidecar-injector"))
        {
            return None;
        }
        made.into_iter().for_each(|object| self.put(object));
        Some(())
    }

    /// The Service and the webhooks of a revision that was not there before.
    fn serve(&mut self, target: &Target, namespace: &str, service: &str, from: &str) {
        let model = ObjectRef::new("", "Service", namespace, of_revision("istiod", from));
        if let Some(mut object) = self.snapshot.object(&model).cloned() {
            service.clone_into(&mut object.reference.name);
            service.clone_into(&mut object.metadata.name);
            if let Some(spec) = object.body.get_mut("spec").and_then(Value::as_object_mut) {
                let labels = pod_labels(&target.revision).into_iter();
                // istiod of a revision is selected by the revision, an unrevisioned one by its role.
                let of_no_other = |key: &str| match target.revision.as_str() {
                    "default" => key != "istio.io/rev",
                    _ => key != "istio",
                };
                let selector = labels
                    .filter(|(key, _)| of_no_other(key))
                    .map(|(key, value)| (key.to_owned(), value.into()));
                spec.insert("selector".to_owned(), Value::Object(selector.collect()));
            }
            self.put(object);
        }
        if target.revision != "default" {
            self.put(webhook::of_revision(&target.revision, namespace, service));
        }
    }

    /// Points a tag to the revision.
    fn move_tag(&mut self, target: &Target, tag: &str, namespace: &str, service: &str) {
        let has_tag = |object: &&ClusterObject| {
            object
                .metadata
                .labels
                .get("istio.io/tag")
                .is_some_and(|live| live == tag)
        };
        let kind = "MutatingWebhookConfiguration";
        let live = self
            .snapshot
            .objects_of("admissionregistration.k8s.io", kind)
            .find(has_tag);
        let from = live
            .and_then(|live| live.metadata.labels.get("istio.io/rev"))
            .cloned();
        if from.as_ref() == Some(&target.revision) {
            return;
        }
        let mut made = webhook::of_tag(tag, &target.revision, namespace, service);
        if let Some(live) = live {
            made.reference = live.reference.clone();
            made.metadata.name.clone_from(&live.metadata.name);
        }
        self.changes.push(Change {
            object: made.reference.clone(),
            what: format!(
                "{} → {}",
                from.as_deref().unwrap_or("none"),
                target.revision
            ),
            location: Some(target.location.clone()),
        });
        self.put(made);
    }

    fn incomplete(&mut self, target: &Target, message: String) {
        let incomplete = DiagnosticCode::AssumptionIncomplete;
        self.diagnostics
            .push(Diagnostic::warning(incomplete, message).at(target.location.clone()));
    }
}

/// Whether a workload is an istiod, by the name and label that every installer gives it.
fn is_istiod(live: &LiveWorkload) -> bool {
    let app = live.metadata.labels.get("app").map(String::as_str);
    live.reference.kind == "Deployment"
        && live.reference.group == "apps"
        && (app == Some("istiod") || live.reference.name.starts_with("istiod"))
}

/// A version as labels have it: Sail's `v` and the variant are not part of it.
fn plain(version: &str) -> &str {
    let version = version.strip_prefix('v').unwrap_or(version);
    ["-distroless", "-debug"]
        .iter()
        .find_map(|variant| version.strip_suffix(variant))
        .unwrap_or(version)
}

fn relabel(labels: &mut StringMap, version: &str) {
    for key in VERSION_LABELS {
        if let Some(label) = labels.get_mut(key) {
            plain(version).clone_into(label);
        }
    }
}

/// The labels of an istiod's pods that Services select them by (the istiod chart's
/// `deployment.yaml` and `service.yaml`).
fn pod_labels(revision: &str) -> [(&'static str, &str); 3] {
    let role = match revision {
        "default" => "pilot",
        _ => "istiod",
    };
    [
        ("app", "istiod"),
        ("istio.io/rev", revision),
        ("istio", role),
    ]
}

/// The istiod of a revision at its version.
fn istiod_of(target: &Target, model: &LiveWorkload) -> LiveWorkload {
    let mut istiod = model.clone();
    let name = of_revision("istiod", &target.revision);
    if istiod_revision(model) != target.revision {
        istiod.reference.name.clone_from(&name);
        istiod.metadata.name = name;
    }
    let labels = &mut istiod.metadata.labels;
    relabel(labels, &target.version);
    // Where the installer did not say, the label does: the image may be a digest.
    let key = VERSION_LABELS[0].to_owned();
    labels
        .entry(key)
        .or_insert_with(|| plain(&target.version).to_owned());
    let image = istiod_image(model).map(|image| with_tag(image, &target.version));
    if let Some(template) = &mut istiod.template {
        for (key, value) in pod_labels(&target.revision) {
            template
                .metadata
                .labels
                .insert(key.to_owned(), value.to_owned());
        }
        let containers = &mut template.spec.containers;
        let discovery = containers.iter().position(|one| one.name == "discovery");
        if let Some(container) = containers.get_mut(discovery.unwrap_or(0)) {
            container.image = image;
            let revision = container.env.iter_mut().find(|one| one.name == "REVISION");
            if let Some(variable) = revision {
                variable.value = Some(target.revision.clone());
            }
        }
    }
    istiod
}

/// An image with another tag; a digest is of the old version and goes.
fn with_tag(image: &str, tag: &str) -> String {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let (path, name) = image.rsplit_once('/').unwrap_or(("", image));
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{path}{slash}{name}:{tag}")
}

/// Writes version, registry and variant into the injector's values.
fn set_values(object: &mut ClusterObject, target: &Target) -> Option<()> {
    let text = object.body.pointer("/data/values")?.as_str()?;
    let mut values: Value = serde_json::from_str(text)
        .ok()
        .or_else(|| serde_yaml::from_str(text).ok())?;
    let fields = values.as_object_mut()?;
    let revision = match target.revision.as_str() {
        "default" => "",
        revision => revision,
    };
    fields.insert("revision".to_owned(), revision.into());
    let global = fields.get_mut("global")?.as_object_mut()?;
    global.insert("tag".to_owned(), target.version.clone().into());
    let optional = [("hub", &target.hub), ("variant", &target.variant)];
    for (key, value) in optional {
        if let Some(value) = value {
            global.insert(key.to_owned(), value.clone().into());
        }
    }
    let data = object.body.get_mut("data")?.as_object_mut()?;
    data.insert("values".to_owned(), values.to_string().into());
    Some(())
}
