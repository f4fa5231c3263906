//! `ProxyConfigResource`: ProxyConfig objects, and which of them hold for a pod
//! (`spec/istio.md` §4.1).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::proxy_config::{Fields, fields_of};
use crate::manifest::StringMap;
use crate::snapshot::{ClusterObject, ClusterSnapshot};

/// One ProxyConfig object (1.13 and later).
#[derive(Debug, Clone)]
pub(crate) struct ProxyConfigResource {
    namespace: String,
    created: Option<Timestamp>,
    name: String,
    /// `selector.matchLabels`; none where it holds for the whole namespace.
    selector: Option<StringMap>,
    fields: Fields,
}

/// The ProxyConfig objects of a cluster, the oldest first: among equals the oldest wins.
pub(crate) fn proxy_config_resources(snapshot: &ClusterSnapshot) -> Vec<ProxyConfigResource> {
    let objects = snapshot.objects_of("networking.istio.io", "ProxyConfig");
    let mut resources: Vec<_> = objects.map(resource).collect();
    resources.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    resources
}

fn resource(object: &ClusterObject) -> ProxyConfigResource {
    let spec = object.body.get("spec");
    let selector = spec.and_then(|spec| spec.pointer("/selector/matchLabels")?.as_object());
    let selector = selector.map(|labels| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        labels
            .iter()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect::<StringMap>()
    });
    ProxyConfigResource {
        namespace: object.reference.namespace.clone(),
        created: object.metadata.creation_timestamp,
        name: object.reference.name.clone(),
        selector: selector.filter(|labels| !labels.is_empty()),
        fields: spec
            .and_then(Value::as_object)
            .map(fields)
            .unwrap_or_default(),
    }
}

/// The three fields that such an object has, under the names that the mesh configuration uses.
fn fields(spec: &Map<String, Value>) -> Fields {
    let mut layer = Map::new();
    for (from, to) in [
        ("concurrency", "concurrency"),
        ("environmentVariables", "proxyMetadata"),
        ("image", "image"),
    ] {
        if let Some(value) = spec.get(from) {
            layer.insert(to.to_owned(), value.clone());
        }
    }
    fields_of(&layer)
}

/// The layers that hold for a pod: those below its annotation, and the one above it.
pub(crate) struct Layers<'a> {
    /// Of the root namespace and of the pod's own, in the order of application.
    pub(crate) below: Vec<&'a Fields>,
    /// Of the workload.
    pub(crate) above: Option<&'a Fields>,
}

/// Picks the objects that hold for a pod.
pub(crate) fn layers<'a>(
    resources: &'a [ProxyConfigResource],
    root_namespace: &str,
    namespace: &str,
    labels: &StringMap,
) -> Layers<'a> {
    let of_namespace = |wanted: &str| {
        resources
            .iter()
            .find(|resource| resource.namespace == wanted && resource.selector.is_none())
            .map(|resource| &resource.fields)
    };
    let own = (namespace != root_namespace)
        .then(|| of_namespace(namespace))
        .flatten();
    let above = resources.iter().find(|resource| {
        let selects = |selector: &StringMap| {
            selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        };
        resource.namespace == namespace && resource.selector.as_ref().is_some_and(selects)
    });
    Layers {
        below: of_namespace(root_namespace)
            .into_iter()
            .chain(own)
            .collect(),
        above: above.map(|resource| &resource.fields),
    }
}
