//! `Skew`: how far a proxy is from the control plane that it connects to (`spec/istio.md` §8).

use std::fmt;

use super::injector::Client;
use super::observed::ObservedSidecar;
use super::version::Version;
use super::{Mesh, Revision};
use crate::reason::{Reason, ReasonCode};

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

/// Service and namespace of `istiod-v1.istio-system.svc:15012`.
fn service_of(address: &str) -> Option<(&str, &str)> {
    let mut parts = address.split(['.', ':']);
    let (service, namespace) = (parts.next()?, parts.next()?);
    (parts.next() == Some("svc")).then_some((service, namespace))
}

#[cfg(test)]
mod tests {
    use super::{Skew, Support};
    use crate::mesh::testing::{Istiod, mesh};
    use crate::mesh::{ObservedSidecar, Version};

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
    }
}
