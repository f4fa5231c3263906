//! The table of rounding, kind by kind.

use serde_json::{Value, json};

use crate::rollout::fixture::{member, snapshot, workload};
use crate::rollout::{Disruption, disruption};

fn check(api_version: &str, kind: &str, spec: Value, status: Value, expected: (i64, i64, i64)) {
    let snapshot = snapshot(&[workload(api_version, kind, "w", spec.clone(), status)]);
    let (replicas, surge, unavailable) = expected;
    let expected = Disruption {
        replicas,
        surge,
        unavailable,
    };
    assert_eq!(
        disruption(&member(&snapshot, kind, "w")),
        Some(expected),
        "{kind} {spec}"
    );
}

#[test]
fn deployments_round_surge_up_and_unavailable_down() {
    let check = |replicas: i64, surge: Value, unavailable: Value, expected: (i64, i64)| {
        let spec = json!({"replicas": replicas, "strategy": {
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}});
        check(
            "apps/v1",
            "Deployment",
            spec,
            json!({}),
            (replicas, expected.0, expected.1),
        );
    };
    check(1, json!(null), json!(null), (1, 0));
    check(3, json!(null), json!(null), (1, 0));
    check(4, json!(null), json!(null), (1, 1));
    check(10, json!(null), json!(null), (3, 2));
    check(3, json!(0), json!("25%"), (0, 1));
    check(3, json!(0), json!(0), (0, 1));
    check(3, json!("100%"), json!(0), (3, 0));
    check(3, json!("1%"), json!("99%"), (1, 2));
    check(2, json!(0), json!(5), (0, 2));
    check(3, json!("x"), json!(-1), (1, 0));
}

#[test]
fn replicas_are_one_where_absent_and_recreate_stops_them_all() {
    check("apps/v1", "Deployment", json!({}), json!({}), (1, 1, 0));
    let recreate = json!({"replicas": 3, "strategy": {"type": "Recreate"}});
    check(
        "apps/v1",
        "Deployment",
        recreate.clone(),
        json!({}),
        (3, 0, 3),
    );
    check(
        "apps.openshift.io/v1",
        "DeploymentConfig",
        recreate,
        json!({}),
        (3, 0, 3),
    );
    check(
        "apps.openshift.io/v1",
        "DeploymentConfig",
        json!({"replicas": 10}),
        json!({}),
        (10, 3, 2),
    );
}

#[test]
fn stateful_sets_round_down_to_one_at_least() {
    let check = |api: &str, mut spec: Value, unavailable: Value, expected: i64| {
        spec["replicas"] = json!(7);
        spec["updateStrategy"] = json!({"rollingUpdate": {"maxUnavailable": unavailable}});
        check(api, "StatefulSet", spec, json!({}), (7, 0, expected));
    };
    check("apps/v1", json!({}), json!(null), 1);
    check("apps/v1", json!({}), json!("10%"), 1);
    check("apps/v1", json!({}), json!("50%"), 3);
    check("apps.kruise.io/v1beta1", json!({}), json!("50%"), 1);
    check(
        "apps.kruise.io/v1beta1",
        json!({"podManagementPolicy": "Parallel"}),
        json!("50%"),
        3,
    );
}

#[test]
fn daemon_sets_round_both_up() {
    let check = |rolling: Value, expected: (i64, i64)| {
        let spec = json!({"updateStrategy": {"rollingUpdate": rolling}});
        let status = json!({"desiredNumberScheduled": 7});
        check(
            "apps/v1",
            "DaemonSet",
            spec.clone(),
            status,
            (7, expected.0, expected.1),
        );
    };
    check(json!({}), (0, 1));
    check(json!({"maxUnavailable": "10%"}), (0, 1));
    check(json!({"maxUnavailable": "30%"}), (0, 3));
    check(json!({"maxSurge": "10%", "maxUnavailable": 0}), (1, 0));
    check(json!({"maxSurge": 0, "maxUnavailable": 0}), (0, 1));
}

#[test]
fn argo_rollouts_evict_and_never_surge() {
    let check = |strategy: Value, expected: i64| {
        let spec = json!({"replicas": 10, "strategy": strategy});
        check(
            "argoproj.io/v1alpha1",
            "Rollout",
            spec,
            json!({}),
            (10, 0, expected),
        );
    };
    check(json!({"canary": {}}), 2);
    check(json!({"canary": {"maxUnavailable": 0}}), 1);
    check(
        json!({"canary": {"maxUnavailable": "35%", "maxSurge": 5}}),
        3,
    );
    check(json!({"blueGreen": {"maxUnavailable": "45%"}}), 4);
}

#[test]
fn clone_sets_round_unavailable_down_only_beside_a_surge() {
    let check = |strategy: Value, expected: (i64, i64)| {
        let spec = json!({"replicas": 7, "updateStrategy": strategy});
        check(
            "apps.kruise.io/v1alpha1",
            "CloneSet",
            spec,
            json!({}),
            (7, expected.0, expected.1),
        );
    };
    check(json!({}), (0, 2));
    check(json!({"maxSurge": 1}), (1, 1));
    check(
        json!({"rollingUpdate": {"maxSurge": "10%", "maxUnavailable": "50%"}}),
        (1, 3),
    );
    check(json!({"maxUnavailable": 0}), (0, 1));
}

proptest::proptest! {
    /// Whatever a Deployment says, a restart gets on and never takes away more than there is.
    #[test]
    fn a_rolling_update_always_gets_on(
        replicas in 1_i64..5000,
        surge in 0_i64..200,
        unavailable in 0_i64..200,
        percent: bool,
    ) {
        let amount = |n: i64| if percent { json!(format!("{n}%")) } else { json!(n) };
        let rolling = json!({"maxSurge": amount(surge), "maxUnavailable": amount(unavailable)});
        let spec = json!({"replicas": replicas, "strategy": {"rollingUpdate": rolling}});
        let snapshot = snapshot(&[workload("apps/v1", "Deployment", "w", spec, json!({}))]);
        let found = disruption(&member(&snapshot, "Deployment", "w")).expect("a disruption");
        proptest::prop_assert!(found.surge + found.unavailable >= 1);
        proptest::prop_assert!(found.unavailable <= replicas);
    }
}
