//! What blocks an Application, and one object in it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    application, check, config, found, project, set, tracked, with_application, with_project,
};
use crate::config::Policy;
use crate::gitops::fixture::manifests;
use crate::gitops::tests::annotated;
use crate::gitops::{BlockerCode, DeliveryMap};
use crate::rollout::fixture::snapshot;
use crate::rollout::members;

#[test]
fn nothing_blocks_a_plain_application() {
    check(
        &[tracked(), application(), project(), config(json!({}))],
        &[],
    );
    with_application(
        "/spec/syncPolicy/automated",
        json!({"enabled": null, "selfHeal": true}),
        &[],
    );
}

#[test]
fn manual_sync() {
    let message = "it does not sync by itself: after the merge run `argocd app sync argocd/shop`";
    let expected =
        format!("manual-sync | Application argocd/shop | spec.syncPolicy.automated | {message}");
    with_application("/spec/syncPolicy", json!({}), &[&expected]);
    let expected = "manual-sync | Application argocd/shop | spec.syncPolicy.automated.enabled | …";
    with_application(
        "/spec/syncPolicy/automated/enabled",
        json!(false),
        &[expected],
    );
}

#[test]
fn rolling_sync() {
    let set_of = |strategy: &str| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet",
            "metadata": {"name": "fleet", "namespace": "argocd"}, "spec": {"strategy": {"type": strategy}},
        })
    };
    let owners =
        json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "fleet"}]);
    let owned = || set(application(), "/metadata/ownerReferences", owners.clone());
    let expected = "rolling-sync | ApplicationSet argocd/fleet | spec.strategy | …";
    check(
        &[tracked(), owned(), project(), set_of("RollingSync")],
        &[expected],
    );
    check(&[tracked(), owned(), project(), set_of("AllAtOnce")], &[]);
}

#[test]
fn sync_window() {
    let window = |schedule: &str, applications: &str| {
        json!([{
            "kind": "allow", "schedule": schedule, "duration": "2h", "applications": [applications],
        }])
    };
    let expected = "sync-window | AppProject argocd/default | spec.syncWindows[0] | no allow window \
                    is active: syncs are possible again at 2026-11-20T22:00:00Z";
    with_project("/spec/syncWindows", window("0 22 * * *", "*"), &[expected]);
    with_project("/spec/syncWindows", window("0 22 * * *", "other"), &[]);
    with_project("/spec/syncWindows", window("0 9 * * *", "*"), &[]);
    let deny = json!([
        {"kind": "deny", "schedule": "0 9 * * *", "duration": "2h", "namespaces": ["shop"], "applications": ["x"]},
    ]);
    let expected = "sync-window | AppProject argocd/default | spec.syncWindows[0] | a deny window is \
                    active: syncs are possible again at 2026-11-20T11:00:00Z";
    with_project("/spec/syncWindows", deny.clone(), &[expected]);
    with_project(
        "/spec/syncWindows",
        set(deny, "/0/andOperator", json!(true)),
        &[],
    );
}

#[test]
fn ignored_difference() {
    let annotations = "/spec/template/metadata/annotations";
    let rule =
        |pointer: &str| json!([{"group": "*", "kind": "Deployment", "jsonPointers": [pointer]}]);
    let expected = "ignored-difference | Application argocd/shop | spec.ignoreDifferences[0] | the rule \
                    ignores /spec/template/metadata/annotations/meshroll.dev~1restarted-for: the \
                    Application stays Synced and applies it only with some other change; leave \
                    meshroll.dev/restarted-for out of the rule";
    with_application("/spec/ignoreDifferences", rule(annotations), &[expected]);
    let one = format!("{annotations}/kubectl.kubernetes.io~1restartedAt");
    with_application("/spec/ignoreDifferences", rule(&one), &[]);
    let other = set(rule(annotations), "/0/kind", json!("StatefulSet"));
    with_application("/spec/ignoreDifferences", other, &[]);
    let named = set(rule(annotations), "/0/name", json!("other"));
    with_application("/spec/ignoreDifferences", named, &[]);
}

#[test]
fn ignored_differences_that_never_arrive() {
    let pointer = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let rule = json!([{"group": "apps", "kind": "Deployment", "jsonPointers": [pointer]}]);
    let application = set(application(), "/spec/ignoreDifferences", rule);
    let options = json!(["RespectIgnoreDifferences=true"]);
    let application = set(application, "/spec/syncPolicy/syncOptions", options);
    let (blockers, withheld) = found(&[tracked(), application.clone(), project()]);
    assert!(blockers.is_empty(), "{blockers:#?}");
    assert_eq!(withheld, ["kubectl.kubernetes.io/restartedAt"]);
    let all = set(
        application,
        "/spec/ignoreDifferences/0/jsonPointers/0",
        json!("/spec/template"),
    );
    let expected = "ignored-difference | Application argocd/shop | spec.ignoreDifferences[0] | the rule \
                    ignores /spec/template/metadata/annotations/meshroll.dev~1restarted-for: \
                    RespectIgnoreDifferences keeps it from ever arriving; …";
    check(&[tracked(), all, project()], &[expected]);
}

#[test]
fn ignored_differences_of_the_whole_installation() {
    let entry = |which: &str, rule: &str| {
        let key = format!("resource.customizations.ignoreDifferences.{which}");
        config(json!({ key: rule }))
    };
    let check_rule = |which: &str, rule: &str, expected: &[&str]| {
        check(
            &[tracked(), application(), project(), entry(which, rule)],
            expected,
        );
    };
    let annotations = "jsonPointers: [/spec/template/metadata/annotations]\n";
    let expected =
        "ignored-difference | ConfigMap argocd-cm | resource.customizations.ignoreDifferences.";
    check_rule(
        "apps_Deployment",
        annotations,
        &[&format!("{expected}apps_Deployment | the rule ignores …")],
    );
    check_rule(
        "all",
        annotations,
        &[&format!("{expected}all | the rule ignores …")],
    );
    check_rule("apps_StatefulSet", annotations, &[]);
    let conditional = "jqPathExpressions: ['if (.spec.template.metadata.annotations | length) == 0 \
                       then .spec.template.metadata.annotations else empty end']\n";
    check_rule(
        "all",
        conditional,
        &[&format!("{expected}all | the rule may ignore …")],
    );
    check_rule(
        "all",
        "managedFieldsManagers: [kubectl-rollout, kube-controller-manager]\n",
        &[],
    );
    check_rule(
        "all",
        "managedFieldsManagers: [argocd-controller]\n",
        &[&format!("{expected}all | the rule may ignore …")],
    );
    check_rule("all", "not: [yaml", &[]);
}

#[test]
fn skip_reconcile() {
    let at = |value: &str| json!({"argocd.argoproj.io/skip-reconcile": value});
    let expected = "skip-reconcile | Application argocd/shop | \
                    metadata.annotations[argocd.argoproj.io/skip-reconcile] | …";
    with_application("/metadata/annotations", at("true"), &[expected]);
    with_application("/metadata/annotations", at("T"), &[expected]);
    with_application("/metadata/annotations", at("false"), &[]);
}

#[test]
fn pinned_revision() {
    let expected = "pinned-revision | Application argocd/shop | spec.source.targetRevision | \
                    targetRevision \"v1.2.3\" is a tag: a commit arrives only after it is moved";
    with_application("/spec/source/targetRevision", json!("v1.2.3"), &[expected]);
}

#[test]
fn sync_failed() {
    let state = |phase: &str| json!({"operationState": {"phase": phase, "message": "denied"}});
    let expected = "sync-failed | Application argocd/shop | status.operationState.phase | the last \
                    sync failed: denied; a new commit is tried once more";
    with_application("/status", state("Failed"), &[expected]);
    with_application("/status", state("Succeeded"), &[]);
}

#[test]
fn operation_running() {
    let state =
        json!({"operationState": {"phase": "Running", "message": "waiting for healthy state"}});
    let expected = "operation-running | Application argocd/shop | status.operationState.phase | an \
                    operation is under way: waiting for healthy state: new commits wait for its end";
    with_application("/status", state, &[expected]);
    with_application(
        "/operation",
        json!({"sync": {}}),
        &["operation-running | …"],
    );
}

#[test]
fn comparison_error() {
    let condition = |kind: &str| json!({"conditions": [{"type": kind, "message": "bad YAML"}]});
    let expected = "comparison-error | Application argocd/shop | status.conditions | ComparisonError: bad YAML";
    with_application("/status", condition("ComparisonError"), &[expected]);
    with_application(
        "/status",
        condition("InvalidSpecError"),
        &["comparison-error | …"],
    );
    with_application("/status", condition("OrphanedResourceWarning"), &[]);
}

#[test]
fn shared_resource() {
    let conditions = json!({"conditions": [{"type": "SharedResourceWarning", "message": "two"}]});
    with_application("/status", conditions.clone(), &[]);
    let fails = set(
        application(),
        "/spec/syncPolicy/syncOptions",
        json!(["FailOnSharedResource=true"]),
    );
    let expected = "shared-resource | Application argocd/shop | status.conditions | SharedResourceWarning: two";
    check(
        &[tracked(), set(fails, "/status", conditions), project()],
        &[expected],
    );
}

#[test]
fn path_filter() {
    let at = |paths: &str| json!({"argocd.argoproj.io/manifest-generate-paths": paths});
    let expected = "path-filter | Application argocd/shop | \
                    metadata.annotations[argocd.argoproj.io/manifest-generate-paths] | \
                    \"../lib;/charts\" does not name apps/cart.yaml: add it, or refresh the Application";
    with_application("/metadata/annotations", at("../lib;/charts"), &[expected]);
    for sees in [".", "/apps", "/lib;cart.yaml", "/apps/*.yaml", ""] {
        with_application("/metadata/annotations", at(sees), &[]);
    }
}

#[test]
fn signature_required() {
    let expected = "signature-required | AppProject argocd/default | spec.signatureKeys | …";
    with_project(
        "/spec/signatureKeys",
        json!([{"keyID": "4AEE18F83AFDEB23"}]),
        &[expected],
    );
    let policies = |mode: &str| json!({"git": {"policies": [{"gpg": {"mode": mode}}]}});
    let expected =
        "signature-required | AppProject argocd/default | spec.sourceIntegrity.git.policies | …";
    with_project("/spec/sourceIntegrity", policies("strict"), &[expected]);
    with_project("/spec/sourceIntegrity", policies("none"), &[]);
}

#[test]
fn hook_skipped() {
    let object = |hook: &str| annotated(tracked(), "argocd.argoproj.io/hook", hook);
    // The manifest in Git has no such annotation, so the live one does not count.
    check(&[object("Skip"), application(), project()], &[]);
    let snapshot = snapshot(&[tracked(), application(), project()]);
    let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop, \
                annotations: {argocd.argoproj.io/hook: Skip}}, spec: {template: {spec: \
                {containers: [{name: app}]}}}}\n";
    let manifests = manifests(&[("apps/cart.yaml", text)]);
    let policy = Policy::default();
    let (map, _) = DeliveryMap::new(&manifests, &snapshot, &policy, Timestamp::UNIX_EPOCH);
    let delivery = map
        .origin(&members(&snapshot)[0])
        .delivery
        .expect("a delivery");
    let codes: Vec<BlockerCode> = delivery
        .blockers
        .iter()
        .map(|blocker| blocker.code)
        .collect();
    assert_eq!(codes, [BlockerCode::HookSkipped]);
}

#[test]
fn resource_excluded() {
    let with = |data: Value, expected: &[&str]| {
        check(
            &[tracked(), application(), project(), config(data)],
            expected,
        );
    };
    let expected = "resource-excluded | ConfigMap argocd-cm | resource.exclusions | Deployment is left \
                    out: let it in, or restart it by hand";
    with(
        json!({"resource.exclusions": "[{apiGroups: ['apps'], kinds: ['Dep*']}]"}),
        &[expected],
    );
    with(
        json!({"resource.exclusions": "[{apiGroups: ['batch'], kinds: ['*']}]"}),
        &[],
    );
    with(
        json!({"resource.inclusions": "[{apiGroups: ['batch']}]"}),
        &["resource-excluded | …"],
    );
    let list = json!([{"group": "apps", "kind": "*"}]);
    let expected =
        "resource-excluded | AppProject argocd/default | spec.namespaceResourceBlacklist | …";
    with_project(
        "/spec/namespaceResourceBlacklist",
        list.clone(),
        &[expected],
    );
    with_project("/spec/namespaceResourceWhitelist", list, &[]);
    with_project(
        "/spec/namespaceResourceWhitelist",
        json!([]),
        &["resource-excluded | …"],
    );
}

#[test]
fn earlier_wave() {
    let status = |wave: i64, health: &str| {
        json!({"resources": [
        {"group": "batch", "kind": "Job", "namespace": "shop", "name": "migrate", "syncWave": wave,
         "health": {"status": health}}]})
    };
    let expected = "earlier-wave | Application argocd/shop | status.resources | Job shop/migrate of an \
                    earlier wave is Degraded: wave 0 waits for it";
    with_application("/status", status(-1, "Degraded"), &[expected]);
    with_application("/status", status(-1, "Healthy"), &[]);
    with_application("/status", status(0, "Degraded"), &[]);
}

#[test]
fn being_deleted() {
    let expected = "being-deleted | Application argocd/shop | metadata.deletionTimestamp | …";
    with_application(
        "/metadata/deletionTimestamp",
        json!("2026-11-20T09:00:00Z"),
        &[expected],
    );
}
