//! One case for each blocker, and its neighbour that is none.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{annotated, by_flux, labelled, live};
use crate::config::Policy;
use crate::gitops::fixture::{deployment, manifests};
use crate::gitops::{BlockerCode, DeliveryMap};
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
fn check(objects: &[Value], expected: &[&str]) {
    let (found, _) = found(objects);
    let fits = |(found, expected): (&String, &&str)| match expected.strip_suffix('…') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    let all = found.len() == expected.len() && found.iter().zip(expected).all(fits);
    assert!(all, "{found:#?}");
}

fn tracked() -> Value {
    let id = "shop:apps/Deployment:shop/cart";
    annotated(live("shop", "cart"), "argocd.argoproj.io/tracking-id", id)
}

fn set(mut object: Value, pointer: &str, value: Value) -> Value {
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
            "not-checked: GitRepository flux-system/repo, which Kustomization flux-system/apps reads, is not in the snapshot",
        ],
    );
    check(
        &[tracked(), application()],
        &[
            "not-checked: AppProject default of Application argocd/shop is not in the snapshot",
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
