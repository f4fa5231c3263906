//! The bundled example: what the README shows is what the binary prints.

use std::path::PathBuf;

use crate::common::{Repository, copy, fixture, golden, project};

const PATH: &str = "fixtures/example/manifests";

/// The example where the README finds it: at its path in a clone.
fn repository() -> Repository {
    let repository = Repository::empty();
    // All of the fixtures: what else lies in the repository must not matter.
    let fixtures = repository.path().join("fixtures");
    copy(&project().join("fixtures"), &fixtures);
    repository.commit("a clone");
    repository
}

fn expected(name: &str) -> PathBuf {
    project().join("fixtures/example/expected").join(name)
}

fn plan(repository: &Repository, arguments: &[&str]) -> String {
    let snapshot = fixture("example/snapshot.json");
    let mut all = vec!["plan", "--path", PATH, "--snapshot", &snapshot];
    all.extend(arguments);
    repository.meshroll(&all).succeed()
}

#[test]
fn the_table_is_the_expected_one() {
    golden(&expected("plan.txt"), &plan(&repository(), &[]));
}

#[test]
fn the_diff_is_the_expected_one_and_applies() {
    let repository = repository();
    let diff = plan(&repository, &["-o", "diff"]);
    golden(&expected("plan.diff"), &diff);
    repository
        .write("plan.diff", &diff)
        .git(&["apply", "--check", "plan.diff"]);
}

#[test]
fn every_format_prints_the_same_plan() {
    let repository = repository();
    let json: serde_json::Value =
        serde_json::from_str(&plan(&repository, &["-o", "json"])).expect("JSON");
    let yaml: serde_json::Value =
        serde_yaml::from_str(&plan(&repository, &["-o", "yaml"])).expect("YAML");
    assert_eq!(json, yaml);
    let names = plan(&repository, &["-o", "name"]);
    let edited: Vec<_> = json["edits"].as_array().expect("edits").iter().collect();
    assert_eq!(names.lines().count(), edited.len());
    assert!(plan(&repository, &["-o", "markdown"]).contains("What is restarted"));
    assert!(plan(&repository, &["-o", "wide"]).contains("flux flux-system/apps"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (one, other) = (repository(), repository());
    assert_eq!(plan(&one, &["-o", "json"]), plan(&other, &["-o", "json"]));
}

#[test]
fn a_snapshot_may_come_from_standard_input() {
    let repository = repository();
    let bytes = std::fs::read(project().join("fixtures/example/snapshot.json")).expect("readable");
    let piped = repository
        .meshroll(&["plan", "--path", PATH, "--snapshot", "-", "-o", "json"])
        .stdin(&bytes)
        .succeed();
    assert_eq!(piped, plan(&repository, &["-o", "json"]));
}

#[test]
fn a_commit_reads_as_its_work_tree() {
    let repository = repository();
    let worktree = plan(&repository, &["-o", "json"]);
    assert_eq!(
        worktree,
        plan(&repository, &["-o", "json", "--rev", "HEAD"])
    );
}

#[test]
fn the_readme_shows_this_very_output() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("readable");
    let table = std::fs::read_to_string(expected("plan.txt")).expect("readable");
    assert!(
        readme.contains(table.trim_end()),
        "the table of the README is not that of the example"
    );
    let diff = std::fs::read_to_string(expected("plan.diff")).expect("readable");
    let first = diff.split("diff --git").nth(1).expect("a file").trim_end();
    assert!(
        readme.contains(first),
        "the diff of the README is not that of the example"
    );
}
