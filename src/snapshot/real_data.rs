//! Recordings of a real API server, where they are at hand.

use std::path::PathBuf;

use super::{ClusterSnapshot, Input, read, record};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::ObjectRef;

fn recording(name: &str) -> Option<(ClusterSnapshot, Vec<Diagnostic>)> {
    let root = PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?);
    let path = root.join("recordings").join(name);
    let input = Input {
        name: name.to_owned(),
        reader: Box::new(std::fs::File::open(path).expect("the recording")),
    };
    Some(read(vec![input]).expect("a snapshot"))
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<DiagnosticCode> {
    diagnostics.iter().map(|it| it.code).collect()
}

#[test]
fn the_recorded_upgrade_is_read_whole() {
    let Some((snapshot, diagnostics)) = recording("in-place/after-upgrade.json") else {
        return;
    };
    assert_eq!(codes(&diagnostics), [DiagnosticCode::NotChecked]);
    let counts = (
        snapshot.pods.len(),
        snapshot.replica_sets.len(),
        snapshot.workloads.len(),
        snapshot.namespaces.len(),
    );
    assert_eq!(counts, (32, 17, 21, 8));
    let names: Vec<String> = snapshot
        .objects
        .iter()
        .map(|object| object.reference.to_string())
        .collect();
    assert_eq!(
        names,
        [
            "ConfigMap istio-system/istio",
            "ConfigMap istio-system/istio-sidecar-injector",
            "Node node-0",
            "Node node-1",
            "Node node-2",
            "Service istio-system/istiod",
            "MutatingWebhookConfiguration istio-sidecar-injector",
            "PodDisruptionBudget payments/api",
        ]
    );
    let api = ObjectRef::new("apps", "Deployment", "payments", "api");
    let api = snapshot.workload(&api).expect("payments/api");
    let template = api.template.as_ref().expect("a template");
    assert!(!template.spec.containers.is_empty());
    assert!(snapshot.capture.cluster_uid.is_some());
    assert!(snapshot.capture.inferred);
}

#[test]
fn every_recording_is_read_without_a_diagnostic() {
    for name in [
        "in-place/after-restart.json",
        "config-change/after-change.json",
        "tag-move/before-move.json",
        "tag-move/after-move.json",
    ] {
        let Some((snapshot, diagnostics)) = recording(name) else {
            return;
        };
        assert_eq!(codes(&diagnostics), [DiagnosticCode::NotChecked], "{name}");
        let mut recorded = Vec::new();
        record(&snapshot, &mut recorded).expect("in memory");
        let again = read(vec![Input {
            name: name.to_owned(),
            reader: Box::new(std::io::Cursor::new(recorded)),
        }]);
        assert_eq!(again.expect("a snapshot").0, snapshot, "{name}");
        assert!(snapshot.holds("", "Pod"), "{name}");
    }
}
