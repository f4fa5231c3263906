//! Each rival, by what it leaves in a cluster.

use serde_json::{Value, json};

use crate::gitops::rival::rivals;
use crate::rollout::fixture::{snapshot, workload};

fn check(objects: &[Value], expected: &[&str]) {
    let found: Vec<String> = rivals(&snapshot(objects))
        .into_iter()
        .map(|d| d.message)
        .collect();
    assert_eq!(found, expected);
}

fn in_namespace(mut object: Value, namespace: &str, labels: Value) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["labels"] = labels;
    object
}

fn deployment(name: &str) -> Value {
    workload("apps/v1", "Deployment", name, json!({}), json!({}))
}

#[test]
fn rival_restarter() {
    check(&[deployment("cart")], &[]);
    let module = json!({"kyma-project.io/module": "istio"});
    check(
        &[in_namespace(
            deployment("istio-controller-manager"),
            "kyma-system",
            module.clone(),
        )],
        &[
            "Deployment kyma-system/istio-controller-manager is Kyma's Istio module: it restarts stale workloads by itself",
        ],
    );
    check(
        &[in_namespace(deployment("istiod"), "istio-system", module)],
        &[],
    );
    let label = json!({"istio.deckhouse.io/auto-upgrade": "true"});
    check(
        &[in_namespace(deployment("cart"), "shop", label)],
        &[
            "Deckhouse upgrades data planes that carry istio.deckhouse.io/auto-upgrade: 1 do, among them cart",
        ],
    );
    let control = |points: i64| {
        json!({
            "apiVersion": "mesh.cloud.google.com/v1beta1", "kind": "DataPlaneControl",
            "metadata": {"name": "asm-managed"}, "spec": {"proxyTargetBasisPoints": points},
        })
    };
    check(&[control(0)], &[]);
    check(
        &[control(10_000)],
        &[
            "DataPlaneControl asm-managed is Google's managed data plane: it evicts stale pods by itself",
        ],
    );
    let managed = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "annotations": {"mesh.cloud.google.com/proxy": value}},
        })
    };
    check(&[managed("{\"managed\":\"false\"}")], &[]);
    check(&[managed("no JSON")], &[]);
    for value in ["{\"managed\":\"true\"}", "{\"managed\":true}"] {
        check(
            &[managed(value)],
            &[
                "Namespace shop with mesh.cloud.google.com/proxy is Google's managed data plane: it evicts stale pods by itself",
            ],
        );
    }
    let annotations = json!({"fortsa.scaffidi.net/restartedAt": "2026-11-20T09:00:00Z"});
    let template = json!({"metadata": {"annotations": annotations}, "spec": {}});
    check(
        &[workload(
            "apps/v1",
            "Deployment",
            "cart",
            json!({"template": template}),
            json!({}),
        )],
        &["Deployment shop/cart shows that Fortsa restarts stale workloads by itself"],
    );
}
