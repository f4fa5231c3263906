//! Names that would like to be something else, in every output.

use serde_json::{Value, json};

use crate::common::Repository;

/// What a name tries to be.
const HOSTILE: &str = "::error::\u{1b}[31m\u{202e}@team `x` ](https://evil.example) <b> ##[x] fixes #1\r\n::set-output name=x::y";

/// The example's cluster with a namespace of a hostile name, and a repository with hostile files.
fn cluster() -> (Repository, String) {
    let repository = Repository::empty();
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "cart", "namespace": HOSTILE },
        "spec": {
            "selector": { "matchLabels": { "app": "cart" } },
            "template": {
                "metadata": { "labels": { "app": "cart", "version": "v2" } },
                "spec": { "containers": [{ "name": "cart", "image": "cart" }] },
            },
        },
    });
    let path = "a [b](c) ::warning::d.yaml";
    repository
        .write(path, &format!("{manifest}\n"))
        .write("::error::broken.yaml", "a: [\n")
        .commit("manifests");
    let example = crate::common::fixture("example/snapshot.json");
    let text = std::fs::read_to_string(example).expect("a file");
    let mut snapshot: Value = serde_json::from_str(&text).expect("JSON");
    for item in snapshot["items"].as_array_mut().expect("items") {
        let metadata = &mut item["metadata"];
        if metadata["namespace"] == "shop" {
            metadata["namespace"] = json!(HOSTILE);
        }
        if item["kind"] == "Namespace" && item["metadata"]["name"] == "shop" {
            item["metadata"]["name"] = json!(HOSTILE);
        }
    }
    repository.write(".git/snapshot.json", &snapshot.to_string());
    (repository, ".git/snapshot.json".to_owned())
}

/// No line is a command to a workflow's runner, and no character is one to a terminal.
#[track_caller]
fn check(what: &str, text: &str) {
    for line in text.lines() {
        let start = line.trim_start();
        assert!(
            !start.starts_with("::") && !start.starts_with("##["),
            "{what}: {line}"
        );
        let hidden = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!line.contains(hidden), "{what}: {line:?}");
    }
}

#[test]
fn hostile_names_stay_names() {
    let (repository, snapshot) = cluster();
    for format in ["table", "wide", "json", "yaml", "name", "markdown"] {
        let plan = ["plan", "--snapshot", &snapshot, "--all", "-o", format];
        let outcome = repository.meshroll(&plan).run();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert!(
            outcome.stdout.contains("set-output"),
            "{format}: {}",
            outcome.stdout
        );
        check(format, &outcome.stdout);
        check("diagnostics", &outcome.stderr);
    }
    let plan = ["plan", "--snapshot", &snapshot, "-o", "json"];
    let json: Value = serde_json::from_str(&repository.meshroll(&plan).succeed()).expect("JSON");
    let workloads = json["workloads"].as_array().expect("workloads");
    let mut ours = workloads.iter().filter(|one| one["name"] == "cart");
    let ours = ours.find(|one| one["namespace"] == HOSTILE);
    assert_eq!(ours.expect("the workload")["verdict"], "restart");
}

#[test]
fn a_commit_names_nobody_and_closes_nothing() {
    let (repository, snapshot) = cluster();
    let apply = ["apply", "--to", "branch", "--snapshot", &snapshot];
    let done = repository.meshroll(&apply).succeed();
    check("apply", &done);
    assert!(done.contains("meshroll/default/all"), "{done}");
    let message = repository.git(&["log", "-1", "--format=%B", "meshroll/default/all"]);
    check("the message", &message);
    assert!(message.contains("set-output"), "{message}");
    for text in ["@team", "#1"] {
        assert!(!message.contains(text), "{message}");
    }
}
