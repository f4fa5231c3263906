//! `ControlPlane`: the istiod behind an injector, with everything that it injects from
//! (`spec/istio.md` §5).
//!
//! `clientConfig` leads to it, never a label: Service, Deployment, `REVISION`, ConfigMaps.
//! An istiod that is anything but one Deployment behind a Service of this cluster is not resolved.

use std::collections::BTreeMap;

use serde_json::Value;

use super::injector::{Client, Injector, REVISION};
use super::injector_config::{InjectorConfig, Values};
use super::mesh_config::MeshConfig;
use super::native::NativeSwitch;
use super::settling::Settling;
use super::version::Version;
use super::witness::Witnessed;
use crate::manifest::{ObjectRef, StringMap};
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::{ClusterObject, ClusterSnapshot, LiveWorkload};

/// One istiod.
#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    /// Its namespace.
    pub(crate) namespace: String,
    /// Name of its Deployment.
    pub(crate) deployment: String,
    /// The revision that it calls itself, `default` where it has no name.
    pub(crate) revision: String,
    /// istiod's own version.
    pub(crate) version: Option<Version>,
    /// Whether sidecars become native.
    pub(crate) native: NativeSwitch,
    /// What it injects from; `Err` says what is missing.
    pub(crate) configuration: Result<Box<Configuration>, Reason>,
    /// Whether it has settled.
    pub(crate) settling: Settling,
    /// Images of the proxies that it injected since, where its templates do not tell them.
    pub(crate) witnessed: Witnessed,
}

/// What an istiod injects from, parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Configuration {
    /// Name of the injector's ConfigMap.
    pub(crate) config_map: String,
    /// Its `values`.
    pub(crate) values: Values,
    /// Its `config`.
    pub(crate) injector: InjectorConfig,
    /// The mesh configuration.
    pub(crate) mesh: MeshConfig,
    /// Why the mesh configuration is not known, in words.
    pub(crate) mesh_unknown: Option<String>,
    /// The version that decides how istiod behaves.
    pub(crate) version: Version,
}

/// Why an injector leads to no control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// There is no such Service: the API server cannot call the injector at all.
    Missing(String),
    /// It may well exist, but not where a snapshot shows it.
    Unseen(String),
}

/// The Deployment behind an injector.
pub(crate) fn locate<'a>(
    snapshot: &'a ClusterSnapshot,
    injector: &Injector,
) -> Result<&'a LiveWorkload, Unresolved> {
    let (namespace, name) = match &injector.client {
        Client::Service {
            namespace, name, ..
        } => (namespace, name),
        Client::Url(url) if url.is_empty() => {
            return Err(Unresolved::Unseen("the webhook has no client".to_owned()));
        }
        Client::Url(url) => {
            return Err(Unresolved::Unseen(format!(
                "the control plane is outside of the cluster, at {url}"
            )));
        }
    };
    let service = snapshot.object(&ObjectRef::new("", "Service", namespace, name));
    let selector = match service {
        Some(service) => selector_of(service),
        // A recording keeps the Services of istiod by their names and labels: one of another name
        // may well exist.
        None if snapshot.holds("", "Service") && !name.starts_with("istiod") => {
            return Err(Unresolved::Unseen(format!(
                "Service {namespace}/{name} of the injector is not in the snapshot"
            )));
        }
        None if snapshot.holds("", "Service") => {
            return Err(Unresolved::Missing(format!(
                "Service {namespace}/{name} of the injector does not exist"
            )));
        }
        // Without Services, Istio's charts name Deployment and Service alike.
        None => None,
    };
    let deployments = snapshot.workloads.iter().filter(|live| {
        live.reference.kind == "Deployment"
            && live.reference.group == "apps"
            && live.reference.namespace == *namespace
            && match (&selector, service) {
                (Some(selector), _) => is_selected(live, selector),
                (None, Some(_)) => false,
                (None, None) => live.reference.name == *name,
            }
    });
    let deployments: Vec<_> = deployments.collect();
    match deployments.as_slice() {
        [deployment] => Ok(deployment),
        [] => Err(Unresolved::Unseen(format!(
            "no Deployment is behind Service {namespace}/{name}: istiod runs elsewhere or in another kind"
        ))),
        _ => Err(Unresolved::Unseen(format!(
            "more than one Deployment is behind Service {namespace}/{name}"
        ))),
    }
}

/// `spec.selector` of a Service; none where it is absent or empty.
fn selector_of(service: &ClusterObject) -> Option<StringMap> {
    let selector = service.body.pointer("/spec/selector")?.as_object()?;
    let labels: Option<StringMap> = selector
        .iter()
        .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    labels.filter(|labels| !labels.is_empty())
}

/// Whether the pods of a workload have the labels.
fn is_selected(live: &LiveWorkload, selector: &StringMap) -> bool {
    let Some(template) = &live.template else {
        return false;
    };
    let labels = &template.metadata.labels;
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// The control plane that a Deployment runs, without its settling.
pub(crate) fn control_plane(snapshot: &ClusterSnapshot, istiod: &LiveWorkload) -> ControlPlane {
    let variables = variables(istiod);
    let variable = |name: &str| variables.get(name).and_then(|value| value.as_deref());
    let revision = istiod_revision(istiod);
    let version = istiod_version(istiod).or_else(|| version_of_sail(snapshot, istiod, &revision));
    let shared = variable("SHARED_MESH_CONFIG");
    let configuration = configuration(
        snapshot,
        &istiod.reference.namespace,
        &revision,
        version.as_ref(),
        shared,
    );
    let behaviour = configuration
        .as_ref()
        .ok()
        .map(|known| known.version.clone());
    let switch = variables.get(NATIVE_SIDECARS).map(Option::as_deref);
    ControlPlane {
        namespace: istiod.reference.namespace.clone(),
        deployment: istiod.reference.name.clone(),
        native: behaviour.map_or(NativeSwitch::Unseen, |version| {
            NativeSwitch::read(&version, switch)
        }),
        revision,
        version,
        configuration: configuration.map(Box::new),
        settling: Settling::default(),
        witnessed: Witnessed::new(),
    }
}

/// The revision that an istiod calls itself, `default` where it has no name.
pub(crate) fn istiod_revision(istiod: &LiveWorkload) -> String {
    let variables = variables(istiod);
    let variable = variables.get("REVISION").and_then(Option::as_deref);
    variable
        .or(istiod.metadata.labels.get(REVISION).map(String::as_str))
        .filter(|revision| !revision.is_empty())
        .unwrap_or("default")
        .to_owned()
}

/// istiod's switch for native sidecars.
const NATIVE_SIDECARS: &str = "ENABLE_NATIVE_SIDECARS";

/// Environment of istiod's container by name; none where a value comes from elsewhere.
fn variables(istiod: &LiveWorkload) -> BTreeMap<String, Option<String>> {
    let template = istiod.template.as_ref();
    let containers = template.map(|template| template.spec.containers.as_slice());
    let containers = containers.unwrap_or_default();
    let discovery = containers
        .iter()
        .find(|container| container.name == "discovery");
    let Some(istiod) = discovery.or(containers.first()) else {
        return BTreeMap::new();
    };
    // What stands in a ConfigMap or Secret as a whole may be any variable that is not set beside it.
    let elsewhere = istiod.env_from.map(|_| (NATIVE_SIDECARS.to_owned(), None));
    let own = istiod.env.iter().map(|var| {
        let value = match var.value_from {
            Some(_) => None,
            None => Some(var.value.clone().unwrap_or_default()),
        };
        (var.name.clone(), value)
    });
    elsewhere.into_iter().chain(own).collect()
}

/// istiod's version: the label of its chart or of its installer, then its image's tag (§5.2).
pub(crate) fn istiod_version(istiod: &LiveWorkload) -> Option<Version> {
    labelled_version(&istiod.metadata.labels).or_else(|| {
        let image = super::settling::istiod_image(istiod)?;
        super::image::ImageName::parse(image).version()
    })
}

/// The version that the Sail operator installed, where images are digests and labels are not there
/// (§5.3).
fn version_of_sail(
    snapshot: &ClusterSnapshot,
    istiod: &LiveWorkload,
    revision: &str,
) -> Option<Version> {
    let mut objects = snapshot.objects_of("sailoperator.io", "IstioRevision");
    let object = objects.find(|object| {
        let text = |pointer: &str| object.body.pointer(pointer).and_then(Value::as_str);
        let name = match text("/spec/values/revision") {
            Some("") => "default",
            Some(name) => name,
            None => object.reference.name.as_str(),
        };
        name == revision && text("/spec/namespace") == Some(istiod.reference.namespace.as_str())
    })?;
    let version = object
        .body
        .pointer("/spec/version")
        .and_then(Value::as_str)?;
    Version::of_istio(version)
}

/// The Istio version that the labels of a chart's object tell.
pub(crate) fn labelled_version(labels: &StringMap) -> Option<Version> {
    ["app.kubernetes.io/version", "operator.istio.io/version"]
        .into_iter()
        .find_map(|key| Version::of_istio(labels.get(key)?))
}

/// Name of a ConfigMap of a revision: the default one has no suffix.
pub(crate) fn suffixed(name: &str, revision: &str) -> String {
    match revision {
        "" | "default" => name.to_owned(),
        revision => format!("{name}-{revision}"),
    }
}

/// What istiod of a revision injects from.
fn configuration(
    snapshot: &ClusterSnapshot,
    namespace: &str,
    revision: &str,
    version: Option<&Version>,
    shared: Option<&str>,
) -> Result<Configuration, Reason> {
    let name = suffixed("istio-sidecar-injector", revision);
    let Some(config_map) = snapshot.object(&ObjectRef::new("", "ConfigMap", namespace, &name))
    else {
        return Err(Reason::new(
            ReasonCode::InjectorUnresolvable,
            format!("ConfigMap {namespace}/{name} is not in the snapshot"),
        ));
    };
    let unreadable = |key: &str, why: String| {
        Reason::new(
            ReasonCode::InjectorUnresolvable,
            format!("{key} of ConfigMap {namespace}/{name} cannot be read: {why}"),
        )
    };
    let text = |key: &str| {
        let text = config_map.body.get("data").and_then(|data| data.get(key));
        let text = text.and_then(Value::as_str);
        text.ok_or_else(|| unreadable(key, "there is none".to_owned()))
    };
    let values = Values::parse(text("values")?).map_err(|why| unreadable("values", why))?;
    let injector =
        InjectorConfig::parse(text("config")?).map_err(|why| unreadable("config", why))?;
    let version = version
        .cloned()
        .or_else(|| labelled_version(&config_map.metadata.labels))
        .or_else(|| Version::of_istio(&values.tag()));
    let Some(version) = version else {
        return Err(Reason::new(
            ReasonCode::InjectorUnresolvable,
            format!("the version of the istiod of revision {revision} cannot be told"),
        ));
    };
    let (mesh, mesh_unknown) = mesh_config(snapshot, namespace, revision, shared);
    Ok(Configuration {
        config_map: name,
        values,
        injector,
        mesh,
        mesh_unknown,
        version,
    })
}

/// The mesh configuration: the shared one first, then the revision's own over it.
fn mesh_config(
    snapshot: &ClusterSnapshot,
    namespace: &str,
    revision: &str,
    shared: Option<&str>,
) -> (MeshConfig, Option<String>) {
    let own = suffixed("istio", revision);
    let shared = shared.filter(|name| !name.is_empty());
    let mut mesh = MeshConfig::default();
    let mut unknown = None;
    for name in shared.into_iter().chain([own.as_str()]) {
        let reference = ObjectRef::new("", "ConfigMap", namespace, name);
        let text = snapshot
            .object(&reference)
            .and_then(|config_map| config_map.body.pointer("/data/mesh")?.as_str());
        let Some(text) = text else {
            unknown = Some(format!(
                "ConfigMap {namespace}/{name} has no mesh configuration"
            ));
            continue;
        };
        match mesh.clone().overlay(text) {
            Ok(overlaid) => mesh = overlaid,
            Err(why) => unknown = Some(format!("mesh of ConfigMap {namespace}/{name}: {why}")),
        }
    }
    (mesh, unknown)
}
