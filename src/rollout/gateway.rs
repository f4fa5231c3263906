//! Gateways and Istio's own proxies: which pods carry an `istio-proxy` that is no sidecar.
//!
//! Source: `spec/istio.md` §6. Injected gateways are ours, the rest belongs to whoever installs it.

use super::Member;
use crate::manifest::{PodSpec, StringMap};

/// What kind of gateway or mesh component a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gateway {
    /// The injector writes its proxy; a restart renews it.
    Injected,
    /// istiod deploys it for a Gateway resource and re-renders it by itself.
    GatewayApi,
    /// istiod deploys it as an ambient waypoint.
    Waypoint,
    /// Its manifest names the proxy's image: the image must change there, a restart changes nothing.
    Standalone,
    /// Ambient's node proxy.
    Ztunnel,
    /// Istio's CNI node agent.
    Cni,
}

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The same before Istio 1.22.
const OLD_GATEWAY_NAME: &str = "istio.io/gateway-name";
const GATEWAY_CLASS: &str = "gateway.networking.k8s.io/gateway-class-name";
const MANAGED: &str = "gateway.istio.io/managed";
const WAYPOINT: &str = "istio-waypoint";
const INJECT_TEMPLATES: &str = "inject.istio.io/templates";
const INJECT: &str = "sidecar.istio.io/inject";
const OPERATOR_COMPONENT: &str = "operator.istio.io/component";
const PROXY: &str = "istio-proxy";

/// What kind of gateway a workload is; none for an ordinary workload.
#[must_use]
pub fn gateway(member: &Member<'_>) -> Option<Gateway> {
    let facts = Facts::of(member)?;
    if let Some(managed) = facts.managed(member) {
        return Some(managed);
    }
    if facts.label("app") == Some("ztunnel") && member.reference.kind == "DaemonSet" {
        return Some(Gateway::Ztunnel);
    }
    if facts.label("k8s-app") == Some("istio-cni-node") {
        return Some(Gateway::Cni);
    }
    if facts.is_injected() {
        return Some(Gateway::Injected);
    }
    facts.is_standalone().then_some(Gateway::Standalone)
}

/// The labels, annotations and pod spec that a workload's pods are made from.
struct Facts<'m> {
    labels: &'m StringMap,
    annotations: &'m StringMap,
    spec: &'m PodSpec,
}

impl<'m> Facts<'m> {
    fn of(member: &'m Member<'_>) -> Option<Self> {
        if let Some(template) = member.template() {
            return Some(Self {
                labels: &template.metadata.labels,
                annotations: &template.metadata.annotations,
                spec: &template.spec,
            });
        }
        let pod = member.pods.first()?;
        Some(Self {
            labels: &pod.metadata.labels,
            annotations: &pod.metadata.annotations,
            spec: &pod.spec,
        })
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    fn managed(&self, member: &Member<'_>) -> Option<Gateway> {
        let own = member.live.map(|live| &live.metadata.labels);
        let find = |key: &str| {
            self.label(key)
                .or_else(|| own.and_then(|labels| labels.get(key)).map(String::as_str))
        };
        let by_gateway = member.operator.as_ref().is_some_and(|owner| {
            owner.kind == "Gateway" && owner.group == "gateway.networking.k8s.io"
        });
        let managed = find(MANAGED);
        let named = find(GATEWAY_NAME).or_else(|| find(OLD_GATEWAY_NAME));
        if !by_gateway && managed.is_none() && named.is_none() {
            return None;
        }
        let is_waypoint = find(GATEWAY_CLASS) == Some(WAYPOINT)
            || managed.is_some_and(|by| by.contains("mesh-controller"));
        Some(if is_waypoint {
            Gateway::Waypoint
        } else {
            Gateway::GatewayApi
        })
    }

    /// The injection template `gateway`, or a proxy container whose image injection fills in.
    fn is_injected(&self) -> bool {
        let by_template = self
            .annotations
            .get(INJECT_TEMPLATES)
            .is_some_and(|names| names.split(',').any(|name| name.trim() == "gateway"));
        let by_image = self
            .spec
            .container(PROXY)
            .is_some_and(|(proxy, _)| proxy.image.as_deref() == Some("auto"));
        by_template || by_image
    }

    /// A router whose proxy stands in the manifest with an image of its own.
    fn is_standalone(&self) -> bool {
        let opted_out = [
            self.label(INJECT),
            self.annotations.get(INJECT).map(String::as_str),
        ]
        .contains(&Some("false"));
        let routes = self
            .spec
            .container(PROXY)
            .is_some_and(|(proxy, _)| proxy.args.iter().take(2).any(|arg| arg == "router"));
        let component = self
            .label(OPERATOR_COMPONENT)
            .is_some_and(|name| name.ends_with("Gateways"));
        opted_out && (routes || component)
    }
}
