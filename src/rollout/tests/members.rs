//! Which pods belong to which workload, and which of them count.

use serde_json::{Value, json};

use crate::config::AnnotationKeys;
use crate::rollout::fixture::{member, owned_pod, snapshot, workload};
use crate::rollout::{Member, members};
use crate::snapshot::Pod;

fn replica_set(
    name: &str,
    owner: Option<(&str, &str, &str)>,
    replicas: i64,
    revision: &str,
) -> Value {
    let owners: Vec<Value> = owner
        .iter()
        .map(|(api, kind, name)| json!({"apiVersion": api, "kind": kind, "name": name}))
        .collect();
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": "shop", "ownerReferences": owners,
            "annotations": {"deployment.kubernetes.io/revision": revision},
        },
        "spec": {"replicas": replicas},
    })
}

fn names(pods: &[&Pod]) -> Vec<String> {
    pods.iter().map(|pod| pod.metadata.name.clone()).collect()
}

fn listed(members: &[Member<'_>]) -> Vec<String> {
    members
        .iter()
        .map(|member| format!("{} {:?}", member.reference, names(&member.pods)))
        .collect()
}

fn labelled(mut pod: Value, key: &str, value: &str) -> Value {
    pod["metadata"]["labels"][key] = json!(value);
    pod
}

#[test]
fn a_deployment_has_the_pods_of_its_replica_sets() {
    let snapshot = snapshot(&[
        workload(
            "apps/v1",
            "Deployment",
            "cart",
            json!({"replicas": 2}),
            json!({}),
        ),
        replica_set("cart-old", Some(("apps/v1", "Deployment", "cart")), 1, "9"),
        replica_set("cart-new", Some(("apps/v1", "Deployment", "cart")), 2, "10"),
        owned_pod("cart-new-b", "apps/v1", "ReplicaSet", "cart-new"),
        owned_pod("cart-new-a", "apps/v1", "ReplicaSet", "cart-new"),
        owned_pod("cart-old-a", "apps/v1", "ReplicaSet", "cart-old"),
    ]);
    let cart = member(&snapshot, "Deployment", "cart");
    assert_eq!(
        names(&cart.pods),
        ["cart-new-a", "cart-new-b", "cart-old-a"]
    );
    assert_eq!(names(&cart.current), ["cart-new-a", "cart-new-b"]);
    assert_eq!(members(&snapshot).len(), 1);
}

#[test]
fn pods_that_no_longer_serve_do_not_count() {
    let pod = |name: &str| owned_pod(name, "apps/v1", "ReplicaSet", "cart-1");
    let with = |name: &str, key: &str, value: Value| {
        let mut pod = pod(name);
        pod[key] = value;
        pod
    };
    let mut leaving = pod("leaving");
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-20T09:00:00Z");
    let snapshot = snapshot(&[
        workload(
            "apps/v1",
            "Deployment",
            "cart",
            json!({"replicas": 1}),
            json!({}),
        ),
        replica_set("cart-1", Some(("apps/v1", "Deployment", "cart")), 1, "2"),
        replica_set("cart-0", Some(("apps/v1", "Deployment", "cart")), 0, "1"),
        owned_pod("scaled-away", "apps/v1", "ReplicaSet", "cart-0"),
        with("done", "status", json!({"phase": "Succeeded"})),
        with("failed", "status", json!({"phase": "Failed"})),
        with("pending", "status", json!({"phase": "Pending"})),
        leaving,
    ]);
    let cart = member(&snapshot, "Deployment", "cart");
    assert_eq!(names(&cart.pods), ["pending"]);
}

/// One workload of each kind with one pod, through every chain of owners.
fn chains() -> Vec<Value> {
    let mut job = workload("batch/v1", "Job", "backup-1", json!({}), json!({}));
    job["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup"}]);
    let mut controller = workload("v1", "ReplicationController", "web-3", json!({}), json!({}));
    controller["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps.openshift.io/v1", "kind": "DeploymentConfig", "name": "web"}]);
    let mut revision = workload("apps/v1", "Deployment", "hello-00001", json!({}), json!({}));
    revision["metadata"]["labels"] = json!({"serving.knative.dev/service": "hello"});
    revision["metadata"]["ownerReferences"] = json!([{"apiVersion": "serving.knative.dev/v1", "kind": "Revision", "name": "hello-00001"}]);
    vec![
        workload("batch/v1", "CronJob", "backup", json!({}), json!({})),
        job,
        owned_pod("backup-1-x", "batch/v1", "Job", "backup-1"),
        workload(
            "apps.openshift.io/v1",
            "DeploymentConfig",
            "web",
            json!({}),
            json!({}),
        ),
        controller,
        owned_pod("web-3-x", "v1", "ReplicationController", "web-3"),
        workload(
            "serving.knative.dev/v1",
            "Service",
            "hello",
            json!({}),
            json!({}),
        ),
        revision,
        replica_set(
            "hello-00001-a",
            Some(("apps/v1", "Deployment", "hello-00001")),
            1,
            "1",
        ),
        owned_pod("hello-x", "apps/v1", "ReplicaSet", "hello-00001-a"),
        workload(
            "argoproj.io/v1alpha1",
            "Rollout",
            "canary",
            json!({}),
            json!({}),
        ),
        replica_set(
            "canary-1",
            Some(("argoproj.io/v1alpha1", "Rollout", "canary")),
            1,
            "",
        ),
        owned_pod("canary-x", "apps/v1", "ReplicaSet", "canary-1"),
        replica_set("bare", None, 1, ""),
        owned_pod("bare-x", "apps/v1", "ReplicaSet", "bare"),
        owned_pod(
            "kafka-0",
            "core.strimzi.io/v1beta2",
            "StrimziPodSet",
            "kafka",
        ),
        owned_pod("kube-proxy-n1", "v1", "Node", "n1"),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "namespace": "shop"}}),
    ]
}

#[test]
fn every_chain_of_owners_ends_at_the_owner_of_the_template() {
    let snapshot = snapshot(&chains());
    assert_eq!(
        listed(&members(&snapshot)),
        [
            "CronJob shop/backup [\"backup-1-x\"]",
            "DeploymentConfig shop/web [\"web-3-x\"]",
            "Pod shop/debug [\"debug\"]",
            "Pod shop/kube-proxy-n1 [\"kube-proxy-n1\"]",
            "ReplicaSet shop/bare [\"bare-x\"]",
            "Rollout shop/canary [\"canary-x\"]",
            "Service shop/hello [\"hello-x\"]",
            "StrimziPodSet shop/kafka [\"kafka-0\"]",
        ]
    );
}

#[test]
fn an_operators_object_is_named_and_the_workload_stays_the_member() {
    let mut live = workload("apps/v1", "StatefulSet", "prometheus", json!({}), json!({}));
    live["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "name": "main"}]);
    let snapshot = snapshot(&[live]);
    let found = member(&snapshot, "StatefulSet", "prometheus");
    let operator = found.operator.expect("an operator");
    assert_eq!(operator.to_string(), "Prometheus shop/main");
}

#[test]
fn an_owner_that_does_not_control_owns_nothing() {
    let mut pod = owned_pod("p", "apps/v1", "ReplicaSet", "cart-1");
    pod["metadata"]["ownerReferences"][0]["controller"] = json!(false);
    let snapshot = snapshot(&[pod]);
    assert_eq!(listed(&members(&snapshot)), ["Pod shop/p [\"p\"]"]);
}

#[test]
fn a_replica_set_listed_too_early_is_found_by_its_hash() {
    let pod = owned_pod("cart-5d9-x", "apps/v1", "ReplicaSet", "cart-5d9");
    let snapshot = snapshot(&[
        workload("apps/v1", "Deployment", "cart", json!({}), json!({})),
        labelled(pod, "pod-template-hash", "5d9"),
    ]);
    let cart = member(&snapshot, "Deployment", "cart");
    assert_eq!(names(&cart.pods), ["cart-5d9-x"]);
}

#[test]
fn stateful_and_daemon_sets_go_by_their_revision() {
    let stateful = |name: &str, hash: &str| {
        labelled(
            owned_pod(name, "apps/v1", "StatefulSet", "db"),
            "controller-revision-hash",
            hash,
        )
    };
    let daemon = |name: &str, generation: &str| {
        let pod = owned_pod(name, "apps/v1", "DaemonSet", "agent");
        labelled(pod, "pod-template-generation", generation)
    };
    let mut agent = workload("apps/v1", "DaemonSet", "agent", json!({}), json!({}));
    agent["metadata"]["annotations"] = json!({"deprecated.daemonset.template.generation": "3"});
    let snapshot = snapshot(&[
        workload(
            "apps/v1",
            "StatefulSet",
            "db",
            json!({}),
            json!({"updateRevision": "db-2"}),
        ),
        stateful("db-0", "db-1"),
        stateful("db-1", "db-2"),
        agent,
        daemon("agent-a", "2"),
        daemon("agent-b", "3"),
    ]);
    assert_eq!(
        names(&member(&snapshot, "StatefulSet", "db").current),
        ["db-1"]
    );
    assert_eq!(
        names(&member(&snapshot, "DaemonSet", "agent").current),
        ["agent-b"]
    );
}

#[test]
fn controllers_labels_are_those_that_no_template_holds() {
    let pod = owned_pod("cart-5d9-x", "apps/v1", "ReplicaSet", "cart-5d9");
    let pod = labelled(labelled(pod, "pod-template-hash", "5d9"), "app", "cart");
    let snapshot = snapshot(&[
        workload("apps/v1", "Deployment", "cart", json!({}), json!({})),
        replica_set("cart-5d9", Some(("apps/v1", "Deployment", "cart")), 1, "1"),
        pod,
    ]);
    let labels = member(&snapshot, "Deployment", "cart").controller_labels();
    assert_eq!(
        labels.into_iter().collect::<Vec<_>>(),
        [("pod-template-hash".into(), "5d9".into())]
    );
}

#[test]
fn an_argo_rollout_carries_its_marks_outside_of_the_template() {
    let mut rollout = workload(
        "argoproj.io/v1alpha1",
        "Rollout",
        "canary",
        json!({"restartAt": "2026-11-20T09:00:00Z", "workloadRef": {"kind": "Deployment", "name": "canary"}}),
        json!({}),
    );
    rollout["metadata"]["annotations"] =
        json!({"meshroll.dev/restarted-for": "1.27.3/default/1.9f2c41"});
    rollout["spec"]
        .as_object_mut()
        .expect("a spec")
        .remove("template");
    let template = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}},
        "spec": {"containers": [{"name": "app"}]},
    });
    let deployment = json!({"replicas": 0, "template": template});
    let snapshot = snapshot(&[
        rollout,
        workload("apps/v1", "Deployment", "canary", deployment, json!({})),
    ]);
    let keys = AnnotationKeys::default();
    let canary = member(&snapshot, "Rollout", "canary");
    let marks = canary.restart_marks(&keys);
    assert_eq!(marks.stamp, Some("1.27.3/default/1.9f2c41"));
    assert_eq!(marks.restarted_at, Some("2026-11-20T09:00:00Z"));
    assert_eq!(
        canary
            .template()
            .map(|template| template.spec.containers.len()),
        Some(1)
    );
    let deployment = member(&snapshot, "Deployment", "canary");
    assert_eq!(
        deployment.restart_marks(&keys).restarted_at,
        Some("2026-01-01T00:00:00Z")
    );
}
