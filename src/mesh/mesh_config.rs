//! `MeshConfig`: the parts of the mesh configuration that reach a pod when it is injected.
//!
//! Everything else of it reaches running proxies by itself (`spec/istio.md` §4.3).

use serde_json::Value;

use super::proxy_config::{Fields, fields_of};

/// What of the mesh configuration is baked into pods.
#[derive(Debug, Clone)]
pub(crate) struct MeshConfig {
    /// The `defaultConfig` of every source, in the order in which they are applied.
    pub(crate) default_config: Vec<Fields>,
    /// `enablePrometheusMerge`.
    pub(crate) prometheus_merge: bool,
    /// `trustDomain`.
    pub(crate) trust_domain: String,
    /// `rootNamespace`, whose ProxyConfigs hold for all namespaces.
    pub(crate) root_namespace: String,
    /// `proxyListenPort`.
    pub(crate) listen_port: u64,
    /// `proxyInboundListenPort`.
    pub(crate) inbound_listen_port: u64,
}

impl Default for MeshConfig {
    /// istiod's built-in values (`pkg/config/mesh/mesh.go`).
    fn default() -> Self {
        Self {
            default_config: Vec::new(),
            prometheus_merge: true,
            trust_domain: "cluster.local".to_owned(),
            root_namespace: "istio-system".to_owned(),
            listen_port: 15001,
            inbound_listen_port: 15006,
        }
    }
}

impl MeshConfig {
    /// The same, overlaid with the text of a `mesh` key.
    ///
    /// # Errors
    ///
    /// In words, when the text is no YAML mapping; istiod then keeps what it had.
    pub(crate) fn overlay(mut self, text: &str) -> Result<Self, String> {
        let mesh: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let mesh = match mesh {
            Value::Null => return Ok(self),
            Value::Object(_) => mesh,
            _ => return Err("it is not a mapping".to_owned()),
        };
        if let Some(fields) = mesh.get("defaultConfig").and_then(Value::as_object) {
            self.default_config.push(fields_of(fields));
        }
        if let Some(merge) = mesh.get("enablePrometheusMerge").and_then(Value::as_bool) {
            self.prometheus_merge = merge;
        }
        let text = |key: &str| {
            let text = mesh.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let port = |key: &str| {
            mesh.get(key)
                .and_then(Value::as_u64)
                .filter(|port| *port != 0)
        };
        self.trust_domain = text("trustDomain").unwrap_or(self.trust_domain);
        self.root_namespace = text("rootNamespace").unwrap_or(self.root_namespace);
        self.listen_port = port("proxyListenPort").unwrap_or(self.listen_port);
        self.inbound_listen_port =
            port("proxyInboundListenPort").unwrap_or(self.inbound_listen_port);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::MeshConfig;

    #[test]
    fn what_is_present_overlays_and_the_rest_stays() {
        let mesh = MeshConfig::default()
            .overlay("trustDomain: td1\nenablePrometheusMerge: false\nproxyListenPort: 1\n")
            .and_then(|mesh| mesh.overlay("rootNamespace: root\ndefaultConfig: {concurrency: 4}"))
            .expect("a mesh configuration");
        assert_eq!(mesh.trust_domain, "td1");
        assert!(!mesh.prometheus_merge);
        assert_eq!((mesh.listen_port, mesh.inbound_listen_port), (1, 15006));
        let zero = mesh
            .overlay("proxyListenPort: 0")
            .expect("a mesh configuration");
        assert_eq!(zero.listen_port, 1);
        let mesh = zero;
        assert_eq!(mesh.root_namespace, "root");
        assert_eq!(mesh.default_config.len(), 1);
    }

    #[test]
    fn a_text_that_is_no_mapping_is_an_error() {
        assert!(MeshConfig::default().overlay("- a").is_err());
        assert!(MeshConfig::default().overlay("a: [").is_err());
        assert!(MeshConfig::default().overlay("").is_ok());
    }
}
