//! `snapshot`: recordings of files and of a live cluster, and plans from them.

use serde_json::{Value, json};

use crate::api_server::{items, serve, serve_over_tls, write_kubeconfig};
use crate::common::{Repository, fixture, project};
use crate::stand_in::Certificates;

fn repository() -> Repository {
    Repository::of(&project().join("fixtures/example/manifests"))
}

/// The plan, without what a recording alone can tell: which kinds were listed.
fn plan(repository: &Repository, input: &[&str]) -> Value {
    let mut arguments = vec!["plan", "-o", "json", "--now", "2026-11-20T09:00:00Z"];
    arguments.extend(input);
    let mut plan: Value =
        serde_json::from_str(&repository.meshroll(&arguments).succeed()).expect("JSON");
    let diagnostics = plan["diagnostics"].as_array_mut().expect("diagnostics");
    diagnostics.retain(|diagnostic| diagnostic["code"] != "not-checked");
    plan["snapshot"]["capturedAt"] = Value::Null;
    plan
}

#[test]
fn a_recording_plans_as_what_it_was_made_from() {
    let repository = repository();
    let raw = fixture("example/snapshot.json");
    for name in ["recording.json", "recording.json.gz", "recording.json.zst"] {
        repository
            .meshroll(&["snapshot", "--from", &raw, "-o", name])
            .succeed();
        assert_eq!(
            plan(&repository, &["--snapshot", name]),
            plan(&repository, &["--snapshot", &raw]),
            "{name}"
        );
    }
    let recorded = repository.meshroll(&["snapshot", "--from", &raw]).succeed();
    let again = repository
        .meshroll(&["snapshot", "--from", "-"])
        .stdin(recorded.as_bytes())
        .succeed();
    assert_eq!(
        recorded, again,
        "a recording of a recording is the recording"
    );
    let list: Value = serde_json::from_str(&recorded).expect("JSON");
    assert_eq!(
        (&list["apiVersion"], &list["kind"]),
        (&json!("v1"), &json!("List"))
    );
}

#[test]
fn a_recording_in_a_file_is_said_unless_nothing_is_to_be() {
    let repository = repository();
    let raw = fixture("example/snapshot.json");
    let said = |arguments: &[&str]| {
        let arguments = [&["snapshot", "--from", &raw], arguments].concat();
        let outcome = repository.meshroll(&arguments).run();
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        outcome.stderr
    };
    let line = said(&["-o", "a.json"]);
    assert!(line.starts_with("meshroll: recorded "), "{line}");
    assert!(line.contains(" pods and "), "{line}");
    assert!(line.contains(" workloads as of 2026-11-20T"), "{line}");
    assert!(line.ends_with(" in a.json\n"), "{line}");
    assert_eq!(said(&["-o", "a.json", "--quiet"]), "");
    assert_eq!(said(&[]), "");
}

#[test]
fn a_branch_holds_the_newest_recording_and_nothing_else() {
    let repository = repository();
    let raw = fixture("example/snapshot.json");
    let record = || {
        repository
            .meshroll(&["snapshot", "--from", &raw, "--to-branch", "snapshots/prod"])
            .succeed()
    };
    assert!(record().starts_with("recorded on snapshots/prod"));
    let tip = repository.git(&["rev-parse", "snapshots/prod"]);
    assert!(record().starts_with("recorded already on snapshots/prod"));
    assert_eq!(repository.git(&["rev-parse", "snapshots/prod"]), tip);
    assert_eq!(
        repository.git(&["rev-list", "--count", "snapshots/prod"]),
        "1"
    );
    assert_eq!(
        repository.git(&["ls-tree", "--name-only", "snapshots/prod"]),
        "snapshot.json.zst"
    );
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    repository.git(&["branch", "mine", "main"]);
    let refused = repository
        .meshroll(&["snapshot", "--from", &raw, "--to-branch", "mine"])
        .fail(1);
    assert!(
        refused.contains("a commit that meshroll did not write"),
        "{refused}"
    );
}

#[test]
fn a_live_cluster_plans_as_its_recording() {
    let repository = repository();
    let raw = fixture("example/snapshot.json");
    let server = serve(&raw);
    write_kubeconfig(
        &repository,
        &json!({"server": server.url}),
        &json!({"token": "very-secret-token"}),
    );
    assert_eq!(
        plan(&repository, &["--kubeconfig", "kubeconfig"]),
        plan(&repository, &["--snapshot", &raw])
    );
    repository
        .meshroll(&[
            "snapshot",
            "--kubeconfig",
            "kubeconfig",
            "-o",
            "live.json.zst",
        ])
        .succeed();
    assert_eq!(
        plan(&repository, &["--snapshot", "live.json.zst"]),
        plan(&repository, &["--snapshot", &raw])
    );
    let unknown = repository
        .meshroll(&["plan", "--kubeconfig", "kubeconfig", "--context", "gone"])
        .fail(1);
    assert!(!unknown.contains("very-secret-token"), "{unknown}");
}

#[test]
fn a_cluster_behind_certificates_is_read_and_an_impostor_is_not() {
    let repository = repository();
    let raw = fixture("example/snapshot.json");
    let certificates = Certificates::new("cluster");
    let server = serve_over_tls(&raw, &certificates);
    let client = certificates.client();
    repository.write("ca.crt", &certificates.authority());
    repository.write("client.crt", &client.certificate);
    repository.write("client.key", &client.key);
    let cluster = json!({"server": server.url, "certificate-authority": "ca.crt"});
    let user = json!({"client-certificate": "client.crt", "client-key": "client.key",
        "token": "very-secret-token"});
    write_kubeconfig(&repository, &cluster, &user);
    let live = ["--kubeconfig", "kubeconfig"];
    assert_eq!(
        plan(&repository, &live),
        plan(&repository, &["--snapshot", &raw])
    );
    let asked = server.asked();
    assert!(asked.len() > 5);
    for asked in asked {
        assert!(asked.has_certificate, "{asked:?}");
        assert_eq!(asked.authorization, "Bearer very-secret-token");
    }
    repository.write("ca.crt", &Certificates::new("another").authority());
    let refused = repository
        .meshroll(&["plan", "--kubeconfig", "kubeconfig"])
        .fail(1);
    assert!(
        refused.contains("the API server's certificate is not to be trusted"),
        "{refused}"
    );
    assert!(refused.contains("certificate-authority-data"), "{refused}");
    assert!(!refused.contains("very-secret-token"), "{refused}");
}

/// The annotations of a Deployment's template in a recording.
fn recorded(repository: &Repository, arguments: &[&str]) -> Value {
    let arguments = [&["snapshot"], arguments].concat();
    let recording = repository.meshroll(&arguments).succeed();
    let list: Value = serde_json::from_str(&recording).expect("JSON");
    let items = list["items"].as_array().expect("items");
    let is_cart =
        |item: &&Value| item["kind"] == "Deployment" && item["metadata"]["name"] == "cart";
    let cart = items.iter().find(is_cart).expect("the Deployment");
    cart["spec"]["template"]["metadata"]["annotations"].clone()
}

#[test]
fn annotations_under_the_configured_keys_are_recorded() {
    let repository = repository();
    let mut items = items(&fixture("example/snapshot.json"));
    for item in &mut items {
        if item["kind"] == "Deployment" && item["metadata"]["name"] == "cart" {
            let template = &mut item["spec"]["template"]["metadata"];
            template["annotations"] =
                json!({"ops.example.com/stamp": "s", "example.com/other": "o"});
        }
    }
    let raw = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    repository.write("raw.json", &raw);
    let from = ["--from", "raw.json"];
    assert_eq!(recorded(&repository, &from), Value::Null);
    let configuration = "annotations: {restartedFor: ops.example.com/stamp}\n";
    let stamp = json!({"ops.example.com/stamp": "s"});
    repository.write("elsewhere.yaml", configuration);
    let named = [&from[..], &["--config", "elsewhere.yaml"]].concat();
    assert_eq!(recorded(&repository, &named), stamp);
    repository.write(".github/meshroll.yaml", configuration);
    assert_eq!(recorded(&repository, &from), stamp);
    // The configuration is that of `--repo`, which need not be a repository.
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("meshroll.yaml"), configuration).expect("written");
    let directory = directory.path().to_str().expect("UTF-8");
    let other = [&from[..], &["--repo", directory]].concat();
    assert_eq!(recorded(&repository, &other), stamp);
    repository.write("meshroll.yaml", "annotations: 7\n");
    let refused = repository
        .meshroll(&["snapshot", "--from", "raw.json"])
        .fail(1);
    assert!(refused.contains("meshroll.yaml"), "{refused}");
}
