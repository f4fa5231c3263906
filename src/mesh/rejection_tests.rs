//! What an injector refuses, with the versions.

use super::rejection;
use crate::manifest::StringMap;
use crate::mesh::version::Version;

/// Whether each annotation alone makes an injector refuse a pod.
#[track_caller]
fn check(version: &str, name: &str, value: &str, is_refused: bool) {
    let annotations = StringMap::from([(name.to_owned(), value.to_owned())]);
    let version = Version::parse(version).expect("a version");
    let found = rejection(&annotations, &version, true, "15020");
    assert_eq!(found.is_some(), is_refused, "{name}={value:?} at {version}");
    if let Some(message) = found {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn would_be_rejected() {
    let refused = [
        ("sidecar.istio.io/interceptionMode", "redirect"),
        ("status.sidecar.istio.io/port", "http"),
        (
            "readiness.status.sidecar.istio.io/initialDelaySeconds",
            "-1",
        ),
        ("readiness.status.sidecar.istio.io/periodSeconds", "2s"),
        ("readiness.status.sidecar.istio.io/failureThreshold", ""),
        (
            "traffic.sidecar.istio.io/includeOutboundIPRanges",
            "10.0.0.0",
        ),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "*"),
        (
            "traffic.sidecar.istio.io/excludeOutboundIPRanges",
            "10.0.0.0/33",
        ),
        ("traffic.sidecar.istio.io/includeInboundPorts", "80,http"),
        ("traffic.sidecar.istio.io/excludeInboundPorts", "*"),
        ("traffic.sidecar.istio.io/excludeOutboundPorts", "99999"),
        ("prometheus.istio.io/merge-metrics", "yes"),
        ("proxy.istio.io/config", "- a"),
        ("proxy.istio.io/config", "concurrency: ["),
        ("proxy.istio.io/config", "concurrency: many"),
        ("proxy.istio.io/config", "concurrency: -1"),
        (
            "proxy.istio.io/config",
            "holdApplicationUntilProxyStarts: maybe",
        ),
        ("proxy.istio.io/config", "drainDuration: 45"),
        ("proxy.istio.io/config", "tracing: [a]"),
    ];
    for (name, value) in refused {
        check("1.12.0", name, value, true);
        check("1.31.0", name, value, true);
    }
}

#[test]
fn what_istio_accepts_is_accepted() {
    for (name, value) in [
        ("sidecar.istio.io/interceptionMode", "NONE"),
        ("status.sidecar.istio.io/port", "0"),
        ("readiness.status.sidecar.istio.io/periodSeconds", "2"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", "*"),
        ("traffic.sidecar.istio.io/includeOutboundIPRanges", ""),
        (
            "traffic.sidecar.istio.io/excludeOutboundIPRanges",
            "10.0.0.0/8,fd00::/8",
        ),
        ("traffic.sidecar.istio.io/includeInboundPorts", "*"),
        ("traffic.sidecar.istio.io/includeInboundPorts", "80, 443"),
        ("traffic.sidecar.istio.io/excludeInboundPorts", ""),
        ("prometheus.istio.io/merge-metrics", "False"),
        ("proxy.istio.io/config", "concurrency: 2"),
        ("proxy.istio.io/config", ""),
        (
            "proxy.istio.io/config",
            "{concurrency: '2', drainDuration: 1m, tracing: {}, other: [a]}",
        ),
        ("example.com/anything", "at all"),
    ] {
        check("1.31.0", name, value, false);
    }
}

#[test]
fn resource_annotations_are_validated_since_1_27() {
    for name in [
        "sidecar.istio.io/proxyCPU",
        "sidecar.istio.io/proxyMemory",
        "sidecar.istio.io/proxyCPULimit",
        "sidecar.istio.io/proxyMemoryLimit",
    ] {
        check("1.26.8", name, "lots", false);
        check("1.27.0", name, "lots", true);
        check("1.27.0", name, "100m", false);
    }
}

#[test]
fn merged_metrics_need_a_free_port_since_1_31() {
    for port in ["15001", "15090", "0", "70000", "http"] {
        check("1.30.3", "prometheus.io/port", port, false);
        check("1.31.0", "prometheus.io/port", port, true);
    }
    check("1.31.0", "prometheus.io/port", "9090", false);
    check("1.31.0", "prometheus.io/port", "15020", false);
    check(
        "1.31.0",
        "prometheus.istio.io/scrape-targets",
        ":9090/metrics",
        false,
    );
    check(
        "1.31.0",
        "prometheus.istio.io/scrape-targets",
        ":9090/metrics,:15006/m",
        true,
    );
    let opted_out = StringMap::from([
        ("prometheus.io/port".to_owned(), "15001".to_owned()),
        ("prometheus.io/scrape".to_owned(), "false".to_owned()),
    ]);
    let version = Version::parse("1.31.0").expect("a version");
    assert_eq!(rejection(&opted_out, &version, true, "15020"), None);
}
