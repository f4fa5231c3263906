//! One case for each blocker, and its neighbour that is none.

mod argo_cd;
mod flux;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{annotated, by_flux, live};
use crate::config::Policy;
use crate::gitops::DeliveryMap;
use crate::gitops::fixture::{deployment, manifests};
use crate::rollout::fixture::snapshot;
use crate::rollout::members;

/// Friday 20 November 2026, 10:00 UTC.
const NOW: &str = "2026-11-20T10:00:00Z";

/// Blockers of the first object, which `apps/cart.yaml` makes, and the withheld keys.
fn found(objects: &[Value]) -> (Vec<String>, Vec<String>) {
    let snapshot = snapshot(objects);
    let manifests = manifests(&[("apps/cart.yaml", &deployment("shop", "cart"))]);
    let policy = Policy::default();
    let now: Timestamp = NOW.parse().expect("a time");
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, now);
    let members = members(&snapshot);
    let cart = members
        .iter()
        .find(|member| member.reference.name == "cart")
        .expect("cart");
    let delivery = map.origin(cart).delivery.expect("a delivery");
    let blockers = delivery.blockers.iter();
    let blockers =
        blockers.map(|b| format!("{} | {} | {} | {}", b.code, b.object, b.field, b.message));
    (blockers.collect(), delivery.withheld)
}

/// Checks that exactly these blockers are found; `…` stands for any ending.
pub(super) fn check(objects: &[Value], expected: &[&str]) {
    let (found, _) = found(objects);
    let fits = |(found, expected): (&String, &&str)| match expected.strip_suffix('…') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    let all = found.len() == expected.len() && found.iter().zip(expected).all(fits);
    assert!(all, "{found:#?}");
}

pub(super) fn set(mut object: Value, pointer: &str, value: Value) -> Value {
    let mut at = &mut object;
    for key in pointer.split('/').skip(1) {
        at = match key.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[key.replace("~1", "/")],
        };
    }
    *at = value;
    object
}

fn tracked() -> Value {
    let id = "shop:apps/Deployment:shop/cart";
    annotated(live("shop", "cart"), "argocd.argoproj.io/tracking-id", id)
}

/// An Application that blocks nothing, in a project that blocks nothing.
fn application() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": "https://example.com/r", "path": "apps", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {}},
        },
    })
}

fn project() -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": "default", "namespace": "argocd"}, "spec": {},
    })
}

fn config(data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data,
    })
}

fn with_application(pointer: &str, value: Value, expected: &[&str]) {
    check(
        &[tracked(), set(application(), pointer, value), project()],
        expected,
    );
}

fn with_project(pointer: &str, value: Value, expected: &[&str]) {
    check(
        &[tracked(), application(), set(project(), pointer, value)],
        expected,
    );
}

fn kustomization() -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"},
        "spec": {"path": "apps", "sourceRef": {"kind": "GitRepository", "name": "repo"}},
    })
}

fn repository() -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": {"name": "repo", "namespace": "flux-system"}, "spec": {"ref": {"branch": "main"}},
    })
}

fn flux() -> Value {
    by_flux(live("shop", "cart"))
}

#[test]
fn what_the_snapshot_lacks_is_said() {
    let said = |objects: &[Value]| -> Vec<String> {
        let snapshot = snapshot(objects);
        let manifests = manifests(&[]);
        let policy = Policy::default();
        let (_, found) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
        found
            .into_iter()
            .map(|d| format!("{}: {}", d.code, d.message))
            .collect()
    };
    let check = |objects: &[Value], expected: &[&str]| {
        let found = said(objects);
        let has = |wanted: &&str| found.iter().any(|message| message.starts_with(wanted));
        assert!(expected.iter().all(has), "{found:#?}");
    };
    assert!(said(&[live("shop", "cart")]).is_empty());
    check(
        &[flux()],
        &[
            "not-checked: Kustomization flux-system/apps delivers workloads and is not in the snapshot",
        ],
    );
    check(
        &[tracked()],
        &["not-checked: Application shop delivers workloads and is not in the snapshot"],
    );
    check(
        &[flux(), kustomization()],
        &[
            "not-checked: GitRepository flux-system/repo, which Kustomizations read, is not in the snapshot",
        ],
    );
    check(
        &[tracked(), application()],
        &[
            "not-checked: AppProject argocd/default is not in the snapshot",
            "not-checked: ConfigMap argocd-cm is not in the snapshot",
            "not-checked: cluster Secrets of Argo CD are never read",
        ],
    );
    let windows =
        json!([{"kind": "allow", "schedule": "whenever", "duration": "1h", "applications": ["*"]}]);
    let project = set(project(), "/spec/syncWindows", windows);
    check(
        &[tracked(), application(), project],
        &["not-checked: spec.syncWindows[0] of AppProject argocd/default cannot be read"],
    );
}
