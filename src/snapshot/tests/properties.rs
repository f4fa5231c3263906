//! What holds for any cluster, and for any bytes.

use std::io::Cursor;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use serde_json::{Map, Value, json};

use super::super::{ClusterSnapshot, Input, SnapshotError, read, record};

fn from(bytes: Vec<u8>) -> Result<ClusterSnapshot, SnapshotError> {
    let input = Input {
        name: "it".to_owned(),
        reader: Box::new(Cursor::new(bytes)),
    };
    read(vec![input]).map(|(snapshot, _)| snapshot)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z][a-z0-9-]{0,8}",
        "\\PC{0,6}",
        Just("a\"\\\n\u{0}\u{7f}é😀".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-c]{1,2}"
}

/// A value, or `null`, or no such key at all.
fn field(
    key: &'static str,
    value: impl Strategy<Value = Value> + 'static,
) -> impl Strategy<Value = Option<(String, Value)>> {
    let value = prop_oneof![4 => value, 1 => Just(Value::Null)];
    option::weighted(0.8, value.prop_map(move |value| (key.to_owned(), value)))
}

fn object<const N: usize>(
    fields: [proptest::strategy::BoxedStrategy<Option<(String, Value)>>; N],
) -> impl Strategy<Value = Value> {
    Vec::from(fields).prop_map(|fields| Value::Object(fields.into_iter().flatten().collect()))
}

fn strings(keys: &'static str) -> impl Strategy<Value = Value> {
    btree_map(keys, text(), 0..4).prop_map(|map| json!(map))
}

fn time() -> impl Strategy<Value = Value> {
    (0_i64..4_000_000_000).prop_map(|second| {
        let time = jiff::Timestamp::from_second(second).expect("a time");
        json!(time.to_string())
    })
}

const ANNOTATIONS: &str =
    "(istio\\.io/rev|prometheus\\.io/port|a/restartedAt|vault/[a-z]|[a-z]{3})";

fn owners() -> impl Strategy<Value = Value> {
    let owner = (name(), any::<bool>()).prop_map(|(name, controller)| {
        json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name,
            "controller": controller, "blockOwnerDeletion": true })
    });
    vec(owner, 0..3).prop_map(Value::Array)
}

fn metadata() -> impl Strategy<Value = Value> {
    let fields = object([
        field("uid", text().prop_map(Value::from)).boxed(),
        field("labels", strings("[a-z]{1,3}")).boxed(),
        field("annotations", strings(ANNOTATIONS)).boxed(),
        field("generation", any::<i64>().prop_map(Value::from)).boxed(),
        field("creationTimestamp", time()).boxed(),
        field("deletionTimestamp", time()).boxed(),
        field(
            "resourceVersion",
            (0..9_u8).prop_map(|it| json!(it.to_string())),
        )
        .boxed(),
        field("ownerReferences", owners()).boxed(),
    ]);
    (name(), name(), fields).prop_map(|(name, namespace, mut fields)| {
        fields["name"] = json!(name);
        fields["namespace"] = json!(namespace);
        fields
    })
}

fn container() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("istio-proxy".to_owned()),
        Just("istio-init".to_owned()),
        text(),
    ];
    let variable = object([
        field(
            "name",
            "(PROXY_CONFIG|ISTIO_META_[A-C]|PASSWORD)".prop_map(Value::from),
        )
        .boxed(),
        field("value", text().prop_map(Value::from)).boxed(),
        field("valueFrom", Just(json!({ "fieldRef": {} }))).boxed(),
    ]);
    let quantity = prop_oneof![
        any::<u16>().prop_map(Value::from),
        "[0-9]{1,3}(Mi|m)?".prop_map(Value::from),
    ];
    let quantities = btree_map("(cpu|memory)", quantity, 0..3).prop_map(|map| json!(map));
    let resources = object([
        field("requests", quantities.clone()).boxed(),
        field("limits", quantities).boxed(),
    ]);
    object([
        field("name", names.prop_map(Value::from)).boxed(),
        field("image", text().prop_map(Value::from)).boxed(),
        field("args", vec(text(), 0..3).prop_map(|args| json!(args))).boxed(),
        field("env", vec(variable, 0..3).prop_map(Value::from)).boxed(),
        field("resources", resources).boxed(),
        field("restartPolicy", text().prop_map(Value::from)).boxed(),
        field("readinessProbe", Just(json!({ "exec": [] }))).boxed(),
    ])
}

fn pod_spec() -> impl Strategy<Value = Value> {
    let claim = json!({ "name": "data", "persistentVolumeClaim": { "claimName": "data-0" } });
    let volume = prop_oneof![Just(claim), Just(json!({ "name": "tmp", "emptyDir": {} }))];
    let containers = || vec(container(), 0..3).prop_map(Value::from);
    object([
        field("containers", containers()).boxed(),
        field("initContainers", containers()).boxed(),
        field("hostNetwork", any::<bool>().prop_map(Value::from)).boxed(),
        field("nodeName", name().prop_map(Value::from)).boxed(),
        field("restartPolicy", text().prop_map(Value::from)).boxed(),
        field(
            "terminationGracePeriodSeconds",
            any::<i64>().prop_map(Value::from),
        )
        .boxed(),
        field("volumes", vec(volume, 0..3).prop_map(Value::from)).boxed(),
        field("tolerations", Just(json!([{ "key": "a" }]))).boxed(),
    ])
}

fn pod_status() -> impl Strategy<Value = Value> {
    let condition = object([
        field("type", "(Ready|Initialized)".prop_map(Value::from)).boxed(),
        field("status", "(True|False|Unknown)".prop_map(Value::from)).boxed(),
        field("lastTransitionTime", time()).boxed(),
    ]);
    let waiting = object([field("reason", text().prop_map(Value::from)).boxed()]);
    let state = object([field("waiting", waiting).boxed()]);
    let status = object([field("state", state).boxed()]);
    object([
        field("phase", text().prop_map(Value::from)).boxed(),
        field("conditions", vec(condition, 0..3).prop_map(Value::from)).boxed(),
        field("containerStatuses", vec(status, 0..3).prop_map(Value::from)).boxed(),
    ])
}

fn typed(api_version: &str, kind: &str, metadata: Value, fields: Map<String, Value>) -> Value {
    let mut object = Value::Object(fields);
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    object["metadata"] = metadata;
    object
}

fn pod() -> impl Strategy<Value = Value> {
    (metadata(), pod_spec(), pod_status()).prop_map(|(metadata, spec, status)| {
        let fields = Map::from_iter([("spec".to_owned(), spec), ("status".to_owned(), status)]);
        typed("v1", "Pod", metadata, fields)
    })
}

fn workload() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        Just(("apps/v1", "Deployment")),
        Just(("apps/v1", "ReplicaSet")),
        Just(("batch/v1", "CronJob")),
        Just(("argoproj.io/v1alpha1", "Rollout")),
    ];
    let template = option::of((strings("[a-z]{2}"), pod_spec()));
    (kinds, metadata(), template, any::<i32>()).prop_map(|(kind, metadata, template, replicas)| {
        let mut spec = json!({ "replicas": replicas, "strategy": { "type": "Recreate" }, "x": 1 });
        if let Some((labels, pod)) = template {
            let template = json!({ "metadata": { "labels": labels }, "spec": pod });
            match kind.1 {
                "CronJob" => spec["jobTemplate"] = json!({ "spec": { "template": template } }),
                _ => spec["template"] = template,
            }
        }
        let status = json!({ "replicas": replicas, "conditions": [{ "type": "A", "extra": 1 }] });
        let fields = Map::from_iter([("spec".to_owned(), spec), ("status".to_owned(), status)]);
        typed(kind.0, kind.1, metadata, fields)
    })
}

fn other() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        Just(("v1", "Namespace")),
        Just(("v1", "ConfigMap")),
        Just(("v1", "Secret")),
        Just((
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration"
        )),
        Just(("example.com/v1", "Widget")),
    ];
    (kinds, metadata(), text()).prop_map(|(kind, metadata, text)| {
        let data = json!({ "mesh": text, "password": text });
        let webhooks = json!([{ "name": text, "clientConfig": { "caBundle": text }, "x": 1 }]);
        let fields = Map::from_iter([("data".to_owned(), data), ("webhooks".to_owned(), webhooks)]);
        typed(kind.0, kind.1, metadata, fields)
    })
}

fn injection() -> impl Strategy<Value = Value> {
    let created = pod().prop_map(|pod| json!({ "pod": pod }));
    let refused = (any::<u16>(), text())
        .prop_map(|(code, message)| json!({ "refused": { "code": code, "message": message } }));
    let unanswered = text().prop_map(|message| json!({ "unanswered": { "message": message } }));
    let status = prop_oneof![created, refused, unanswered];
    let kind = prop_oneof![Just(("apps", "Deployment")), Just(("", "Pod"))];
    (kind, name(), name(), text(), status).prop_map(|(kind, name, namespace, digest, status)| {
        json!({
            "apiVersion": "meshroll.dev/v1", "kind": "InjectionResult",
            "metadata": { "name": name, "namespace": namespace },
            "spec": { "workloadRef": { "group": kind.0, "kind": kind.1 }, "templateDigest": digest },
            "status": status,
        })
    })
}

/// A List with a pod at least.
fn cluster() -> impl Strategy<Value = Value> {
    let item = prop_oneof![pod(), workload(), injection(), other()];
    (pod(), vec(item, 0..6)).prop_map(|(pod, mut items)| {
        items.push(pod);
        json!({ "apiVersion": "v1", "kind": "List", "items": items })
    })
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(value, &mut serializer).expect("in memory");
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_recording_of_any_cluster_reads_like_the_cluster(cluster in cluster()) {
        let raw = from(cluster.to_string().into_bytes()).expect("a snapshot");
        let mut recording = Vec::new();
        record(&raw, &mut recording).expect("in memory");
        assert!(!String::from_utf8_lossy(&recording).contains("PASSWORD"));
        let again = from(recording.clone()).expect("a snapshot");
        let mut second = Vec::new();
        record(&again, &mut second).expect("in memory");
        assert_eq!(&again, &raw);
        assert_eq!(second, recording);
    }

    #[test]
    fn layout_and_format_mean_nothing(cluster in cluster()) {
        let raw = from(cluster.to_string().into_bytes()).expect("a snapshot");
        assert_eq!(&from(pretty(&cluster)).expect("a snapshot"), &raw);
        let yaml = serde_yaml::to_string(&cluster).expect("YAML");
        assert_eq!(&from(yaml.into_bytes()).expect("a snapshot"), &raw);
    }

    #[test]
    fn what_is_sorted_can_be_searched(cluster in cluster()) {
        let snapshot = from(cluster.to_string().into_bytes()).expect("a snapshot");
        for live in &snapshot.workloads {
            assert_eq!(snapshot.workload(&live.reference), Some(live));
        }
        for injection in &snapshot.injections {
            assert_eq!(snapshot.injection(&injection.workload), Some(injection));
        }
        for object in &snapshot.objects {
            assert_eq!(snapshot.object(&object.reference), Some(object));
        }
        assert!(snapshot.pods.is_sorted_by_key(|pod| {
            (pod.metadata.namespace.clone(), pod.metadata.name.clone())
        }));
    }

    #[test]
    fn broken_bytes_are_refused_in_place_or_read(
        cluster in cluster(),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = pretty(&cluster);
        let place = place.index(bytes.len());
        if cuts {
            bytes.truncate(place);
        } else {
            bytes[place] = byte;
        }
        let length = bytes.len() as u64;
        if let Err(SnapshotError::Unparsable { offset, .. }) = from(bytes) {
            assert!(offset <= length, "{offset} of {length}");
        }
    }
}
