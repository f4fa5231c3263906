//! Checks over recordings of a real API server and a real istiod, where there are any.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::StringMap;
use crate::mesh::testing::read_snapshot;
use crate::mesh::{Comparison, Mesh, Standing, compare, observe_in};
use crate::snapshot::{ClusterSnapshot, Pod};

/// A recording by its path below the recordings; none where there are no recordings.
fn recording(path: &str) -> Option<ClusterSnapshot> {
    let root = PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?);
    let bytes = std::fs::read(root.join("recordings").join(path)).expect("a recording");
    Some(read_snapshot(bytes))
}

/// The comparison of every pod that counts, by `namespace/owner`.
fn judged(snapshot: &ClusterSnapshot) -> BTreeMap<String, Vec<Comparison>> {
    let (mesh, diagnostics) = Mesh::from_snapshot(snapshot);
    let unserved = |diagnostic: &Diagnostic| diagnostic.code == DiagnosticCode::RevisionNotServed;
    assert!(diagnostics.iter().all(unserved), "{diagnostics:?}");
    assert!(
        mesh.revisions.iter().all(|revision| revision.settled),
        "{:?}",
        mesh.revisions
    );
    let mut judged: BTreeMap<String, Vec<Comparison>> = BTreeMap::new();
    for pod in &snapshot.pods {
        if pod.metadata.namespace.starts_with("istio") || pod.metadata.namespace == "kube-system" {
            continue;
        }
        let (name, template, added) = owner(snapshot, pod);
        let namespace = &pod.metadata.namespace;
        let labels = &snapshot.namespaces[namespace].labels;
        let expectation = mesh.expect(namespace, Some(labels), &template, &added);
        let comparison = compare(&expectation, &observe_in(pod, Some(&template)));
        judged
            .entry(format!("{namespace}/{name}"))
            .or_default()
            .push(comparison);
    }
    judged
}

/// Name and template of what made a pod, and the labels that were added to it.
fn owner(
    snapshot: &ClusterSnapshot,
    pod: &Pod,
) -> (String, crate::manifest::PodTemplate, StringMap) {
    let mut owner = pod.metadata.controller().cloned();
    if let Some(set) = owner.as_ref().and_then(|owner| {
        let mut sets = snapshot.replica_sets.iter();
        sets.find(|set| {
            set.metadata.name == owner.name && set.metadata.namespace == pod.metadata.namespace
        })
    }) {
        owner = set.metadata.controller().cloned();
    }
    let live = owner.and_then(|owner| {
        let mut live = snapshot.workloads.iter();
        live.find(|live| {
            live.reference.name == owner.name && live.reference.namespace == pod.metadata.namespace
        })
    });
    match live {
        Some(live) => (
            live.reference.name.clone(),
            live.template.clone().expect("a template"),
            StringMap::from([("pod-template-hash".to_owned(), "x".to_owned())]),
        ),
        None => {
            let mut template = crate::manifest::PodTemplate::default();
            template.metadata.labels = pod.metadata.labels.clone();
            (pod.metadata.name.clone(), template, StringMap::new())
        }
    }
}

/// What is said of each pod of each workload, as text: drift codes and reason codes.
fn codes(snapshot: &ClusterSnapshot) -> BTreeMap<String, BTreeSet<String>> {
    let text = |comparison: &Comparison| {
        let drifts = comparison.drifts.iter().map(|drift| drift.code.to_string());
        let reasons = comparison
            .reasons
            .iter()
            .map(|reason| reason.code.to_string());
        let all: Vec<String> = drifts.chain(reasons).collect();
        if all.is_empty() {
            return format!("{:?}", comparison.standing);
        }
        all.join(" ")
    };
    judged(snapshot)
        .iter()
        .map(|(name, pods)| (name.clone(), pods.iter().map(text).collect()))
        .collect()
}

/// Holds what is said of every workload against a table: `name: codes`, several pods by ` | `.
#[track_caller]
fn check(path: &str, expected: &[(&str, &str)]) {
    let Some(snapshot) = recording(path) else {
        return;
    };
    let found = codes(&snapshot);
    let found: Vec<(String, String)> = found
        .into_iter()
        .map(|(name, codes)| (name, codes.into_iter().collect::<Vec<_>>().join(" | ")))
        .collect();
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, codes)| ((*name).to_owned(), (*codes).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn in_place_after_upgrade() {
    let stale = "proxy-version-differs";
    check(
        "in-place/after-upgrade.json",
        &[
            ("edge/edge-gateway", stale),
            ("infra/log-agent", stale),
            ("infra/node-exporter", "Outside"),
            ("infra/queue", "InMesh | proxy-version-differs"),
            ("payments/api", stale),
            ("payments/fraud", stale),
            ("payments/ledger", stale),
            ("payments/migrate", stale),
            ("payments/pinned", "custom-proxy-image"),
            ("plain/annotated-only", "Outside"),
            ("plain/opted-in", stale),
            ("plain/static-site", "Outside"),
            ("shop/adhoc", stale),
            ("shop/debug", stale),
            ("shop/details-v1", stale),
            ("shop/productpage-v1", stale),
            ("shop/ratings-v1", "InMesh"),
            ("shop/reviews-v1", stale),
            ("shop/reviews-v2", stale),
            ("shop/reviews-v3", stale),
        ],
    );
}

#[test]
fn tag_moved() {
    check(
        "tag-move/after-move.json",
        &[
            ("team-a/no-mesh", "Outside"),
            ("team-a/pod-rev", "revision-differs proxy-version-differs"),
            ("team-a/web", "revision-differs proxy-version-differs"),
            ("team-b/web", "InMesh"),
            ("team-c/both-labels", "InMesh"),
            (
                "team-d/by-pod-label",
                "revision-differs proxy-version-differs",
            ),
            ("team-d/stranger", "revision-not-installed"),
            (
                "team-e/loses-it",
                "sidecar-unexpected would-lose-sidecar revision-not-installed",
            ),
        ],
    );
}

/// The workloads of the in-place recording that have a sidecar.
const MESHED: [&str; 17] = [
    "edge/edge-gateway",
    "infra/log-agent",
    "infra/queue",
    "payments/api",
    "payments/fraud",
    "payments/ledger",
    "payments/migrate",
    "payments/pinned",
    "plain/opted-in",
    "shop/adhoc",
    "shop/debug",
    "shop/details-v1",
    "shop/productpage-v1",
    "shop/ratings-v1",
    "shop/reviews-v1",
    "shop/reviews-v2",
    "shop/reviews-v3",
];

#[test]
fn in_place_after_restart() {
    let Some(snapshot) = recording("in-place/after-restart.json") else {
        return;
    };
    let found = codes(&snapshot);
    for name in MESHED {
        let expected = match name {
            "infra/queue" => "InMesh | proxy-version-differs",
            "payments/migrate" | "shop/debug" => "proxy-version-differs",
            "payments/pinned" => "custom-proxy-image",
            _ => "InMesh",
        };
        let said: Vec<&str> = found[name].iter().map(String::as_str).collect();
        assert_eq!(said.join(" | "), expected, "{name}");
    }
}

#[test]
fn before_the_tag_moved() {
    check(
        "tag-move/before-move.json",
        &[
            ("team-a/no-mesh", "Outside"),
            ("team-a/pod-rev", "InMesh"),
            ("team-a/web", "InMesh"),
            ("team-b/web", "InMesh"),
            ("team-c/both-labels", "InMesh"),
            ("team-d/by-pod-label", "InMesh"),
            ("team-d/stranger", "revision-not-installed"),
            ("team-e/loses-it", "InMesh"),
        ],
    );
}

#[test]
fn config_changed() {
    let Some(snapshot) = recording("config-change/after-change.json") else {
        return;
    };
    let found = codes(&snapshot);
    for name in MESHED {
        let said: Vec<&str> = found[name].iter().map(String::as_str).collect();
        let said = said.join(" | ");
        let expected = match name {
            "edge/edge-gateway" => "proxy-config-differs prometheus-merge-differs",
            "infra/queue" => {
                "prometheus-merge-differs | proxy-version-differs prometheus-merge-differs"
            }
            "payments/pinned" => "prometheus-merge-differs custom-proxy-image",
            "payments/migrate" | "shop/debug" => "proxy-version-differs prometheus-merge-differs",
            _ => "prometheus-merge-differs",
        };
        assert_eq!(said, expected, "{name}");
    }
    let gateway = &judged(&snapshot)["edge/edge-gateway"][0].drifts[0];
    assert_eq!(gateway.observed, "{}");
    assert_eq!(
        gateway.expected,
        r#"{"gatewayTopology":{"numTrustedProxies":2}}"#
    );
}

#[test]
fn every_pod_with_a_proxy_is_accounted_for() {
    for path in [
        "in-place/after-upgrade.json",
        "in-place/after-restart.json",
        "tag-move/before-move.json",
        "tag-move/after-move.json",
        "config-change/after-change.json",
    ] {
        let Some(snapshot) = recording(path) else {
            return;
        };
        let with_proxy = snapshot
            .pods
            .iter()
            .filter(|pod| pod.spec.container("istio-proxy").is_some())
            .count();
        let in_mesh = judged(&snapshot)
            .values()
            .flatten()
            .filter(|comparison| comparison.standing == Standing::InMesh)
            .count();
        assert_eq!(in_mesh, with_proxy, "{path}");
        assert!(with_proxy > 5, "{path}");
    }
}

#[test]
fn the_revisions_of_the_recordings_are_as_they_were_installed() {
    let Some(snapshot) = recording("tag-move/after-move.json") else {
        return;
    };
    let revisions: Vec<_> = Mesh::from_snapshot(&snapshot)
        .0
        .revisions
        .into_iter()
        .map(|revision| {
            let version = revision.version.unwrap_or_default();
            format!(
                "{} {version} {:?} {}",
                revision.name, revision.tags, revision.settled
            )
        })
        .collect();
    assert_eq!(
        revisions,
        [
            "default 1.30.4 [] true",
            "v1-30-4 1.30.4 [] true",
            "v1-31-0 1.31.0 [\"prod\"] true",
        ]
    );
}

#[test]
fn the_users_of_every_revision_and_tag_are_known() {
    let Some(snapshot) = recording("tag-move/after-move.json") else {
        return;
    };
    let usage: Vec<_> = Mesh::from_snapshot(&snapshot)
        .0
        .usage(&snapshot)
        .into_iter()
        .map(|usage| {
            let served = usage.revision.unwrap_or_default();
            let pods = usage.pods.len();
            format!(
                "{} ({served}) {} {:?} {pods}",
                usage.name, usage.proxies, usage.namespaces
            )
        })
        .collect();
    assert_eq!(
        usage,
        [
            "default (default) 2 [\"team-c\"] 0",
            "prod (v1-31-0) 6 [\"team-a\"] 2",
            "stable () 0 [\"team-e\"] 0",
            "v0-9-9 () 0 [] 1",
            "v1-30-4 (v1-30-4) 9 [\"team-b\"] 0",
            "v1-31-0 (v1-31-0) 0 [] 0",
        ]
    );
}
