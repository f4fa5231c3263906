//! Which engine's object brings a file to the cluster, and under which identity.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{annotated, by_flux, check, check_in, labelled, live};
use crate::config::Policy;
use crate::gitops::DeliveryMap;
use crate::gitops::fixture::{deployment, manifests};
use crate::manifest::{ManifestSet, Template};
use crate::rollout::fixture::snapshot;

/// An Application of namespace `argocd` that delivers this source to this namespace.
fn application(name: &str, source: Value, namespace: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
        },
    })
}

fn at(path: &str) -> Value {
    json!({"repoURL": "https://example.com/org/repo", "path": path})
}

fn kustomization(name: &str, mut spec: Value) -> Value {
    spec["sourceRef"] = json!({"kind": "GitRepository", "name": "flux-system"});
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"}, "spec": spec,
    })
}

fn tracked(live: Value, instance: &str) -> Value {
    let namespace = live["metadata"]["namespace"]
        .as_str()
        .expect("a namespace")
        .to_owned();
    let name = live["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    let id = format!("{instance}:apps/Deployment:{namespace}/{name}");
    annotated(live, "argocd.argoproj.io/tracking-id", &id)
}

#[test]
fn a_manifest_without_a_namespace_lands_where_its_application_delivers() {
    let files = [("apps/cart.yaml", &*deployment("", "cart"))];
    let application = application("shop", at("./apps/"), "shop");
    let expected = "apps/cart.yaml#0 by argo-cd argocd/shop";
    check(
        &files,
        &[tracked(live("shop", "cart"), "shop"), application.clone()],
        expected,
    );
    check(
        &files,
        &[live("shop", "cart"), application.clone()],
        expected,
    );
    check(
        &files,
        &[live("default", "cart"), application],
        "not-in-git: …",
    );
}

#[test]
fn a_directory_source_reads_what_its_fields_say() {
    let cart = deployment("shop", "cart");
    let source = |directory: Value| {
        let mut source = at("apps");
        source["directory"] = directory;
        application("shop", source, "shop")
    };
    let check = |file: &str, directory: Value, found: bool| {
        let object = tracked(live("shop", "cart"), "shop");
        let expected = if found {
            format!("{file}#0 by argo-cd argocd/shop")
        } else {
            "not-in-git: …".to_owned()
        };
        check(&[(file, &*cart)], &[object, source(directory)], &expected);
    };
    check("apps/cart.yaml", json!({}), true);
    check("apps/cart.json", json!({}), true);
    check("apps/deep/cart.yaml", json!({}), false);
    check("apps/deep/cart.yaml", json!({"recurse": true}), true);
    check(
        "apps/deep/cart.yaml",
        json!({"recurse": true, "exclude": "deep*"}),
        false,
    );
    check(
        "apps/deep/cart.yaml",
        json!({"recurse": true, "include": "{a,*cart}.yaml"}),
        true,
    );
    check("apps/cart.yaml", json!({"include": "*.yml"}), false);
    check("apps-old/cart.yaml", json!({}), false);
}

#[test]
fn a_file_that_asks_to_be_skipped_is_no_manifest_of_argo_cds() {
    let cart = format!(
        "# +argocd:skip-file-rendering\n{}",
        deployment("shop", "cart")
    );
    let objects = [
        tracked(live("shop", "cart"), "shop"),
        application("shop", at("apps"), "shop"),
    ];
    check(&[("apps/cart.yaml", &cart)], &objects, "not-in-git: …");
}

#[test]
fn a_kustomize_source_changes_names_as_its_application_says() {
    let files = [
        ("apps/cart.yaml", &*deployment("", "cart")),
        ("apps/kustomization.yaml", "resources: [cart.yaml]\n"),
    ];
    let mut source = at("apps");
    source["kustomize"] = json!({"namespace": "shop", "namePrefix": "eu-", "images": ["a=b"]});
    let objects = [
        tracked(live("shop", "eu-cart"), "shop"),
        application("shop", source, "other"),
    ];
    check(
        &files,
        &objects,
        "apps/cart.yaml#0 transformed by argo-cd argocd/shop",
    );
}

#[test]
fn only_what_the_applications_path_holds_counts() {
    let files = [("legacy/cart.yaml", &*deployment("shop", "cart"))];
    let objects = [
        tracked(live("shop", "cart"), "shop"),
        application("shop", at("apps"), "shop"),
    ];
    check(
        &files,
        &objects,
        "not-in-git: Application argocd/shop delivers it from apps of https://example.com/org/repo, \
         and no manifest there makes it; legacy/cart.yaml holds it, and something else applies that \
         by argo-cd argocd/shop",
    );
}

#[test]
fn the_hydrators_dry_source_is_where_to_edit() {
    let hydrator = json!({
        "drySource": {"repoURL": "https://example.com/org/repo", "path": "dry"},
        "syncSource": {"targetBranch": "env/prod", "path": "wet"},
    });
    let mut application = application("shop", json!(null), "shop");
    application["spec"]["sourceHydrator"] = hydrator;
    let cart = deployment("shop", "cart");
    let objects = [tracked(live("shop", "cart"), "shop"), application];
    let expected = "dry/cart.yaml#0 by argo-cd argocd/shop";
    check(
        &[("dry/cart.yaml", &cart), ("wet/cart.yaml", &cart)],
        &objects,
        expected,
    );
    check(
        &[("wet/manifest.yaml", &cart)],
        &objects,
        "generated-manifest: wet/manifest.yaml: the source hydrator writes it for Application \
         argocd/shop, so the next run drops an edit; edit what it is made from: dry of \
         https://example.com/org/repo by argo-cd argocd/shop",
    );
}

#[test]
fn generated_manifest() {
    let cart = deployment("shop", "cart");
    let hydrated = [
        ("env/hydrator.metadata", ""),
        ("env/shop/manifest.yaml", &*cart),
    ];
    check(
        &hydrated,
        &[live("shop", "cart")],
        "generated-manifest: env/shop/manifest.yaml: Argo CD's source hydrator writes it \
         (hydrator.metadata in env), so the next run drops an edit; edit what it is made from",
    );
    let policy = Policy {
        generated: vec!["rendered/**".to_owned()],
        ..Policy::default()
    };
    let snapshot = snapshot(&[live("shop", "cart")]);
    let manifests = manifests(&[("rendered/a/cart.yaml", &cart)]);
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
    let members = crate::rollout::members(&snapshot);
    let found = super::describe(&map.origin(&members[0]));
    assert!(
        found.starts_with("generated-manifest: rendered/a/cart.yaml: the configuration names it"),
        "{found}"
    );
}

#[test]
fn one_path_for_two_destinations_is_shared() {
    let files = [("apps/cart.yaml", &*deployment("", "cart"))];
    let two = |second: Value| {
        let objects = [
            tracked(live("shop", "cart"), "shop"),
            application("shop", at("apps"), "shop"),
            second,
        ];
        objects.to_vec()
    };
    let shared = "shared-manifest: apps/cart.yaml makes 2 objects (shop/cart, test/cart)…";
    check(
        &files,
        &two(application("test", at("apps"), "test")),
        shared,
    );
    let mut elsewhere = application("other", at("apps"), "shop");
    elsewhere["spec"]["destination"] = json!({"name": "eu-1", "namespace": "shop"});
    let shared =
        "shared-manifest: apps/cart.yaml makes 2 objects (shop/cart, shop/cart of cluster eu-1)…";
    check(&files, &two(elsewhere), shared);
    let mut foreign = application("test", at("apps"), "test");
    foreign["spec"]["source"]["repoURL"] = json!("git@example.com:other/repo.git");
    check(
        &files,
        &two(foreign),
        "apps/cart.yaml#0 by argo-cd argocd/shop",
    );
    let mut same = application("test", at("apps"), "test");
    same["spec"]["source"]["repoURL"] = json!("git@example.com:org/repo.git");
    check(&files, &two(same), "shared-manifest: …");
}

#[test]
fn two_carriers_of_one_object_leave_the_engine_open() {
    let files = [("apps/cart.yaml", &*deployment("shop", "cart"))];
    let (one, two) = (
        application("one", at("apps"), "shop"),
        application("two", at("apps"), "shop"),
    );
    check(
        &files,
        &[live("shop", "cart"), one.clone(), two.clone()],
        "apps/cart.yaml#0",
    );
    let other = [tracked(live("shop", "cart"), "other"), one.clone()];
    check(&files, &other, "apps/cart.yaml#0 by argo-cd other");
    let object = tracked(live("shop", "cart"), "two");
    check(
        &files,
        &[object, one, two],
        "apps/cart.yaml#0 by argo-cd argocd/two",
    );
}

#[test]
fn an_application_elsewhere_makes_nothing_here() {
    let files = [("apps/cart.yaml", &*deployment("", "cart"))];
    let mut remote = application("shop", at("apps"), "shop");
    remote["spec"]["destination"] =
        json!({"server": "https://eu-1.example.com", "namespace": "shop"});
    check(&files, &[live("shop", "cart"), remote], "not-in-git: …");
}

#[test]
fn instance_names_lead_to_applications() {
    let files = [("apps/cart.yaml", &*deployment("", "cart"))];
    let mut other = application("shop", at("apps"), "shop");
    other["metadata"]["namespace"] = json!("team");
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": {},
    });
    let own = application("shop", at("elsewhere"), "shop");
    let objects = |instance: &str| {
        vec![
            tracked(live("shop", "cart"), instance),
            other.clone(),
            own.clone(),
            config.clone(),
        ]
    };
    check(
        &files,
        &objects("team_shop"),
        "apps/cart.yaml#0 by argo-cd team/shop",
    );
    check(
        &files,
        &objects("shop"),
        "not-in-git: Application argocd/shop delivers it from elsewhere…",
    );
}

#[test]
fn another_installations_tracking_id_is_not_ours() {
    let files = [("cart.yaml", &*deployment("shop", "cart"))];
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": {"installationID": "a"},
    });
    let with = |id: &str| {
        let object = tracked(live("shop", "cart"), "shop");
        vec![
            annotated(object, "argocd.argoproj.io/installation-id", id),
            config.clone(),
        ]
    };
    check(&files, &with("a"), "cart.yaml#0 by argo-cd shop");
    check(&files, &with("b"), "cart.yaml#0");
}

#[test]
fn labels_alone_track_only_where_argo_cd_says_so() {
    let files = [("cart.yaml", &*deployment("shop", "cart"))];
    let config = |method: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
            "data": {"application.resourceTrackingMethod": method},
        })
    };
    let object = || labelled(live("shop", "cart"), "app.kubernetes.io/instance", "shop");
    check(
        &files,
        &[object(), config("label")],
        "cart.yaml#0 by argo-cd shop",
    );
    check(
        &files,
        &[object(), config("annotation+label")],
        "cart.yaml#0",
    );
    check(&files, &[object()], "cart.yaml#0");
}

#[test]
fn what_an_engines_object_lists_is_its_own() {
    let files = [("cart.yaml", &*deployment("shop", "cart"))];
    let mut application = application("shop", at(""), "shop");
    application["status"] = json!({"resources": [
        {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "cart"}]});
    check(
        &files,
        &[live("shop", "cart"), application],
        "cart.yaml#0 by argo-cd argocd/shop",
    );
    let mut apps = kustomization("apps", json!({}));
    apps["status"] =
        json!({"inventory": {"entries": [{"id": "shop_cart_apps_Deployment", "v": "v1"}]}});
    check(
        &files,
        &[live("shop", "cart"), apps],
        "cart.yaml#0 by flux flux-system/apps",
    );
}

#[test]
fn a_kustomization_of_flux_reads_its_whole_path() {
    let cart = deployment("", "cart");
    let deep = [("apps/a/b/cart.yaml", &*cart)];
    let apps = kustomization("apps", json!({"path": "./apps", "targetNamespace": "shop"}));
    let objects = [by_flux(live("shop", "cart")), apps.clone()];
    check(
        &deep,
        &objects,
        "apps/a/b/cart.yaml#0 by flux flux-system/apps",
    );
    let own = [deep[0], ("apps/a/kustomization.yaml", "resources: []\n")];
    check(&own, &objects, "not-in-git: …");
    let listed = [
        deep[0],
        ("apps/a/kustomization.yaml", "resources: [b/cart.yaml]\n"),
    ];
    check(
        &listed,
        &objects,
        "apps/a/b/cart.yaml#0 by flux flux-system/apps",
    );
    let outside = [("other/cart.yaml", &*cart)];
    check(
        &outside,
        &objects,
        "not-in-git: Kustomization flux-system/apps delivers it from apps of flux-system…",
    );
}

#[test]
fn flux_overrides_every_namespace() {
    let files = [("apps/cart.yaml", &*deployment("other", "cart"))];
    let apps = kustomization("apps", json!({"path": "apps", "targetNamespace": "shop"}));
    let objects = [by_flux(live("shop", "cart")), apps];
    check(
        &files,
        &objects,
        "apps/cart.yaml#0 by flux flux-system/apps",
    );
}

#[test]
fn flux_patches_and_variables_transform() {
    let cart = deployment("shop", "cart");
    let patched = kustomization("apps", json!({"path": "apps", "patches": [{"patch": "x"}]}));
    let expected = "apps/cart.yaml#0 transformed by flux flux-system/apps";
    check(
        &[("apps/cart.yaml", &cart)],
        &[by_flux(live("shop", "cart")), patched],
        expected,
    );
    let post_build = json!({"path": "apps", "postBuild": {"substitute": {"env": "prod"}}});
    let filled = kustomization("apps", post_build);
    let plain = "apps/cart.yaml#0 by flux flux-system/apps";
    check(
        &[("apps/cart.yaml", &cart)],
        &[by_flux(live("shop", "cart")), filled.clone()],
        plain,
    );
    let variable = format!("# ${{env}}\n{cart}");
    check(
        &[("apps/cart.yaml", &variable)],
        &[by_flux(live("shop", "cart")), filled],
        expected,
    );
}

#[test]
fn templated_manifest() {
    let template = Template {
        path: "apps/cart.yaml".to_owned(),
        line: 3,
        kind: "Deployment".to_owned(),
        namespace: "shop".to_owned(),
        name: "${app}-web".to_owned(),
    };
    let manifests = ManifestSet {
        templates: vec![template],
        ..ManifestSet::default()
    };
    let check = |namespace: &str, name: &str, expected: &str| {
        let snapshot = snapshot(&[live(namespace, name)]);
        let policy = Policy::default();
        let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
        let members = crate::rollout::members(&snapshot);
        let found = super::describe(&map.origin(&members[0]));
        assert!(found.starts_with(expected), "{found}");
    };
    check(
        "shop",
        "cart-web",
        "templated-manifest: apps/cart.yaml:3 makes it from a template (${app}-web), which",
    );
    check("shop", "cart-api", "not-in-git: ");
    check("test", "cart-web", "not-in-git: ");
}

#[test]
fn helm_release() {
    let release = "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: cart, \
                   namespace: shop}, spec: {}}\n";
    let object = labelled(live("shop", "cart"), "helm.toolkit.fluxcd.io/name", "cart");
    let object = by_flux(labelled(object, "helm.toolkit.fluxcd.io/namespace", "shop"));
    check(
        &[("apps/release.yaml", release)],
        std::slice::from_ref(&object),
        "helm-release: HelmRelease shop/cart (apps/release.yaml) renders it: add to its spec \
         `postRenderers: [{\"kustomize\":{\"patches\":[{\"patch\":\"{\\\"apiVersion\\\":\\\"apps/v1\\\"…",
    );
    check(
        &[("cart.yaml", &deployment("shop", "cart"))],
        &[object],
        "helm-release: …",
    );
    let installed = annotated(live("shop", "cart"), "meta.helm.sh/release-name", "cart");
    check(
        &[],
        &[installed],
        "helm-release: the Helm release shop/cart renders it, and no engine \
        delivers it: run `kubectl rollout restart -n shop deployment/cart`",
    );
    let mut chart = at("");
    chart["chart"] = json!("cart");
    let objects = [
        tracked(live("shop", "cart"), "shop"),
        application("shop", chart, "shop"),
    ];
    check(
        &[],
        &objects,
        "helm-release: Application argocd/shop renders it with Helm from …",
    );
}

#[test]
fn a_chart_in_the_applications_path_is_told_by_its_labels() {
    let object = tracked(live("shop", "cart"), "shop");
    let object = labelled(object, "helm.sh/chart", "cart-1.2.3");
    let expected = "helm-release: Application argocd/shop renders it with Helm from charts/cart of \
                    https://example.com/org/repo: add the pod annotation to its values, in most \
                    charts `{\"podAnnotations\":{\"kubectl.kubernetes.io/restartedAt\":\"1970-01-01T00:00:00Z\"}}`";
    let source = application("shop", at("charts/cart"), "shop");
    check(
        &[],
        &[object.clone(), source],
        &format!("{expected} by argo-cd argocd/shop"),
    );
    check(
        &[],
        std::slice::from_ref(&object),
        "helm-release: Application shop renders it with Helm: …",
    );
    let rendered = [("cart.yaml", &*deployment("shop", "cart"))];
    check(&rendered, &[object], "cart.yaml#0 by argo-cd shop");
}

#[test]
fn applications_in_git_stand_in_for_live_ones() {
    let file = |name: &str, namespace: &str| {
        format!(
            "{{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {{name: {name}, namespace: argocd}}, \
             spec: {{source: {{path: apps, repoURL: r}}, destination: {{namespace: {namespace}}}}}}}\n"
        )
    };
    let (ours, theirs) = (file("shop", "shop"), file("shop", "test"));
    let files = [
        ("apps/cart.yaml", &*deployment("", "cart")),
        ("clusters/a/shop.yaml", &*ours),
        ("clusters/b/shop.yaml", &*theirs),
    ];
    let object = [tracked(live("shop", "cart"), "shop")];
    check(
        &files[..2],
        &object,
        "apps/cart.yaml#0 by argo-cd argocd/shop",
    );
    check_in(&["clusters/a"], &files, &object, "shared-manifest: …");
}

#[test]
fn an_application_in_git_may_deliver_to_this_very_cluster() {
    let application = "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: shop, namespace: argocd}, \
                       spec: {source: {path: apps, repoURL: r}, destination: {name: eu-1, namespace: shop}}}\n";
    let files = [
        ("apps/cart.yaml", &*deployment("", "cart")),
        ("shop.yaml", application),
    ];
    let expected = "apps/cart.yaml#0 by argo-cd argocd/shop";
    check(&files, &[live("shop", "cart")], expected);
    check(&files, &[tracked(live("shop", "cart"), "shop")], expected);
}
