//! `Skew`: how far a proxy is from the control plane that it connects to (`spec/istio.md` §8).

use std::collections::BTreeMap;
use std::fmt;

use super::image::ImageName;
use super::injector::Client;
use super::observed::{Observation, ObservedSidecar, observe};
use super::template::PROXY;
use super::version::Version;
use super::{Comparison, Expectation, Mesh, Revision, compare};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::ClusterSnapshot;

/// The distance between a control plane and a proxy of it, in minors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    /// Version of the control plane that the proxy connects to.
    pub control_plane: Version,
    /// Version of the proxy.
    pub proxy: Version,
    /// How Istio's support policy judges it.
    pub support: Support,
}

/// What Istio's support policy says of a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// The proxy is as new as its control plane, or one minor behind.
    Supported,
    /// Two minors behind: a canary upgrade may leave it so, the policy does not cover it.
    OutsidePolicy,
    /// Three minors behind or more.
    TooFarBehind,
    /// The proxy is newer than its control plane, which is never supported.
    Ahead,
}

impl Skew {
    /// The distance between two versions.
    #[must_use]
    pub fn between(control_plane: Version, proxy: Version) -> Self {
        let support = if control_plane.major == proxy.major {
            match control_plane.minor.checked_sub(proxy.minor) {
                None => Support::Ahead,
                Some(0 | 1) => Support::Supported,
                Some(2) => Support::OutsidePolicy,
                Some(_) => Support::TooFarBehind,
            }
        } else if control_plane.major < proxy.major {
            Support::Ahead
        } else {
            Support::TooFarBehind
        };
        Self {
            control_plane,
            proxy,
            support,
        }
    }

    /// The reason to show, where the distance is not supported.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        (self.support != Support::Supported)
            .then(|| Reason::new(ReasonCode::SkewExceeded, self.to_string()))
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (proxy, control_plane) = (&self.proxy, &self.control_plane);
        match self.support {
            Support::Ahead => write!(
                f,
                "proxy {proxy} is newer than its control plane {control_plane}"
            ),
            _ => write!(
                f,
                "proxy {proxy} is behind its control plane {control_plane}"
            ),
        }
    }
}

impl Mesh {
    /// The distance between a proxy and the control plane that it connects to; none where either
    /// version cannot be told, or the control plane is gone.
    #[must_use]
    pub fn skew(&self, observed: &ObservedSidecar) -> Option<Skew> {
        let proxy = Version::of_istio(observed.version.as_deref()?)?;
        let revision = self.connected_to(observed)?;
        let control_plane = Version::of_istio(revision.control_plane_version.as_deref()?)?;
        Some(Skew::between(control_plane, proxy))
    }

    /// The control plane that a proxy connects to: by its address, else by who injected it.
    fn connected_to(&self, observed: &ObservedSidecar) -> Option<&Revision> {
        let by_address = observed.discovery_address.as_deref().and_then(|address| {
            let (service, namespace) = service_of(address)?;
            self.revision_behind(service, namespace)
        });
        by_address.or_else(|| {
            let name = observed.revision.as_deref().unwrap_or("default");
            let mut named = self
                .revisions
                .iter()
                .filter(|revision| revision.name == name);
            let revision = named.next()?;
            named.next().is_none().then_some(revision)
        })
    }

    fn revision_behind(&self, service: &str, namespace: &str) -> Option<&Revision> {
        let plane = self
            .injectors
            .iter()
            .find_map(|(injector, plane)| match &injector.client {
                Client::Service {
                    namespace: own,
                    name,
                    ..
                } if own == namespace && name == service => self.planes.get(*plane.as_ref().ok()?),
                _ => None,
            })?;
        self.revisions.iter().find(|revision| {
            revision.name == plane.revision && revision.namespace == plane.namespace
        })
    }
}

/// Proxies at an unsupported distance from their control planes, one finding for each version.
pub(super) fn skew_diagnostics(mesh: &Mesh, snapshot: &ClusterSnapshot) -> Vec<Diagnostic> {
    let control_planes: Vec<Version> = mesh
        .revisions
        .iter()
        .filter_map(|revision| Version::of_istio(revision.control_plane_version.as_deref()?))
        .collect();
    let is_near = |proxy: &Version| {
        let mut skews = control_planes
            .iter()
            .map(|control_plane| Skew::between(control_plane.clone(), proxy.clone()));
        skews.all(|skew| skew.support == Support::Supported)
    };
    // Images are few and pods are many: only pods of suspicious images are looked into.
    let mut near: BTreeMap<&str, bool> = BTreeMap::new();
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    for pod in &snapshot.pods {
        let proxy = pod.spec.container(PROXY);
        let Some(image) = proxy.and_then(|(proxy, _)| proxy.image.as_deref()) else {
            continue;
        };
        let is_near = *near.entry(image).or_insert_with(|| {
            let version = ImageName::parse(image).version();
            version.is_none_or(|version| is_near(&version))
        });
        if is_near {
            continue;
        }
        if let Observation::Sidecar(observed) = observe(pod)
            && let Some(skew) = mesh.skew(&observed)
            && skew.support != Support::Supported
        {
            let revision = observed.revision.unwrap_or_default();
            *found.entry((revision, skew.to_string())).or_default() += 1;
        }
    }
    found
        .into_iter()
        .map(|((revision, skew), pods)| {
            let message = format!("revision {revision}: {skew} ({pods} pods)");
            Diagnostic::warning(DiagnosticCode::SkewExceeded, message)
        })
        .collect()
}

impl Mesh {
    /// As [`compare`], with the distance between the proxy and its control plane.
    #[must_use]
    pub fn compare(&self, expectation: &Expectation, observation: &Observation) -> Comparison {
        let mut comparison = compare(expectation, observation);
        if let Observation::Sidecar(observed) | Observation::Static(observed) = observation {
            let skew = self.skew(observed).and_then(|skew| skew.reason());
            comparison.reasons.extend(skew);
            comparison.reasons.sort();
        }
        comparison
    }
}

/// Service and namespace of `istiod-v1.istio-system.svc:15012`.
fn service_of(address: &str) -> Option<(&str, &str)> {
    let mut parts = address.split(['.', ':']);
    let (service, namespace) = (parts.next()?, parts.next()?);
    (parts.next() == Some("svc")).then_some((service, namespace))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Skew, Support};
    use crate::diagnostic::DiagnosticCode;
    use crate::mesh::testing::{Istiod, cluster, mesh};
    use crate::mesh::{Absence, Expectation, Mesh, Observation, ObservedSidecar, Version};
    use crate::reason::ReasonCode;

    #[track_caller]
    fn check(control_plane: &str, proxy: &str, expected: Support) {
        let version = |text| Version::parse(text).expect("a version");
        let skew = Skew::between(version(control_plane), version(proxy));
        assert_eq!(skew.support, expected, "{skew}");
        assert_eq!(skew.reason().is_some(), expected != Support::Supported);
    }

    #[test]
    fn skew_exceeded() {
        check("1.30.4", "1.30.3", Support::Supported);
        check("1.30.0", "1.29.9", Support::Supported);
        check("1.30.0", "1.28.9", Support::OutsidePolicy);
        check("1.30.0", "1.27.0", Support::TooFarBehind);
        check("1.29.0", "1.30.0", Support::Ahead);
    }

    #[test]
    fn a_proxy_is_held_against_the_control_plane_that_it_connects_to() {
        let mut objects = Istiod::new("1.30.4").installed();
        objects.extend(Istiod::new("1.28.1").revision("old").installed());
        let mesh = mesh(objects);
        let support = |revision: &str, address: Option<&str>| {
            let observed = ObservedSidecar {
                revision: Some(revision.to_owned()),
                version: Some("1.28.1".to_owned()),
                discovery_address: address.map(str::to_owned),
                ..ObservedSidecar::default()
            };
            mesh.skew(&observed).map(|skew| skew.support)
        };
        assert_eq!(support("default", None), Some(Support::OutsidePolicy));
        assert_eq!(support("old", None), Some(Support::Supported));
        let address = "istiod-old.istio-system.svc:15012";
        assert_eq!(support("default", Some(address)), Some(Support::Supported));
        assert_eq!(support("gone", None), None);
        let observed = ObservedSidecar {
            revision: Some("default".to_owned()),
            version: Some("1.28.1".to_owned()),
            ..ObservedSidecar::default()
        };
        let nothing = Expectation::None {
            why: String::new(),
            unserved: None,
            absence: Absence::OptedOut,
        };
        let comparison = mesh.compare(&nothing, &Observation::Sidecar(Box::new(observed)));
        let codes: Vec<_> = comparison
            .reasons
            .iter()
            .map(|reason| reason.code)
            .collect();
        assert_eq!(
            codes,
            [ReasonCode::WouldLoseSidecar, ReasonCode::SkewExceeded]
        );
    }

    #[test]
    fn proxies_too_far_behind_are_counted_by_version() {
        let pod = |name: &str, version: &str| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "shop", "annotations": {
                    "sidecar.istio.io/status": "{\"revision\":\"default\"}"}},
                "spec": {"containers": [{"name": "istio-proxy", "image": format!("istio/proxyv2:{version}")}]},
            })
        };
        let mut objects = Istiod::new("1.30.4").installed();
        objects.extend([pod("a", "1.27.1"), pod("b", "1.27.1"), pod("c", "1.29.0")]);
        let diagnostics = Mesh::from_snapshot(&cluster(objects)).1;
        let messages: Vec<_> = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.code == DiagnosticCode::SkewExceeded)
            .map(|diagnostic| diagnostic.message.as_str())
            .collect();
        assert_eq!(
            messages,
            ["revision default: proxy 1.27.1 is behind its control plane 1.30.4 (2 pods)"]
        );
    }
}
