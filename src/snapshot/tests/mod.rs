//! What goes in as kubectl prints it, and what comes out.

use std::io::{Cursor, Read, Write as _};

mod ahead;
mod injections;
mod properties;

use super::{ClusterSnapshot, Input, ReadOptions, SnapshotError, read, read_with};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::ObjectRef;

/// A reader that gives one byte a time, so that every value is cut off everywhere.
struct Drip(Cursor<Vec<u8>>);

impl Read for Drip {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let end = out.len().min(1);
        self.0.read(&mut out[..end])
    }
}

fn input(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    Input {
        name: name.to_owned(),
        reader: Box::new(Cursor::new(bytes.into())),
    }
}

fn snapshot(text: &str) -> ClusterSnapshot {
    read(vec![input("it", text)]).expect("a snapshot").0
}

fn fault(text: impl Into<Vec<u8>>) -> String {
    match read(vec![input("it", text)]) {
        Err(error) => error.to_string(),
        Ok(_) => "no fault".to_owned(),
    }
}

const POD: &str = r#"{
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {
        "name": "cart-1", "namespace": "shop", "uid": "u1", "resourceVersion": "7",
        "creationTimestamp": "2026-11-20T09:00:00Z",
        "labels": {"app": "cart", "team": "a\u0062c"},
        "annotations": {
            "sidecar.istio.io/status": "{\"revision\":\"default\"}",
            "kubectl.kubernetes.io/last-applied-configuration": "{\"env\":\"hush\"}",
            "vault.example.com/token": "hush",
            "ops.example.com/restartedAt": "2026-01-01T00:00:00Z"
        },
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart",
            "uid": "r1", "controller": true, "blockOwnerDeletion": true}]
    },
    "spec": {
        "nodeName": "node-1", "hostNetwork": null, "serviceAccountName": "cart",
        "terminationGracePeriodSeconds": 30, "restartPolicy": "Always",
        "containers": [
            {"name": "cart", "image": "cart:1", "args": ["--password=hush"],
             "env": [{"name": "PASSWORD", "value": "hush"}], "readinessProbe": {"httpGet": {}},
             "resources": {"requests": {"cpu": 1, "memory": "1Gi"}}},
            {"name": "istio-proxy", "image": "proxyv2:1.27.3", "args": ["proxy", "sidecar"],
             "env": [{"name": "PROXY_CONFIG", "value": "{}\n"}, {"name": "MY_TOKEN", "value": "hush"},
                     {"name": "ISTIO_META_NODE_NAME", "valueFrom": {"fieldRef": {}}},
                     {"name": "ISTIO_META_POD_PORTS", "value": "[]"}]}
        ],
        "initContainers": null,
        "volumes": [{"name": "token", "projected": {}},
                    {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}]
    },
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-20T09:00:05Z"}],
        "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}},
            {"state": {"running": {}}}, {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
        "initContainerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    }
}"#;

fn list(items: &[&str]) -> String {
    format!(
        r#"{{"apiVersion": "v1", "items": [{}], "kind": "List", "metadata": {{"resourceVersion": ""}}}}"#,
        items.join(", ")
    )
}

#[test]
fn a_pod_is_read_as_far_as_the_model_looks() {
    let snapshot = snapshot(&list(&[POD]));
    let [pod] = snapshot.pods.as_slice() else {
        panic!("{:?}", snapshot.pods);
    };
    insta::assert_debug_snapshot!(pod);
}

#[test]
fn pods_are_alike_that_differ_in_nothing_but_themselves() {
    let second = POD.replace("cart-1", "cart-2").replace("\"u1\"", "\"u2\"");
    let others = [
        ("\"team\"", "\"crew\""),
        ("sidecar.istio.io/status", "sidecar.istio.io/other"),
        ("cart:1", "cart:2"),
    ]
    .map(|(old, new)| POD.replace("cart-1", "cart-3").replace(old, new));
    for (other, alike) in std::iter::once((&second, true)).chain(others.iter().zip([false; 3])) {
        let pods = snapshot(&list(&[POD, other])).pods;
        let [one, other] = pods.as_slice() else {
            panic!("two pods");
        };
        assert_eq!(one.is_like(other), alike, "{other:?}");
    }
}

#[test]
fn nothing_secret_outlives_reading() {
    let snapshot = snapshot(&list(&[POD]));
    assert!(!format!("{snapshot:?}").contains("hush"));
}

#[test]
fn the_bytes_may_come_in_any_portions() {
    let text = list(&[POD, NAMESPACE, DEPLOYMENT]);
    let whole = snapshot(&text);
    let dripped = read(vec![Input {
        name: "it".to_owned(),
        reader: Box::new(Drip(Cursor::new(text.into_bytes()))),
    }]);
    assert_eq!(dripped.expect("a snapshot").0, whole);
}

const NAMESPACE: &str = r#"{"metadata": {"name": "kube-system", "uid": "cluster-1",
    "labels": {"istio-injection": "enabled"}}, "kind": "Namespace", "apiVersion": "v1"}"#;

const DEPLOYMENT: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment",
    "metadata": {"name": "cart", "namespace": "shop", "generation": 3},
    "spec": {"replicas": 2, "strategy": {"type": "Recreate"}, "secretField": "hush",
        "template": {"metadata": {"annotations": {"istio.io/rev": "x"}, "labels": {"app": "cart"}},
            "spec": {"containers": [{"name": "cart", "env": [{"name": "A", "value": "hush"}]}]}}},
    "status": {"replicas": 2, "observedGeneration": 3,
        "conditions": [{"type": "Available", "status": "True", "lastHeartbeatTime": "x"}]}}"#;

#[test]
fn a_workload_keeps_its_template_apart_from_its_spec() {
    let snapshot = snapshot(&list(&[POD, DEPLOYMENT]));
    let reference = ObjectRef::new("apps", "Deployment", "shop", "cart");
    let live = snapshot.workload(&reference).expect("the workload");
    insta::assert_debug_snapshot!(live);
}

#[test]
fn kinds_may_stand_after_the_items_and_their_specs() {
    let sorted = r#"{"apiVersion": "v1", "items": [
        {"data": {"mesh": "a: b"}, "metadata": {"name": "shared", "namespace": "x"}}],
        "kind": "ConfigMapList"}"#;
    let inputs = vec![input("a", sorted), input("b", list(&[NAMESPACE, POD]))];
    let (snapshot, _) = read(inputs).expect("a snapshot");
    assert_eq!(snapshot.objects.len(), 1);
    assert_eq!(snapshot.objects[0].body["data"]["mesh"], "a: b");
    assert_eq!(snapshot.capture.cluster_uid.as_deref(), Some("cluster-1"));
}

#[test]
fn items_of_a_typed_list_take_its_type() {
    let typed = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},
        "items":[{"metadata":{"name":"a","namespace":"x"}}]}"#;
    let empty = r#"{"kind":"DaemonSetList","apiVersion":"apps/v1","metadata":{},"items":[]}"#;
    let (snapshot, _) = read(vec![input("a", typed), input("b", empty)]).expect("a snapshot");
    assert_eq!(snapshot.pods[0].metadata.name, "a");
    assert!(snapshot.holds("apps", "DaemonSet"));
    assert!(!snapshot.holds("apps", "StatefulSet"));
}

#[test]
fn a_single_object_and_a_bare_array_are_inputs_too() {
    let array = format!("[{NAMESPACE}]");
    let (snapshot, _) = read(vec![input("a", POD), input("b", array)]).expect("a snapshot");
    assert_eq!((snapshot.pods.len(), snapshot.namespaces.len()), (1, 1));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn compression_is_told_by_content() {
    let text = list(&[POD, NAMESPACE]);
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("in memory");
    for bytes in [gzip(&text), zstd] {
        let (read, _) = read(vec![input("it.json", bytes)]).expect("a snapshot");
        assert_eq!(read, snapshot(&text));
    }
}

#[test]
fn yaml_reads_like_json() {
    let text = list(&[POD, NAMESPACE, DEPLOYMENT]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let yaml = serde_yaml::to_string(&value).expect("YAML");
    assert!(yaml.contains("\nitems:\n- apiVersion"), "{yaml}");
    assert_eq!(snapshot(&yaml), snapshot(&text));
    let indented = yaml.replace("\n- ", "\n  - ").replace("\n  ", "\n    ");
    assert!(indented.contains("\n    - apiVersion"), "{indented}");
    let documents = value["items"].as_array().expect("items").iter();
    let documents: Vec<String> = documents
        .map(|item| serde_yaml::to_string(item).expect("YAML"))
        .collect();
    let documents = format!("# first\n---\n{}", documents.join("---\n"));
    assert_eq!(snapshot(&documents), snapshot(&text));
}

#[test]
fn an_object_that_is_there_twice_is_kept_once() {
    let newer = POD.replace(r#""resourceVersion": "7""#, r#""resourceVersion": "10""#);
    let newer = newer.replace("Running", "Pending");
    for pair in [[POD, newer.as_str()], [newer.as_str(), POD]] {
        let (snapshot, diagnostics) = read(vec![input("it", list(&pair))]).expect("a snapshot");
        assert_eq!(snapshot.pods.len(), 1);
        assert_eq!(snapshot.pods[0].status.phase, "Pending");
        assert_eq!(codes(&diagnostics), [DiagnosticCode::SnapshotContradiction]);
    }
    let (_, diagnostics) = read(vec![input("it", list(&[POD, POD]))]).expect("a snapshot");
    assert_eq!(codes(&diagnostics), []);
}

/// The codes of what is said besides the gaps that every small input has.
fn codes(diagnostics: &[Diagnostic]) -> Vec<DiagnosticCode> {
    let gaps = [
        DiagnosticCode::SnapshotIncomplete,
        DiagnosticCode::NotChecked,
    ];
    let codes = diagnostics.iter().map(|it| it.code);
    codes.filter(|code| !gaps.contains(code)).collect()
}

#[test]
fn secrets_are_passed_over_with_a_warning() {
    let secret = r#"{"apiVersion": "v1", "kind": "Secret", "data": {"a": "aHVzaA=="}}"#;
    let (snapshot, diagnostics) = read(vec![input("it", list(&[secret, POD]))]).expect("one");
    assert_eq!(codes(&diagnostics), [DiagnosticCode::SnapshotHoldsSecrets]);
    assert!(snapshot.objects.is_empty());
}

#[test]
fn inputs_of_two_clusters_are_refused() {
    let other = list(&[&NAMESPACE.replace("cluster-1", "cluster-2")]);
    let error = read(vec![input("a", list(&[POD, NAMESPACE])), input("b", other)]).err();
    let error = error.expect("an error").to_string();
    assert!(error.contains("cluster-1 and cluster-2"), "{error}");
}

#[test]
fn what_kubectl_does_not_print_is_refused_with_its_place() {
    let check = |text: &[u8], expected: &str| assert_eq!(fault(text), format!("it: {expected}"));
    let whole = list(&[POD]);
    let cut = &whole[..whole.len() / 2];
    let at = cut.len();
    check(
        cut.as_bytes(),
        &format!("the input ends too early at byte {at}"),
    );
    check(b"", "an empty input at byte 0");
    check(b"{\"items\": [1]}", "an item that is no object at byte 11");
    check(b"{\"items\": [{}]}", "an item without a kind at byte 11");
    check(
        b"{\"a\": 1}",
        "neither a List nor an object: it has no kind at byte 0",
    );
    check(
        b"No resources found\n",
        "an item that is no object at byte 0",
    );
    let twice = format!("{whole}\n{whole}");
    let at = whole.len() + 1;
    let message = "a second JSON document begins here, give each as an input of its own";
    check(twice.as_bytes(), &format!("{message} at byte {at}"));
    let nested = list(&[&whole]);
    let at = nested.find(&whole).expect("inside");
    check(
        nested.as_bytes(),
        &format!("a List inside of a List at byte {at}"),
    );
    let mut latin = POD.replace("Running", "R").into_bytes();
    let at = latin.len() - 40;
    latin[at] = 0xe9;
    check(&latin, &format!("bytes that are not UTF-8 at byte {at}"));
    let nul = POD.replace("Running", "R\u{0}");
    let at = nul.find('\u{0}').expect("inside");
    let message = "control character (\\u0000-\\u001F) found while parsing a string";
    check(nul.as_bytes(), &format!("{message} at byte {at}"));
    let large = DEPLOYMENT.replace("\"replicas\": 2,", "\"replicas\": 2e999,");
    let at = large.find("2e999").expect("inside") + 4;
    check(
        large.as_bytes(),
        &format!("number out of range at byte {at}"),
    );
    let deep = DEPLOYMENT.replace(
        "{\"type\": \"Recreate\"}",
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
    );
    let message = fault(deep);
    assert!(
        message.contains("recursion limit exceeded at byte"),
        "{message}"
    );
    let date = POD.replace("2026-11-20T09:00:00Z", "yesterday");
    check(date.as_bytes(), "\"yesterday\" is no time at byte 0");
}

#[test]
fn a_part_is_read_only_when_asked_for() {
    let text = list(&[POD, NAMESPACE]);
    let cut = &text[..text.len() - 60];
    let options = ReadOptions {
        allow_partial: true,
        ..ReadOptions::default()
    };
    let (snapshot, diagnostics) = read_with(vec![input("it", cut)], &options).expect("a part");
    assert_eq!(snapshot.pods.len(), 1);
    assert_eq!(codes(&diagnostics), [DiagnosticCode::SnapshotUnparsable]);
}

#[test]
fn a_snapshot_without_pods_is_none() {
    let error = read(vec![input("it", list(&[NAMESPACE]))]).err();
    assert!(matches!(error, Some(SnapshotError::NoPods)), "{error:?}");
}

#[test]
fn other_annotations_are_kept_on_request() {
    let options = ReadOptions {
        annotation_keys: vec!["vault.example.com/token".to_owned()],
        ..ReadOptions::default()
    };
    let (snapshot, _) = read_with(vec![input("it", POD)], &options).expect("a snapshot");
    let annotations = &snapshot.pods[0].metadata.annotations;
    assert!(annotations.contains_key("vault.example.com/token"));
}

#[test]
fn the_pods_of_a_template_share_what_they_have_in_common() {
    let other = POD.replace("cart-1", "cart-2").replace("node-1", "node-2");
    let foreign = POD.replace("cart-1", "web").replace("cart:1", "web:1");
    for items in [[POD, &other, &foreign], [POD, &foreign, &other]] {
        let snapshot = snapshot(&list(&items));
        let [one, two, three] = snapshot.pods.as_slice() else {
            panic!("{:?}", snapshot.pods);
        };
        assert!(std::sync::Arc::ptr_eq(&one.spec, &two.spec));
        assert!(!std::sync::Arc::ptr_eq(&one.spec, &three.spec));
    }
}

#[test]
fn snapshot_incomplete_names_what_is_needed_and_the_command_for_it() {
    let (_, diagnostics) = read(vec![input("it", list(&[POD, NAMESPACE]))]).expect("a snapshot");
    let said: Vec<String> = diagnostics
        .iter()
        .map(|it| {
            format!(
                "{}: {} ({})",
                it.code,
                it.message,
                it.hint.as_deref().unwrap_or("")
            )
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_workload_kind_that_no_pod_is_of_is_no_gap() {
    let snapshot = snapshot(&list(&[POD, NAMESPACE, DEPLOYMENT]));
    let gaps = super::gaps(&snapshot);
    let required: Vec<&str> = gaps.required.iter().map(|kind| kind.kind).collect();
    let expected = ["MutatingWebhookConfiguration", "ConfigMap", "ReplicaSet"];
    assert_eq!(required, expected);
    assert_eq!(gaps.namespaces, ["shop"]);
}

#[test]
fn a_recording_reads_back_as_the_same_snapshot() {
    let items = [
        POD, NAMESPACE, DEPLOYMENT, WEBHOOKS, CONFIG_MAP, CRON_JOB, BARE_SET,
    ];
    let first = snapshot(&list(&items));
    let mut recording = Vec::new();
    super::record(&first, &mut recording).expect("in memory");
    let recording = String::from_utf8(recording).expect("UTF-8");
    assert_eq!(snapshot(&recording), first);
    insta::assert_snapshot!(recording);
}

const WEBHOOKS: &str = r#"{"apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "istio-sidecar-injector", "labels": {"istio.io/rev": "default"},
        "managedFields": [{"manager": "helm", "time": "2026-11-20T08:00:00Z", "fieldsV1": {}},
            {"manager": "pilot-discovery", "time": "2026-11-20T08:10:00Z"}]},
    "webhooks": [{"name": "namespace.sidecar-injector.istio.io", "timeoutSeconds": 10,
        "clientConfig": {"service": {"name": "istiod", "namespace": "istio-system"}},
        "namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}},
        "objectSelector": {}}]}"#;

const CONFIG_MAP: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap",
    "metadata": {"name": "argocd-cm", "namespace": "argocd"},
    "data": {"application.resourceTrackingMethod": "label", "dex.config": "clientSecret: hush",
        "resource.customizations.ignoreDifferences.all": "jsonPointers: []"}}"#;

const CRON_JOB: &str = r#"{"apiVersion": "batch/v1", "kind": "CronJob",
    "metadata": {"name": "nightly", "namespace": "shop"},
    "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {
        "metadata": {"labels": {"app": "nightly"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "run", "image": "run:1"}]}}}}}}"#;

const BARE_SET: &str = r#"{"apiVersion": "apps/v1", "kind": "ReplicaSet",
    "metadata": {"name": "lone", "namespace": "shop"}, "status": {"replicas": 1},
    "spec": {"template": {"spec": {"containers": [{"name": "run", "image": "run:1"}]}}}}"#;

#[test]
fn credentials_in_the_address_of_a_repository_are_withheld() {
    let check = |url: &str, expected: &str| {
        let source = format!(
            r#"{{"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
            "metadata": {{"name": "apps", "namespace": "flux-system"}}, "spec": {{"url": "{url}"}}}}"#
        );
        let snapshot = snapshot(&list(&[POD, &source]));
        assert_eq!(snapshot.objects[0].body["spec"]["url"], expected);
    };
    check(
        "https://bot:hush@git.example.com/a/b",
        "https://git.example.com/a/b",
    );
    check(
        "https://hush@git.example.com/a@b",
        "https://git.example.com/a@b",
    );
    check("https://git.example.com/a@b", "https://git.example.com/a@b");
    check(
        "ssh://git@git.example.com/a/b",
        "ssh://git@git.example.com/a/b",
    );
}

#[test]
fn a_directory_gives_the_files_that_may_hold_objects() {
    let check =
        |path: &str, expected: bool| assert_eq!(super::may_hold_objects(path), expected, "{path}");
    check("nodes.json", true);
    check("shop/pods.json", true);
    check("prod.json.zst", true);
    check("cluster/k8s-resources", true);
    check("cluster/crs", true);
    check("a.yml.gz", true);
    check("shop/cart-1/logs.txt", false);
    check("cluster/secrets", false);
    check("cluster/events", false);
    check(".hidden.json", false);
}
