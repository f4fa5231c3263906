//! `snapshot`: recordings of files and of a live cluster, and plans from them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::common::{Repository, fixture, project};

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
    let url = serve(&raw);
    repository.write(
        "kubeconfig",
        &json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": url}}],
            "users": [{"name": "me", "user": {"token": "very-secret-token"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        })
        .to_string(),
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

/// An API server on the loopback that lists the objects of a snapshot; it ends with the process.
fn serve(snapshot: &str) -> String {
    let text = std::fs::read_to_string(snapshot).expect("readable");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let items = list["items"].as_array().expect("items").clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.expect("a connection"), &items);
        }
    });
    url
}

fn answer(mut stream: TcpStream, items: &[Value]) {
    let mut lines = BufReader::new(stream.try_clone().expect("the connection")).lines();
    let Some(Ok(request)) = lines.next() else {
        return;
    };
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let target = request.split(' ').nth(1).expect("a target");
    let path = target.split('?').next().expect("a path");
    let body = match path {
        "/apis" => groups(items),
        path => kind_list(path, items),
    };
    let length = body.to_string().len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // A client that went away has seen enough.
    let _ = write!(stream, "{head}{body}");
}

fn groups(items: &[Value]) -> Value {
    let mut versions: Vec<&str> = items
        .iter()
        .map(|item| item["apiVersion"].as_str().expect("an apiVersion"))
        .filter(|version| version.contains('/'))
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let groups = versions.iter().map(|group_version| {
        let (group, version) = group_version.split_once('/').expect("a group");
        let version = json!({"groupVersion": group_version, "version": version});
        json!({"name": group, "versions": [version], "preferredVersion": version})
    });
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
}

/// The items of a path such as `/apis/apps/v1/deployments`, without kind and version, as an API
/// server lists them.
fn kind_list(path: &str, items: &[Value]) -> Value {
    let (version, plural) = path
        .trim_start_matches("/apis/")
        .trim_start_matches("/api/")
        .rsplit_once('/')
        .expect("a path");
    let is_listed = |item: &&Value| {
        let kind = item["kind"].as_str().expect("a kind").to_lowercase();
        item["apiVersion"] == version && format!("{kind}s") == plural
    };
    let kind = items
        .iter()
        .find(is_listed)
        .map_or("Any", |item| item["kind"].as_str().expect("a kind"));
    let listed = items.iter().filter(is_listed).map(|item| {
        let mut item = item.clone();
        let fields = item.as_object_mut().expect("an object");
        fields.remove("apiVersion");
        fields.remove("kind");
        item
    });
    json!({
        "kind": format!("{kind}List"), "apiVersion": version,
        "metadata": {"resourceVersion": "1"}, "items": listed.collect::<Vec<_>>(),
    })
}
