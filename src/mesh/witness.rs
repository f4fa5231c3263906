//! `Witnessed`: what pods tell of a control plane whose templates do not tell it themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::control_plane::ControlPlane;
use super::expected::TEMPLATES;
use super::observed::{Observation, observe};
use super::proxy_image::PROXY_IMAGE;
use super::template::{ImageBody, Template};
use crate::snapshot::{ClusterSnapshot, Pod};

/// What the user's own container declared, recorded at injection.
const OVERRIDES: &str = "proxy.istio.io/overrides";

/// Images of proxies by the pods' annotation that names templates.
pub(crate) type Witnessed = BTreeMap<Option<String>, BTreeSet<String>>;

/// The images of the proxies that a control plane injected since it settled; empty where its
/// templates say what they are.
pub(crate) fn witnessed(snapshot: &ClusterSnapshot, plane: &ControlPlane) -> Witnessed {
    let mut images = Witnessed::new();
    let Ok(configuration) = &plane.configuration else {
        return images;
    };
    let is_own = |template: &Template| {
        let lines = template.proxy.as_ref();
        lines.is_some_and(|lines| matches!(lines.body, ImageBody::Custom(_)))
    };
    if !configuration.injector.templates.values().any(is_own) {
        return images;
    }
    let Some(settled) = plane.settling.at else {
        return images;
    };
    for pod in snapshot.pods.iter().filter(|pod| is_witness(pod)) {
        let is_new = pod
            .metadata
            .creation_timestamp
            .is_some_and(|created| created >= settled);
        let Observation::Sidecar(observed) = observe(pod) else {
            continue;
        };
        if is_new
            && observed.revision.as_deref() == Some(plane.revision.as_str())
            && let Some(image) = observed.image
        {
            let templates = pod.metadata.annotations.get(TEMPLATES).cloned();
            images.entry(templates).or_default().insert(image);
        }
    }
    images
}

/// Whether a pod has the image that the templates gave it, not one that it chose.
fn is_witness(pod: &Pod) -> bool {
    let annotations = &pod.metadata.annotations;
    pod.metadata.deletion_timestamp.is_none()
        && !annotations.contains_key(PROXY_IMAGE)
        && !annotations
            .get(OVERRIDES)
            .is_some_and(|overrides| overrides.contains("\"image\""))
}
