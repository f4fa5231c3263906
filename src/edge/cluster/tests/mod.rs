//! A live cluster and everything that goes wrong with one, over real HTTP.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use kube::config::{Config, ExecConfig};
use serde_json::{Value, json};

mod oracle;
mod tls;

use super::connect::{self, ConnectError};
use super::stand_in::{Answer, Asked, StandIn};
use super::{ClusterError, ClusterOptions, Pause, collect};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::snapshot::{self, Capture, ClusterSnapshot, Input, KINDS};

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().expect("a time")
}

type Taken = Result<(ClusterSnapshot, Vec<Diagnostic>), ClusterError>;

/// Reads the stand-in's cluster; tells also how long the pauses were.
fn take(stand_in: &StandIn) -> (Taken, Vec<Duration>) {
    take_with(stand_in, &ClusterOptions::default())
}

fn take_with(stand_in: &StandIn, options: &ClusterOptions) -> (Taken, Vec<Duration>) {
    let config = Config::new(stand_in.url.parse().expect("a URL"));
    let api = connect::api(connect::runtime().expect("a runtime"), config).expect("a client");
    let waits = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&waits);
    let mut pause = Pause::new(move |wait| seen.borrow_mut().push(wait));
    let taken = collect(&api, options, now(), &mut pause, &mut |_| {});
    drop(pause);
    (taken, Rc::try_unwrap(waits).expect("alone").into_inner())
}

/// The API groups of a cluster with Deployments and webhooks, and a group of which it has no kind
/// that meshroll asks for.
fn groups() -> Answer {
    let group = |name: &str, versions: &[&str]| {
        let version = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
        let versions = Vec::from_iter(versions.iter().map(version));
        json!({ "name": name, "versions": versions, "preferredVersion": versions[0] })
    };
    let groups = [
        group("apps", &["v1"]),
        group("admissionregistration.k8s.io", &["v1", "v1beta1"]),
        group("argoproj.io", &["v1alpha1"]),
    ];
    Answer::Json(json!({ "kind": "APIGroupList", "groups": groups }).to_string())
}

fn list(kind: &str, api_version: &str, items: &[Value], next: &str) -> String {
    json!({
        "kind": format!("{kind}List"), "apiVersion": api_version,
        "metadata": { "resourceVersion": "99", "continue": next }, "items": items,
    })
    .to_string()
}

fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "shop", "uid": name, "resourceVersion": "7" },
        "spec": { "containers": [{ "name": "run", "env": [{ "name": "A", "value": "hush" }] }] },
        "status": { "phase": "Running" } })
}

/// A small cluster: three pods on two pages, one Deployment, two namespaces.
fn cluster(asked: &Asked) -> Answer {
    let objects = |kind: &str, version: &str, names: &[&str]| {
        let object = |name: &&str| json!({ "metadata": { "name": name, "namespace": "shop" } });
        let objects = Vec::from_iter(names.iter().map(object));
        Answer::Json(list(kind, version, &objects, ""))
    };
    match (asked.path.as_str(), asked.next.as_str()) {
        ("/apis", _) => groups(),
        ("/api/v1/pods", "") => Answer::Json(list("Pod", "v1", &[pod("a"), pod("b")], "a+b/=")),
        ("/api/v1/pods", "a%2Bb%2F%3D") => Answer::Json(list("Pod", "v1", &[pod("c")], "")),
        ("/api/v1/namespaces", _) => {
            let system = json!({ "metadata": { "name": "kube-system", "uid": "cluster-1" } });
            let shop = json!({ "metadata": { "name": "shop" } });
            Answer::Json(list("Namespace", "v1", &[system, shop], ""))
        }
        ("/apis/apps/v1/deployments", _) => objects("Deployment", "apps/v1", &["cart"]),
        ("/apis/apps/v1/replicasets", _) => objects("ReplicaSet", "apps/v1", &[]),
        (path, _) if path.starts_with("/apis/") => Answer::Status(404),
        (_, _) => Answer::Json(list("Thing", "v1", &[], "")),
    }
}

fn names(snapshot: &ClusterSnapshot) -> Vec<&str> {
    let pods = snapshot.pods.iter();
    pods.map(|pod| pod.metadata.name.as_str()).collect()
}

#[test]
fn a_live_cluster_reads_like_its_recording() {
    let stand_in = StandIn::new(cluster);
    let (taken, waits) = take(&stand_in);
    let (snapshot, diagnostics) = taken.expect("a snapshot");
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    assert!(waits.is_empty());
    let capture = Capture {
        cluster_uid: Some("cluster-1".to_owned()),
        captured_at: Some(now()),
        inferred: false,
    };
    assert_eq!(snapshot.capture, capture);
    assert_eq!(snapshot.held.len(), KINDS.len());
    assert_eq!(diagnostics, []);
    assert!(!format!("{snapshot:?}").contains("hush"));
    let mut recording = Vec::new();
    snapshot::record(&snapshot, &mut recording).expect("in memory");
    let input = Input {
        name: "recording".to_owned(),
        reader: Box::new(Cursor::new(recording)),
    };
    assert_eq!(snapshot::read(vec![input]).expect("a snapshot").0, snapshot);
}

#[test]
fn only_lists_of_the_known_kinds_are_asked_for_and_never_secrets() {
    let stand_in = StandIn::new(cluster);
    take(&stand_in).0.expect("a snapshot");
    let served = ["", "apps", "admissionregistration.k8s.io", "argoproj.io"];
    let mut expected = BTreeSet::from(["/apis".to_owned()]);
    for kind in KINDS.iter().filter(|kind| served.contains(&kind.group)) {
        let path = |version: &str| match kind.group {
            "" => format!("/api/{version}/{}", kind.plural),
            group => format!("/apis/{group}/{version}/{}", kind.plural),
        };
        expected.extend(match kind.group {
            "argoproj.io" => vec![path("v1alpha1")],
            "admissionregistration.k8s.io" => vec![path("v1"), path("v1beta1")],
            _ => vec![path("v1")],
        });
    }
    let asked = stand_in.asked();
    let paths: BTreeSet<String> = asked.iter().map(|asked| asked.path.clone()).collect();
    assert_eq!(paths, expected);
    assert!(asked.iter().all(|asked| asked.method == "GET"));
    assert!(!paths.iter().any(|path| path.contains("secrets")));
}

/// The small cluster, with one thing going wrong.
fn with(wrong: impl Fn(&Asked) -> Option<Answer> + Send + 'static) -> StandIn {
    StandIn::new(move |asked| wrong(asked).unwrap_or_else(|| cluster(asked)))
}

#[test]
fn a_list_that_expires_is_begun_again() {
    let stand_in = with(|asked| {
        let is_first = asked.next.is_empty();
        match (asked.path.as_str(), asked.before) {
            ("/api/v1/pods", 0) if !is_first => Some(Answer::Status(410)),
            // One of the pods is gone when the list is begun again.
            ("/api/v1/pods", 1) if is_first => {
                Some(Answer::Json(list("Pod", "v1", &[pod("b")], "a+b/=")))
            }
            _ => None,
        }
    });
    let (taken, _) = take(&stand_in);
    assert_eq!(names(&taken.expect("a snapshot").0), ["b", "c"]);
    let always = with(|asked| (!asked.next.is_empty()).then_some(Answer::Status(410)));
    let error = take(&always).0.expect_err("an error");
    assert!(matches!(error, ClusterError::List { .. }), "{error:?}");
}

#[test]
fn passing_failures_are_tried_again_after_a_pause() {
    for (name, wrong) in [("429", 429), ("500", 500), ("503", 503)] {
        let stand_in = with(move |asked| (asked.before == 0).then_some(Answer::Status(wrong)));
        let (taken, waits) = take(&stand_in);
        assert_eq!(names(&taken.expect(name).0), ["a", "b", "c"]);
        assert!(
            waits.iter().all(|wait| *wait >= Duration::from_secs(3)),
            "{waits:?}"
        );
    }
    let wrongs: [fn() -> Answer; 4] = [
        || Answer::Plain(429, "Too many requests, please try again later.\n"),
        || Answer::Silence,
        || Answer::Truncated(r#"{"kind":"PodList","items":[{"metadata":{"na"#.to_owned()),
        || Answer::Json(r#"{"kind":"PodList","items":[{"metadata":{"na"#.to_owned()),
    ];
    for wrong in wrongs {
        let stand_in =
            with(move |asked| (asked.path == "/api/v1/pods" && asked.before < 2).then(wrong));
        let (taken, waits) = take(&stand_in);
        assert_eq!(names(&taken.expect("a snapshot").0), ["a", "b", "c"]);
        assert!(waits.len() >= 4, "{waits:?}");
    }
}

#[test]
fn a_failure_that_stays_is_an_error() {
    let stand_in = with(|asked| (asked.path == "/api/v1/pods").then_some(Answer::Status(503)));
    let (taken, waits) = take(&stand_in);
    let error = taken.expect_err("an error");
    assert_eq!(error.to_string(), "pods cannot be listed");
    assert_eq!(waits.len(), 4);
    let stand_in = with(|_| Some(Answer::Status(401)));
    let (taken, waits) = take(&stand_in);
    assert!(taken.is_err());
    assert!(waits.is_empty());
}

#[test]
fn a_body_may_come_in_drops() {
    let stand_in = with(|asked| match (asked.path.as_str(), cluster(asked)) {
        ("/api/v1/pods", Answer::Json(body)) => Some(Answer::Dripping(body)),
        _ => None,
    });
    let (taken, _) = take(&stand_in);
    assert_eq!(names(&taken.expect("a snapshot").0), ["a", "b", "c"]);
}

#[test]
fn kind_not_listed_is_said_and_the_rest_goes_on() {
    let stand_in =
        with(|asked| (asked.path == "/api/v1/configmaps").then_some(Answer::Status(403)));
    let (snapshot, diagnostics) = take(&stand_in).0.expect("a snapshot");
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    assert!(!snapshot.holds("", "ConfigMap"));
    let said: Vec<String> = diagnostics
        .iter()
        .map(|it| format!("{}: {}", it.code, it.message))
        .collect();
    assert_eq!(
        said,
        [
            "kind-not-listed: configmaps may not be listed: said 403",
            "snapshot-incomplete: the snapshot does not hold ConfigMap",
        ]
    );
    assert_eq!(diagnostics[0].code, DiagnosticCode::KindNotListed);
}

#[test]
fn programs_for_credentials_run_only_where_they_may() {
    let config = || Config::new("https://127.0.0.1:6443".parse().expect("a URL"));
    let mut runs: Config = config();
    let exec: ExecConfig = serde_json::from_value(json!({ "command": "touch" })).expect("one");
    runs.auth_info.exec = Some(exec);
    let refused = connect::check(&runs, false);
    assert!(matches!(refused, Err(ConnectError::ExecRefused)));
    assert!(connect::check(&runs, true).is_ok());
    assert!(connect::check(&config(), false).is_ok());
    let mut insecure = config();
    insecure.accept_invalid_certs = true;
    let refused = connect::check(&insecure, true);
    assert!(matches!(refused, Err(ConnectError::Insecure)));
}

/// The manifest of the ClusterRole, as `deploy/` ships it.
const CLUSTER_ROLE: &str = include_str!("../../../../deploy/cluster-role.yaml");

/// What a ClusterRole allows, by group and verb.
fn allowed(manifest: &str) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut documents = serde_yaml::Deserializer::from_str(manifest);
    let role = documents.next().expect("a document");
    let role: Value = serde::Deserialize::deserialize(role).expect("YAML");
    assert_eq!(role["kind"], "ClusterRole");
    let words = |value: &Value| -> Vec<String> {
        let items = value.as_array().expect("a list").iter();
        items
            .map(|item| item.as_str().expect("a string").to_owned())
            .collect()
    };
    let mut allowed: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for rule in role["rules"].as_array().expect("rules") {
        let keys = Vec::from_iter(rule.as_object().expect("a rule").keys());
        assert_eq!(keys, ["apiGroups", "resources", "verbs"]);
        for group in words(&rule["apiGroups"]) {
            for verb in words(&rule["verbs"]) {
                let resources = words(&rule["resources"]);
                allowed
                    .entry((group.clone(), verb))
                    .or_default()
                    .extend(resources);
            }
        }
    }
    allowed
}

#[test]
fn the_cluster_role_allows_what_is_asked_for_and_nothing_else() {
    let mut asked: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for kind in KINDS {
        let key = (kind.group.to_owned(), "list".to_owned());
        let resources = asked.entry(key).or_default();
        resources.insert(kind.plural.to_owned());
    }
    assert_eq!(allowed(CLUSTER_ROLE), asked);
}
