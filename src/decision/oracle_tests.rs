//! The model against every dry run of a snapshot.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Verification, verify};
use crate::diagnostic::DiagnosticCode;
use crate::manifest::ObjectRef;
use crate::mesh::Mesh;
use crate::mesh::testing::{Istiod, cluster, node, read_snapshot};
use crate::rollout::{dry_runs, members};
use crate::snapshot::{ClusterSnapshot, Injection, InjectionOutcome, Pod, template_digest};

fn verified(snapshot: &ClusterSnapshot) -> Verification {
    verify(&Mesh::from_snapshot(snapshot).0, snapshot)
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "plain"},
        "spec": {"template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "run", "image": "run:1"}]}}},
    })
}

/// A cluster whose Deployments are in a namespace without injection.
fn outside(names: &[&str]) -> ClusterSnapshot {
    let mut objects = Istiod::new("1.27.3").installed();
    objects.push(node("v1.36.2"));
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}}));
    objects.extend(names.iter().map(|name| deployment(name)));
    cluster(objects)
}

/// Puts the same outcome down for every workload of a namespace, asked with its live template.
fn answer(snapshot: &mut ClusterSnapshot, outcome: impl Fn(&str) -> InjectionOutcome) {
    let live = snapshot.workloads.iter();
    let live = live.filter(|live| live.reference.namespace == "plain");
    let injections = live.map(|live| Injection {
        workload: live.reference.clone(),
        template: template_digest(live.template.as_ref().expect("a template")),
        outcome: outcome(&live.reference.name),
    });
    let injections = injections.collect();
    let _ = snapshot.add_injections(injections);
}

fn pod(annotations: &Value) -> InjectionOutcome {
    let metadata = json!({"name": "it-x7z2q", "annotations": annotations});
    let body = json!({"metadata": metadata, "spec": {}}).to_string();
    let workload = ObjectRef::new("apps", "Deployment", "plain", "it");
    InjectionOutcome::of_pod(&workload, &body, &[])
}

#[test]
fn every_dry_run_is_counted_once() {
    let mut snapshot = outside(&["agrees", "changed", "differs", "not-asked", "refused"]);
    answer(&mut snapshot, |name| match name {
        "differs" => pod(&json!({"sidecar.istio.io/status": "{\"revision\":\"default\"}"})),
        "refused" => InjectionOutcome::unanswered("no"),
        _ => pod(&json!({})),
    });
    let others = snapshot.injections.iter_mut();
    let changed = others.into_iter().find(|it| it.workload.name == "changed");
    changed.expect("a result").template = "another".to_owned();
    snapshot
        .injections
        .retain(|it| it.workload.name != "not-asked");
    let found = verified(&snapshot);
    assert_eq!((found.agreed, found.untold), (1, 2));
    let [disagreement] = found.disagreements.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(disagreement.code, DiagnosticCode::OracleDisagrees);
    let message = &disagreement.message;
    let start = "Deployment plain/differs: the model and the dry run of its next pod differ: model: no sidecar (";
    assert!(message.starts_with(start), "{message}");
}

/// A recording of a real cluster, in which the newest pod of each workload stands for the dry run
/// of its next one: a real istiod injected it.
fn recording(path: &str) -> Option<ClusterSnapshot> {
    let root = PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?);
    let bytes = std::fs::read(root.join("recordings").join(path)).expect("a recording");
    let list: Value = serde_json::from_slice(&bytes).expect("JSON");
    let mut snapshot = read_snapshot(bytes);
    let asked: BTreeSet<_> = dry_runs(&snapshot)
        .into_iter()
        .map(|run| run.workload)
        .collect();
    let mut injections = Vec::new();
    for member in members(&snapshot) {
        let newest = member
            .pods
            .iter()
            .max_by_key(|pod| pod.metadata.creation_timestamp);
        let (Some(pod), Some(template)) = (newest, member.template()) else {
            continue;
        };
        if asked.contains(&member.reference) {
            let body = whole(&list, pod).to_string();
            injections.push(Injection {
                workload: member.reference.clone(),
                template: template_digest(template),
                outcome: InjectionOutcome::of_pod(&member.reference, &body, &[]),
            });
        }
    }
    assert_eq!(snapshot.add_injections(injections), []);
    Some(snapshot)
}

fn whole<'l>(list: &'l Value, pod: &Pod) -> &'l Value {
    let items = list["items"].as_array().expect("items");
    let is_it = |item: &&Value| item["metadata"]["uid"] == pod.metadata.uid.as_str();
    items.iter().find(is_it).expect("the pod")
}

/// Workloads of which the model and the pods differ, and in what; then how many agree.
fn disagreements(path: &str) -> Option<(Vec<String>, usize)> {
    let snapshot = recording(path)?;
    let found = verified(&snapshot);
    assert_eq!(found.untold, 0, "{path}");
    let differing = found.disagreements.iter().map(|it| {
        let (workload, words) = it.message.split_once(": ").expect("a workload");
        let (_, words) = words.split_once("differ: ").expect("what differs");
        format!("{workload} {words}")
    });
    Some((differing.collect(), found.agreed))
}

#[test]
fn the_model_agrees_with_what_a_real_istiod_injected() {
    let Some(found) = disagreements("in-place/after-restart.json") else {
        return;
    };
    // A Job's pod cannot be rolled: it is of before the upgrade.
    let job = "Job payments/migrate proxy-version-differs (model: 1.30.4, dry run: 1.30.3)";
    assert_eq!(found, (vec![job.to_owned()], 18));
    let found = disagreements("tag-move/before-move.json");
    assert_eq!(found, Some((Vec::new(), 10)));
}

#[test]
fn pods_of_before_a_change_are_what_the_model_says_is_no_more() {
    let Some((differing, agreed)) = disagreements("config-change/after-change.json") else {
        return;
    };
    let merged = "prometheus-merge-differs (model: not merged, dry run: merged)";
    assert!(
        differing.iter().all(|it| it.ends_with(merged)),
        "{differing:#?}"
    );
    assert_eq!((differing.len(), agreed), (16, 5), "{differing:#?}");
    let Some((differing, _)) = disagreements("in-place/after-upgrade.json") else {
        return;
    };
    let version = "proxy-version-differs (model: 1.30.4, dry run: 1.30.3)";
    assert!(
        differing.iter().all(|it| it.ends_with(version)),
        "{differing:#?}"
    );
    assert_eq!(differing.len(), 13);
}
