//! Golden fingerprints: the definition of scheme 1.

use std::collections::BTreeSet;

use serde_json::json;

use super::canonical_json;
use crate::config::DriftClass;
use crate::mesh::ExpectedSidecar;
use crate::mesh::testing::{Istiod, pods, sidecar};

fn expected(istiod: &Istiod) -> ExpectedSidecar {
    let tag = istiod.tag("default");
    let more = if istiod.revision == "default" {
        vec![]
    } else {
        vec![tag]
    };
    sidecar(&istiod.mesh_with(more), &pods(&json!({}), &json!({})))
}

fn istiod() -> Istiod {
    Istiod::new("1.27.3")
}

const ALL: [DriftClass; 8] = [
    DriftClass::Presence,
    DriftClass::Revision,
    DriftClass::Version,
    DriftClass::Variant,
    DriftClass::Registry,
    DriftClass::Shape,
    DriftClass::Config,
    DriftClass::Resources,
];

fn stamp(istiod: &Istiod, classes: &[DriftClass]) -> String {
    let classes: BTreeSet<_> = classes.iter().copied().collect();
    expected(istiod).stamp(&classes).to_string()
}

#[test]
fn canonical_json_has_sorted_keys_and_no_white_space() {
    let value = json!({"b": [1, {"z": null, "a": "\"x\""}], "a": {"c": 1.5, "b": true}});
    assert_eq!(
        canonical_json(&value),
        r#"{"a":{"b":true,"c":1.5},"b":[1,{"a":"\"x\"","z":null}]}"#
    );
}

#[test]
fn what_is_hashed_is_frozen() {
    let all: BTreeSet<_> = ALL.into_iter().collect();
    assert_eq!(
        canonical_json(&expected(&istiod()).essence(&all)),
        concat!(
            r#"{"config":{"ISTIO_META_CLUSTER_ID":"Kubernetes","ISTIO_META_MESH_ID":"cluster.local","#,
            r#""TRUST_DOMAIN":"cluster.local","proxyInboundListenPort":15006,"proxyListenPort":15001},"#,
            r#""prometheusMerged":true,"registry":"docker.io/istio","#,
            r#""resources":{"limits":{"cpu":"2","memory":"1073741824"},"requests":{"cpu":"100m","memory":"134217728"}},"#,
            r#""revision":"default","shape":{"init":{"image":null,"name":"istio-init"},"native":true},"#,
            r#""templates":["sidecar"],"variant":"default","version":{"digest":null,"tag":"1.27.3"}}"#,
        )
    );
}

/// The hashes were computed apart from this code, from the text that is frozen above.
#[test]
fn golden_fingerprints() {
    let default = [
        DriftClass::Revision,
        DriftClass::Version,
        DriftClass::Config,
    ];
    for (classes, expected) in [
        (&[][..], "1.27.3/default/1.44136f"),
        (&[DriftClass::Presence], "1.27.3/default/1.79f5a6"),
        (&default, "1.27.3/default/1.a2e671"),
        (&ALL, "1.27.3/default/1.d2de19"),
    ] {
        assert_eq!(stamp(&istiod(), classes), expected, "{classes:?}");
    }
    let digest = istiod().value("/global/proxy/image", json!("r.example/p@sha256:0f2c"));
    assert_eq!(stamp(&digest, &default), "1.27.3/default/1.5060c9");
    let unversioned = istiod().value("/global/tag", json!("latest"));
    assert_eq!(stamp(&unversioned, &default), "-/default/1.6ea09f");
    assert_eq!(
        stamp(&istiod().revision("v1-27"), &default),
        "1.27.3/v1-27/1.c5dae6"
    );
}

/// Whether a change of the control plane changes the fingerprint, class by class.
#[track_caller]
fn check(changed: &Istiod, covered: &[DriftClass]) {
    for class in ALL {
        let is_changed = stamp(&istiod(), &[class]) != stamp(changed, &[class]);
        assert_eq!(is_changed, covered.contains(&class), "{class}");
    }
}

#[test]
fn the_stamp_covers_exactly_the_classes_that_are_restarted_on() {
    check(&istiod(), &[]);
    let hub = istiod().value("/global/hub", json!("registry.istio.io/release"));
    check(&hub, &[DriftClass::Registry]);
    check(
        &istiod().value("/global/variant", json!("debug")),
        &[DriftClass::Variant],
    );
    check(
        &istiod().env("ENABLE_NATIVE_SIDECARS", "false"),
        &[DriftClass::Shape],
    );
    check(
        &istiod().value("/pilot/cni/enabled", json!(true)),
        &[DriftClass::Shape],
    );
    check(
        &istiod().mesh("enablePrometheusMerge: false"),
        &[DriftClass::Config],
    );
    check(
        &istiod().mesh("defaultConfig: {concurrency: 4}"),
        &[DriftClass::Config],
    );
    check(
        &istiod().value("/global/proxy/resources/requests/cpu", json!("1")),
        &[DriftClass::Resources],
    );
    // The number of trusted proxies does not reach sidecars, so it restarts none.
    check(
        &istiod().mesh("defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"),
        &[],
    );
}

#[test]
fn a_new_version_is_named_by_the_stamp_whatever_it_covers() {
    let newer = Istiod::new("1.27.4");
    let only_shape = [DriftClass::Shape];
    let (old, new) = (stamp(&istiod(), &only_shape), stamp(&newer, &only_shape));
    assert!(old.starts_with("1.27.3/default/1.") && new.starts_with("1.27.4/default/1."));
    assert_eq!(old.rsplit('/').next(), new.rsplit('/').next());
}
