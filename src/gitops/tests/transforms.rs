//! What changes objects between their file and the cluster, and what does not.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{by_flux, check, describe, labelled, live};
use crate::config::Policy;
use crate::gitops::fixture::{deployment, manifests};
use crate::gitops::{DeliveryMap, Repository};
use crate::rollout::fixture::snapshot;
use crate::rollout::members;

/// Checks whether a kustomization with these lines transforms `base/cart.yaml`.
fn check_patch(lines: &str, transformed: bool) {
    let overlay = format!("resources: [../base]\nnamespace: shop\nnamePrefix: my-\n{lines}");
    let files = [
        ("base/cart.yaml", &*deployment("", "cart")),
        ("base/kustomization.yaml", "resources: [cart.yaml]\n"),
        ("prod/kustomization.yaml", &overlay),
        ("prod/other.yaml", &deployment("", "other")),
    ];
    let way = if transformed { " transformed" } else { "" };
    let expected = format!("base/cart.yaml#0{way}");
    check(&files, &[live("shop", "my-cart")], &expected);
}

#[test]
fn a_patch_transforms_what_it_selects() {
    check_patch("patches: [{patch: x, target: {kind: Deployment}}]", true);
    check_patch("patches: [{patch: x, target: {name: cart}}]", true);
    check_patch(
        "patches: [{patch: x, target: {name: c.*t, group: apps}}]",
        true,
    );
    check_patch("patches: [{patch: x, target: {kind: Service}}]", false);
    check_patch("patches: [{patch: x, target: {name: other}}]", false);
    check_patch(
        "patches: [{patch: x, target: {namespace: elsewhere}}]",
        false,
    );
    check_patch("patches: [{patch: x, target: {group: batch}}]", false);
    check_patch("patches: [{path: other.yaml}]", false);
    check_patch("patches: [{path: unknown.yaml}]", true);
    check_patch("patchesStrategicMerge: [other.yaml]", false);
    check_patch(
        "patchesJson6902: [{path: x, target: {kind: Deployment, name: cart}}]",
        true,
    );
    check_patch("images: [{name: cart, newTag: v2}]", true);
    let inline = |name: &str| {
        format!(
            "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {{name: {name}}}\n"
        )
    };
    check_patch(&inline("cart"), true);
    check_patch(&inline("other"), false);
    check_patch("patches: [{patch: 'no object'}]", true);
}

fn kustomization(mut spec: Value) -> Value {
    spec["sourceRef"] = json!({"kind": "GitRepository", "name": "flux-system"});
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"}, "spec": spec,
    })
}

fn application(name: &str, source: Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        },
    })
}

const COMPONENT: &str = "kind: Component\nnamePrefix: eu-\n";

#[test]
fn components_of_an_engine_are_those_of_the_kustomization() {
    let files = [
        ("apps/cart.yaml", &*deployment("shop", "cart")),
        (
            "apps/kustomization.yaml",
            "resources: [cart.yaml]\nnamePrefix: my-\n",
        ),
        ("components/eu/kustomization.yaml", COMPONENT),
    ];
    let flux = kustomization(json!({"path": "apps", "components": ["../components/eu"]}));
    check(
        &files,
        &[by_flux(live("shop", "my-eu-cart")), flux],
        "apps/cart.yaml#0 by flux flux-system/apps",
    );
    let source =
        |component: &str| json!({"path": "apps", "kustomize": {"components": [component]}});
    let argo = application("shop", source("../components/eu"));
    check(
        &files,
        &[live("shop", "my-eu-cart"), argo],
        "apps/cart.yaml#0…",
    );
    let missing = application("shop", source("../components/us"));
    check(
        &files,
        &[live("shop", "my-cart"), missing],
        "apps/cart.yaml#0 transformed…",
    );
}

#[test]
fn a_component_of_what_flux_generates_may_change_anything() {
    let files = [
        ("apps/cart.yaml", &*deployment("shop", "cart")),
        ("components/eu/kustomization.yaml", COMPONENT),
    ];
    let flux = kustomization(json!({"path": "apps", "components": ["../components/eu"]}));
    check(
        &files,
        &[by_flux(live("shop", "cart")), flux],
        "apps/cart.yaml#0 transformed by flux flux-system/apps",
    );
}

#[test]
fn files_beside_the_manifests_override_a_source() {
    let of_all = "kustomize: {namePrefix: all-}\n";
    let of_one = "kustomize: {nameSuffix: -one}\n";
    let files = [
        ("apps/.argocd-source-shop.yaml", of_one),
        (
            "apps/.argocd-source-test.yaml",
            "kustomize: {namePrefix: test-}\n",
        ),
        ("apps/.argocd-source.yaml", of_all),
        ("apps/cart.yaml", &*deployment("shop", "cart")),
        ("apps/kustomization.yaml", "resources: [cart.yaml]\n"),
    ];
    let application = application("shop", json!({"path": "apps"}));
    check(
        &files,
        &[live("shop", "all-cart-one"), application],
        "apps/cart.yaml#0…",
    );
}

/// Which Applications a file of this repository has, by what they say of a live object.
fn delivered(remotes: &[&str]) -> (String, usize) {
    let source = |repository: &str| json!({"repoURL": repository, "path": "apps"});
    let objects = [
        labelled(live("shop", "cart"), "app", "cart"),
        application("ours", source("git@github.com:Acme/shop.git")),
        application("theirs", source("https://github.com/acme/other")),
    ];
    let snapshot = snapshot(&objects);
    let manifests = manifests(&[("apps/cart.yaml", &deployment("", "cart"))]);
    let policy = Policy::default();
    let remotes: Vec<String> = remotes.iter().map(|url| (*url).to_owned()).collect();
    let repository = Repository {
        paths: &[],
        remotes: &remotes,
    };
    let (map, found) = DeliveryMap::in_repository(
        &manifests,
        repository,
        &snapshot,
        &policy,
        Timestamp::UNIX_EPOCH,
    );
    let unknown = found
        .iter()
        .filter(|diagnostic| diagnostic.code.to_string() == "delivery-unknown");
    let members = members(&snapshot);
    (describe(&map.origin(&members[0])), unknown.count())
}

#[test]
fn a_source_of_another_repository_is_told_by_the_remotes() {
    let ours = "apps/cart.yaml#0 by argo-cd argocd/ours".to_owned();
    assert_eq!(
        delivered(&["https://github.com/acme/shop"]),
        (ours.clone(), 0)
    );
    assert_eq!(
        delivered(&["ssh://git@github.com/acme/shop.git"]),
        (ours, 0)
    );
    assert_eq!(delivered(&[]).1, 1, "nothing is known");
    assert_eq!(delivered(&["https://mirror.example/shop"]).1, 1, "a mirror");
}

#[test]
fn what_an_application_would_apply_along_is_known() {
    let mut application = application("shop", json!({"path": "apps"}));
    let resource = |name: &str, status: &str| json!({"group": "apps", "kind": "Deployment", "namespace": "shop", "name": name, "status": status});
    application["status"]["resources"] = json!([
        resource("cart", "OutOfSync"),
        resource("web", "OutOfSync"),
        resource("api", "Synced"),
    ]);
    let snapshot = snapshot(&[live("shop", "cart"), application]);
    let manifests = manifests(&[("apps/cart.yaml", &deployment("shop", "cart"))]);
    let policy = Policy::default();
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
    let origin = map.origin(&members(&snapshot)[0]);
    let delivery = origin.delivery.expect("a delivery");
    assert_eq!(delivery.unsynced, ["Deployment shop/web"]);
}

#[test]
fn a_suspended_release_is_said() {
    let labels = labelled(live("shop", "cart"), "helm.toolkit.fluxcd.io/name", "cart");
    let object = labelled(labels, "helm.toolkit.fluxcd.io/namespace", "shop");
    let release = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"suspend": true},
    });
    let snapshot = snapshot(&[object, release]);
    let (manifests, policy) = (manifests(&[]), Policy::default());
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
    let text = describe(&map.origin(&members(&snapshot)[0]));
    assert!(
        text.contains("it is suspended, so first `spec.suspend` must go"),
        "{text}"
    );
}
