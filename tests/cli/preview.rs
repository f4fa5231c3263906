//! `--assume-applied`: the bundled pull request that bumps Istio, seen before its merge.

use serde_json::Value;

use crate::common::{Repository, copy, fixture, golden, project};

/// A clone at the head of the pull request, its base one commit below.
fn bump() -> Repository {
    let repository = Repository::of(&project().join("fixtures/bump/base"));
    copy(&project().join("fixtures/bump/head"), repository.path());
    repository.commit("istio: 1.28.0");
    repository
}

const PREVIEW: &[&str] = &["plan", "--assume-applied", "--base", "HEAD^"];

#[test]
fn a_bump_shows_what_would_be_stale() {
    let snapshot = fixture("bump/snapshot.yaml");
    let repository = bump();
    let mut arguments = PREVIEW.to_vec();
    arguments.extend(["--snapshot", &snapshot]);
    let expected = |name: &str| project().join("fixtures/bump/expected").join(name);
    golden(
        &expected("plan.txt"),
        &repository.meshroll(&arguments).succeed(),
    );
    arguments.extend(["-o", "markdown"]);
    golden(
        &expected("plan.md"),
        &repository.meshroll(&arguments).succeed(),
    );
}

#[test]
fn the_plan_of_a_bump_names_what_is_assumed() {
    let snapshot = fixture("bump/snapshot.yaml");
    let repository = bump();
    let mut arguments = PREVIEW.to_vec();
    arguments.extend(["--snapshot", &snapshot, "-o", "json"]);
    let plan: Value =
        serde_json::from_str(&repository.meshroll(&arguments).succeed()).expect("JSON");
    assert_eq!(plan["assumed"]["touchesMesh"], true);
    let changed = &plan["assumed"]["changes"][1];
    assert_eq!(changed["object"], "Deployment istio-system/istiod");
    assert_eq!(changed["change"], "1.27.3 → 1.28.0");
    assert_eq!(changed["file"], "istio/deployment-istiod.yaml");
    let without = ["plan", "--snapshot", &snapshot, "-o", "json"];
    let plan: Value = serde_json::from_str(&repository.meshroll(&without).succeed()).expect("JSON");
    assert_eq!(plan.get("assumed"), None);
    assert_eq!(
        plan["summary"]["up-to-date"], 1,
        "the cluster is as it is until the merge"
    );
}

#[test]
fn a_change_that_leaves_the_mesh_alone_needs_no_snapshot() {
    let repository = bump();
    repository
        .write("apps/other.yaml", "kind: ConfigMap\n")
        .commit("something else");
    let text = repository.meshroll(PREVIEW).succeed();
    assert_eq!(
        text,
        "no sidecar changes: nothing of the mesh differs from HEAD^\n"
    );
    let json = repository
        .meshroll(&[PREVIEW, &["-o", "json"]].concat())
        .succeed();
    let plan: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(plan["assumed"]["touchesMesh"], false);
    let markdown = repository
        .meshroll(&[PREVIEW, &["-o", "markdown"]].concat())
        .succeed();
    assert!(markdown.contains("No sidecar changes"), "{markdown}");
}

#[test]
fn a_base_that_is_no_commit_is_said() {
    let arguments = ["plan", "--assume-applied", "--base", "nowhere"];
    let error = bump().meshroll(&arguments).fail(1);
    assert!(error.contains("`nowhere` names no commit"), "{error}");
    bump().meshroll(&["plan", "--base", "HEAD"]).fail(64);
}
