//! How far a rollout is, one case for each way in which kinds tell it.

use serde_json::{Value, json};

use crate::rollout::fixture::{member, owned_pod, snapshot, workload};
use crate::rollout::{Progress, progress};

fn check(api_version: &str, kind: &str, spec: Value, status: Value, expected: &str) {
    let mut live = workload(api_version, kind, "w", spec, status);
    live["metadata"]["generation"] = json!(2);
    let snapshot = snapshot(&[live]);
    let found = match progress(&member(&snapshot, kind, "w")) {
        Progress::Finished => "finished".to_owned(),
        Progress::Running { message } => format!("running: {message}"),
        Progress::Stuck { message } => format!("stuck: {message}"),
    };
    assert_eq!(found, expected, "{kind}");
}

fn deployment(status: Value, expected: &str) {
    check(
        "apps/v1",
        "Deployment",
        json!({"replicas": 3}),
        status,
        expected,
    );
}

#[test]
fn deployments() {
    let counts = |updated: i64, present: i64| json!({"observedGeneration": 2, "updatedReplicas": updated, "replicas": present, "availableReplicas": 3});
    deployment(counts(3, 3), "finished");
    deployment(counts(1, 4), "running: 1 of 3 replicas are updated");
    deployment(counts(3, 4), "running: 1 old replicas are still there");
    deployment(
        json!({"observedGeneration": 1, "updatedReplicas": 3, "replicas": 3}),
        "running: the controller has not acted on the newest spec yet",
    );
    let with = |conditions: Value| {
        let mut status = counts(3, 3);
        status["conditions"] = conditions;
        status["availableReplicas"] = json!(1);
        status
    };
    let progressing = |reason: &str| json!({"type": "Progressing", "reason": reason});
    let unavailable = json!({"type": "Available", "status": "False"});
    deployment(
        with(json!([progressing("ProgressDeadlineExceeded")])),
        "stuck: its rollout has exceeded the progress deadline",
    );
    deployment(
        with(json!([progressing("NewReplicaSetAvailable"), unavailable])),
        "stuck: 1 of 3 replicas are available, fewer than its strategy keeps",
    );
    deployment(
        with(json!([progressing("ReplicaSetUpdated"), unavailable])),
        "running: 1 of 3 replicas are available, fewer than its strategy keeps",
    );
    deployment(
        with(json!([progressing("NewReplicaSetAvailable")])),
        "finished",
    );
}

#[test]
fn stateful_sets() {
    let status = |current: &str, updated: i64, ready: i64, present: i64| {
        json!({
            "observedGeneration": 2, "currentRevision": current, "updateRevision": "w-2",
            "updatedReplicas": updated, "readyReplicas": ready, "replicas": present,
        })
    };
    let check = |spec: Value, status: Value, expected: &str| {
        check("apps/v1", "StatefulSet", spec, status, expected);
    };
    let three = json!({"replicas": 3});
    check(three.clone(), status("w-2", 3, 3, 3), "finished");
    check(
        three.clone(),
        status("w-1", 1, 3, 3),
        "running: 1 of 3 replicas are updated",
    );
    check(
        three.clone(),
        status("w-2", 3, 1, 2),
        "running: 1 of 3 replicas are ready",
    );
    check(
        three,
        status("w-2", 3, 2, 3),
        "stuck: 2 of 3 replicas are ready, and an update waits for every one of them",
    );
    let partition = json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}});
    check(partition, status("w-1", 1, 3, 3), "finished");
    let by_hand = json!({"replicas": 3, "updateStrategy": {"type": "OnDelete"}});
    check(by_hand, status("w-1", 0, 3, 3), "finished");
}

#[test]
fn daemon_sets() {
    let check = |updated: i64, available: i64, expected: &str| {
        let status = json!({
            "observedGeneration": 2, "desiredNumberScheduled": 3,
            "updatedNumberScheduled": updated, "numberAvailable": available,
        });
        check("apps/v1", "DaemonSet", json!({}), status, expected);
    };
    check(3, 3, "finished");
    check(1, 3, "running: 1 of 3 pods are updated");
    check(3, 2, "finished");
    check(3, 0, "stuck: none of its 3 pods is available");
}

#[test]
fn argo_rollouts() {
    let check = |spec: Value, status: Value, expected: &str| {
        check("argoproj.io/v1alpha1", "Rollout", spec, status, expected);
    };
    let healthy = json!({"observedGeneration": "2", "phase": "Healthy"});
    check(json!({}), healthy.clone(), "finished");
    check(
        json!({}),
        json!({"observedGeneration": "1", "phase": "Healthy"}),
        "running: the controller has not acted on the newest spec yet",
    );
    let phase = |phase: &str| json!({"phase": phase, "message": "CanaryPauseStep"});
    check(
        json!({}),
        phase("Paused"),
        "running: the Rollout is paused at a step: CanaryPauseStep",
    );
    check(
        json!({}),
        phase("Degraded"),
        "stuck: the Rollout is degraded: CanaryPauseStep",
    );
    let spec = json!({"restartAt": "2026-11-20T10:00:00+01:00"});
    check(
        spec.clone(),
        healthy.clone(),
        "running: the Rollout is restarting its pods",
    );
    let mut done = healthy;
    done["restartedAt"] = json!("2026-11-20T09:00:00Z");
    check(spec, done, "finished");
}

#[test]
fn other_kinds() {
    check(
        "apps.kruise.io/v1alpha1",
        "CloneSet",
        json!({"replicas": 4}),
        json!({"updatedReplicas": 1, "readyReplicas": 4}),
        "running: 1 of 4 replicas are updated",
    );
    check(
        "apps.openshift.io/v1",
        "DeploymentConfig",
        json!({"replicas": 1}),
        json!({"replicas": 1, "updatedReplicas": 0}),
        "running: 0 of 1 replicas are updated",
    );
    check(
        "serving.knative.dev/v1",
        "Service",
        json!({}),
        json!({"conditions": [{"type": "Ready", "status": "False"}]}),
        "stuck: the Service is not ready",
    );
}

#[test]
fn a_crash_loop_is_no_progress() {
    let mut pod = owned_pod("w-0", "apps/v1", "StatefulSet", "w");
    pod["waiting"] = json!("CrashLoopBackOff");
    let status = json!({"readyReplicas": 2, "replicas": 2});
    let snapshot = snapshot(&[
        workload(
            "apps/v1",
            "StatefulSet",
            "w",
            json!({"replicas": 2}),
            status,
        ),
        pod,
        owned_pod("w-1", "apps/v1", "StatefulSet", "w"),
    ]);
    let message = "1 of 2 pods do not run: w-0 is in CrashLoopBackOff".to_owned();
    assert_eq!(
        progress(&member(&snapshot, "StatefulSet", "w")),
        Progress::Stuck { message }
    );
}
