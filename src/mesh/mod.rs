//! The mesh: what injection would do now, what pods have, and where the two differ.
//!
//! The rules are those of `spec/istio.md`: the real selectors of the webhooks are evaluated against
//! the namespace and the pod template; nothing is read off a label that the injector's own
//! configuration says otherwise.

mod stamp;

use jiff::Timestamp;

pub use stamp::{Stamp, StampParseError};

use crate::config::DriftClass;
use crate::diagnostic::{Diagnostic, codes};
use crate::manifest::{PodTemplate, StringMap};
use crate::reason::Reason;
use crate::snapshot::{ClusterSnapshot, Pod};

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
        /// The label that names a revision or tag that nobody serves, where that is the cause.
        unserved: Option<String>,
    },
    /// This sidecar.
    Sidecar(Box<ExpectedSidecar>),
    /// The injector would refuse the pod.
    Rejected(Reason),
    /// It cannot be told.
    Unknown(Reason),
}

/// The sidecar that a pod would get now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedSidecar {
    /// The revision that injects it.
    pub revision: String,
    /// Namespace of that revision's istiod.
    pub control_plane: String,
    /// The proxy's version, as far as it can be told from its image.
    pub version: Option<String>,
    /// The proxy's image.
    pub image: String,
    /// Whether the workload itself chooses the image.
    pub custom_image: bool,
}

/// The sidecar that a pod has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservedSidecar {
    /// The revision that injected it, where the pod tells.
    pub revision: Option<String>,
    /// The proxy's image.
    pub image: Option<String>,
    /// The proxy's version, as far as it can be told from its image.
    pub version: Option<String>,
}

/// What runs in a pod, seen from the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// No proxy.
    None,
    /// An injected sidecar, gateway or proxyless agent.
    Sidecar(Box<ObservedSidecar>),
    /// A proxy that was written into the manifest by `istioctl kube-inject`.
    Static(Box<ObservedSidecar>),
    /// A proxy that istiod deploys itself for a Gateway resource: a gateway or a waypoint.
    GatewayApi,
    /// A proxy of the mesh's own machinery (ztunnel, an old-style gateway): others restart it.
    Other {
        /// What it is.
        what: String,
    },
}

impl Mesh {
    /// Builds the model of a cluster's mesh.
    #[must_use]
    pub fn from_snapshot(_snapshot: &ClusterSnapshot) -> (Self, Vec<Diagnostic>) {
        (Self::default(), Vec::new())
    }

    /// What the pods of a template would get now, in a namespace with these labels.
    ///
    /// `controller_labels` are the labels that the controller adds to the pods it makes.
    #[must_use]
    pub fn expect(
        &self,
        _namespace: &str,
        _namespace_labels: Option<&StringMap>,
        _template: &PodTemplate,
        _controller_labels: &StringMap,
    ) -> Expectation {
        Expectation::None {
            why: String::new(),
            unserved: None,
        }
    }
}

/// What a live pod has.
#[must_use]
pub fn observe(_pod: &Pod) -> Observation {
    Observation::None
}

/// Where a pod's sidecar differs from the expected one, sorted by code.
#[must_use]
pub fn drifts(_expected: &ExpectedSidecar, _observed: &ObservedSidecar) -> Vec<Drift> {
    Vec::new()
}
