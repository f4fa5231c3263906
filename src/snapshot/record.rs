//! Recording: a snapshot becomes a List that kubectl, jq and meshroll read.
//!
//! A recording holds what reading keeps and nothing else: reading it gives the same snapshot. It
//! is sorted, one object a line, and says when it was taken, of which cluster, and which kinds it
//! covers, in annotations of the List.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::injection;
use super::kinds::{Role, find};
use super::{
    CAPTURE_INFERRED, CAPTURED_AT, CLUSTER_UID, ClusterObject, ClusterSnapshot, HELD_KINDS,
    Injection, LiveWorkload, Metadata, OwnerReference, Pod, PodStatus, ReplicaSet,
};
use crate::manifest::{
    Container, EnvVar, PodSpec, PodTemplate, Resources, StringMap, TemplateMetadata, Volume,
};

/// Writes a snapshot as a List.
///
/// # Errors
///
/// When the sink does not take the bytes.
pub fn record(snapshot: &ClusterSnapshot, sink: impl Write) -> io::Result<()> {
    let mut list = List {
        sink,
        is_empty: true,
    };
    list.begin(snapshot)?;
    for namespace in snapshot.namespaces.values() {
        list.item(&typed("v1", "Namespace", namespace, Map::new()))?;
    }
    for object in &snapshot.objects {
        list.item(&self::object(object))?;
    }
    for live in &snapshot.workloads {
        list.item(&workload(live))?;
    }
    for set in &snapshot.replica_sets {
        list.item(&replica_set(set))?;
    }
    for pod in &snapshot.pods {
        list.item(&self::pod(pod))?;
    }
    for injection in &snapshot.injections {
        list.item(&self::injection(injection))?;
    }
    list.end()
}

struct List<W> {
    sink: W,
    is_empty: bool,
}

impl<W: Write> List<W> {
    fn begin(&mut self, snapshot: &ClusterSnapshot) -> io::Result<()> {
        let mut annotations = Fields::default();
        let capture = &snapshot.capture;
        let captured_at = capture.captured_at.map(|time| time.to_string());
        annotations.text(CAPTURED_AT, captured_at.as_deref());
        if capture.inferred {
            annotations.text(CAPTURE_INFERRED, Some("true"));
        }
        annotations.text(CLUSTER_UID, capture.cluster_uid.as_deref());
        let held = |held: &super::HeldKind| match held.group.as_str() {
            "" => held.kind.clone(),
            group => format!("{}.{group}", held.kind),
        };
        let held: Vec<String> = snapshot.held.iter().map(held).collect();
        annotations.text(HELD_KINDS, Some(&held.join(",")));
        let metadata = json!({ "annotations": annotations.0 });
        write!(
            self.sink,
            r#"{{"apiVersion":"v1","kind":"List","metadata":{metadata},"items":["#
        )
    }

    fn item(&mut self, item: &Value) -> io::Result<()> {
        let separator: &[u8] = if self.is_empty { b"\n" } else { b",\n" };
        self.is_empty = false;
        self.sink.write_all(separator)?;
        serde_json::to_writer(&mut self.sink, item).map_err(io::Error::from)
    }

    fn end(mut self) -> io::Result<()> {
        self.sink.write_all(b"\n]}\n")?;
        self.sink.flush()
    }
}

/// Fields of an object, of which the empty ones are left out, as the API server does.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, key: &str, value: Value) {
        let is_empty = match &value {
            Value::Null => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.0.insert(key.to_owned(), value);
        }
    }

    fn text(&mut self, key: &str, text: Option<&str>) {
        self.put(key, text.map_or(Value::Null, Value::from));
    }

    fn filled(&mut self, key: &str, text: &str) {
        self.text(key, (!text.is_empty()).then_some(text));
    }

    fn flag(&mut self, key: &str, flag: bool) {
        self.put(key, if flag { Value::Bool(true) } else { Value::Null });
    }

    /// A field of which only the presence is known.
    fn present(&mut self, key: &str, is_present: bool) {
        if is_present {
            self.0.insert(key.to_owned(), json!({}));
        }
    }

    fn list<T>(&mut self, key: &str, items: &[T], one: impl Fn(&T) -> Value) {
        self.put(key, items.iter().map(one).collect());
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

fn typed(api_version: &str, kind: &str, metadata: &Metadata, body: Map<String, Value>) -> Value {
    let mut fields = Fields(body);
    fields.text("apiVersion", Some(api_version));
    fields.text("kind", Some(kind));
    fields.put("metadata", self::metadata(metadata));
    fields.done()
}

fn metadata(metadata: &Metadata) -> Value {
    let time = |time: Option<jiff::Timestamp>| time.map(|time| time.to_string());
    let mut fields = Fields::default();
    fields.put("annotations", strings(&metadata.annotations));
    let created = time(metadata.creation_timestamp);
    fields.text("creationTimestamp", created.as_deref());
    let deleted = time(metadata.deletion_timestamp);
    fields.text("deletionTimestamp", deleted.as_deref());
    fields.put("generation", json!(metadata.generation));
    fields.put("labels", strings(&metadata.labels));
    let managed = time(metadata.managed_at).map(|time| json!([{ "time": time }]));
    fields.put("managedFields", managed.unwrap_or_default());
    fields.text("name", Some(&metadata.name));
    fields.filled("namespace", &metadata.namespace);
    fields.list("ownerReferences", &metadata.owner_references, owner);
    fields.filled("uid", &metadata.uid);
    fields.done()
}

fn owner(owner: &OwnerReference) -> Value {
    let mut fields = Fields::default();
    fields.filled("apiVersion", &owner.api_version);
    fields.filled("kind", &owner.kind);
    fields.filled("name", &owner.name);
    fields.filled("uid", &owner.uid);
    fields.flag("controller", owner.controller);
    fields.done()
}

fn strings(map: &StringMap) -> Value {
    let pair = |(key, value): (&String, &String)| (key.clone(), Value::from(value.as_str()));
    Value::Object(map.iter().map(pair).collect())
}

fn object(object: &ClusterObject) -> Value {
    let body = object.body.as_object().cloned().unwrap_or_default();
    let kind = &object.reference.kind;
    typed(&object.api_version, kind, &object.metadata, body)
}

fn workload(live: &LiveWorkload) -> Value {
    let reference = &live.reference;
    let role = find(&reference.group, &reference.kind).map(|reading| reading.kind.role);
    let mut spec = live.spec.clone();
    if let (Some(template), Value::Object(fields)) = (&live.template, &mut spec) {
        let template = pod_template(template);
        match role {
            Some(Role::CronWorkload) => {
                let job = json!({ "spec": { "template": template } });
                fields.insert("jobTemplate".to_owned(), job)
            }
            _ => fields.insert("template".to_owned(), template),
        };
    }
    let mut body = Map::new();
    for (key, value) in [("spec", spec), ("status", live.status.clone())] {
        if !value.is_null() {
            body.insert(key.to_owned(), value);
        }
    }
    typed(&live.api_version, &reference.kind, &live.metadata, body)
}

fn replica_set(set: &ReplicaSet) -> Value {
    let mut spec = Fields::default();
    spec.put("replicas", json!(set.replicas));
    let template = set.template.as_deref().map(pod_template);
    if let Some(template) = template {
        spec.0.insert("template".to_owned(), template);
    }
    let mut body = Fields::default();
    body.put("spec", spec.done());
    body.put(
        "status",
        json!({ "replicas": set.current_replicas, "readyReplicas": set.ready_replicas }),
    );
    typed(&set.api_version, "ReplicaSet", &set.metadata, body.0)
}

fn pod(pod: &Pod) -> Value {
    let mut body = Fields::default();
    body.put("spec", pod_spec(&pod.spec));
    body.put("status", pod_status(&pod.status));
    typed("v1", "Pod", &pod.metadata, body.0)
}

fn injection(injection: &Injection) -> Value {
    let metadata = Metadata {
        name: injection.workload.name.clone(),
        namespace: injection.workload.namespace.clone(),
        ..Metadata::default()
    };
    let api_version = format!("{}/v1", injection::GROUP);
    let body = injection::body(injection, pod);
    typed(&api_version, injection::KIND, &metadata, body)
}

fn pod_status(status: &PodStatus) -> Value {
    let mut fields = Fields::default();
    if status.ready || status.ready_since.is_some() {
        let mut condition = Fields::default();
        condition.text("type", Some("Ready"));
        let word = if status.ready { "True" } else { "False" };
        condition.text("status", Some(word));
        let since = status.ready_since.map(|time| time.to_string());
        condition.text("lastTransitionTime", since.as_deref());
        fields.put("conditions", json!([condition.done()]));
    }
    let waiting = |reason: &String| json!({ "state": { "waiting": { "reason": reason } } });
    fields.list("containerStatuses", &status.waiting_reasons, waiting);
    fields.filled("phase", &status.phase);
    fields.done()
}

fn pod_template(template: &PodTemplate) -> Value {
    let TemplateMetadata {
        name,
        labels,
        annotations,
    } = &template.metadata;
    let mut metadata = Fields::default();
    metadata.text("name", name.as_deref());
    metadata.put("labels", strings(labels));
    metadata.put("annotations", strings(annotations));
    let mut fields = Fields::default();
    fields.put("metadata", metadata.done());
    fields.put("spec", pod_spec(&template.spec));
    fields.done()
}

fn pod_spec(spec: &PodSpec) -> Value {
    let mut fields = Fields::default();
    fields.list("containers", &spec.containers, container);
    fields.flag("hostNetwork", spec.host_network);
    fields.list("initContainers", &spec.init_containers, container);
    fields.text("nodeName", spec.node_name.as_deref());
    fields.text("restartPolicy", spec.restart_policy.as_deref());
    let account = spec.service_account_name.as_deref();
    fields.text("serviceAccountName", account);
    let seconds = spec.termination_grace_period_seconds;
    fields.put("terminationGracePeriodSeconds", json!(seconds));
    fields.list("volumes", &spec.volumes, volume);
    fields.done()
}

fn container(container: &Container) -> Value {
    let mut fields = Fields::default();
    fields.list("args", &container.args, |arg| Value::from(arg.as_str()));
    fields.list("env", &container.env, variable);
    if container.env_from.is_some() {
        fields.put("envFrom", json!([{}]));
    }
    fields.text("image", container.image.as_deref());
    fields.text("name", Some(&container.name));
    fields.present("readinessProbe", container.readiness_probe.is_some());
    fields.put("resources", resources(&container.resources));
    fields.text("restartPolicy", container.restart_policy.as_deref());
    fields.done()
}

fn variable(variable: &EnvVar) -> Value {
    let mut fields = Fields::default();
    fields.text("name", Some(&variable.name));
    fields.text("value", variable.value.as_deref());
    fields.present("valueFrom", variable.value_from.is_some());
    fields.done()
}

fn resources(resources: &Resources) -> Value {
    let mut fields = Fields::default();
    fields.put("limits", strings(&resources.limits));
    fields.put("requests", strings(&resources.requests));
    fields.done()
}

fn volume(volume: &Volume) -> Value {
    let mut fields = Fields::default();
    fields.text("name", Some(&volume.name));
    if let Some(claim) = &volume.persistent_volume_claim {
        let claim = json!({ "claimName": claim.claim_name });
        fields.put("persistentVolumeClaim", claim);
    }
    fields.done()
}
