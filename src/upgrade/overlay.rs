//! `Overlay`: the repository's objects put into a snapshot, as if they had been applied and istiod
//! had rolled out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::desired::{Content, Desired, DesiredObject};
use super::webhook::ASSUMED_CERTIFICATE;
use super::{Change, Upgrade};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{ObjectRef, PodTemplate, StringMap};
use crate::mesh::{istiod_image, istiod_revision, istiod_version};
use crate::snapshot::{ClusterObject, ClusterSnapshot, HeldKind, LiveWorkload, Metadata};

/// A snapshot on its way to what it will be.
pub(super) struct Overlay {
    pub(super) snapshot: ClusterSnapshot,
    pub(super) changes: Vec<Change>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Namespace and revision of every istiod whose manifests the repository holds.
    pub(super) rendered: BTreeSet<(String, String)>,
}

impl Overlay {
    pub(super) fn new(snapshot: &ClusterSnapshot) -> Self {
        Self {
            snapshot: ClusterSnapshot {
                // They tell of the control plane of now.
                injections: Vec::new(),
                ..snapshot.clone()
            },
            changes: Vec::new(),
            diagnostics: Vec::new(),
            rendered: BTreeSet::new(),
        }
    }

    pub(super) fn finish(mut self) -> (Upgrade, Vec<Diagnostic>) {
        self.snapshot
            .objects
            .sort_by(|a, b| a.reference.cmp(&b.reference));
        self.snapshot
            .workloads
            .sort_by(|a, b| a.reference.cmp(&b.reference));
        self.changes.sort();
        let upgrade = Upgrade {
            snapshot: self.snapshot,
            changes: self.changes,
        };
        (upgrade, self.diagnostics)
    }

    /// Puts every object in, and takes away what the base held and the new revision does not.
    pub(super) fn objects(&mut self, desired: &Desired, base: Option<&Desired>) {
        for (written, object) in &desired.objects {
            let Some(reference) = self.placed(written, object) else {
                continue;
            };
            let before = base.and_then(|base| base.objects.get(written));
            match &object.content {
                Content::Istiod { template, spec } => {
                    self.istiod(reference, object, template, spec);
                }
                Content::Fields(_) if reference.kind == "Namespace" => {
                    self.namespace(&reference, object, before);
                }
                Content::Fields(fields) => self.fields(reference, object, fields),
            }
        }
        for (written, object) in base.iter().flat_map(|base| &base.objects) {
            if !desired.objects.contains_key(written)
                && let Some(reference) = self.placed(written, object)
            {
                self.remove(&reference);
            }
        }
    }

    /// The identity in the cluster of an object whose manifest may name no namespace: that of the
    /// only live object of its kind and name.
    fn placed(&mut self, written: &ObjectRef, object: &DesiredObject) -> Option<ObjectRef> {
        let is_cluster_wide = matches!(
            written.kind.as_str(),
            "Namespace" | "MutatingWebhookConfiguration"
        );
        if is_cluster_wide || !written.namespace.is_empty() {
            return Some(written.clone());
        }
        let objects = self.snapshot.objects.iter().map(|object| &object.reference);
        let workloads = self.snapshot.workloads.iter().map(|live| &live.reference);
        let named = |live: &&ObjectRef| {
            (&live.group, &live.kind, &live.name) == (&written.group, &written.kind, &written.name)
        };
        let live: Vec<&ObjectRef> = objects.chain(workloads).filter(named).collect();
        if let [live] = live.as_slice() {
            return Some((*live).clone());
        }
        let message = format!(
            "{written} names no namespace, and {} objects of that name are in the cluster: it is left out of what is assumed",
            live.len()
        );
        let incomplete = DiagnosticCode::AssumptionIncomplete;
        self.diagnostics
            .push(Diagnostic::warning(incomplete, message).at(object.location.clone()));
        None
    }

    pub(super) fn changed(&mut self, object: &ObjectRef, what: String, from: &DesiredObject) {
        self.changes.push(Change {
            object: object.clone(),
            what,
            location: Some(from.location.clone()),
        });
    }

    /// A namespace: what the repository says of its labels holds, what it no longer says is gone,
    /// and what somebody else put there stays.
    fn namespace(
        &mut self,
        reference: &ObjectRef,
        object: &DesiredObject,
        before: Option<&DesiredObject>,
    ) {
        let live = self.snapshot.namespaces.get(&reference.name).cloned();
        let mut metadata = live.clone().unwrap_or_else(|| Metadata {
            name: reference.name.clone(),
            ..Metadata::default()
        });
        let empty = StringMap::new();
        let before_labels = before.map_or(&empty, |before| &before.labels);
        let before_annotations = before.map_or(&empty, |before| &before.annotations);
        merge(&mut metadata.labels, &object.labels, before_labels);
        merge(
            &mut metadata.annotations,
            &object.annotations,
            before_annotations,
        );
        let own_name = "kubernetes.io/metadata.name".to_owned();
        metadata.labels.insert(own_name, reference.name.clone());
        let old = live.map(|live| live.labels).unwrap_or_default();
        if let Some(what) = label_change(&old, &metadata.labels) {
            self.changed(reference, what, object);
        }
        self.snapshot
            .namespaces
            .insert(reference.name.clone(), metadata);
    }

    /// An istiod that the cluster does not run like this: it is taken as rolled out.
    fn istiod(
        &mut self,
        reference: ObjectRef,
        object: &DesiredObject,
        template: &PodTemplate,
        spec: &Value,
    ) {
        let live = self.snapshot.workload(&reference).cloned();
        let mut wanted = LiveWorkload {
            api_version: object.api_version.clone(),
            metadata: Metadata {
                name: reference.name.clone(),
                namespace: reference.namespace.clone(),
                labels: object.labels.clone(),
                ..Metadata::default()
            },
            reference,
            template: Some(template.clone()),
            spec: spec.clone(),
            status: Value::Null,
        };
        let revision = istiod_revision(&wanted);
        self.rendered
            .insert((wanted.reference.namespace.clone(), revision));
        if live
            .as_ref()
            .is_some_and(|live| runs_the_same(live, &wanted))
        {
            return;
        }
        let version = |istiod: &LiveWorkload| {
            istiod_version(istiod)
                .map_or_else(|| "an unknown version".to_owned(), |v| v.to_string())
        };
        let from = live.as_ref().map_or_else(|| "none".to_owned(), version);
        let what = format!("{from} → {}", version(&wanted));
        wanted.metadata.annotations = live
            .map(|live| live.metadata.annotations)
            .unwrap_or_default();
        let reference = wanted.reference.clone();
        self.changed(&reference, what, object);
        self.roll_out(wanted);
    }

    /// Puts an istiod in as it will be when its rollout is over: its pods of now are gone.
    pub(super) fn roll_out(&mut self, mut istiod: LiveWorkload) {
        let replicas = istiod.spec.get("replicas").and_then(Value::as_i64);
        // An autoscaler's minimum stands where the manifest leaves the count out.
        let replicas = replicas.unwrap_or(1).max(1);
        istiod.metadata.generation = Some(1);
        istiod.status = json!({
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
            "readyReplicas": replicas,
        });
        if let Value::Object(spec) = &mut istiod.spec {
            spec.insert("replicas".to_owned(), replicas.into());
        }
        let (namespace, name) = (&istiod.reference.namespace, &istiod.reference.name);
        let prefix = format!("{name}-");
        let sets = &mut self.snapshot.replica_sets;
        let of_istiod: BTreeSet<String> = sets
            .iter()
            .filter(|set| {
                let owner = set.metadata.controller();
                set.metadata.namespace == *namespace
                    && owner.is_some_and(|owner| owner.name == *name)
            })
            .map(|set| set.metadata.name.clone())
            .collect();
        sets.retain(|set| {
            set.metadata.namespace != *namespace || !of_istiod.contains(&set.metadata.name)
        });
        self.snapshot.pods.retain(|pod| {
            let owner = pod.metadata.controller();
            let is_of = match owner {
                Some(owner) => of_istiod.contains(&owner.name),
                None => pod.metadata.name.starts_with(&prefix),
            };
            pod.metadata.namespace != *namespace || !is_of
        });
        self.snapshot
            .workloads
            .retain(|live| live.reference != istiod.reference);
        self.snapshot.workloads.push(istiod);
        self.snapshot
            .workloads
            .sort_by(|a, b| a.reference.cmp(&b.reference));
    }

    /// A webhook configuration, ConfigMap, Service or ProxyConfig.
    fn fields(&mut self, reference: ObjectRef, object: &DesiredObject, fields: &Value) {
        let live = self.snapshot.object(&reference).cloned();
        let mut body = fields.clone();
        if reference.kind == "MutatingWebhookConfiguration" {
            certify(&mut body, live.as_ref().map(|live| &live.body));
        }
        let what = match &live {
            None => Some("none → new".to_owned()),
            Some(live) => field_change(&reference, &live.body, &body),
        };
        let Some(what) = what else {
            return;
        };
        self.changed(&reference, what, object);
        let metadata = Metadata {
            name: reference.name.clone(),
            namespace: reference.namespace.clone(),
            labels: object.labels.clone(),
            annotations: object.annotations.clone(),
            ..Metadata::default()
        };
        self.put(ClusterObject {
            api_version: object.api_version.clone(),
            reference,
            metadata,
            body,
        });
    }

    /// Puts an object in, in place of the one of its identity.
    pub(super) fn put(&mut self, object: ClusterObject) {
        self.snapshot.held.insert(HeldKind {
            group: object.reference.group.clone(),
            kind: object.reference.kind.clone(),
        });
        let objects = &mut self.snapshot.objects;
        match objects.binary_search_by(|one| one.reference.cmp(&object.reference)) {
            Ok(place) => objects[place] = object,
            Err(place) => objects.insert(place, object),
        }
    }

    /// Takes away what an engine that prunes would.
    fn remove(&mut self, reference: &ObjectRef) {
        let held = self.snapshot.objects.len() + self.snapshot.workloads.len();
        self.snapshot
            .objects
            .retain(|object| object.reference != *reference);
        self.snapshot
            .workloads
            .retain(|live| live.reference != *reference);
        let left = self.snapshot.objects.len() + self.snapshot.workloads.len();
        if left < held {
            self.changes.push(Change {
                object: reference.clone(),
                what: "gone, where the engine prunes".to_owned(),
                location: None,
            });
        }
    }
}

/// Keys of `wanted` hold, keys that only `before` had are gone, all others stay.
fn merge(live: &mut StringMap, wanted: &StringMap, before: &StringMap) {
    live.retain(|key, _| wanted.contains_key(key) || !before.contains_key(key));
    for (key, value) in wanted {
        live.insert(key.clone(), value.clone());
    }
}

/// The labels of a namespace that injection looks at.
const NAMESPACE_LABELS: [&str; 3] = ["istio-injection", "istio.io/rev", "istio.io/dataplane-mode"];

/// What of a namespace's labels matters and is different.
fn label_change(old: &StringMap, new: &StringMap) -> Option<String> {
    let text = |labels: &StringMap, key: &str| {
        let value = labels.get(key);
        value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
    };
    let changes: Vec<String> = NAMESPACE_LABELS
        .iter()
        .filter(|key| old.get(**key) != new.get(**key))
        .map(|key| format!("{key} {} → {}", text(old, key), text(new, key)))
        .collect();
    (!changes.is_empty()).then(|| changes.join(", "))
}

/// Whether two istiods are the same to injection: image, version, revision, environment.
fn runs_the_same(live: &LiveWorkload, wanted: &LiveWorkload) -> bool {
    let environment = |istiod: &LiveWorkload| {
        let template = istiod.template.as_ref()?;
        let container = template
            .spec
            .containers
            .iter()
            .find(|container| container.name == "discovery")
            .or(template.spec.containers.first())?;
        let literal = container
            .env
            .iter()
            .filter(|variable| variable.value_from.is_none())
            .map(|variable| {
                let value = variable.value.clone().unwrap_or_default();
                (variable.name.clone(), value)
            });
        Some(literal.collect::<BTreeSet<_>>())
    };
    istiod_image(live) == istiod_image(wanted)
        && istiod_version(live) == istiod_version(wanted)
        && istiod_revision(live) == istiod_revision(wanted)
        && environment(live) == environment(wanted)
}

/// What of an object's fields is different, in words; none where it means the same.
fn field_change(reference: &ObjectRef, live: &Value, wanted: &Value) -> Option<String> {
    let changed = match reference.kind.as_str() {
        "MutatingWebhookConfiguration" => {
            let (before, after) = (services(live), services(wanted));
            if before != after {
                return Some(format!("{} → {}", before.join(", "), after.join(", ")));
            }
            selectors(live) != selectors(wanted)
        }
        "ConfigMap" => ["mesh", "config", "values"].iter().any(|key| {
            let text = |value: &Value| {
                let data = value.get("data").and_then(|data| data.get(*key));
                data.and_then(Value::as_str).map(str::to_owned)
            };
            text(wanted).is_some() && text(live) != text(wanted)
        }),
        "Service" => live.pointer("/spec/selector") != wanted.pointer("/spec/selector"),
        _ => live.get("spec") != wanted.get("spec"),
    };
    changed.then(|| "changed".to_owned())
}

fn webhooks(value: &Value) -> impl Iterator<Item = &Value> {
    let webhooks = value.get("webhooks").and_then(Value::as_array);
    webhooks.into_iter().flatten()
}

/// The Services that webhooks call, each once.
fn services(value: &Value) -> Vec<String> {
    let name = |webhook: &Value| {
        let name = webhook.pointer("/clientConfig/service/name")?.as_str()?;
        Some(name.to_owned())
    };
    let mut names: Vec<String> = webhooks(value).filter_map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// What webhooks select, in order: an absent selector and an empty one are the same.
fn selectors(value: &Value) -> Vec<(Value, Value, Value)> {
    let field = |webhook: &Value, key: &str| {
        let value = webhook.get(key).cloned().unwrap_or(Value::Null);
        if value == json!({}) {
            Value::Null
        } else {
            value
        }
    };
    webhooks(value)
        .map(|webhook| {
            (
                field(webhook, "name"),
                field(webhook, "namespaceSelector"),
                field(webhook, "objectSelector"),
            )
        })
        .collect()
}

/// Fills in the certificates that istiod writes and manifests leave out.
fn certify(body: &mut Value, live: Option<&Value>) {
    let bundle = live
        .into_iter()
        .flat_map(webhooks)
        .filter_map(|webhook| webhook.pointer("/clientConfig/caBundle")?.as_str())
        .find(|bundle| !bundle.is_empty())
        .unwrap_or(ASSUMED_CERTIFICATE)
        .to_owned();
    let webhooks = body.get_mut("webhooks").and_then(Value::as_array_mut);
    for webhook in webhooks.into_iter().flatten() {
        let config = webhook.get_mut("clientConfig");
        let Some(config) = config.and_then(Value::as_object_mut) else {
            continue;
        };
        let own = config.get("caBundle").and_then(Value::as_str);
        if own.is_none_or(str::is_empty) {
            config.insert("caBundle".to_owned(), bundle.clone().into());
        }
    }
}
