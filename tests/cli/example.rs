//! The bundled example: what the README shows is what the binary prints.

use std::path::PathBuf;

use meshroll::config::Policy;
use meshroll::snapshot::{KINDS, Kind};

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

/// The text of the README between two markers, the first of which is looked for first.
fn readme(start: &str, end: &str) -> String {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("readable");
    let (_, rest) = readme.split_once(start).expect("the start");
    let (text, _) = rest.split_once(end).expect("the end");
    text.to_owned()
}

#[test]
fn the_readme_names_every_kind_that_a_snapshot_holds() {
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let (built_in, custom): (Vec<&Kind>, Vec<&Kind>) =
        KINDS.iter().partition(|kind| kind.is_built_in());
    let resources = |kinds: Vec<&Kind>| sorted(kinds.into_iter().map(Kind::resource).collect());
    let command = readme("kubectl get ", " -A -o json");
    let named = command.split(',').map(str::to_owned).collect();
    assert_eq!(sorted(named), resources(built_in));
    let sentence = readme("\nAdd what is installed: ", "The more the snapshot holds");
    let named = sentence.split('`').skip(1).step_by(2);
    let named = named.flat_map(|names| names.split(',').map(str::to_owned));
    assert_eq!(sorted(named.collect()), resources(custom));
}

#[test]
fn the_configuration_of_the_readme_can_be_copied() {
    let sample = readme("```yaml\n# clusters:", "```");
    let sample = format!("# clusters:{sample}");
    let repository = repository();
    repository.write("meshroll.yaml", &sample);
    let summary = |text: &str| text.lines().last().map(str::to_owned);
    let table = std::fs::read_to_string(expected("plan.txt")).expect("readable");
    assert_eq!(summary(&plan(&repository, &[])), summary(&table));
    let whole: Vec<&str> = sample
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .collect();
    let policy = Policy::parse("meshroll.yaml", &whole.join("\n")).expect("a configuration");
    assert!(policy.clusters.contains_key("prod") && policy.halt.is_some());
}
