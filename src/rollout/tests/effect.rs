//! What an edit does, one case for each row of the table of kinds.

use serde_json::{Value, json};

use crate::rollout::fixture::{member, owned_pod, snapshot, workload};
use crate::rollout::{Effect, effect, effect_on, shell_word};

fn check(objects: &[Value], kind: &str, name: &str, expected: &str) {
    let snapshot = snapshot(objects);
    let found = match effect(&member(&snapshot, kind, name)) {
        Effect::TemplateAnnotation => "template-annotation".to_owned(),
        Effect::RestartAt => "restart-at".to_owned(),
        Effect::None(reason) => format!("{}: {}", reason.code, reason.message),
        Effect::NothingToDo(reason) => format!("nothing: {}", reason.code),
    };
    let fits = match expected.strip_suffix('…') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    assert!(fits, "{kind} {name}: {found}");
}

fn one(api_version: &str, kind: &str, spec: Value, expected: &str) {
    check(
        &[workload(api_version, kind, "w", spec, json!({}))],
        kind,
        "w",
        expected,
    );
}

#[test]
fn built_in_kinds() {
    let apps = "apps/v1";
    one(apps, "Deployment", json!({}), "template-annotation");
    one(
        apps,
        "Deployment",
        json!({"strategy": {"type": "Recreate"}}),
        "template-annotation",
    );
    one(
        apps,
        "StatefulSet",
        json!({"replicas": 3}),
        "template-annotation",
    );
    one(apps, "DaemonSet", json!({}), "template-annotation");
    let partition =
        |p: i64| json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": p}}});
    one(apps, "StatefulSet", partition(2), "template-annotation");
    one(
        apps,
        "StatefulSet",
        partition(3),
        "partitioned: the partition 3 holds back all 3 replicas…",
    );
    one(
        "batch/v1",
        "Job",
        json!({}),
        "job: a Job's template is immutable: let it finish, or run \
        `kubectl delete job -n shop w` and create it again",
    );
    one(
        "batch/v1",
        "CronJob",
        json!({}),
        "cron-job: its next run gets the new sidecar by itself",
    );
    one(
        "v1",
        "ReplicationController",
        json!({}),
        "replication-controller: …",
    );
}

#[test]
fn paused_deployment() {
    one(
        "apps/v1",
        "Deployment",
        json!({"paused": true}),
        "paused: spec.paused is true, so an edit \
        would wait and take effect on resume: run `kubectl rollout resume -n shop deployment/w` first",
    );
}

#[test]
fn on_delete() {
    let spec = json!({"updateStrategy": {"type": "OnDelete"}});
    one("apps/v1", "DaemonSet", spec.clone(), "on-delete: …");
    let objects = [
        workload("apps/v1", "StatefulSet", "queue", spec, json!({})),
        owned_pod("queue-0", "apps/v1", "StatefulSet", "queue"),
        owned_pod("queue-1", "apps/v1", "StatefulSet", "queue"),
    ];
    check(
        &objects,
        "StatefulSet",
        "queue",
        "on-delete: the update strategy is OnDelete: run \
        `kubectl delete pod -n shop queue-0`, and once its replacement is ready the same for queue-1",
    );
    let snapshot = snapshot(&objects);
    let queue = member(&snapshot, "StatefulSet", "queue");
    let Effect::None(reason) = effect_on(&queue, &queue.pods[1..]) else {
        panic!("an edit of an OnDelete StatefulSet restarts nothing");
    };
    assert!(
        reason
            .message
            .ends_with("run `kubectl delete pod -n shop queue-1`"),
        "{}",
        reason.message
    );
}

#[test]
fn zero_replicas() {
    one(
        "apps/v1",
        "Deployment",
        json!({"replicas": 0}),
        "nothing: zero-replicas",
    );
    one(
        "apps/v1",
        "Deployment",
        json!({"replicas": 0, "paused": true}),
        "nothing: zero-replicas",
    );
    let idle = workload(
        "apps/v1",
        "DaemonSet",
        "w",
        json!({}),
        json!({"desiredNumberScheduled": 0}),
    );
    check(&[idle], "DaemonSet", "w", "nothing: zero-replicas");
}

#[test]
fn argo_rollouts_restart_in_place() {
    one(
        "argoproj.io/v1alpha1",
        "Rollout",
        json!({"strategy": {"canary": {}}}),
        "restart-at",
    );
    one(
        "argoproj.io/v1alpha1",
        "Rollout",
        json!({"workloadRef": {"name": "w"}}),
        "restart-at",
    );
}

#[test]
fn in_place_update() {
    let strategy = |strategy: Value| json!({"updateStrategy": strategy});
    let policy = |policy: &str| strategy(json!({"rollingUpdate": {"podUpdatePolicy": policy}}));
    let (old, new) = ("apps.kruise.io/v1alpha1", "apps.kruise.io/v1beta1");
    one(
        old,
        "CloneSet",
        strategy(json!({"type": "ReCreate"})),
        "template-annotation",
    );
    one(old, "CloneSet", json!({}), "template-annotation");
    one(
        old,
        "CloneSet",
        strategy(json!({"type": "InPlaceIfPossible"})),
        "in-place-update: with InPlaceIfPossible…",
    );
    one(
        new,
        "CloneSet",
        policy("InPlaceOnly"),
        "in-place-update: with InPlaceOnly…",
    );
    one(new, "CloneSet", policy("ReCreate"), "template-annotation");
    one(
        new,
        "StatefulSet",
        policy("InPlaceIfPossible"),
        "in-place-update: …",
    );
    one(new, "StatefulSet", json!({}), "template-annotation");
    let daemon = strategy(json!({"rollingUpdate": {"rollingUpdateType": "InPlaceIfPossible"}}));
    one(old, "DaemonSet", daemon, "in-place-update: …");
    one(
        old,
        "DaemonSet",
        strategy(json!({"rollingUpdate": {"paused": true}})),
        "paused: …",
    );
    one(
        old,
        "CloneSet",
        strategy(json!({"paused": true})),
        "paused: …",
    );
}

#[test]
fn no_config_change() {
    let api = "apps.openshift.io/v1";
    let kind = "DeploymentConfig";
    one(api, kind, json!({}), "template-annotation");
    one(api, kind, json!({"triggers": null}), "template-annotation");
    one(
        api,
        kind,
        json!({"triggers": [{"type": "ConfigChange"}]}),
        "template-annotation",
    );
    one(
        api,
        kind,
        json!({"triggers": []}),
        "no-config-change: it has no ConfigChange trigger, so an \
        edit starts no rollout: run `oc rollout latest -n shop dc/w`",
    );
    one(
        api,
        kind,
        json!({"triggers": [{"type": "ImageChange"}]}),
        "no-config-change: …",
    );
    one(api, kind, json!({"paused": true}), "paused: …");
}

#[test]
fn named_revision() {
    let api = "serving.knative.dev/v1";
    let named = json!({"template": {"metadata": {"name": "w-v2"}, "spec": {}}});
    one(api, "Service", json!({}), "template-annotation");
    one(
        api,
        "Service",
        named,
        "named-revision: spec.template.metadata.name is \"w-v2\"…",
    );
    let latest = json!({"traffic": [{"latestRevision": true}]});
    one(api, "Service", latest, "template-annotation");
    let pinned = json!({"traffic": [{"revisionName": "w-00001", "percent": 100}]});
    one(
        api,
        "Service",
        pinned,
        "named-revision: every entry of spec.traffic…",
    );
}

#[test]
fn operator_owned() {
    let mut live = workload("apps/v1", "Deployment", "w", json!({}), json!({}));
    live["metadata"]["ownerReferences"] = json!([{"apiVersion": "opentelemetry.io/v1beta1", "kind": "OpenTelemetryCollector", "name": "c"}]);
    check(
        &[live],
        "Deployment",
        "w",
        "operator-owned: OpenTelemetryCollector shop/c owns it…",
    );
    let pod = owned_pod(
        "kafka-0",
        "core.strimzi.io/v1beta2",
        "StrimziPodSet",
        "kafka",
    );
    check(
        &[pod],
        "StrimziPodSet",
        "kafka",
        "operator-owned: StrimziPodSet shop/kafka owns the pods…",
    );
}

#[test]
fn bare_pod() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "namespace": "shop"}});
    check(
        &[pod],
        "Pod",
        "debug",
        "bare-pod: no controller re-creates it: run \
        `kubectl delete pod -n shop debug` and create it again from its manifest",
    );
}

#[test]
fn static_pod() {
    check(
        &[owned_pod("etcd-n1", "v1", "Node", "n1")],
        "Pod",
        "etcd-n1",
        "static-pod: …",
    );
}

#[test]
fn bare_replica_set() {
    let set = |replicas: i64| {
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": "bare", "namespace": "shop"}, "spec": {"replicas": replicas},
        })
    };
    let pod = owned_pod("bare-x", "apps/v1", "ReplicaSet", "bare");
    check(
        &[set(1), pod],
        "ReplicaSet",
        "bare",
        "bare-replica-set: a ReplicaSet without a Deployment \
        never replaces running pods: run `kubectl delete pod -n shop bare-x`",
    );
    check(&[set(0)], "ReplicaSet", "bare", "nothing: zero-replicas");
}

#[test]
fn snapshot_incomplete() {
    let pod = owned_pod("db-0", "apps/v1", "StatefulSet", "db");
    check(
        &[pod],
        "StatefulSet",
        "db",
        "snapshot-incomplete: the snapshot holds pods of \
        StatefulSet shop/db and not the object itself",
    );
}

#[test]
fn gateway_api_managed() {
    let labelled = |key: &str, value: &str| {
        let template = json!({"metadata": {"labels": {key: value}}, "spec": {}});
        workload(
            "apps/v1",
            "Deployment",
            "w",
            json!({"template": template}),
            json!({}),
        )
    };
    let gateway = labelled("gateway.networking.k8s.io/gateway-name", "w");
    check(&[gateway], "Deployment", "w", "gateway-api-managed: …");
    let old = labelled("istio.io/gateway-name", "w");
    check(&[old], "Deployment", "w", "gateway-api-managed: …");
    let waypoint = labelled("gateway.istio.io/managed", "istio.io-mesh-controller");
    check(
        &[waypoint],
        "Deployment",
        "w",
        "gateway-api-managed: istiod deploys this waypoint…",
    );
}

#[test]
fn mesh_component() {
    let template = json!({"metadata": {"labels": {"app": "ztunnel"}}, "spec": {}});
    let ztunnel = json!({"template": template});
    one("apps/v1", "DaemonSet", ztunnel, "gateway-api-managed: …");
}

#[test]
fn names_are_quoted_for_the_shell() {
    let check = |word: &str, expected: &str| assert_eq!(shell_word(word), expected);
    check("cart-0", "cart-0");
    check("", "''");
    check("a b", "'a b'");
    check("$(reboot)", "'$(reboot)'");
    check("it's", r"'it'\''s'");
    check("a\nb", r"'a\u{a}b'");
}
