//! Snapshots and members for tests, from the JSON that kubectl prints.

use serde_json::{Value, json};

use super::{Member, members};
use crate::manifest::{ObjectRef, PodTemplate, StringMap, group_of};
use crate::snapshot::{
    ClusterObject, ClusterSnapshot, HeldKind, LiveWorkload, Metadata, OwnerReference, Pod,
    PodStatus, ReplicaSet,
};

/// A snapshot of these objects.
pub(crate) fn snapshot(objects: &[Value]) -> ClusterSnapshot {
    let mut snapshot = ClusterSnapshot::default();
    for object in objects {
        add(&mut snapshot, object);
    }
    let by_name = |metadata: &Metadata| (metadata.namespace.clone(), metadata.name.clone());
    snapshot.pods.sort_by_key(|pod| by_name(&pod.metadata));
    snapshot
        .replica_sets
        .sort_by_key(|set| by_name(&set.metadata));
    snapshot
        .workloads
        .sort_by_key(|live| live.reference.clone());
    snapshot
        .objects
        .sort_by_key(|object| object.reference.clone());
    snapshot
}

fn add(snapshot: &mut ClusterSnapshot, object: &Value) {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let metadata = metadata(&object["metadata"]);
    let group = group_of(api_version);
    let reference = ObjectRef::new(group, kind, &*metadata.namespace, &*metadata.name);
    snapshot.held.insert(HeldKind {
        group: group.to_owned(),
        kind: kind.to_owned(),
    });
    match kind {
        "Namespace" => {
            let name = metadata.name.clone();
            snapshot.namespaces.insert(name, metadata);
        }
        "Pod" => snapshot.pods.push(pod(metadata, object)),
        "ReplicaSet" => snapshot.replica_sets.push(ReplicaSet {
            api_version: api_version.to_owned(),
            metadata,
            replicas: object
                .pointer("/spec/replicas")
                .and_then(Value::as_i64)
                .unwrap_or(1),
            current_replicas: 0,
            ready_replicas: 0,
            template: None,
        }),
        _ if super::WorkloadKind::of(&reference) != super::WorkloadKind::Other => {
            snapshot
                .workloads
                .push(live(api_version, reference, metadata, object));
        }
        _ => {
            let mut body = object.clone();
            if let Some(fields) = body.as_object_mut() {
                fields.retain(|key, _| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
            }
            snapshot.objects.push(ClusterObject {
                api_version: api_version.to_owned(),
                reference,
                metadata,
                body,
            });
        }
    }
}

fn live(
    api_version: &str,
    reference: ObjectRef,
    metadata: Metadata,
    object: &Value,
) -> LiveWorkload {
    let mut spec = object["spec"].clone();
    let template = spec
        .as_object_mut()
        .and_then(|fields| fields.remove("template"));
    LiveWorkload {
        api_version: api_version.to_owned(),
        reference,
        metadata,
        template: template.map(template_of),
        spec,
        status: object["status"].clone(),
    }
}

fn template_of(value: Value) -> PodTemplate {
    serde_json::from_value(value).expect("a pod template")
}

fn pod(metadata: Metadata, object: &Value) -> Pod {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
    let waiting = object["waiting"].as_str();
    Pod {
        metadata,
        spec: std::sync::Arc::new(serde_json::from_value(spec).expect("a pod spec")),
        status: PodStatus {
            phase: match text("/status/phase") {
                "" => "Running".to_owned(),
                phase => phase.to_owned(),
            },
            ready: true,
            ready_since: None,
            waiting_reasons: waiting.into_iter().map(str::to_owned).collect(),
        },
    }
}

fn metadata(value: &Value) -> Metadata {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let map = |key: &str| -> StringMap {
        let fields = value[key].as_object().cloned().unwrap_or_default();
        fields
            .into_iter()
            .map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    let owners = value["ownerReferences"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let time = |key: &str| value[key].as_str().and_then(|text| text.parse().ok());
    Metadata {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        labels: map("labels"),
        annotations: map("annotations"),
        owner_references: owners.iter().map(owner).collect(),
        generation: value["generation"].as_i64(),
        creation_timestamp: time("creationTimestamp"),
        deletion_timestamp: time("deletionTimestamp"),
        managed_at: None,
    }
}

fn owner(value: &Value) -> OwnerReference {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    OwnerReference {
        api_version: text("apiVersion"),
        kind: text("kind"),
        name: text("name"),
        uid: text("uid"),
        controller: value["controller"].as_bool().unwrap_or(true),
    }
}

/// A workload of a kind in namespace `shop` with this spec and status, and one container.
pub(crate) fn workload(
    api_version: &str,
    kind: &str,
    name: &str,
    spec: Value,
    status: Value,
) -> Value {
    let mut spec = spec;
    if spec.get("template").is_none() {
        spec["template"] = json!({"spec": {"containers": [{"name": "app"}]}});
    }
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": spec, "status": status,
    })
}

/// A pod in namespace `shop` controlled by this owner.
pub(crate) fn owned_pod(name: &str, api_version: &str, kind: &str, owner: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "shop",
            "ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": owner}],
        },
    })
}

/// The member of a kind and name.
pub(crate) fn member<'a>(snapshot: &'a ClusterSnapshot, kind: &str, name: &str) -> Member<'a> {
    members(snapshot)
        .into_iter()
        .find(|member| member.reference.kind == kind && member.reference.name == name)
        .expect("the member")
}
