//! Recordings of a real API server with a real istiod, where `MESHROLL_REAL_DATA` names a directory
//! that holds them: plan, apply, commit, plan again. Nothing is checked where it is not set.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::common::Repository;

/// What is expected of a workload: verdict, then reason codes.
type Expected<'a> = &'a [(&'a str, &'a str)];

fn recording(name: &str) -> Option<PathBuf> {
    let directory = PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?);
    Some(directory.join("recordings").join(name))
}

fn plan(repository: &Repository, recording: &std::path::Path, file: &str) -> serde_json::Value {
    let snapshot = recording.join(file);
    let snapshot = snapshot.to_str().expect("UTF-8");
    let json = repository
        .meshroll(&["plan", "--all", "--snapshot", snapshot, "-o", "json"])
        .succeed();
    serde_json::from_str(&json).expect("JSON")
}

/// `Kind namespace/name` → verdict and reason codes, of every workload of a plan.
fn verdicts(plan: &serde_json::Value) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let workloads = plan["workloads"].as_array().expect("workloads").iter();
    workloads
        .map(|workload| {
            let codes = workload["reasons"].as_array().expect("reasons").iter();
            let codes = codes.map(|reason| text(&reason["code"]));
            let words: Vec<String> = std::iter::once(text(&workload["verdict"]))
                .chain(codes)
                .collect();
            let name = format!(
                "{} {}/{}",
                text(&workload["kind"]),
                text(&workload["namespace"]),
                text(&workload["name"])
            );
            (name, words.join(" "))
        })
        .collect()
}

#[track_caller]
fn check(plan: &serde_json::Value, expected: Expected<'_>) {
    let verdicts = verdicts(plan);
    for (workload, expected) in expected {
        assert_eq!(
            verdicts.get(*workload).map(String::as_str),
            Some(*expected),
            "{workload}"
        );
    }
}

const ROLLED: [&str; 11] = [
    "Deployment shop/details-v1",
    "Deployment shop/productpage-v1",
    "Deployment shop/reviews-v1",
    "Deployment shop/reviews-v2",
    "Deployment shop/reviews-v3",
    "Deployment payments/api",
    "Deployment payments/fraud",
    "StatefulSet payments/ledger",
    "DaemonSet infra/log-agent",
    "Deployment edge/edge-gateway",
    "Deployment plain/opted-in",
];

const NOT_OURS: Expected<'_> = &[
    ("Pod shop/debug", "manual bare-pod"),
    ("Job payments/migrate", "manual job"),
    ("StatefulSet infra/queue", "manual on-delete"),
    ("Deployment payments/pinned", "excluded custom-proxy-image"),
    ("CronJob infra/cleanup", "up-to-date"),
    ("DaemonSet infra/node-exporter", "up-to-date"),
    ("Deployment plain/static-site", "up-to-date"),
    ("Deployment plain/annotated-only", "up-to-date"),
];

#[test]
fn an_upgrade_in_place_restarts_what_is_stale_and_nothing_else() {
    let Some(recording) = recording("in-place") else {
        return;
    };
    let repository = Repository::of(&recording.join("manifests"));
    let before = plan(&repository, &recording, "after-upgrade.json");
    check(&before, NOT_OURS);
    check(&before, &ROLLED.map(|workload| (workload, "restart")));
    check(
        &before,
        &[
            ("Deployment shop/ratings-v1", "up-to-date"),
            ("Deployment shop/adhoc", "manual not-in-git"),
        ],
    );
    assert!(!verdicts(&before).contains_key("Deployment infra/backup-operator"));

    let snapshot = recording.join("after-upgrade.json");
    let snapshot = snapshot.to_str().expect("UTF-8");
    repository
        .meshroll(&["apply", "--to", "worktree", "--snapshot", snapshot])
        .succeed();
    let changed = repository.git(&["diff", "--numstat"]);
    let (added, removed) = changed.lines().fold((0, 0), |(added, removed), line| {
        let mut numbers = line
            .split('\t')
            .map(|number| number.parse::<usize>().unwrap_or(0));
        (
            added + numbers.next().unwrap_or(0),
            removed + numbers.next().unwrap_or(0),
        )
    });
    // Two lines a workload, a third where the template had no annotations, and one line replaced in
    // each of the two flow mappings.
    assert_eq!((added, removed), (25, 2), "{changed}");
    let fraud = std::fs::read(repository.path().join("clusters/rig/payments/fraud.yaml"))
        .expect("readable");
    let lines = fraud.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(
        fraud.windows(2).filter(|pair| pair == b"\r\n").count(),
        lines,
        "CRLF stays CRLF"
    );

    repository.commit("restart");
    let again = plan(&repository, &recording, "after-upgrade.json");
    check(
        &again,
        &ROLLED.map(|workload| (workload, "pending awaiting-delivery")),
    );
    check(&again, NOT_OURS);
    assert_eq!(again["edits"], serde_json::json!([]));

    let after = plan(&repository, &recording, "after-restart.json");
    check(&after, &ROLLED.map(|workload| (workload, "up-to-date")));
    check(&after, NOT_OURS);
    check(&after, &[("Deployment shop/adhoc", "up-to-date")]);
}

#[test]
fn a_moved_tag_restarts_the_workloads_that_follow_it() {
    let Some(recording) = recording("tag-move") else {
        return;
    };
    let repository = Repository::of(&recording.join("manifests"));
    let before = verdicts(&plan(&repository, &recording, "before-move.json"));
    for (workload, verdict) in &before {
        let expected = match workload.as_str() {
            "Deployment team-d/stranger" => "manual revision-not-installed",
            _ => "up-to-date",
        };
        assert_eq!(verdict, expected, "{workload}");
    }
    let after = plan(&repository, &recording, "after-move.json");
    check(
        &after,
        &[
            ("Deployment team-a/web", "restart"),
            ("Deployment team-a/pod-rev", "restart"),
            ("Deployment team-a/no-mesh", "up-to-date"),
            ("Deployment team-b/web", "up-to-date"),
            ("Deployment team-c/both-labels", "up-to-date"),
            ("Deployment team-d/by-pod-label", "restart"),
            (
                "Deployment team-d/stranger",
                "manual revision-not-installed",
            ),
            (
                "Deployment team-e/loses-it",
                "blocked would-lose-sidecar revision-not-installed",
            ),
        ],
    );
    for workload in after["workloads"].as_array().expect("workloads") {
        if workload["verdict"] == "restart" {
            assert_eq!(workload["drifts"][0]["code"], "revision-differs");
        }
    }
    let snapshot = recording.join("after-move.json");
    let snapshot = snapshot.to_str().expect("UTF-8");
    repository
        .meshroll(&["apply", "--to", "branch", "--snapshot", snapshot])
        .succeed();
    repository.git(&["merge", "--quiet", "--ff-only", "meshroll/default/all"]);
    let again = plan(&repository, &recording, "after-move.json");
    assert_eq!(again["summary"]["pending"], 3);
    assert_eq!(again["edits"], serde_json::json!([]));
}

#[test]
fn a_change_of_the_mesh_configuration_restarts_what_it_reaches() {
    let Some(recording) = recording("config-change") else {
        return;
    };
    let repository = Repository::of(&recording.join("manifests"));
    let plan = plan(&repository, &recording, "after-change.json");
    check(&plan, &ROLLED.map(|workload| (workload, "restart")));
    check(
        &plan,
        &[
            ("Deployment shop/ratings-v1", "restart"),
            ("Deployment shop/adhoc", "manual not-in-git"),
            ("Pod shop/debug", "manual bare-pod"),
            ("Deployment payments/pinned", "excluded custom-proxy-image"),
        ],
    );
    for workload in plan["workloads"].as_array().expect("workloads") {
        let codes: Vec<&str> = workload["drifts"]
            .as_array()
            .expect("drifts")
            .iter()
            .map(|drift| drift["code"].as_str().expect("a code"))
            .collect();
        let pods = workload["pods"]["total"].as_u64().expect("a number");
        let merged = codes.contains(&"prometheus-merge-differs");
        assert_eq!(merged, pods > 0 && !codes.is_empty(), "{workload}");
        let configured = codes.contains(&"proxy-config-differs");
        assert_eq!(configured, workload["name"] == "edge-gateway", "{workload}");
    }
}

/// The objects of the mesh of a recording as a chart would render them: without status, identity in
/// the cluster, and certificates. The kinds are those that an upgrade changes.
fn rendered(recording: &std::path::Path, file: &str) -> String {
    let text = std::fs::read_to_string(recording.join(file)).expect("a recording");
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let is_of_mesh = |item: &&serde_json::Value| {
        let kind = item["kind"].as_str().expect("a kind");
        let name = item["metadata"]["name"].as_str().expect("a name");
        match kind {
            "MutatingWebhookConfiguration" => true,
            "ConfigMap" | "Service" | "Deployment" => {
                item["metadata"]["namespace"] == "istio-system" && name.starts_with("istio")
            }
            _ => false,
        }
    };
    let items = list["items"].as_array().expect("items").iter();
    let plain = |item: &serde_json::Value| {
        let mut item = item.clone();
        item.as_object_mut().expect("an object").remove("status");
        let metadata = item["metadata"].as_object_mut().expect("metadata");
        metadata.retain(|key, _| matches!(key.as_str(), "name" | "namespace" | "labels"));
        if let Some(webhooks) = item
            .get_mut("webhooks")
            .and_then(|hooks| hooks.as_array_mut())
        {
            for webhook in webhooks {
                let config = webhook["clientConfig"].as_object_mut().expect("a client");
                config.remove("caBundle");
            }
        }
        format!("---\n{}", serde_yaml::to_string(&item).expect("YAML"))
    };
    items.filter(is_of_mesh).map(plain).collect()
}

fn assumed(repository: &Repository, snapshot: &std::path::Path) -> serde_json::Value {
    let snapshot = snapshot.to_str().expect("UTF-8");
    let json = repository
        .meshroll(&[
            "plan",
            "--all",
            "--assume-applied",
            "--snapshot",
            snapshot,
            "-o",
            "json",
        ])
        .succeed();
    serde_json::from_str(&json).expect("JSON")
}

#[test]
fn a_tag_move_is_foreseen_as_it_came() {
    let Some(recording) = recording("tag-move") else {
        return;
    };
    let repository = Repository::of(&recording.join("manifests"));
    let after = verdicts(&plan(&repository, &recording, "after-move.json"));
    repository.write("mesh.yaml", &rendered(&recording, "after-move.json"));
    let foreseen = verdicts(&assumed(&repository, &recording.join("before-move.json")));
    for (workload, verdict) in &foreseen {
        if !workload.contains(" istio-system/") {
            assert_eq!(after.get(workload), Some(verdict), "{workload}");
        }
    }
    assert_eq!(foreseen["Deployment team-a/web"], "restart");
    assert!(foreseen["Deployment team-e/loses-it"].starts_with("blocked"));
}

#[test]
fn a_change_of_the_mesh_configuration_is_foreseen_as_it_came() {
    let Some(change) = recording("config-change") else {
        return;
    };
    let before = change.with_file_name("in-place").join("after-restart.json");
    let repository = Repository::of(&change.join("manifests"));
    let after = verdicts(&plan(&repository, &change, "after-change.json"));
    repository.write("mesh.yaml", &rendered(&change, "after-change.json"));
    assert_eq!(verdicts(&assumed(&repository, &before)), after);
}
