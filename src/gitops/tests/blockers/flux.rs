//! What blocks a Kustomization of Flux, and one object in it.

use serde_json::{Value, json};

use super::{check, flux, kustomization, repository, set};
use crate::gitops::tests::{annotated, labelled};

fn with_kustomization(pointer: &str, value: Value, expected: &[&str]) {
    check(
        &[flux(), set(kustomization(), pointer, value), repository()],
        expected,
    );
}

fn with_repository(pointer: &str, value: Value, expected: &[&str]) {
    check(
        &[flux(), kustomization(), set(repository(), pointer, value)],
        expected,
    );
}

#[test]
fn nothing_blocks_a_plain_kustomization() {
    check(&[flux(), kustomization(), repository()], &[]);
}

#[test]
fn suspended() {
    let expected = "suspended | Kustomization flux-system/apps | spec.suspend | it is suspended: run \
                    `flux resume kustomization -n flux-system apps`";
    with_kustomization("/spec/suspend", json!(true), &[expected]);
    let expected = "suspended | GitRepository flux-system/repo | spec.suspend | it is suspended: run \
                    `flux resume source git -n flux-system repo`";
    with_repository("/spec/suspend", json!(true), &[expected]);
}

#[test]
fn apply_policy() {
    let key = "kustomize.toolkit.fluxcd.io/ssa";
    let with = |object: Value, expected: &[&str]| {
        check(&[object, kustomization(), repository()], expected);
    };
    let expected = "apply-policy | Deployment shop/cart | kustomize.toolkit.fluxcd.io/ssa | Ignore keeps \
                    the live object as it is: set it to Merge or Override";
    with(annotated(flux(), key, "ignore"), &[expected]);
    with(labelled(flux(), key, "IfNotPresent"), &["apply-policy | …"]);
    with(annotated(flux(), key, "Merge"), &[]);
}

#[test]
fn reconcile_disabled() {
    let object = annotated(flux(), "kustomize.toolkit.fluxcd.io/reconcile", "Disabled");
    let expected =
        "reconcile-disabled | Deployment shop/cart | kustomize.toolkit.fluxcd.io/reconcile | …";
    check(&[object, kustomization(), repository()], &[expected]);
}

#[test]
fn fields_that_flux_ignores() {
    let rule = |path: &str, kind: &str| json!([{"paths": [path], "target": {"kind": kind}}]);
    let expected = "ignored-difference | Kustomization flux-system/apps | spec.ignore | …";
    let annotations = "/spec/template/metadata/annotations";
    with_kustomization("/spec/ignore", rule(annotations, "Deployment"), &[expected]);
    with_kustomization("/spec/ignore", rule("", "Deploy.*"), &[expected]);
    with_kustomization("/spec/ignore", rule(annotations, "StatefulSet"), &[]);
    let one = format!("{annotations}/kubectl.kubernetes.io~1restartedAt");
    with_kustomization("/spec/ignore", rule(&one, "Deployment"), &[]);
}

#[test]
fn dependency_not_ready() {
    let istiod = |status: &str| {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "istiod", "namespace": "flux-system"},
            "spec": {"path": "istiod", "sourceRef": {"kind": "GitRepository", "name": "repo"}},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        })
    };
    let depends = || {
        set(
            kustomization(),
            "/spec/dependsOn",
            json!([{"name": "istiod"}]),
        )
    };
    let expected = "dependency-not-ready | Kustomization flux-system/apps | spec.dependsOn | \
                    Kustomization flux-system/istiod is not ready, and nothing is applied before it is";
    check(
        &[flux(), depends(), repository(), istiod("Unknown")],
        &[expected],
    );
    check(&[flux(), depends(), repository(), istiod("True")], &[]);
}

#[test]
fn not_ready() {
    let status = |status: &str, reason: &str| {
        json!({"conditions": [
        {"type": "Ready", "status": status, "reason": reason, "message": "dry-run failed"}]})
    };
    let expected = "not-ready | Kustomization flux-system/apps | status.conditions | \
                    ReconciliationFailed: dry-run failed";
    with_kustomization(
        "/status",
        status("False", "ReconciliationFailed"),
        &[expected],
    );
    with_kustomization("/status", status("False", "DependencyNotReady"), &[]);
    with_kustomization("/status", status("True", "ReconciliationSucceeded"), &[]);
    let expected = "not-ready | GitRepository flux-system/repo | status.conditions | …";
    with_repository(
        "/status",
        status("False", "GitOperationFailed"),
        &[expected],
    );
}

#[test]
fn source_not_git() {
    let artifact = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
        "metadata": {"name": "repo", "namespace": "flux-system"}, "spec": {"ref": {"tag": "v1"}},
    });
    let reads = set(
        kustomization(),
        "/spec/sourceRef/kind",
        json!("OCIRepository"),
    );
    let expected = "source-not-git | Kustomization flux-system/apps | spec.sourceRef | it reads \
                    OCIRepository flux-system/repo: a commit arrives once its artifact is built and pushed";
    check(&[flux(), reads, artifact], &[expected]);
}

#[test]
fn references_of_a_git_repository() {
    let check = |reference: Value, field: Option<&str>| {
        let expected = field.map(|field| {
            format!("pinned-revision | GitRepository flux-system/repo | spec.ref.{field} | …")
        });
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        with_repository("/spec/ref", reference, &expected);
    };
    check(
        json!({"branch": "main", "commit": "37ee0097"}),
        Some("commit"),
    );
    check(json!({"tag": "v1"}), Some("tag"));
    check(json!({"semver": ">=1.0"}), Some("semver"));
    check(json!({"name": "refs/pull/1/head"}), Some("name"));
    check(json!({"name": "refs/heads/main", "tag": "v1"}), None);
    check(json!(null), None);
}

#[test]
fn signatures_that_flux_verifies() {
    let expected =
        "signature-required | GitRepository flux-system/repo | spec.verify | mode HEAD demands…";
    with_repository("/spec/verify", json!({"mode": "HEAD"}), &[expected]);
}

#[test]
fn files_that_the_source_leaves_out() {
    let object = "path-filter | GitRepository flux-system/repo";
    let sparse =
        format!("{object} | spec.sparseCheckout | it leaves out apps/cart.yaml: let it in");
    with_repository("/spec/sparseCheckout", json!(["infra"]), &[&sparse]);
    with_repository("/spec/sparseCheckout", json!(["infra", "./apps/"]), &[]);
    with_repository("/spec/sparseCheckout", json!(["apps/deep"]), &[]);
    let ignored = format!("{object} | spec.ignore | …");
    with_repository(
        "/spec/ignore",
        json!("# all but infra\n/*\n!/infra\n"),
        &[&ignored],
    );
    with_repository("/spec/ignore", json!("/*\n!/apps\n"), &[]);
    with_repository("/spec/ignore", json!("*.md\n"), &[]);
}
