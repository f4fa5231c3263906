//! `ExpectedSidecar`: what an injector would give a pod now, computed from what it injects from
//! (`spec/istio.md` §2-4).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::control_plane::{Configuration, ControlPlane};
use super::image::ImageName;
use super::injector::Client;
use super::native::{Nodes, is_native};
use super::prometheus::is_merged_after;
use super::proxy_config::{self, Fields};
use super::proxy_config_resource::{ProxyConfigResource, layers};
use super::rejection::{PROXY_CONFIG, proxy_config, rejection};
use super::resources::{annotated, overlay, stored};
use super::template::{INIT, ImageBody, ImageLines, PROXY, Template, VALIDATION};
use crate::config::DriftClass;
use crate::manifest::{Container, PodTemplate, Resources, StringMap};
use crate::reason::{Reason, ReasonCode};

/// The annotation that names a proxy image, or a part of one.
pub(crate) const PROXY_IMAGE: &str = "sidecar.istio.io/proxyImage";
/// The annotation that names an image type.
const PROXY_IMAGE_TYPE: &str = "sidecar.istio.io/proxyImageType";
/// The annotation that names injection templates.
pub(crate) const TEMPLATES: &str = "inject.istio.io/templates";
/// The templates that Istio's charts render and meshroll knows.
const STOCK: [&str; 4] = ["sidecar", "gateway", "grpc-simple", "grpc-agent"];

/// The sidecar that a pod would get now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedSidecar {
    /// The revision that injects it.
    pub revision: String,
    /// Namespace of that revision's istiod.
    pub control_plane: String,
    /// The tag by which the pod reaches the revision.
    pub tag: Option<String>,
    /// The proxy's version, as far as it can be told from its image.
    pub version: Option<String>,
    /// The proxy's image; empty where the templates add no proxy.
    pub image: String,
    /// Whether the workload itself chooses the image.
    pub custom_image: bool,
    /// The inputs that the image was computed from, by name.
    pub image_inputs: Vec<(String, String)>,
    /// Names of the templates, aliases resolved.
    pub templates: Vec<String>,
    /// What the proxy is.
    pub kind: ProxyKind,
    /// Whether the proxy is a native sidecar; none where it cannot be told.
    pub native: Option<bool>,
    /// The init container and its image; none where there is none.
    pub init: Option<(String, String)>,
    /// The configuration that is baked into the pod, by name: fields of `PROXY_CONFIG` under
    /// their own names, environment variables and ports under theirs.
    pub config: BTreeMap<String, Value>,
    /// Whether the metrics annotations point to the proxy.
    pub prometheus_merged: bool,
    /// The proxy's compute resources as the API server stores them.
    pub resources: Resources,
    /// What could not be computed and is therefore not compared, and why.
    pub limits: Vec<(DriftClass, String)>,
    /// Other injectors that select the pods too, as `configuration/webhook`.
    pub overlap: Vec<String>,
    /// No pod that started earlier proves anything about this sidecar.
    pub settled_at: Option<Timestamp>,
}

/// What a proxy is in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyKind {
    /// A sidecar beside an application.
    #[default]
    Sidecar,
    /// A gateway.
    Gateway,
    /// The agent of a proxyless gRPC workload.
    GrpcAgent,
    /// No proxy container at all: proxyless gRPC, or custom templates.
    Proxyless,
}

/// A pod to be, as an injector sees it.
pub(crate) struct Subject<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) namespace_labels: StringMap,
    /// Labels of the template and those that its controller adds.
    pub(crate) labels: StringMap,
    pub(crate) template: &'a PodTemplate,
}

/// The cluster-wide facts that injection depends on.
pub(crate) struct Surroundings<'a> {
    pub(crate) nodes: &'a Nodes,
    pub(crate) proxy_configs: &'a [ProxyConfigResource],
}

/// Why there is no expected sidecar.
pub(crate) enum Failure {
    /// The injector refuses the pod.
    Rejected(Reason),
    /// It cannot be told.
    Unknown(Reason),
}

impl Failure {
    fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown(Reason::new(ReasonCode::InjectorUnresolvable, message))
    }

    fn rejected(message: impl Into<String>) -> Self {
        Self::Rejected(Reason::new(ReasonCode::WouldBeRejected, message))
    }
}

/// The sidecar that a control plane gives a pod that it injects.
pub(crate) fn expected_sidecar(
    plane: &ControlPlane,
    configuration: &Configuration,
    client: &Client,
    surroundings: &Surroundings<'_>,
    subject: &Subject<'_>,
) -> Result<ExpectedSidecar, Failure> {
    let annotations = &subject.template.metadata.annotations;
    let names = configuration
        .injector
        .template_names(annotations.get(TEMPLATES).map(String::as_str));
    let templates = named_templates(configuration, &names)?;
    let effective = effective_config(configuration, surroundings, subject)?;
    let status_port = status_port(configuration);
    if let Some(message) = rejection(
        annotations,
        &configuration.version,
        configuration.mesh.prometheus_merge,
        &status_port,
    ) {
        return Err(Failure::rejected(message));
    }
    let mut limits = Vec::new();
    let shaping = Shaping::of(&names, &templates, &mut limits);
    let native = native(plane, &shaping, surroundings, subject, &mut limits);
    let image = proxy_image(configuration, &shaping, &effective, subject)?;
    let init = init_container(configuration, &shaping, &effective, subject, &mut limits);
    if let Some(why) = &configuration.mesh_unknown {
        limits.push((DriftClass::Config, why.clone()));
    }
    let version = ImageName::parse(&image.image).version().or_else(|| {
        let is_digest = image.image.contains('@') && !image.custom;
        plane.version.clone().filter(|_| is_digest)
    });
    Ok(ExpectedSidecar {
        revision: plane.revision.clone(),
        control_plane: plane.namespace.clone(),
        tag: None,
        version: version.map(|version| version.to_string()),
        config: config(configuration, &shaping, &effective, client),
        prometheus_merged: is_merged_after(
            annotations,
            configuration.mesh.prometheus_merge,
            &status_port,
        ),
        resources: resources(configuration, &shaping, subject),
        templates: names,
        kind: shaping.kind,
        native,
        init,
        image: image.image,
        custom_image: image.custom,
        image_inputs: image.inputs,
        limits,
        overlap: Vec::new(),
        settled_at: plane.settling.at,
    })
}

/// The templates that a pod names; one that does not exist makes the injector refuse the pod.
fn named_templates<'a>(
    configuration: &'a Configuration,
    names: &[String],
) -> Result<Vec<&'a Template>, Failure> {
    names
        .iter()
        .map(|name| {
            configuration.injector.templates.get(name).ok_or_else(|| {
                Failure::rejected(format!(
                    "template {name:?} (annotation {TEMPLATES}) is not in ConfigMap {}",
                    configuration.config_map
                ))
            })
        })
        .collect()
}

/// What several templates laid over each other say: the last that says something wins.
struct Shaping<'a> {
    kind: ProxyKind,
    proxy: Option<&'a ImageLines>,
    init: Option<&'a ImageLines>,
    /// The template that has the proxy's image, which decides all else.
    main: Option<&'a Template>,
}

impl<'a> Shaping<'a> {
    fn of(
        names: &[String],
        templates: &[&'a Template],
        limits: &mut Vec<(DriftClass, String)>,
    ) -> Self {
        let has_image = |lines: &&ImageLines| lines.body != ImageBody::Absent;
        let last = |pick: fn(&'a Template) -> Option<&'a ImageLines>| {
            templates
                .iter()
                .rev()
                .copied()
                .filter_map(pick)
                .find(has_image)
        };
        let main = templates.iter().copied().find(|template| {
            template
                .proxy
                .as_ref()
                .is_some_and(|lines| lines.body != ImageBody::Absent)
        });
        for (name, template) in names.iter().zip(templates) {
            if template.proxy.is_some() && !STOCK.contains(&name.as_str()) {
                let message = format!("template {name} changes the proxy's container");
                for class in [DriftClass::Shape, DriftClass::Config, DriftClass::Resources] {
                    limits.push((class, message.clone()));
                }
            }
        }
        let kind = match main {
            Some(template) if template.is_gateway => ProxyKind::Gateway,
            Some(template) if template.is_grpc_agent => ProxyKind::GrpcAgent,
            Some(_) => ProxyKind::Sidecar,
            None if templates.iter().any(|template| template.proxy.is_some()) => ProxyKind::Sidecar,
            None => ProxyKind::Proxyless,
        };
        Self {
            kind,
            proxy: last(|template| template.proxy.as_ref()).or_else(|| {
                templates
                    .iter()
                    .find_map(|template| template.proxy.as_ref())
            }),
            init: last(|template| template.init.as_ref()),
            main,
        }
    }
}

fn native(
    plane: &ControlPlane,
    shaping: &Shaping<'_>,
    surroundings: &Surroundings<'_>,
    subject: &Subject<'_>,
    limits: &mut Vec<(DriftClass, String)>,
) -> Option<bool> {
    let template = shaping.main?;
    let annotation = subject
        .template
        .metadata
        .annotations
        .get("sidecar.istio.io/nativeSidecar");
    let judged = is_native(
        template,
        annotation.map(String::as_str),
        plane.native,
        surroundings.nodes,
        subject.template.spec.node_name.as_deref(),
    );
    match judged {
        Ok(native) => Some(native),
        Err(why) => {
            limits.push((DriftClass::Shape, why));
            None
        }
    }
}

/// The ProxyConfig that holds for a pod, all layers applied (§4.1).
fn effective_config(
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
        let fields = proxy_config(text)
            .map_err(|why| Failure::rejected(format!("annotation {PROXY_CONFIG} {why}")))?;
        proxy_config::apply(&mut effective, &proxy_config::fields_of(&fields));
    }
    if let Some(layer) = layers.above {
        proxy_config::apply(&mut effective, layer);
    }
    Ok(effective)
}

/// The mesh's status port: metrics merging and readiness use that of the mesh, not of the pod.
fn status_port(configuration: &Configuration) -> String {
    let mut fields = proxy_config::defaults(configuration.version.minor);
    for layer in &configuration.mesh.default_config {
        proxy_config::apply(&mut fields, layer);
    }
    fields
        .get("statusPort")
        .map_or_else(String::new, Value::to_string)
}

/// An image with where it came from.
struct ComputedImage {
    image: String,
    custom: bool,
    inputs: Vec<(String, String)>,
}

/// The proxy's image (§2.2).
fn proxy_image(
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    effective: &Fields,
    subject: &Subject<'_>,
) -> Result<ComputedImage, Failure> {
    let input = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let own = own_container(subject.template, PROXY).and_then(own_image);
    if let Some(image) = own.filter(|_| configuration.version.at_least(9)) {
        return Ok(ComputedImage {
            image: image.to_owned(),
            custom: true,
            inputs: vec![input("image of the pod's own istio-proxy container", image)],
        });
    }
    let Some(lines) = shaping.proxy else {
        return Ok(ComputedImage {
            image: String::new(),
            custom: false,
            inputs: Vec::new(),
        });
    };
    let annotation = subject.template.metadata.annotations.get(PROXY_IMAGE);
    let verbatim = match annotation {
        Some(image) if lines.from_annotation => {
            Some((format!("annotation {PROXY_IMAGE}"), image.as_str(), true))
        }
        _ if lines.from_values => {
            let image = configuration.values.proxy_image();
            Some(("values.global.proxy.image".to_owned(), image, false))
        }
        _ => None,
    };
    if let Some((source, image, custom)) = verbatim.filter(|(_, image, _)| image.contains('/')) {
        return Ok(ComputedImage {
            image: image.to_owned(),
            custom,
            inputs: vec![(source, image.to_owned())],
        });
    }
    let values = &configuration.values;
    let (image_type, source) = match lines.body {
        ImageBody::Computed => image_type(configuration, effective, subject),
        ImageBody::Plain => (String::new(), "none"),
        ImageBody::Literal(ref image) => {
            return Ok(ComputedImage {
                image: image.clone(),
                custom: false,
                inputs: vec![input("the template", image)],
            });
        }
        ImageBody::Absent | ImageBody::ComputedInit | ImageBody::Custom(_) => {
            return Err(Failure::unknown(format!(
                "the templates of ConfigMap {} make the proxy's image in a way of their own",
                configuration.config_map
            )));
        }
    };
    let tag = values.tag();
    Ok(ComputedImage {
        image: image_url(values.hub(), values.proxy_image(), &tag, &image_type),
        custom: false,
        inputs: vec![
            input("values.global.hub", values.hub()),
            input("values.global.proxy.image", values.proxy_image()),
            input("values.global.tag", &tag),
            (format!("image type, from {source}"), image_type),
        ],
    })
}

/// The type of the image and where it comes from: annotation, ProxyConfig, values.
fn image_type(
    configuration: &Configuration,
    effective: &Fields,
    subject: &Subject<'_>,
) -> (String, &'static str) {
    if let Some(own) = subject.template.metadata.annotations.get(PROXY_IMAGE_TYPE) {
        return (own.clone(), "the pod's annotation");
    }
    let version = &configuration.version;
    let variant = || {
        let variant = configuration.values.text("/global/variant");
        if version.at_least(22) {
            (variant.to_owned(), "values.global.variant")
        } else {
            (String::new(), "none")
        }
    };
    match effective.get("image") {
        None => variant(),
        Some(image) => match image.get("imageType").and_then(Value::as_str) {
            None | Some("") if version.at_least(31) => variant(),
            image_type => (image_type.unwrap_or_default().to_owned(), "the ProxyConfig"),
        },
    }
}

/// Hub, name and tag put together; a type replaces the one at the end of the tag.
pub(crate) fn image_url(hub: &str, name: &str, tag: &str, image_type: &str) -> String {
    if image_type.is_empty() {
        return format!("{hub}/{name}:{tag}");
    }
    let stem = ["-distroless", "-debug"]
        .into_iter()
        .find_map(|suffix| tag.strip_suffix(suffix))
        .unwrap_or(tag);
    match image_type {
        "default" => format!("{hub}/{name}:{stem}"),
        image_type => format!("{hub}/{name}:{stem}-{image_type}"),
    }
}

/// A container that the user's own template declares under the name of an injected one.
fn own_container<'a>(template: &'a PodTemplate, name: &str) -> Option<&'a Container> {
    // The output of kube-inject is stripped and injected again, so nothing in it is the user's.
    if template
        .metadata
        .annotations
        .contains_key(super::observed::STATUS)
    {
        return None;
    }
    template
        .spec
        .container(name)
        .map(|(container, _)| container)
}

/// An image that the user chose; `auto` asks for the computed one.
fn own_image(container: &Container) -> Option<&str> {
    container
        .image
        .as_deref()
        .filter(|image| !matches!(*image, "" | "auto"))
}

/// The init container that captures traffic, with its image (§2.2, §3.2).
fn init_container(
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    effective: &Fields,
    subject: &Subject<'_>,
    limits: &mut Vec<(DriftClass, String)>,
) -> Option<(String, String)> {
    let lines = shaping.init?;
    let annotations = &subject.template.metadata.annotations;
    let mode = annotations
        .get("sidecar.istio.io/interceptionMode")
        .map(String::as_str)
        .or_else(|| effective.get("interceptionMode")?.as_str());
    if mode == Some("NONE") {
        return None;
    }
    let template = shaping.main?;
    let name = if configuration.values.uses_cni(template.cni) {
        VALIDATION
    } else {
        INIT
    };
    let own = own_container(subject.template, name).and_then(own_image);
    if let Some(image) = own.filter(|_| configuration.version.at_least(9)) {
        return Some((name.to_owned(), image.to_owned()));
    }
    let image = match init_image(configuration, lines, effective, subject) {
        Ok(image) => image,
        Err(why) => {
            limits.push((DriftClass::Shape, why));
            String::new()
        }
    };
    Some((name.to_owned(), image))
}

fn init_image(
    configuration: &Configuration,
    lines: &ImageLines,
    effective: &Fields,
    subject: &Subject<'_>,
) -> Result<String, String> {
    let values = &configuration.values;
    let annotations = &subject.template.metadata.annotations;
    let annotation = annotations
        .get(PROXY_IMAGE)
        .filter(|_| lines.from_annotation);
    let verbatim = annotation.map_or(values.init_image(), String::as_str);
    if lines.from_values && verbatim.contains('/') {
        return Ok(verbatim.to_owned());
    }
    match &lines.body {
        ImageBody::Computed => {
            let (image_type, _) = image_type(configuration, effective, subject);
            let (hub, name) = (values.hub(), values.proxy_image());
            Ok(image_url(hub, name, &values.tag(), &image_type))
        }
        ImageBody::ComputedInit => {
            // Since 1.31 the ProxyConfig's image type does not count for the init container.
            let own = annotations.get(PROXY_IMAGE_TYPE).map(String::as_str);
            let image_type = own.unwrap_or(values.text("/global/variant"));
            Ok(image_url(
                values.hub(),
                values.init_image(),
                &values.tag(),
                image_type,
            ))
        }
        ImageBody::Plain => Ok(image_url(
            values.hub(),
            values.init_image(),
            &values.tag(),
            "",
        )),
        ImageBody::Literal(image) => Ok(image.clone()),
        ImageBody::Absent | ImageBody::Custom(_) => {
            Err("the template makes the init container's image in a way of its own".to_owned())
        }
    }
}

/// What is baked into the pod and does not reach a running proxy (§4.3).
fn config(
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    effective: &Fields,
    client: &Client,
) -> BTreeMap<String, Value> {
    let Some(template) = shaping.main else {
        return BTreeMap::new();
    };
    let mut config = proxy_config::rendered(effective, configuration.version.minor);
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

/// The proxy's resources: annotations or values, then what the user's own container declares.
fn resources(
    configuration: &Configuration,
    shaping: &Shaping<'_>,
    subject: &Subject<'_>,
) -> Resources {
    let renders = shaping
        .main
        .is_some_and(|template| template.renders_resources);
    let base = match annotated(&subject.template.metadata.annotations) {
        _ if !renders => Resources::default(),
        Some(resources) => resources,
        None => Resources {
            requests: configuration.values.proxy_resources("requests").collect(),
            limits: configuration.values.proxy_resources("limits").collect(),
        },
    };
    match own_container(subject.template, PROXY) {
        Some(own) => stored(&overlay(base, &own.resources)),
        None => stored(&base),
    }
}
