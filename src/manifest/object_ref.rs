//! The identity of a Kubernetes object.

use std::fmt;

/// Group, kind, namespace and name: what makes two manifests the same object.
///
/// The version is no part of it: `apps/v1beta1` and `apps/v1` name the same Deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// API group, empty for the core group.
    pub group: String,
    /// Kind, as in `Deployment`.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// An object of a group and kind.
    pub fn new(
        group: impl Into<String>,
        kind: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The order of every list of workloads: namespace, kind, name (`design.md` §5), then group.
    #[must_use]
    pub fn sort_key(&self) -> (&str, &str, &str, &str) {
        (&self.namespace, &self.kind, &self.name, &self.group)
    }
}

impl fmt::Display for ObjectRef {
    /// `Deployment shop/cart`, or `Namespace shop` for a cluster-scoped object.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The group of an `apiVersion`: `apps` of `apps/v1`, empty of `v1`.
#[must_use]
pub fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
