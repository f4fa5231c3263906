//! Whether a workload is delivered only after the mesh has changed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{by_flux, live};
use crate::config::Policy;
use crate::diagnostic::Location;
use crate::gitops::DeliveryMap;
use crate::gitops::fixture::manifests;
use crate::manifest::ObjectRef;
use crate::rollout::fixture::snapshot;

const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: NAME, namespace: SPACE}, \
                          spec: {template: {spec: {containers: [{name: a}]}}}}\n";

fn kustomization(name: &str, after: &[&str]) -> Value {
    let after: Vec<Value> = after.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {
            "path": format!("./{name}"), "wait": true, "dependsOn": after,
            "sourceRef": {"kind": "GitRepository", "name": "repo"},
        },
    })
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).expect("a field") = value;
    object
}

/// Whether `apps/cart.yaml` comes after `istio/istiod.yaml`, delivered by these objects.
fn check(carriers: &[Value], expected: Result<(), &str>) {
    check_change(carriers, "apps", Some("istio/istiod.yaml"), expected);
}

fn check_change(carriers: &[Value], group: &str, file: Option<&str>, expected: Result<(), &str>) {
    let deployment =
        |name: &str, space: &str| DEPLOYMENT.replace("NAME", name).replace("SPACE", space);
    let (cart, istiod) = (
        deployment("cart", "shop"),
        deployment("istiod", "istio-system"),
    );
    let manifests = manifests(&[("apps/cart.yaml", &cart), ("istio/istiod.yaml", &istiod)]);
    let mut objects = vec![by_flux(live("shop", "cart"))];
    objects.extend_from_slice(carriers);
    let (snapshot, policy) = (snapshot(&objects), Policy::default());
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
    let cart = &manifests.files[0];
    let change = ObjectRef::new(group, "Deployment", "istio-system", "istiod");
    let line = manifests.files[1].objects[0].line;
    let location = file.map(|file| Location::line(file, line));
    let found = map.comes_after((cart, &cart.objects[0]), &[(&change, location.as_ref())]);
    assert_eq!(
        found.as_ref().map_err(String::as_str),
        expected.as_ref().map_err(|why| *why)
    );
}

#[test]
fn a_dependency_that_waits_is_proof() {
    let istio = || kustomization("istio", &[]);
    check(&[istio(), kustomization("apps", &["istio"])], Ok(()));
    let chain = [
        istio(),
        kustomization("middle", &["istio"]),
        kustomization("apps", &["middle"]),
    ];
    check(&chain, Ok(()));
}

#[test]
fn everything_else_is_none() {
    let (istio, apps) = (
        || kustomization("istio", &[]),
        || kustomization("apps", &["istio"]),
    );
    let unrelated = "Kustomization flux-system/apps does not depend on Kustomization flux-system/istio \
                     (`spec.dependsOn`, one source for both)";
    check(&[istio(), kustomization("apps", &[])], Err(unrelated));
    let circle = [
        istio(),
        kustomization("apps", &["middle"]),
        kustomization("middle", &["apps"]),
    ];
    check(&circle, Err(unrelated));
    let elsewhere = with(apps(), "/spec/sourceRef/name", json!("other"));
    check(&[istio(), elsewhere], Err(unrelated));
    let hasty = with(istio(), "/spec/wait", json!(false));
    let unawaited =
        "Kustomization flux-system/istio does not wait for what it applies (`spec.wait`)";
    check(&[hasty, apps()], Err(unawaited));
    let whole = with(kustomization("apps", &[]), "/spec/path", json!("./"));
    let both = "Kustomization flux-system/apps delivers both the change and the workload";
    check(&[whole], Err(both));
    let unknown = "what delivers Deployment istio-system/istiod is not known";
    check(&[apps()], Err(unknown));
}

#[test]
fn a_change_that_no_kustomization_waits_for_is_not_proven() {
    let carriers = [
        kustomization("istio", &[]),
        kustomization("apps", &["istio"]),
    ];
    let gone = "when Deployment istio-system/istiod goes is not told by any order";
    check_change(&carriers, "apps", None, Err(gone));
    let helm = "Deployment istio-system/istiod rolls istiod out in its own time";
    check_change(
        &carriers,
        "helm.toolkit.fluxcd.io",
        Some("istio/istiod.yaml"),
        Err(helm),
    );
}

#[test]
fn argo_cd_keeps_no_order() {
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "istio", "namespace": "argocd"},
        "spec": {
            "source": {"path": "istio", "repoURL": "https://example.com/repo"},
            "destination": {"server": "https://kubernetes.default.svc"},
        },
    });
    let why = "Application argocd/istio is of Argo CD, which keeps no order between Applications";
    check(&[application, kustomization("apps", &[])], Err(why));
}
