//! Shared manifests: what is one place, what is several, and where a patch for one alone goes.

use serde_json::{Value, json};

use super::{annotated, by_flux, check, check_in, live};
use crate::gitops::fixture::deployment;

fn kustomization(name: &str, path: &str, source: &str) -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {"path": path, "sourceRef": {"kind": "GitRepository", "name": source}},
    })
}

fn application(name: &str, path: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {"source": {"repoURL": "https://example.com/org/repo", "path": path},
                 "destination": {"server": "https://kubernetes.default.svc"}},
    })
}

fn repository(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": name, "namespace": "flux-system"}, "spec": {"url": url},
    })
}

const SHARED: &str = "shared-manifest: …";

#[test]
fn an_overlay_apart_from_the_live_one_shares_its_base() {
    let base = deployment("shop", "cart");
    let files = [
        ("base/cart.yaml", &*base),
        ("base/kustomization.yaml", "resources: [cart.yaml]\n"),
        ("prod/kustomization.yaml", "resources: [../base]\n"),
        ("staging/kustomization.yaml", "resources: [../base]\n"),
    ];
    let objects = [
        by_flux(live("shop", "cart")),
        kustomization("apps", "./prod", "repo"),
    ];
    check(
        &files,
        &objects,
        "shared-manifest: base/cart.yaml makes 2 objects (shop/cart by prod, shop/cart by staging), \
         so an edit would restart them all: give this one a patch of its own in the kustomization \
         of prod by flux flux-system/apps",
    );
    check(&files[..3], &objects, "base/cart.yaml#0 by flux…");
    // One below its base is an overlay like any other.
    let files = [
        ("app/cart.yaml", &*base),
        ("app/kustomization.yaml", "resources: [cart.yaml]\n"),
        ("app/staging/kustomization.yaml", "resources: [..]\n"),
    ];
    let objects = [
        by_flux(live("shop", "cart")),
        kustomization("apps", "./app", "repo"),
    ];
    let shared = "shared-manifest: app/cart.yaml makes 2 objects (shop/cart by app, shop/cart by \
                  app/staging), so an edit would restart them all: give this one a patch of its own \
                  in `spec.patches` of Kustomization flux-system/apps…";
    check(&files, &objects, shared);
}

#[test]
fn what_brings_the_delivered_directory_in_is_no_other_place() {
    let cart = deployment("shop", "cart");
    let files = [
        ("apps/cart.yaml", &*cart),
        ("apps/kustomization.yaml", "resources: [cart.yaml]\n"),
        ("kustomization.yaml", "resources: [apps]\n"),
    ];
    let objects = [
        by_flux(live("shop", "cart")),
        kustomization("apps", "./apps", "repo"),
    ];
    check(&files, &objects, "apps/cart.yaml#0 by flux…");
    check_in(&["apps"], &files, &objects, "apps/cart.yaml#0 by flux…");
    check_in(
        &["apps"],
        &files,
        &objects[..1],
        "apps/cart.yaml#0 by flux…",
    );
    // A directory source reads files beside a kustomization that it leaves out.
    let mut all = application("shop", "apps");
    all["spec"]["source"]["directory"] = json!({"recurse": true});
    let files = [
        ("apps/shop/cart.yaml", &*cart),
        ("apps/shop/kustomization.yaml", "resources: [cart.yaml]\n"),
    ];
    let objects = [live("shop", "cart"), all];
    check(&files, &objects, "apps/shop/cart.yaml#0…");
}

#[test]
fn definitions_that_nothing_brings_together_may_be_two_clusters() {
    let cart = deployment("shop", "cart");
    let text = |value: Value| value.to_string();
    let two = |first: (&str, Value), second: (&str, Value), paths: &[&str], expected: &str| {
        let (one, other) = (text(first.1), text(second.1));
        let files = [
            ("apps/shop/cart.yaml", &*cart),
            (first.0, &*one),
            (second.0, &*other),
        ];
        check_in(paths, &files, &[live("shop", "cart")], expected);
    };
    let (prod, staging) = ("clusters/prod/shop.yaml", "clusters/staging/shop.yaml");
    let flux = |name: &str, path: &str| kustomization(name, path, "repo");
    for paths in [
        &[][..],
        &["apps"],
        &["clusters/prod", "apps"],
        &["clusters"],
    ] {
        let (one, other) = (flux("prod", "apps/shop"), flux("staging", "apps/shop"));
        two((prod, one.clone()), (staging, other), paths, SHARED);
        two(
            (prod, one.clone()),
            (staging, flux("all", "apps")),
            paths,
            SHARED,
        );
        let other = application("staging", "apps/shop");
        two((prod, one), (staging, other), paths, SHARED);
        let (one, other) = (
            application("prod", "apps/shop"),
            application("staging", "apps/shop"),
        );
        two((prod, one), (staging, other), paths, SHARED);
    }
    // One that delivers the other is of the same cluster.
    let (root, shop) = (flux("flux-system", "apps"), flux("shop", "apps/shop"));
    let found = "apps/shop/cart.yaml#0…";
    two(
        ("apps/sync.yaml", root),
        ("apps/shop.yaml", shop),
        &[],
        found,
    );
}

#[test]
fn the_name_of_a_source_tells_no_repositories_of_two_clusters_apart() {
    let cart = deployment("shop", "cart");
    let own = kustomization("apps", "./apps", "repo");
    let other = kustomization("staging", "./apps", "fleet").to_string();
    let url = |url: &str| repository("fleet", url).to_string();
    let with = |sources: &[String], expected: &str| {
        let mut files = vec![
            ("apps/cart.yaml", &*cart),
            ("clusters/staging/apps.yaml", &*other),
        ];
        let paths = ["clusters/staging/one.yaml", "clusters/staging/two.yaml"];
        files.extend(paths.into_iter().zip(sources.iter().map(String::as_str)));
        let objects = [
            by_flux(live("shop", "cart")),
            own.clone(),
            repository("repo", "https://example.com/org/repo"),
        ];
        check(&files, &objects, expected);
    };
    with(&[], SHARED);
    with(&[url("ssh://git@example.com/org/repo.git")], SHARED);
    with(&[url("ssh://git@ssh.example.com:443/org/repo.git")], SHARED);
    let alone = "apps/cart.yaml#0 by flux flux-system/apps";
    with(&[url("https://example.com/org/other")], alone);
    let several = [
        url("https://example.com/org/other"),
        url("https://example.com/org/third"),
    ];
    with(&several, SHARED);
}

#[test]
fn many_places_are_counted() {
    let base = deployment("", "cart");
    let overlays: Vec<(String, String)> = (0..9)
        .map(|number| {
            let text = format!("resources: [../base]\nnamespace: shop-{number}\n");
            (format!("overlay-{number}/kustomization.yaml"), text)
        })
        .collect();
    let mut files = vec![
        ("base/cart.yaml", &*base),
        ("base/kustomization.yaml", "resources: [cart.yaml]\n"),
    ];
    files.extend(overlays.iter().map(|(path, text)| (&**path, &**text)));
    let object = annotated(live("shop-8", "cart"), "a", "b");
    let expected = "shared-manifest: base/cart.yaml makes 9 objects (shop-0/cart, shop-1/cart, \
                    shop-2/cart, shop-3/cart, shop-4/cart, 4 more), so an edit would restart them \
                    all: give this one a patch of its own in the kustomization of overlay-8";
    check(&files, &[object], expected);
}

#[test]
fn an_application_set_may_deliver_to_other_clusters() {
    let cart = deployment("shop", "cart");
    let set = |name: &str, path: &str, server: &str| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet",
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {"generators": [{"clusters": {}}], "template": {
                "metadata": {"name": format!("{{{{name}}}}-{name}")},
                "spec": {
                    "source": {"repoURL": "https://example.com/org/repo", "path": path},
                    "destination": {"server": server}}}},
        })
    };
    let tracked = annotated(
        live("shop", "cart"),
        "argocd.argoproj.io/tracking-id",
        "eu-1-shop:apps/Deployment:shop/cart",
    );
    let with = |paths: &[&str], sets: &[(&str, &Value)], objects: &[Value], expected: &str| {
        let texts: Vec<String> = sets.iter().map(|(_, set)| set.to_string()).collect();
        let mut files = vec![("apps/shop/cart.yaml", &*cart)];
        let sets = sets.iter().zip(&texts);
        files.extend(sets.map(|((path, _), text)| (*path, &**text)));
        let objects = [std::slice::from_ref(&tracked), objects].concat();
        check_in(paths, &files, &objects, expected);
    };
    let same = set("fleet", "apps/shop", "{{server}}");
    let shared = "shared-manifest: ApplicationSet argocd/fleet may deliver apps/shop/cart.yaml to \
                  other places as well (fleet.yaml), so an edit may restart them all: give…";
    with(&[], &[("fleet.yaml", &same)], &[], shared);
    let found = "apps/shop/cart.yaml#0…";
    let own = set("fleet", "apps/{{name}}", "{{server}}");
    with(&[], &[("fleet.yaml", &own)], &[], found);
    // Its Applications are live: what they share is known.
    let mut made = application("eu-1-shop", "apps/shop");
    made["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "fleet"}]);
    with(&[], &[("fleet.yaml", &same)], &[made], found);
    let named = application("eu-1-shop", "apps/shop");
    with(
        &[],
        &[("shop.yaml", &set("shop", "apps/shop", "{{server}}"))],
        std::slice::from_ref(&named),
        found,
    );
    with(
        &[],
        &[("fleet.yaml", &same)],
        std::slice::from_ref(&named),
        SHARED,
    );
    let objects = [named, same.clone()];
    with(&[], &[("fleet.yaml", &same)], &objects, found);
    // Two clusters, each with its own Argo CD.
    let here = set("shop", "apps/shop", "https://kubernetes.default.svc");
    let (prod, staging) = ("clusters/prod/shop.yaml", "clusters/staging/shop.yaml");
    let both = [(prod, &here), (staging, &here)];
    with(&[], &both, &[], SHARED);
    with(&["clusters/prod", "apps"], &both, &[], SHARED);
    let objects = [application("eu-1-shop", "apps/shop"), here.clone()];
    with(&[], &both, &objects, SHARED);
    with(&[], &both[..1], &objects, found);
}

#[test]
fn a_kustomization_above_hides_no_second_cluster() {
    let cart = deployment("shop", "cart");
    let (one, other) = (
        kustomization("prod", "apps/shop", "repo").to_string(),
        kustomization("staging", "apps/shop", "repo").to_string(),
    );
    let files = [
        ("apps/kustomization.yaml", "resources: [shop]\n"),
        ("apps/shop/cart.yaml", &*cart),
        ("apps/shop/kustomization.yaml", "resources: [cart.yaml]\n"),
        ("clusters/prod/shop.yaml", &*one),
        ("clusters/staging/shop.yaml", &*other),
    ];
    let objects = [live("shop", "cart")];
    for paths in [&[][..], &["apps"], &["clusters/prod"]] {
        check_in(paths, &files, &objects, SHARED);
        check_in(paths, &files[..4], &objects, "apps/shop/cart.yaml#0…");
    }
}

#[test]
fn another_deliverer_than_the_objects_own_is_in_doubt() {
    let cart = deployment("shop", "cart");
    let other = kustomization("staging", "apps", "repo").to_string();
    let files = [
        ("apps/cart.yaml", &*cart),
        ("clusters/staging/apps.yaml", &*other),
    ];
    let objects = [by_flux(live("shop", "cart"))];
    let doubt = "shared-manifest: Kustomization flux-system/staging (clusters/staging/apps.yaml) \
                 delivers apps/cart.yaml, and Kustomization flux-system/apps delivers the live \
                 object: an edit…";
    check(&files, &objects, doubt);
    check_in(&["clusters/prod", "apps"], &files, &objects, doubt);
    // A live one of the name that reads another directory is not the one in Git.
    let other = kustomization("apps", "apps", "repo").to_string();
    let files = [
        ("apps/shop/cart.yaml", &*cart),
        ("clusters/staging/apps.yaml", &*other),
    ];
    let apps = kustomization("apps", "apps/shop", "repo");
    let objects = [by_flux(live("shop", "cart")), apps];
    check(&files, &objects, SHARED);
    check_in(
        &["clusters"],
        &files,
        &objects,
        "apps/shop/cart.yaml#0 by flux…",
    );
}
