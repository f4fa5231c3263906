//! `ObservedSidecar`: what a live pod says of its proxy (`spec/istio.md` §3, §6).

use std::collections::BTreeMap;

use serde_json::Value;

use super::expected::{ProxyKind, TEMPLATES};
use super::image::ImageName;
use super::injector::REVISION;
use super::prometheus::Scrape;
use super::proxy_config::fields_of;
use super::resources::stored;
use super::template::{INIT, PROXY, VALIDATION, VARIABLES};
use super::version::Version;
use crate::manifest::{Container, PodSpec, PodTemplate, Resources, StringMap};
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::Pod;

/// The annotation that every injected pod carries.
pub(crate) const STATUS: &str = "sidecar.istio.io/status";

/// The sidecar that a pod has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedSidecar {
    /// The revision that injected it, where the pod tells.
    pub revision: Option<String>,
    /// The proxy's image.
    pub image: Option<String>,
    /// The proxy's version, as far as it can be told from its image.
    pub version: Option<String>,
    /// What the proxy is.
    pub kind: ProxyKind,
    /// Whether the proxy is a native sidecar.
    pub native: bool,
    /// The init container and its image.
    pub init: Option<(String, String)>,
    /// The configuration that is baked into the pod, under the same names as in
    /// [`ExpectedSidecar::config`](super::ExpectedSidecar::config).
    pub config: BTreeMap<String, Value>,
    /// What of the configuration could not be read, in words.
    pub unreadable: Option<String>,
    /// Whether the metrics annotations point to the proxy.
    pub prometheus_merged: bool,
    /// The proxy's compute resources.
    pub resources: Resources,
    /// The address of the istiod that the proxy connects to; none where it is the built-in one.
    pub discovery_address: Option<String>,
}

/// What runs in a pod, seen from the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// No proxy.
    None,
    /// An injected sidecar, gateway or proxyless agent.
    Sidecar(Box<ObservedSidecar>),
    /// A proxy that was written into the manifest by `istioctl kube-inject`, or by hand.
    Static(Box<ObservedSidecar>),
    /// A proxy that istiod deploys itself for a Gateway resource: a gateway or a waypoint.
    GatewayApi,
    /// A proxy of the mesh's own machinery (ztunnel, an old-style gateway): others restart it.
    Other {
        /// What it is.
        what: String,
    },
    /// The pod says something that cannot be read.
    Unknown(Reason),
}

/// What a live pod has.
///
/// A pod that was created from the output of `kube-inject` looks injected: see [`observe_in`].
#[must_use]
pub fn observe(pod: &Pod) -> Observation {
    observe_in(pod, None)
}

/// What a live pod has, with the template that it was made from: a sidecar that stands in the
/// template itself is [`Observation::Static`].
#[must_use]
pub fn observe_in(pod: &Pod, template: Option<&PodTemplate>) -> Observation {
    let (labels, annotations) = (&pod.metadata.labels, &pod.metadata.annotations);
    if labels.contains_key("gateway.istio.io/managed")
        || labels.contains_key("gateway.networking.k8s.io/gateway-name")
    {
        return Observation::GatewayApi;
    }
    if let Some(what) = machinery(labels) {
        return Observation::Other { what };
    }
    let proxy = pod.spec.container(PROXY);
    let Some(status) = annotations.get(STATUS) else {
        return match proxy {
            None => Observation::None,
            Some((container, _)) if is_router(container) => Observation::Other {
                what: "a gateway that was installed with an image of its own".to_owned(),
            },
            Some(_) => Observation::Static(Box::new(sidecar(pod, &BTreeMap::new()))),
        };
    };
    let status = match serde_json::from_str::<BTreeMap<String, Value>>(status) {
        Ok(status) => status,
        Err(error) => {
            return Observation::Unknown(Reason::new(
                ReasonCode::SnapshotIncomplete,
                format!(
                    "annotation {STATUS} of Pod {}/{} is not the JSON that Istio writes: {error}",
                    pod.metadata.namespace, pod.metadata.name
                ),
            ));
        }
    };
    let observed = Box::new(sidecar(pod, &status));
    if template.is_some_and(holds_a_sidecar) {
        return Observation::Static(observed);
    }
    Observation::Sidecar(observed)
}

/// Whether a template has its sidecar written into it, as `kube-inject` does.
#[must_use]
pub fn holds_a_sidecar(template: &PodTemplate) -> bool {
    template.metadata.annotations.contains_key(STATUS)
}

/// Proxies of the mesh's own machinery, whose container is called `istio-proxy` too.
fn machinery(labels: &StringMap) -> Option<String> {
    let is = |key: &str, value: &str| labels.get(key).map(String::as_str) == Some(value);
    if is("app", "ztunnel") || is("app.kubernetes.io/name", "ztunnel") {
        return Some("ztunnel".to_owned());
    }
    if is("k8s-app", "istio-cni-node") || is("app.kubernetes.io/name", "istio-cni") {
        return Some("istio-cni".to_owned());
    }
    None
}

/// Whether the proxy routes as a gateway.
fn is_router(container: &Container) -> bool {
    container.args.iter().any(|arg| arg == "router")
}

fn sidecar(pod: &Pod, status: &BTreeMap<String, Value>) -> ObservedSidecar {
    let proxy = pod.spec.container(PROXY);
    let container = proxy.map(|(container, _)| container);
    let (config, unreadable) = container.map_or_else(Default::default, baked_config);
    let config = with_ports(config, &pod.spec);
    let image = container.and_then(|container| container.image.clone());
    let version = image
        .as_deref()
        .and_then(|image| ImageName::parse(image).version());
    ObservedSidecar {
        revision: revision(pod, status),
        version: version.as_ref().map(Version::to_string),
        image,
        kind: kind(pod, container),
        native: proxy.is_some_and(|(_, is_init)| is_init),
        init: init(&pod.spec),
        discovery_address: config
            .get("discoveryAddress")
            .and_then(Value::as_str)
            .map(str::to_owned),
        config,
        unreadable,
        prometheus_merged: Scrape::read(&pod.metadata.annotations).is_merged(),
        resources: container
            .map_or_else(Resources::default, |container| stored(&container.resources)),
    }
}

/// The status annotation, then the annotation, then the label, each of its own generation (§3.1).
fn revision(pod: &Pod, status: &BTreeMap<String, Value>) -> Option<String> {
    let of_status = status.get("revision").and_then(Value::as_str);
    let annotation = pod.metadata.annotations.get(REVISION).map(String::as_str);
    // Without a status the label is a wish, not a record.
    let label = pod.metadata.labels.get(REVISION).map(String::as_str);
    let label = label.filter(|_| !status.is_empty());
    let known = of_status.or(annotation).or(label)?;
    Some(if known.is_empty() { "default" } else { known }.to_owned())
}

fn kind(pod: &Pod, proxy: Option<&Container>) -> ProxyKind {
    let Some(proxy) = proxy else {
        return ProxyKind::Proxyless;
    };
    let templates = pod.metadata.annotations.get(TEMPLATES);
    let names = |wanted: &str| {
        templates.is_some_and(|list| list.split(',').any(|name| name.trim() == wanted))
    };
    if is_router(proxy) {
        ProxyKind::Gateway
    } else if proxy.env_value("ISTIO_META_GENERATOR") == Some("grpc") || names("grpc-agent") {
        ProxyKind::GrpcAgent
    } else {
        ProxyKind::Sidecar
    }
}

fn init_of(spec: &PodSpec) -> Option<&Container> {
    let mut containers = spec.init_containers.iter();
    containers.find(|container| matches!(container.name.as_str(), INIT | VALIDATION))
}

fn init(spec: &PodSpec) -> Option<(String, String)> {
    let container = init_of(spec)?;
    Some((
        container.name.clone(),
        container.image.clone().unwrap_or_default(),
    ))
}

/// `PROXY_CONFIG` and the variables that meshroll compares, and what could not be read.
fn baked_config(proxy: &Container) -> (BTreeMap<String, Value>, Option<String>) {
    let mut unreadable = None;
    let mut config = BTreeMap::new();
    if let Some(text) = proxy.env_value("PROXY_CONFIG") {
        match serde_json::from_str::<Value>(text.trim()) {
            Ok(Value::Object(fields)) => config = fields_of(&fields),
            Ok(_) => unreadable = Some("PROXY_CONFIG is not an object".to_owned()),
            Err(error) => unreadable = Some(format!("PROXY_CONFIG is not JSON: {error}")),
        }
    }
    for name in VARIABLES {
        if let Some(value) = proxy.env_value(name).filter(|value| !value.is_empty()) {
            config.insert(name.to_owned(), Value::from(value));
        }
    }
    (config, unreadable)
}

/// The listener ports that the init container was given.
fn with_ports(mut config: BTreeMap<String, Value>, spec: &PodSpec) -> BTreeMap<String, Value> {
    let args = init_of(spec).map_or(&[][..], |container| container.args.as_slice());
    for (flag, name) in [("-p", "proxyListenPort"), ("-z", "proxyInboundListenPort")] {
        let values = args.iter().zip(args.iter().skip(1));
        let value = values
            .filter(|(arg, _)| *arg == flag)
            .map(|(_, value)| value)
            .next();
        if let Some(port) = value.and_then(|value| value.parse::<u64>().ok()) {
            config.insert(name.to_owned(), Value::from(port));
        }
    }
    config
}
