//! `ExpectedSidecar`: what an injector would give a pod now, computed from what it injects from
//! (`spec/istio.md` §2-4).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::baked_config::{config, effective_config, status_port};
use super::control_plane::{Configuration, ControlPlane};
use super::image::ImageName;
use super::injector::Client;
use super::native::{Nodes, is_native};
use super::prometheus::is_merged_after;
use super::proxy_config_resource::ProxyConfigResource;
use super::proxy_image::{init_container, own_container, proxy_image};
use super::rejection::rejection;
use super::resources::{annotated, overlay, stored};
use super::template::{ImageBody, ImageLines, PROXY, Template};
use crate::config::DriftClass;
use crate::manifest::{PodTemplate, Resources, StringMap};
use crate::reason::{Reason, ReasonCode};

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
    /// What was computed, where a dry run filled in what could not be: stamps are made of it, so that
    /// they are the same with and without dry runs.
    pub computed: Option<Box<Self>>,
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
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown(Reason::new(ReasonCode::InjectorUnresolvable, message))
    }

    pub(crate) fn rejected(message: impl Into<String>) -> Self {
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
    let image = proxy_image(plane, configuration, &shaping, &effective, subject)?;
    let init = init_container(configuration, &shaping, &effective, subject, &mut limits);
    if let Some(why) = &configuration.mesh_unknown {
        limits.push((DriftClass::Config, why.clone()));
    }
    let version = ImageName::parse(&image.image).version().or_else(|| {
        let is_digest = image.image.contains('@') && !image.is_custom;
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
        custom_image: image.is_custom,
        image_inputs: image.inputs,
        computed: None,
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
pub(crate) struct Shaping<'a> {
    pub(crate) kind: ProxyKind,
    pub(crate) proxy: Option<&'a ImageLines>,
    pub(crate) init: Option<&'a ImageLines>,
    /// The template that has the proxy's image, which decides all else.
    pub(crate) main: Option<&'a Template>,
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
