//! Layers and rendering of the ProxyConfig.

use serde_json::{Value, json};

use super::{Fields, apply, defaults, fields_of, rendered};

fn fields(value: &Value) -> Fields {
    fields_of(value.as_object().expect("an object"))
}

/// What istiod of a minor renders when these layers are applied in order.
#[track_caller]
fn check(minor: u32, layers: &[Value], expected: &Value) {
    let mut effective = defaults(minor);
    for layer in layers {
        apply(&mut effective, &fields(layer));
    }
    assert_eq!(json!(rendered(&effective, minor)), *expected);
}

#[test]
fn built_in_defaults_are_not_rendered() {
    let explicit = json!({
        "configPath": "./etc/istio/proxy", "binaryPath": "/usr/local/bin/envoy",
        "serviceCluster": "istio-proxy", "drainDuration": "45s", "terminationDrainDuration": "5s",
        "discoveryAddress": "istiod.istio-system.svc:15012", "proxyAdminPort": 15000,
        "controlPlaneAuthPolicy": "MUTUAL_TLS", "statNameLength": 189, "statusPort": 15020,
        "envoyMetricsService": {"address": ""}, "proxyMetadata": {},
    });
    check(30, &[explicit], &json!({}));
    check(30, &[], &json!({}));
}

#[test]
fn defaults_change_with_the_minor() {
    let tracing = json!({"tracing": {"zipkin": {"address": "zipkin.istio-system:9411"}}});
    check(21, std::slice::from_ref(&tracing), &json!({}));
    check(22, std::slice::from_ref(&tracing), &tracing);
    check(17, &[json!({"concurrency": 2})], &json!({}));
    check(18, &[json!({"concurrency": 2})], &json!({"concurrency": 2}));
    let parent = json!({"parentShutdownDuration": "1m0s"});
    check(16, std::slice::from_ref(&parent), &json!({}));
    check(17, &[parent], &json!({"parentShutdownDuration": "60s"}));
    let policy = json!({"controlPlaneAuthPolicy": "NONE"});
    check(6, &[policy], &json!({}));
}

#[test]
fn present_fields_replace_and_maps_of_metadata_are_merged() {
    check(
        30,
        &[
            json!({"tracing": {"sampling": 10, "zipkin": {"address": "a:1"}}, "proxyMetadata": {"A": "1", "B": "1"}}),
            json!({"tracing": {"sampling": 20}, "proxyMetadata": {"B": "2", "C": 3}}),
        ],
        &json!({"tracing": {"sampling": 20}, "proxyMetadata": {"A": "1", "B": "2", "C": "3"}}),
    );
    check(
        30,
        &[
            json!({"proxyHeaders": {"server": {"disabled": true}}}),
            json!({"proxyHeaders": {"requestId": {"disabled": false}}}),
        ],
        &json!({"proxyHeaders": {"server": {"disabled": true}, "requestId": {"disabled": false}}}),
    );
    check(
        30,
        &[
            json!({"serviceCluster": "own"}),
            json!({"tracingServiceName": "APP_LABEL_AND_NAMESPACE"}),
        ],
        &json!({"tracingServiceName": "APP_LABEL_AND_NAMESPACE"}),
    );
}

#[test]
fn zero_values_are_absent_unless_they_are_wrapped() {
    check(
        30,
        &[json!({
            "concurrency": 0, "holdApplicationUntilProxyStarts": false, "statusPort": 0,
            "gatewayTopology": {"numTrustedProxies": 0}, "extraStatTags": [], "statsdUdpAddress": "",
        })],
        &json!({"concurrency": 0, "holdApplicationUntilProxyStarts": false, "gatewayTopology": {}}),
    );
    check(30, &[json!({"tracing": {}})], &json!({"tracing": {}}));
}

#[test]
fn spelling_does_not_matter_and_unknown_fields_are_ignored() {
    check(
        30,
        &[json!({
            "stat_name_length": "200", "drainDuration": "1m30s", "connectTimeout": "1s",
            "gateway_topology": {"num_trusted_proxies": 2.0}, "typo": 1, "concurrency": null,
        })],
        &json!({"statNameLength": 200, "drainDuration": "90s", "gatewayTopology": {"numTrustedProxies": 2}}),
    );
}

#[test]
fn durations_have_one_spelling() {
    for (text, expected) in [
        ("1m0s", Some("60s")),
        ("1.5s", Some("1.5s")),
        ("1500ms", Some("1.5s")),
        ("1h", Some("3600s")),
        ("0s", Some("0s")),
        ("5", None),
        ("five", None),
    ] {
        assert_eq!(super::seconds(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn nesting_without_end_is_cut_off() {
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    let fields = fields(&json!({ "tracing": deep }));
    assert!(json!(fields).to_string().len() < 200);
}
