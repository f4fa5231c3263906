//! Which manifest makes which live object.

use super::{annotated, by_flux, check, check_in, live};
use crate::gitops::fixture::deployment;

#[test]
fn a_plain_file_is_found_by_identity() {
    let file = format!(
        "{}---\n{}",
        deployment("shop", "other"),
        deployment("shop", "cart")
    );
    check(
        &[("apps/shop.yaml", &file)],
        &[live("shop", "cart")],
        "apps/shop.yaml#1",
    );
}

#[test]
fn another_group_is_another_object() {
    let file = deployment("shop", "cart").replace("apps/v1", "example.com/v1");
    check(
        &[("apps/shop.yaml", &file)],
        &[live("shop", "cart")],
        "not-in-git: …",
    );
}

#[test]
fn a_manifest_without_a_namespace_lands_in_default() {
    let file = deployment("", "cart");
    check(
        &[("cart.yaml", &file)],
        &[live("default", "cart")],
        "cart.yaml#0",
    );
}

#[test]
fn not_in_git_names_the_nearest_file() {
    let run = "not-in-git: no manifest in the repository makes it: run `kubectl rollout restart -n shop \
               deployment/cart`";
    check(
        &[("cart.yaml", &deployment("", "cart"))],
        &[live("shop", "cart")],
        &format!("{run}; cart.yaml makes one of that name in namespace default"),
    );
    check(&[], &[live("shop", "cart")], run);
    check(
        &[],
        &[by_flux(live("shop", "cart"))],
        "not-in-git: no manifest in the repository makes it, and Kustomization flux-system/apps \
         delivers it: restart it in the repository that this reads by flux flux-system/apps",
    );
}

#[test]
fn a_kustomization_above_sets_namespace_and_name() {
    let base = "resources: [cart.yaml]\nnamePrefix: eu-\n";
    let overlay = "resources: [../../base]\nnamespace: shop\nnamePrefix: prod-\nnameSuffix: -v1\n";
    let files = [
        ("base/cart.yaml", &*deployment("ignored", "cart")),
        ("base/kustomization.yaml", base),
        ("overlays/prod/kustomization.yaml", overlay),
    ];
    check(
        &files,
        &[live("shop", "prod-eu-cart-v1")],
        "base/cart.yaml#0",
    );
    check(&files, &[live("ignored", "cart")], "not-in-git: …");
}

#[test]
fn a_component_changes_the_objects_of_its_user() {
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n\
                     namespace: shop\npatches: [{path: p.yaml}]\n";
    let files = [
        ("app/cart.yaml", &*deployment("", "cart")),
        (
            "app/kustomization.yaml",
            "resources: [cart.yaml]\ncomponents: [../component]\n",
        ),
        ("component/kustomization.yaml", component),
    ];
    check(
        &files,
        &[live("shop", "cart")],
        "app/cart.yaml#0 transformed",
    );
}

#[test]
fn a_cycle_of_kustomizations_ends() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b, cart.yaml]\n"),
        ("b/kustomization.yaml", "resources: [../a]\n"),
        ("c/kustomization.yaml", "resources: [../a]\n"),
        ("a/cart.yaml", &*deployment("shop", "cart")),
    ];
    check(&files, &[live("shop", "cart")], "a/cart.yaml#0");
}

#[test]
fn patches_are_no_source() {
    let patch =
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart}, spec: {replicas: 3}}\n";
    let files = [
        ("base/cart.yaml", &*deployment("", "cart")),
        ("base/kustomization.yaml", "resources: [cart.yaml]\n"),
        (
            "prod/kustomization.yaml",
            "resources: [../base]\npatches: [{path: patch.yaml}]\n",
        ),
        ("prod/patch.yaml", patch),
    ];
    check(
        &files,
        &[live("default", "cart")],
        "base/cart.yaml#0 transformed",
    );
}

#[test]
fn patches_that_a_kustomization_lists_are_no_source_either() {
    let files = [
        (
            "prod/kustomization.yaml",
            "resources: [https://example.com/base]\npatches: [{path: cart.yaml}]\n",
        ),
        ("prod/cart.yaml", &*deployment("shop", "cart")),
    ];
    check(&files, &[by_flux(live("shop", "cart"))], "not-in-git: …");
}

#[test]
fn a_kustomization_of_flux_is_none_of_kustomizes() {
    let flux = "{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {name: a}, spec: {path: x}}\n";
    let files = [
        ("apps/kustomization.yaml", flux),
        ("apps/cart.yaml", &*deployment("shop", "cart")),
    ];
    check(&files, &[live("shop", "cart")], "apps/cart.yaml#0");
}

#[test]
fn shared_manifest() {
    let overlay = |namespace: &str| format!("resources: [../base]\nnamespace: {namespace}\n");
    let (test, prod) = (overlay("shop-test"), overlay("shop"));
    let files = [
        ("base/cart.yaml", &*deployment("", "cart")),
        ("base/kustomization.yaml", "resources: [cart.yaml]\n"),
        ("prod/kustomization.yaml", &*prod),
        ("test/kustomization.yaml", &*test),
    ];
    check(
        &files,
        &[live("shop", "cart")],
        "shared-manifest: base/cart.yaml makes 2 objects (shop/cart, shop-test/cart), so…",
    );
    check_in(
        &["prod"],
        &files,
        &[live("shop", "cart")],
        "shared-manifest: …",
    );
    let alone = [files[0], files[1], files[2]];
    check_in(
        &["prod"],
        &alone,
        &[live("shop", "cart")],
        "base/cart.yaml#0",
    );
}

#[test]
fn ambiguous_manifest() {
    let file = deployment("shop", "cart");
    let files = [
        ("clusters/a/cart.yaml", &*file),
        ("clusters/b/cart.yaml", &*file),
    ];
    check(
        &files,
        &[live("shop", "cart")],
        "ambiguous-manifest: clusters/a/cart.yaml:1 and clusters/b/cart.yaml:1 all make it: …",
    );
    check_in(
        &["clusters/b"],
        &files,
        &[live("shop", "cart")],
        "clusters/b/cart.yaml#0",
    );
}

#[test]
fn kustomizes_origin_annotation_settles_what_is_ambiguous() {
    let file = deployment("shop", "cart");
    let files = [("a/cart.yaml", &*file), ("b/cart.yaml", &*file)];
    let with = |origin: &str, expected: &str| {
        let object = annotated(live("shop", "cart"), "config.kubernetes.io/origin", origin);
        check(&files, &[object], expected);
    };
    with("path: ../b/cart.yaml\n", "b/cart.yaml#0");
    with("path: cart.yaml\n", "ambiguous-manifest: …");
    with("path: c/cart.yaml\n", "ambiguous-manifest: …");
    with(
        "path: b/cart.yaml\nrepo: https://example.com/other\n",
        "ambiguous-manifest: …",
    );
}

#[test]
fn flux_reads_no_json_that_nothing_lists() {
    let file = deployment("shop", "cart");
    let plain = [("apps/cart.json", &*file)];
    check(&plain, &[by_flux(live("shop", "cart"))], "not-in-git: …");
    check(&plain, &[live("shop", "cart")], "apps/cart.json#0");
    let listed = [
        plain[0],
        ("apps/kustomization.yaml", "resources: [cart.json]\n"),
    ];
    let expected = "apps/cart.json#0 by flux flux-system/apps";
    check(&listed, &[by_flux(live("shop", "cart"))], expected);
}

#[test]
fn a_file_that_no_kustomization_lists_counts_only_where_an_engine_delivered_it() {
    let files = [
        ("apps/kustomization.yaml", "resources: []\n"),
        ("apps/cart.yaml", &*deployment("shop", "cart")),
    ];
    check(&files, &[live("shop", "cart")], "not-in-git: …");
    let expected = "apps/cart.yaml#0 by flux flux-system/apps";
    check(&files, &[by_flux(live("shop", "cart"))], expected);
}

#[test]
fn tracking_ids_count_with_all_four_parts() {
    let file = deployment("shop", "cart");
    let files = [("cart.yaml", &*file)];
    let check_id = |id: &str, expected: &str| {
        let object = annotated(live("shop", "cart"), "argocd.argoproj.io/tracking-id", id);
        check(&files, &[object], expected);
    };
    check_id(
        "apps:apps/Deployment:shop/cart",
        "cart.yaml#0 by argo-cd apps",
    );
    check_id(
        "team_apps:apps/Deployment:shop/cart",
        "cart.yaml#0 by argo-cd team/apps",
    );
    check_id("apps:apps/Deployment:shop/other", "cart.yaml#0");
    check_id("apps:apps/Deployment:test/cart", "cart.yaml#0");
    check_id("apps:apps/StatefulSet:shop/cart", "cart.yaml#0");
    check_id("apps:/Deployment:shop/cart", "cart.yaml#0");
    check_id("apps:apps/Deployment/x:shop/cart", "cart.yaml#0");
    check_id("apps", "cart.yaml#0");
}
