//! `rejection`: what makes an injector refuse a pod, so that a restart would leave a workload short
//! of pods (`spec/istio.md` §1.5, `pkg/kube/inject/validate.go`).

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::prometheus::{Scrape, go_bool, is_on};
use super::proxy_config::is_duration;
use super::resources::{ANNOTATIONS, is_quantity};
use super::version::Version;
use crate::manifest::StringMap;

/// Overrides of the proxy's configuration in a pod's annotations.
pub(crate) const PROXY_CONFIG: &str = "proxy.istio.io/config";
/// Ports that the proxy itself listens on (1.31 and later).
const RESERVED_PORTS: [u32; 9] = [
    15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090,
];

/// A check of one annotation's value.
type Check = fn(&str) -> bool;

/// Annotations whose values are validated in every version.
const CHECKS: [(&str, Check, &str); 14] = [
    (
        "sidecar.istio.io/interceptionMode",
        is_mode,
        "REDIRECT, TPROXY or NONE",
    ),
    ("status.sidecar.istio.io/port", is_port, "a port"),
    (
        "readiness.status.sidecar.istio.io/initialDelaySeconds",
        is_count,
        "a number",
    ),
    (
        "readiness.status.sidecar.istio.io/periodSeconds",
        is_count,
        "a number",
    ),
    (
        "readiness.status.sidecar.istio.io/failureThreshold",
        is_count,
        "a number",
    ),
    (
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
        are_ranges_or_all,
        "IP ranges or *",
    ),
    (
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        are_ranges,
        "IP ranges",
    ),
    (
        "traffic.sidecar.istio.io/includeInboundPorts",
        are_ports_or_all,
        "ports or *",
    ),
    (
        "traffic.sidecar.istio.io/excludeInboundPorts",
        are_ports,
        "ports",
    ),
    (
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        are_ports,
        "ports",
    ),
    ("prometheus.istio.io/merge-metrics", is_bool, "a boolean"),
    (
        "traffic.sidecar.istio.io/excludeInterfaces",
        is_list,
        "interface names",
    ),
    (
        "traffic.sidecar.istio.io/kubevirtInterfaces",
        is_list,
        "interface names",
    ),
    (
        "istio.io/reroute-virtual-interfaces",
        is_list,
        "interface names",
    ),
];

/// Why an injector of this version refuses a pod with these annotations, in words that name the
/// field; none where it does not.
pub(crate) fn rejection(
    annotations: &StringMap,
    version: &Version,
    merges_metrics: bool,
    status_port: &str,
) -> Option<String> {
    let bad = |name: &str, value: &str, wanted: &str| {
        Some(format!(
            "annotation {name} is {value:?}, which is not {wanted}"
        ))
    };
    for (name, is_valid, wanted) in CHECKS {
        if let Some(value) = annotations.get(name).filter(|value| !is_valid(value)) {
            return bad(name, value, wanted);
        }
    }
    if version.at_least(27) {
        for (name, _, _) in ANNOTATIONS {
            if let Some(value) = annotations.get(name).filter(|value| !is_quantity(value)) {
                return bad(name, value, "a quantity");
            }
        }
    }
    if let Some(value) = annotations.get(PROXY_CONFIG)
        && let Err(fault) = proxy_config(value)
    {
        return Some(format!("annotation {PROXY_CONFIG} {fault}"));
    }
    scrape_port(annotations, version, merges_metrics, status_port)
}

/// The annotation `proxy.istio.io/config` as a mapping.
///
/// # Errors
///
/// In words, when it is none, or when a field has a value that istiod cannot take.
pub(crate) fn proxy_config(text: &str) -> Result<Map<String, Value>, String> {
    let fields = match serde_yaml::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => return Ok(Map::new()),
        Ok(_) => return Err("is not a mapping".to_owned()),
        Err(error) => return Err(format!("is not YAML: {error}")),
    };
    let bad = fields
        .iter()
        .find(|(name, value)| !value.is_null() && !has_its_type(name, value));
    match bad {
        Some((name, value)) => Err(format!("sets {name} to {value}, which it cannot be")),
        None => Ok(fields),
    }
}

/// Whether the fields whose types are told apart easily have them.
fn has_its_type(name: &str, value: &Value) -> bool {
    match name {
        "concurrency" | "proxyAdminPort" | "statNameLength" | "statusPort" => {
            value.as_u64().is_some() || value.as_str().is_some_and(is_count)
        }
        "holdApplicationUntilProxyStarts" => value.is_boolean(),
        "tracing" | "gatewayTopology" | "proxyMetadata" | "image" | "proxyStatsMatcher"
        | "proxyHeaders" | "runtimeValues" => value.is_object(),
        "drainDuration" | "terminationDrainDuration" | "parentShutdownDuration" => {
            value.as_str().is_some_and(is_duration)
        }
        _ => true,
    }
}

/// From 1.31 on merged metrics need a port that is not the proxy's own.
fn scrape_port(
    annotations: &StringMap,
    version: &Version,
    merges_metrics: bool,
    status_port: &str,
) -> Option<String> {
    let scrape = Scrape::read(annotations);
    if !version.at_least(31) || !is_on(annotations, scrape, merges_metrics) {
        return None;
    }
    let targets = annotations.get("prometheus.istio.io/scrape-targets");
    let ports = scrape
        .port
        .into_iter()
        .map(|port| ("prometheus.io/port", port));
    let targets = targets
        .into_iter()
        .flat_map(|targets| targets.split(','))
        .filter_map(|target| Some(("prometheus.istio.io/scrape-targets", port_of(target)?)));
    ports.chain(targets).find_map(|(name, port)| {
        let number = port
            .parse::<u32>()
            .ok()
            .filter(|port| (1..=65535).contains(port));
        match number {
            None => Some(format!("annotation {name} has {port:?}, which is no port")),
            Some(number) if RESERVED_PORTS.contains(&number) && port != status_port => Some(
                format!("annotation {name} has {port}, a port that the proxy itself listens on"),
            ),
            Some(_) => None,
        }
    })
}

/// The port in `9090`, `:9090/metrics` or `host:9090/metrics`.
fn port_of(target: &str) -> Option<&str> {
    let target = target.trim();
    let target = target.split_once('/').map_or(target, |(head, _)| head);
    let port = target.rsplit_once(':').map_or(target, |(_, port)| port);
    (!port.is_empty()).then_some(port)
}

fn is_mode(value: &str) -> bool {
    matches!(value, "REDIRECT" | "TPROXY" | "NONE")
}

/// A port, blanks around it allowed.
fn is_port(value: &str) -> bool {
    value.trim().parse::<u16>().is_ok()
}

fn is_count(value: &str) -> bool {
    value.parse::<u32>().is_ok()
}

fn is_bool(value: &str) -> bool {
    go_bool(value).is_some()
}

fn is_list(value: &str) -> bool {
    !value.chars().any(char::is_control)
}

fn are_ports(value: &str) -> bool {
    value.trim().is_empty() || value.split(',').all(is_port)
}

fn are_ports_or_all(value: &str) -> bool {
    value == "*" || are_ports(value)
}

fn are_ranges_or_all(value: &str) -> bool {
    value == "*" || are_ranges(value)
}

fn are_ranges(value: &str) -> bool {
    value.is_empty() || value.split(',').all(is_range)
}

fn is_range(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= longest)
}

#[cfg(test)]
#[path = "rejection_tests.rs"]
mod tests;
