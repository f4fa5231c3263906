//! One case for each risk, and its neighbour that is none.

use serde_json::{Value, json};

use crate::rollout::fixture::{member, owned_pod, snapshot, workload};
use crate::rollout::{replicas_in_git, risks};

/// Checks that the first object has exactly these risks; `…` stands for any ending.
fn check(objects: &[Value], expected: &[&str]) {
    let snapshot = snapshot(objects);
    let text = |key: &str| {
        objects[0]
            .pointer(key)
            .and_then(Value::as_str)
            .expect("a text")
    };
    let member = member(&snapshot, text("/kind"), text("/metadata/name"));
    let found: Vec<String> = risks(&member, &snapshot)
        .into_iter()
        .map(|risk| format!("{}: {}", risk.code, risk.message))
        .collect();
    let fits = |(found, expected): (&String, &&str)| match expected.strip_suffix('…') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    let all = found.len() == expected.len() && found.iter().zip(expected).all(fits);
    assert!(all, "{found:#?}");
}

/// A template with a readiness probe, and whatever else.
fn template(metadata: Value, mut spec: Value) -> Value {
    if spec.get("containers").is_none() {
        spec["containers"] = json!([{"name": "app", "readinessProbe": {}}]);
    }
    json!({"metadata": metadata, "spec": spec})
}

fn ready() -> Value {
    template(json!({"labels": {"app": "w"}}), json!({}))
}

fn of(kind: &str, mut spec: Value) -> Value {
    if spec.get("template").is_none() {
        spec["template"] = ready();
    }
    workload("apps/v1", kind, "w", spec, json!({}))
}

fn object(api_version: &str, kind: &str, name: &str, spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop"},
        "spec": spec, "status": status,
    })
}

#[test]
fn single_replica() {
    let no_surge = json!({"replicas": 1, "strategy": {"rollingUpdate": {"maxSurge": 0}}});
    let expected = ["single-replica: its one replica is down until the new pod is ready"];
    check(&[of("Deployment", no_surge)], &expected);
    check(&[of("StatefulSet", json!({"replicas": 1}))], &expected);
    check(&[of("Deployment", json!({"replicas": 1}))], &[]);
    check(&[of("StatefulSet", json!({"replicas": 2}))], &[]);
}

#[test]
fn recreate() {
    let spec = json!({"replicas": 3, "strategy": {"type": "Recreate"}});
    let expected =
        "recreate: the Recreate strategy stops all 3 pods before the first new one starts";
    check(&[of("Deployment", spec)], &[expected]);
}

#[test]
fn no_readiness_probe() {
    let with = |containers: Value| {
        let template = template(json!({}), json!({"containers": containers}));
        of("Deployment", json!({"template": template}))
    };
    check(
        &[with(json!([{"name": "app"}]))],
        &["no-readiness-probe: …"],
    );
    check(
        &[with(
            json!([{"name": "istio-proxy", "readinessProbe": {}}, {"name": "a"}]),
        )],
        &["no-readiness-probe: …"],
    );
    check(
        &[with(
            json!([{"name": "a"}, {"name": "b", "readinessProbe": {}}]),
        )],
        &[],
    );
    check(&[with(json!([{"name": "istio-proxy"}]))], &[]);
}

#[test]
fn budget_not_honored() {
    let budget = |spec: Value| {
        let mut spec = spec;
        spec["selector"] = json!({"matchLabels": {"app": "w"}});
        object("policy/v1", "PodDisruptionBudget", "b", spec, json!({}))
    };
    let ten = || of("Deployment", json!({"replicas": 10}));
    let expected = "budget-not-honored: up to 2 of 10 pods are away at a time, and \
                    PodDisruptionBudget b allows 1: a rolling update does not ask it";
    check(&[ten(), budget(json!({"maxUnavailable": 1}))], &[expected]);
    check(
        &[ten(), budget(json!({"minAvailable": "85%"}))],
        &[expected],
    );
    check(&[ten(), budget(json!({"maxUnavailable": "11%"}))], &[]);
    check(&[ten(), budget(json!({"minAvailable": "75%"}))], &[]);
    let mut other = budget(json!({"maxUnavailable": 0}));
    other["spec"]["selector"] = json!({"matchLabels": {"app": "x"}});
    check(&[ten(), other.clone()], &[]);
    other["spec"]["selector"] = json!({});
    check(&[ten(), other.clone()], &["budget-not-honored: …"]);
    other["spec"]
        .as_object_mut()
        .expect("a spec")
        .remove("selector");
    check(&[ten(), other], &[]);
}

#[test]
fn budget_blocks() {
    let spec = json!({"replicas": 10, "template": ready()});
    let rollout = workload("argoproj.io/v1alpha1", "Rollout", "w", spec, json!({}));
    let budget = |allowed: i64| {
        let spec = json!({"maxUnavailable": allowed, "selector": {"matchLabels": {"app": "w"}}});
        object("policy/v1", "PodDisruptionBudget", "b", spec, json!({}))
    };
    check(
        &[rollout.clone(), budget(0)],
        &["budget-blocks: PodDisruptionBudget b lets no pod go…"],
    );
    check(&[rollout, budget(1)], &[]);
}

#[test]
fn replicas_in_git_against_an_autoscaler() {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"});
    let scaler = |target: Value| {
        object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            "h",
            json!({"scaleTargetRef": target}),
            json!({}),
        )
    };
    let check = |target: Value, spec: Value, expected: Option<&str>| {
        let snapshot = snapshot(&[of("Deployment", json!({"replicas": 7})), scaler(target)]);
        let found = replicas_in_git(&member(&snapshot, "Deployment", "w"), &snapshot, &spec);
        assert_eq!(found.as_ref().map(|risk| &*risk.message), expected);
    };
    let message = "HorizontalPodAutoscaler h scales it (now 7) and Git sets 3 replicas: a delivery \
                   may scale it back";
    check(target.clone(), json!({"replicas": 3}), Some(message));
    check(target.clone(), json!({}), None);
    let mut other = target;
    other["name"] = json!("x");
    check(other, json!({"replicas": 3}), None);
}

#[test]
fn volume_with_surge() {
    let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
    let with = |strategy: Value| {
        let template = template(json!({}), json!({"volumes": volumes}));
        of(
            "Deployment",
            json!({"replicas": 2, "strategy": strategy, "template": template}),
        )
    };
    let claim = |mode: &str| {
        object(
            "v1",
            "PersistentVolumeClaim",
            "c",
            json!({"accessModes": [mode]}),
            json!({}),
        )
    };
    let surges = json!({});
    let expected = [
        "volume-with-surge: claim c is ReadWriteOnce: a surge pod on another node waits \
                     for a volume that the old pod holds",
    ];
    check(&[with(surges.clone()), claim("ReadWriteOnce")], &expected);
    check(&[with(surges.clone()), claim("ReadWriteMany")], &[]);
    check(
        &[with(surges)],
        &["volume-with-surge: claim c is of an access mode that the snapshot…"],
    );
    let still = json!({"rollingUpdate": {"maxSurge": 0}});
    check(&[with(still), claim("ReadWriteOnce")], &[]);
}

#[test]
fn restart_policy_never() {
    let mut pod = owned_pod("p", "batch/v1", "Job", "w");
    pod["spec"] = json!({"restartPolicy": "Never"});
    let spec = json!({"template": {"spec": {"restartPolicy": "Never"}}});
    let job = workload("batch/v1", "Job", "w", spec, json!({}));
    check(&[job, pod], &["restart-policy-never: …"]);
}

#[test]
fn long_termination() {
    let with = |seconds: i64| {
        let spec = json!({"terminationGracePeriodSeconds": seconds});
        of("Deployment", json!({"template": template(json!({}), spec)}))
    };
    check(
        &[with(600)],
        &["long-termination: each pod may take 600 s to stop"],
    );
    check(&[with(120)], &[]);
}

#[test]
fn quota_too_small() {
    let resources = json!({"requests": {"cpu": "300m", "memory": "64Mi"}});
    let containers = json!([{"name": "app", "readinessProbe": {}, "resources": resources}]);
    let spec =
        json!({"replicas": 8, "template": template(json!({}), json!({"containers": containers}))});
    let quota = |hard: Value, used: Value| {
        object(
            "v1",
            "ResourceQuota",
            "q",
            json!({}),
            json!({"hard": hard, "used": used}),
        )
    };
    let check = |hard: Value, used: Value, expected: &[&str]| {
        check(
            &[of("Deployment", spec.clone()), quota(hard, used)],
            expected,
        );
    };
    check(
        json!({"requests.cpu": "4"}),
        json!({"requests.cpu": "3500m"}),
        &[
            "quota-too-small: ResourceQuota q leaves requests.cpu 500m of 4, and 2 surge pods ask for 600m",
        ],
    );
    check(
        json!({"requests.cpu": "4"}),
        json!({"requests.cpu": "3400m"}),
        &[],
    );
    check(
        json!({"memory": "1Gi"}),
        json!({"memory": "960Mi"}),
        &[
            "quota-too-small: ResourceQuota q leaves memory 64Mi of 1Gi, and 2 surge pods ask for 128Mi",
        ],
    );
    check(
        json!({"pods": 9}),
        json!({"pods": 8}),
        &["quota-too-small: …"],
    );
    check(json!({"services": 1}), json!({"services": 1}), &[]);
}

#[test]
fn partitioned() {
    let with = |partition: i64| json!({"replicas": 5, "updateStrategy": {"rollingUpdate": {"partition": partition}}});
    let expected = "partitioned: the partition keeps the pods of ordinals below 2 as they are: \
                    3 of 5 are restarted";
    check(&[of("StatefulSet", with(2))], &[expected]);
    check(&[of("StatefulSet", with(0))], &[]);
}

#[test]
fn operator_owned() {
    let mut live = of("Deployment", json!({}));
    live["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "example.com/v1", "kind": "Database", "name": "d", "controller": false,
    }]);
    check(
        &[live],
        &["operator-owned: Database d owns it, and undoes the edit if it writes the pod template"],
    );
}

#[test]
fn a_proxy_with_settings_of_its_own_is_no_gateway() {
    let with = |containers: Value| {
        let template = template(json!({}), json!({"containers": containers}));
        of("Deployment", json!({"replicas": 2, "template": template}))
    };
    let proxy = json!({"name": "istio-proxy", "image": "auto"});
    check(&[with(json!([proxy]))], &["gateway: …"]);
    let app = json!({"name": "app", "image": "x", "readinessProbe": {}});
    check(&[with(json!([app, proxy]))], &[]);
}

#[test]
fn gateway() {
    let metadata = json!({"annotations": {"inject.istio.io/templates": "gateway"}});
    let containers = json!([{"name": "istio-proxy", "image": "auto"}]);
    let template = template(metadata, json!({"containers": containers}));
    check(
        &[of(
            "Deployment",
            json!({"replicas": 2, "template": template}),
        )],
        &["gateway: …"],
    );
}
