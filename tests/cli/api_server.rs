//! An API server on the loopback that lists the objects of a snapshot.

use serde_json::{Value, json};

use crate::common::Repository;
use crate::stand_in::{Answer, Asked, Certificates, StandIn};

/// The items of a snapshot.
pub(crate) fn items(snapshot: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(snapshot).expect("readable");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list["items"].as_array().expect("items").clone()
}

/// Serves the objects of a snapshot over plain HTTP.
pub(crate) fn serve(snapshot: &str) -> StandIn {
    let items = items(snapshot);
    StandIn::new(move |asked| listed(asked, &items))
}

/// The same over HTTPS.
pub(crate) fn serve_over_tls(snapshot: &str, certificates: &Certificates) -> StandIn {
    let items = items(snapshot);
    StandIn::over_tls(certificates, move |asked| listed(asked, &items))
}

/// Writes `kubeconfig` into a repository, for a server and a user.
pub(crate) fn write_kubeconfig(repository: &Repository, cluster: &Value, user: &Value) {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    });
    repository.write("kubeconfig", &kubeconfig.to_string());
}

/// What an API server with these objects answers to a list.
pub(crate) fn listed(asked: &Asked, items: &[Value]) -> Answer {
    let body = match asked.path.as_str() {
        "/apis" => groups(items),
        path => kind_list(path, items),
    };
    Answer::Json(body.to_string())
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
