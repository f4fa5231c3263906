//! The mesh: what injection would do now, what pods have, and where the two differ.
//!
//! The rules are those of `spec/istio.md`: the real selectors of the webhooks are evaluated against
//! the namespace and the pod template; nothing is read off a label that the injector's own
//! configuration says otherwise.

mod assembly;
mod baked_config;
mod comparison;
mod control_plane;
mod drift;
mod expected;
mod fingerprint;
mod image;
mod injection;
mod injector;
mod injector_config;
mod mesh_config;
mod native;
mod observed;
mod oracle;
mod prometheus;
mod proxy_config;
mod proxy_config_resource;
mod proxy_image;
mod rejection;
mod resolution;
mod resources;
mod selector;
mod settling;
mod skew;
mod stamp;
mod template;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod usage;
mod version;
mod witness;

use jiff::Timestamp;

pub use comparison::{Comparison, Standing, compare};
pub(crate) use control_plane::{istiod_revision, istiod_version, suffixed as of_revision};
pub use drift::drifts;
pub use expected::{ExpectedSidecar, ProxyKind};
pub use fingerprint::SCHEME;
pub use image::ImageName;
pub use injector::Match;
pub use observed::{Observation, ObservedSidecar, holds_a_sidecar, observe, observe_in};
pub use oracle::{Agreement, Verified};
pub use resolution::{Called, Explanation};
pub(crate) use resources::nano;
pub(crate) use selector::LabelSelector;
pub(crate) use settling::istiod_image;
pub use skew::{Skew, Support};
pub use stamp::{Stamp, StampParseError};
pub use usage::Usage;
pub use version::Version;

use crate::config::DriftClass;
use crate::diagnostic::{Diagnostic, codes};
use crate::manifest::{PodTemplate, StringMap};
use crate::reason::Reason;
use crate::snapshot::ClusterSnapshot;
use control_plane::{ControlPlane, Unresolved};
use injector::Injector;
use native::Nodes;
use proxy_config_resource::ProxyConfigResource;

codes! {
    /// How a pod's sidecar differs from the expected one.
    pub enum DriftCode {
        SidecarMissing = "sidecar-missing": "The pod should have a sidecar and has none.",
        SidecarUnexpected = "sidecar-unexpected": "The pod has a sidecar and injection would give it none.",
        RevisionDiffers = "revision-differs": "The sidecar was injected by another revision than would inject it now.",
        ProxyVersionDiffers = "proxy-version-differs": "The proxy has another version than injection would give it now.",
        ProxyVariantDiffers = "proxy-variant-differs": "The proxy is another build (distroless, debug, FIPS) of the expected version.",
        ProxyRegistryDiffers = "proxy-registry-differs": "The proxy comes from another registry; name and version are the same.",
        ProxyImageDiffers = "proxy-image-differs": "The proxy's digest, or a tag that is no version, differs.",
        NativeSidecarDiffers = "native-sidecar-differs": "The sidecar is a regular container and would be a native one, or the other way round.",
        InitContainerDiffers = "init-container-differs": "The init container (istio-init, istio-validation or none) is another, or has another image.",
        ProxyConfigDiffers = "proxy-config-differs": "The proxy's configuration differs from what it would be started with now.",
        PrometheusMergeDiffers = "prometheus-merge-differs": "Prometheus metrics merging was on at injection and would be off now, or the other way round.",
        ProxyResourcesDiffer = "proxy-resources-differ": "The proxy's compute resources differ.",
    }
}

/// One difference between a pod's sidecar and the expected one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// What differs.
    pub code: DriftCode,
    /// The class that a policy restarts on.
    pub class: DriftClass,
    /// What the pod has.
    pub observed: String,
    /// What it would get now.
    pub expected: String,
}

/// The mesh of a cluster: its control planes and its injectors.
#[derive(Debug, Clone, Default)]
pub struct Mesh {
    /// Control planes, sorted by name.
    pub revisions: Vec<Revision>,
    /// Injectors in the order in which the API server calls them, and where each leads.
    injectors: Vec<(Injector, Result<usize, Unresolved>)>,
    /// Resolved control planes.
    planes: Vec<ControlPlane>,
    nodes: Nodes,
    proxy_configs: Vec<ProxyConfigResource>,
}

/// One control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Name, `default` for an unrevisioned install.
    pub name: String,
    /// Namespace of istiod.
    pub namespace: String,
    /// The version of the proxies that it injects, as far as it can be told.
    pub version: Option<String>,
    /// istiod's own version, as far as it can be told.
    pub control_plane_version: Option<String>,
    /// Tags that point to it, sorted.
    pub tags: Vec<String>,
    /// Whether a pod that starts now surely gets this revision's present sidecar.
    pub settled: bool,
    /// When it settled: no pod that started earlier proves anything.
    pub settled_at: Option<Timestamp>,
    /// Why it is not settled.
    pub reasons: Vec<Reason>,
}

/// What injection would give the pods of a template now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// No sidecar: no injector selects the pods, or injection is off for them.
    None {
        /// Why, in words: the labels that decide.
        why: String,
        /// The label (`key=value`) that names a revision or tag that nobody serves, where that is
        /// the cause.
        unserved: Option<String>,
        /// What kind of cause it is.
        absence: Absence,
    },
    /// This sidecar.
    Sidecar(Box<ExpectedSidecar>),
    /// The injector would refuse the pod.
    Rejected(Reason),
    /// It cannot be told.
    Unknown(Reason),
}

/// Why no sidecar is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    /// The cluster has no injector: Istio is not installed, or was removed.
    NoInjector,
    /// A label names a revision or tag that nobody serves.
    Unserved,
    /// The pod or its namespace objects: a label, an annotation, the node's network, a policy.
    OptedOut,
    /// Nothing asks for a sidecar.
    NotAsked,
}

impl Mesh {
    /// Builds the model of a cluster's mesh.
    #[must_use]
    pub fn from_snapshot(snapshot: &ClusterSnapshot) -> (Self, Vec<Diagnostic>) {
        assembly::mesh(snapshot)
    }

    /// What the pods of a template would get now, in a namespace with these labels.
    ///
    /// `controller_labels` are the labels that the controller adds to the pods it makes. Without
    /// the namespace's labels nothing can be told.
    #[must_use]
    pub fn expect(
        &self,
        namespace: &str,
        namespace_labels: Option<&StringMap>,
        template: &PodTemplate,
        controller_labels: &StringMap,
    ) -> Expectation {
        self.explain(namespace, namespace_labels, template, controller_labels)
            .expectation
    }
}
