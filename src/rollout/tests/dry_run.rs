//! The pods that dry runs ask about.

use serde_json::{Value, json};

use crate::rollout::fixture::{owned_pod, snapshot};
use crate::rollout::{DryRun, dry_runs};

fn workload(api_version: &str, kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": "cart", "namespace": "shop", "uid": "u1"}, "spec": spec,
    })
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "cart"}, "annotations": {"example.com/a": "1"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "cart", "image": "cart:1",
            "env": [{"name": "PASSWORD", "value": "it is all there"}]}]},
    })
}

fn runs(objects: &[Value]) -> Vec<DryRun> {
    dry_runs(&snapshot(objects))
}

/// Owner of the pod that a workload would make, as `apiVersion kind name uid`.
fn owner(objects: &[Value]) -> String {
    let runs = runs(objects);
    let [run] = runs.as_slice() else {
        panic!("{runs:?}");
    };
    let pod = run.pod(&objects[0]).expect("a pod");
    let owner = &pod["metadata"]["ownerReferences"][0];
    let field = |name: &str| owner[name].as_str().expect("text").to_owned();
    assert_eq!(owner["controller"], true);
    assert_eq!(owner.as_object().expect("an owner").len(), 5);
    let name = field("name");
    assert_eq!(pod["metadata"]["generateName"], format!("{name}-"));
    format!(
        "{} {} {name} {}",
        field("apiVersion"),
        field("kind"),
        field("uid")
    )
}

#[test]
fn the_pod_is_the_whole_template_under_the_owner_that_injection_reads() {
    let mut deployment = workload("apps/v1", "Deployment", json!({"template": template()}));
    deployment["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "cart-7d9f", "namespace": "shop", "uid": "u2",
            "labels": {"app": "cart", "pod-template-hash": "7d9f"},
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "u1"}]},
        "spec": {"replicas": 1},
    });
    let objects = [deployment.clone(), set];
    assert_eq!(owner(&objects), "apps/v1 ReplicaSet cart-7d9f u2");
    let pod = runs(&objects)[0].pod(&deployment).expect("a pod");
    assert_eq!(pod["metadata"]["namespace"], "shop");
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"app": "cart", "pod-template-hash": "7d9f"})
    );
    assert_eq!(
        pod["metadata"]["annotations"],
        template()["metadata"]["annotations"]
    );
    assert_eq!(pod["spec"]["containers"], template()["spec"]["containers"]);
    assert!(pod["spec"].get("nodeName").is_none());
    assert!(pod.get("status").is_none());
}

#[test]
fn every_kind_has_its_owner() {
    let of =
        |api_version: &str, kind: &str, spec: Value| owner(&[workload(api_version, kind, spec)]);
    let plain = || json!({"template": template()});
    for (api_version, kind, expected) in [
        ("apps/v1", "StatefulSet", "apps/v1 StatefulSet cart u1"),
        ("apps/v1", "DaemonSet", "apps/v1 DaemonSet cart u1"),
        ("apps/v1", "Deployment", "apps/v1 ReplicaSet cart u1"),
        (
            "argoproj.io/v1alpha1",
            "Rollout",
            "apps/v1 ReplicaSet cart u1",
        ),
        ("batch/v1", "Job", "batch/v1 Job cart u1"),
        (
            "apps.openshift.io/v1",
            "DeploymentConfig",
            "v1 ReplicationController cart-1 u1",
        ),
    ] {
        assert_eq!(of(api_version, kind, plain()), expected);
    }
    let cron = json!({"jobTemplate": {"spec": {"template": template()}}, "template": template()});
    assert_eq!(
        of("batch/v1", "CronJob", cron),
        "batch/v1 Job cart-00000000 u1"
    );
}

#[test]
fn claimed_volumes_are_there_for_their_mounts() {
    let mut template = template();
    template["spec"]["volumes"] =
        json!([{"name": "data", "emptyDir": {}}, {"name": "own", "emptyDir": {}}]);
    let spec =
        json!({"template": template, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]});
    let set = workload("apps/v1", "StatefulSet", spec);
    let pod = runs(std::slice::from_ref(&set))[0]
        .pod(&set)
        .expect("a pod");
    assert_eq!(
        pod["spec"]["volumes"],
        json!([
            {"name": "own", "emptyDir": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-cart-0"}},
        ])
    );
}

#[test]
fn what_tells_nothing_of_the_mesh_is_not_asked() {
    let mut on_node = template();
    on_node["spec"]["hostNetwork"] = json!(true);
    let mut system = workload("apps/v1", "Deployment", json!({"template": template()}));
    system["metadata"]["namespace"] = json!("kube-system");
    let mut done = workload("batch/v1", "Job", json!({"template": template()}));
    done["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    for object in [
        workload("apps/v1", "DaemonSet", json!({"template": on_node})),
        workload(
            "argoproj.io/v1alpha1",
            "Rollout",
            json!({"workloadRef": {"name": "x"}}),
        ),
        workload(
            "serving.knative.dev/v1",
            "Service",
            json!({"template": template()}),
        ),
        system,
        done,
    ] {
        assert_eq!(runs(std::slice::from_ref(&object)), [], "{object}");
    }
}

#[test]
fn a_long_name_leaves_room_for_what_the_server_adds() {
    let mut set = workload("apps/v1", "StatefulSet", json!({"template": template()}));
    set["metadata"]["name"] = json!("n".repeat(80));
    let run = &runs(std::slice::from_ref(&set))[0];
    assert_eq!(run.generate_name().len(), 58);
    // A pod whose owner is not there has no template to ask about.
    let pod = owned_pod("x", "apps/v1", "StatefulSet", "other");
    assert_eq!(runs(&[set, pod]).len(), 1);
}
