//! `Template`: what an injection template says about the containers it adds.
//!
//! meshroll does not run Go templates. It looks for the stock expressions of Istio's charts
//! (`spec/istio.md` §2.1): where they are, the outcome is known; where they are not, it is not.

/// The proxy's container.
pub(crate) const PROXY: &str = "istio-proxy";
/// The init container that sets up traffic capture.
pub(crate) const INIT: &str = "istio-init";
/// The init container that waits for Istio's CNI plugin to have done so.
pub(crate) const VALIDATION: &str = "istio-validation";

/// What meshroll knows of one injection template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template {
    /// Image lines of the proxy's container; none where the template has no such container.
    pub(crate) proxy: Option<ImageLines>,
    /// Image lines of `istio-init` and `istio-validation`.
    pub(crate) init: Option<ImageLines>,
    /// Whether the proxy routes as a gateway.
    pub(crate) is_gateway: bool,
    /// Whether the proxy is the agent of a proxyless gRPC workload.
    pub(crate) is_grpc_agent: bool,
    /// Whether istiod decides about native sidecars.
    pub(crate) knows_native: bool,
    /// Whether the pod may decide about native sidecars (1.24 and later).
    pub(crate) reads_native_annotation: bool,
    /// Where the template reads whether the CNI plugin is used.
    pub(crate) cni: Option<CniKey>,
    /// Whether it renders `values.global.proxy.resources` and the annotations that replace them.
    pub(crate) renders_resources: bool,
    /// Whether it renders `PROXY_CONFIG`.
    pub(crate) renders_config: bool,
    /// Which of the environment variables that meshroll compares it sets.
    pub(crate) variables: Vec<&'static str>,
    /// Whether it passes the listener ports to the init container.
    pub(crate) renders_ports: bool,
}

/// Where the switch for the CNI plugin is in the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CniKey {
    /// `pilot.cni.enabled`, since 1.22.
    Pilot,
    /// `istio_cni.enabled`, before.
    Top,
}

/// The `image:` lines of one container in a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ImageLines {
    /// A line takes the annotation `sidecar.istio.io/proxyImage` as it is.
    pub(crate) from_annotation: bool,
    /// A line takes the image of the values as it is.
    pub(crate) from_values: bool,
    /// What the remaining line computes.
    pub(crate) body: ImageBody,
}

/// How a template makes an image of hub, name and tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ImageBody {
    /// There is no such line.
    #[default]
    Absent,
    /// istiod computes the image, with its type (1.13 and later).
    Computed,
    /// istiod computes the init container's own image (1.31 and later).
    ComputedInit,
    /// Hub, name and tag put together, without a type (1.12 and earlier).
    Plain,
    /// A text without any expression.
    Literal(String),
    /// Something else.
    Custom(String),
}

/// Environment variables of the proxy that follow from the mesh's configuration
/// (`spec/istio.md` §4.3).
pub(crate) const VARIABLES: [&str; 4] = [
    "TRUST_DOMAIN",
    "ISTIO_META_MESH_ID",
    "ISTIO_META_NETWORK",
    "ISTIO_META_CLUSTER_ID",
];

impl Template {
    /// Reads a template's text.
    pub(crate) fn read(text: &str) -> Self {
        let images = |names: &[&str]| {
            let blocks: Vec<_> = names
                .iter()
                .filter_map(|name| image_expressions(text, name))
                .collect();
            (!blocks.is_empty()).then(|| ImageLines::read(&blocks.concat()))
        };
        let has = |needle: &str| text.contains(needle);
        Self {
            proxy: images(&[PROXY]),
            init: images(&[INIT, VALIDATION]),
            is_gateway: text.lines().any(|line| line.trim() == "- router"),
            is_grpc_agent: has("ISTIO_META_GENERATOR"),
            knows_native: has("ativeSidecar"),
            reads_native_annotation: has("`sidecar.istio.io/nativeSidecar`"),
            cni: if has(".Values.pilot.cni.enabled") {
                Some(CniKey::Pilot)
            } else {
                has(".Values.istio_cni.enabled").then_some(CniKey::Top)
            },
            renders_resources: has(".Values.global.proxy.resources"),
            renders_config: has("name: PROXY_CONFIG"),
            variables: VARIABLES
                .into_iter()
                .filter(|name| has(&format!("name: {name}")))
                .collect(),
            renders_ports: has(".MeshConfig.ProxyListenPort"),
        }
    }
}

impl ImageLines {
    /// Classes the expressions of a container's `image:` lines, blanks and quotes removed.
    fn read(expressions: &[String]) -> Self {
        let mut lines = Self::default();
        for expression in expressions {
            match expression.as_str() {
                "{{annotation.ObjectMeta`sidecar.istio.io/proxyImage`.Values.global.proxy.image}}"
                | "{{annotation.ObjectMeta`sidecar.istio.io/proxyImage`.Values.global.proxy_init.image}}" =>
                {
                    lines.from_annotation = true;
                    lines.from_values = true;
                }
                "{{.Values.global.proxy_init.image}}" => lines.from_values = true,
                "{{.ProxyImage}}" => lines.set(ImageBody::Computed),
                "{{.ProxyInitImage}}" | "{{.InitImage}}" => lines.set(ImageBody::ComputedInit),
                "{{.Values.global.hub}}/{{.Values.global.proxy.image}}:{{.Values.global.tag}}"
                | "{{.Values.global.hub}}/{{.Values.global.proxy_init.image}}:{{.Values.global.tag}}" =>
                {
                    lines.set(ImageBody::Plain);
                }
                other if other.contains("{{") => lines.set(ImageBody::Custom(other.to_owned())),
                other => lines.set(ImageBody::Literal(other.to_owned())),
            }
        }
        if lines.from_values && lines.body == ImageBody::Absent {
            lines.body = ImageBody::Custom("an image that may not be in the values".to_owned());
        }
        lines
    }

    /// Takes a line's expression; two different ones are more than meshroll can follow.
    fn set(&mut self, body: ImageBody) {
        self.body = match &self.body {
            ImageBody::Absent => body,
            known if *known == body => body,
            known => ImageBody::Custom(format!("{known:?} or {body:?}")),
        };
    }
}

/// Stands for an image line that cannot be found.
const UNSEEN: &str = "{{an item that does not begin with its name}}";

/// The expressions of the `image:` lines that follow `- name: <container>`, blanks and quotes
/// removed; none where the template has no such container.
fn image_expressions(text: &str, container: &str) -> Option<Vec<String>> {
    let quoted = format!("\"{container}\"");
    let mut expressions = without_actions(text)
        .contains(&quoted)
        .then(|| vec![UNSEEN.to_owned()]);
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("- name:") {
            inside = unquoted(name) == container;
            if inside {
                expressions.get_or_insert_with(Vec::new);
            }
        } else if line.strip_prefix("name:").map(unquoted).as_deref() == Some(container) {
            expressions
                .get_or_insert_with(Vec::new)
                .push(UNSEEN.to_owned());
        } else if inside && let Some(image) = line.strip_prefix("image:") {
            expressions
                .get_or_insert_with(Vec::new)
                .push(unquoted(image));
        }
    }
    expressions
}

/// A template's text without what stands in `{{ }}`, and without its lines that begin an item with
/// a name, which are read line by line.
fn without_actions(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("- name:"));
    let mut kept = String::new();
    for line in lines {
        for (position, part) in line.split("{{").enumerate() {
            let part = match part.split_once("}}") {
                Some((_, rest)) if position > 0 => rest,
                _ if position > 0 => "",
                _ => part,
            };
            kept.push_str(part);
        }
        kept.push('\n');
    }
    kept
}

/// A scalar without blanks and without the quotes around it.
fn unquoted(text: &str) -> String {
    let text: String = text.chars().filter(|char| !char.is_whitespace()).collect();
    text.trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{CniKey, ImageBody, Template};

    const MODERN: &str = r#"
spec:
  initContainers:
  {{ if .Values.pilot.cni.enabled -}}
  - name: istio-validation
  {{ else -}}
  - name: istio-init
  {{ end -}}
  {{- if contains "/" (annotation .ObjectMeta `sidecar.istio.io/proxyImage` .Values.global.proxy_init.image) }}
    image: "{{ annotation .ObjectMeta `sidecar.istio.io/proxyImage` .Values.global.proxy_init.image }}"
  {{- else }}
    image: "{{ .ProxyImage }}"
  {{- end }}
  containers:
  - name: istio-proxy
    image: "{{ annotation .ObjectMeta `sidecar.istio.io/proxyImage` .Values.global.proxy.image }}"
    image: "{{ .ProxyImage }}"
    env:
    - name: TRUST_DOMAIN
      value: "x"
"#;

    #[test]
    fn the_stock_image_lines_are_recognised() {
        let template = Template::read(MODERN);
        let proxy = template.proxy.expect("a proxy");
        assert!(proxy.from_annotation && proxy.body == ImageBody::Computed);
        assert_eq!(
            template.init.map(|init| init.body),
            Some(ImageBody::Computed)
        );
        assert_eq!(template.cni, Some(CniKey::Pilot));
        assert_eq!(template.variables, ["TRUST_DOMAIN"]);
        // A container that stands in the template twice, native and regular, is one.
        let twice = Template::read(&MODERN.repeat(2)).proxy.expect("a proxy");
        assert_eq!(twice.body, ImageBody::Computed);
        assert!(!template.is_gateway);
    }

    #[test]
    fn an_image_line_that_is_not_stock_is_not_followed() {
        let body = |line: &str| {
            let text = format!("containers:\n- name: istio-proxy\n  image: {line}\n");
            Template::read(&text).proxy.map(|proxy| proxy.body)
        };
        assert_eq!(
            body("corp/proxy:1"),
            Some(ImageBody::Literal("corp/proxy:1".to_owned()))
        );
        assert!(matches!(
            body("corp/proxy:{{ .Values.global.tag }}"),
            Some(ImageBody::Custom(_))
        ));
        assert_eq!(
            body(
                "'{{ .Values.global.hub }}/{{ .Values.global.proxy.image }}:{{ .Values.global.tag }}'"
            ),
            Some(ImageBody::Plain)
        );
        assert_eq!(Template::read("containers:\n- name: app\n").proxy, None);
        for odd in [
            "containers:\n- image: corp/proxy:1\n  name: istio-proxy\n",
            "containers: [{\"name\": \"istio-proxy\", \"image\": \"corp/proxy:1\"}]\n",
        ] {
            let proxy = Template::read(odd).proxy.map(|proxy| proxy.body);
            assert!(matches!(proxy, Some(ImageBody::Custom(_))), "{odd}");
        }
        let comparison = "{{ if eq $container.Name \"istio-proxy\" }}{{ end }}\n";
        assert_eq!(Template::read(comparison).proxy, None);
    }
}
