//! Tests of the stage, by what they look at.

mod blockers;
mod delivery;
mod order;
mod origin;
mod real_data;
mod rival;
mod shared;
mod transforms;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fixture::manifests;
use super::{DeliveryMap, Origin, Repository, Source};
use crate::config::Policy;
use crate::rollout::fixture::snapshot;
use crate::rollout::{Member, members};

/// A live Deployment.
fn live(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"containers": [{"name": "app"}]}}},
    })
}

fn labelled(mut live: Value, key: &str, value: &str) -> Value {
    live["metadata"]["labels"][key] = json!(value);
    live
}

fn annotated(mut live: Value, key: &str, value: &str) -> Value {
    live["metadata"]["annotations"][key] = json!(value);
    live
}

fn by_flux(live: Value) -> Value {
    let live = labelled(live, "kustomize.toolkit.fluxcd.io/name", "apps");
    labelled(live, "kustomize.toolkit.fluxcd.io/namespace", "flux-system")
}

fn describe(origin: &Origin<'_>) -> String {
    let source = match &origin.source {
        Source::Manifest {
            file,
            object,
            transformed,
        } => {
            let way = if *transformed { " transformed" } else { "" };
            format!("{}#{}{way}", file.path, object.document.index)
        }
        Source::Elsewhere(reason) => format!("{}: {}", reason.code, reason.message),
    };
    match &origin.delivery {
        Some(delivery) => format!("{source} by {} {}", delivery.engine.as_str(), delivery.name),
        None => source,
    }
}

/// Checks the origin of the first member of the snapshot; `…` at the end stands for any ending.
fn check_in(paths: &[&str], files: &[(&str, &str)], objects: &[Value], expected: &str) {
    let snapshot = snapshot(objects);
    let manifests = manifests(files);
    let policy = Policy::default();
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let (map, _) = DeliveryMap::in_repository(
        &manifests,
        Repository {
            paths: &paths,
            remotes: &[],
        },
        &snapshot,
        &policy,
        Timestamp::UNIX_EPOCH,
    );
    let members = members(&snapshot);
    let wanted = objects[0]["metadata"]["namespace"]
        .as_str()
        .expect("a namespace");
    let is_wanted = |member: &&Member<'_>| member.reference.namespace == wanted;
    let member = members.iter().find(is_wanted).expect("a member");
    let found = describe(&map.origin(member));
    let fits = match expected.strip_suffix('…') {
        Some(start) => found.starts_with(start),
        None => found == expected,
    };
    assert!(fits, "{found}");
}

fn check(files: &[(&str, &str)], objects: &[Value], expected: &str) {
    check_in(&[], files, objects, expected);
}
