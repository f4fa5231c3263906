//! `Baked`: the configuration that is written into a pod and never reaches a running proxy
//! (`spec/istio.md` §4.1-4.3).

use std::collections::BTreeMap;

use serde_json::Value;

use super::control_plane::Configuration;
use super::expected::{Failure, ProxyKind, Shaping, Subject, Surroundings};
use super::injector::Client;
use super::proxy_config::{self, Fields};
use super::proxy_config_resource::layers;
use super::rejection::{PROXY_CONFIG, proxy_config as annotated_config};

/// The ProxyConfig that holds for a pod, all layers applied (§4.1).
pub(crate) fn effective_config(
    configuration: &Configuration,
    surroundings: &Surroundings<'_>,
    subject: &Subject<'_>,
) -> Result<Fields, Failure> {
    let mut effective = proxy_config::defaults(configuration.version.minor);
    for layer in &configuration.mesh.default_config {
        proxy_config::apply(&mut effective, layer);
    }
    let known = if configuration.version.at_least(13) {
        surroundings.proxy_configs
    } else {
        &[]
    };
    let root = &configuration.mesh.root_namespace;
    let layers = layers(known, root, subject.namespace, &subject.labels);
    for layer in layers.below {
        proxy_config::apply(&mut effective, layer);
    }
    if let Some(text) = subject.template.metadata.annotations.get(PROXY_CONFIG) {
        let fields = annotated_config(text)
            .map_err(|why| Failure::rejected(format!("annotation {PROXY_CONFIG} {why}")))?;
        proxy_config::apply(&mut effective, &proxy_config::fields_of(&fields));
    }
    if let Some(layer) = layers.above {
        proxy_config::apply(&mut effective, layer);
    }
    Ok(effective)
}

/// The mesh's status port: metrics merging and readiness use that of the mesh, not of the pod.
pub(crate) fn status_port(configuration: &Configuration) -> String {
    let mut fields = proxy_config::defaults(configuration.version.minor);
    for layer in &configuration.mesh.default_config {
        proxy_config::apply(&mut fields, layer);
    }
    fields
        .get("statusPort")
        .map_or_else(String::new, Value::to_string)
}

/// What is baked into the pod and does not reach a running proxy (§4.3).
pub(crate) fn config(
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    effective: &Fields,
    client: &Client,
) -> BTreeMap<String, Value> {
    let Some(template) = shaping.main else {
        return BTreeMap::new();
    };
    let mut config = if template.renders_config {
        proxy_config::rendered(effective, configuration.version.minor)
    } else {
        Fields::new()
    };
    if shaping.kind != ProxyKind::Gateway {
        remove_trusted_proxies(&mut config);
    }
    let path = injection_path(client);
    for name in &template.variables {
        let value = path
            .get(*name)
            .cloned()
            .unwrap_or_else(|| variable(configuration, name));
        if !value.is_empty() {
            config.insert((*name).to_owned(), Value::from(value));
        }
    }
    if template.renders_ports && shaping.init.is_some() {
        let mesh = &configuration.mesh;
        config.insert("proxyListenPort".to_owned(), Value::from(mesh.listen_port));
        let inbound = Value::from(mesh.inbound_listen_port);
        config.insert("proxyInboundListenPort".to_owned(), inbound);
    }
    config
}

/// The number of trusted proxies means something to gateways alone (§4.3).
pub(crate) fn remove_trusted_proxies(config: &mut BTreeMap<String, Value>) {
    let Some(Value::Object(topology)) = config.get_mut("gatewayTopology") else {
        return;
    };
    topology.remove("numTrustedProxies");
    if topology.is_empty() {
        config.remove("gatewayTopology");
    }
}

/// A variable of the stock templates.
fn variable(configuration: &Configuration, name: &str) -> String {
    let values = &configuration.values;
    let first = |texts: [&str; 2]| {
        let text = texts.into_iter().find(|text| !text.is_empty());
        text.unwrap_or_default().to_owned()
    };
    let trust_domain = || {
        first([
            &configuration.mesh.trust_domain,
            values.text("/global/trustDomain"),
        ])
    };
    match name {
        "TRUST_DOMAIN" => trust_domain(),
        "ISTIO_META_MESH_ID" => match values.text("/global/meshID") {
            "" => trust_domain(),
            mesh => mesh.to_owned(),
        },
        "ISTIO_META_NETWORK" => values.text("/global/network").to_owned(),
        "ISTIO_META_CLUSTER_ID" => first([
            values.text("/global/multiCluster/clusterName"),
            "Kubernetes",
        ]),
        _ => String::new(),
    }
}

/// Variables that the path of the webhook sets: `/inject/cluster/<c>/net/<n>`.
fn injection_path(client: &Client) -> BTreeMap<String, String> {
    let Client::Service { path, .. } = client else {
        return BTreeMap::new();
    };
    let Some(rest) = path.trim_end_matches('/').strip_prefix("/inject/") else {
        return BTreeMap::new();
    };
    let parts: Vec<&str> = rest.split('/').collect();
    parts
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            ["cluster", value] => Some(("ISTIO_META_CLUSTER_ID", value)),
            ["net", value] => Some(("ISTIO_META_NETWORK", value)),
            _ => None,
        })
        .map(|(name, value)| (name.to_owned(), value.replace("--slash--", "/")))
        .collect()
}
