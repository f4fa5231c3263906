//! Metadata as it is written, and the part of it that is kept.
//!
//! All labels are kept, since selectors may name any. Annotations are kept by the domain of their
//! key: those of Kubernetes, Istio and the delivery engines mean something to the model, others
//! may hold anything.

use jiff::Timestamp;
use serde::Deserialize;

use super::text::{Pairs, Text};
use super::{Metadata, OwnerReference};
use crate::manifest::{StringMap, null_default};

/// Domains whose annotations are kept, with their subdomains.
const ANNOTATION_DOMAINS: &[&str] = &[
    "argoproj.io",
    "deckhouse.io",
    "fluxcd.io",
    "helm.sh",
    "istio.io",
    "k8s.io",
    "kargo.akuity.io",
    "knative.dev",
    "kruise.io",
    "kubernetes.io",
    "kyma-project.io",
    "mesh.cloud.google.com",
    "meshroll.dev",
    "openshift.io",
    "prometheus.io",
];

/// The one multus annotation that injection writes; its sibling holds the state of networks.
const NETWORKS: &str = "k8s.v1.cni.cncf.io/networks";
/// Holds the whole object once more, environment and all.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whether an annotation is kept.
///
/// Besides the known domains: `prometheus.io/…` in every spelling that injection takes for it
/// (`spec/istio.md` §3.4), and `restartedAt` under any domain, since tools that restart workloads
/// have each their own.
pub(super) fn keeps_annotation(key: &str, extra: &[String]) -> bool {
    if key == LAST_APPLIED {
        return false;
    }
    let (domain, name) = key.split_once('/').unwrap_or(("", key));
    let below = |parent: &&str| {
        let rest = domain.strip_suffix(*parent);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    ANNOTATION_DOMAINS.iter().any(below)
        || matches!(name, "restartedAt" | "restarted-at")
        || key == NETWORKS
        || is_prometheus(key)
        || extra.iter().any(|other| other == key)
}

fn is_prometheus(key: &str) -> bool {
    let plain = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            byte
        } else {
            b'_'
        }
    };
    key.bytes().map(plain).take(14).eq(*b"prometheus_io_")
}

/// `metadata` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawMetadata<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    generation: Option<i64>,
    #[serde(borrow)]
    creation_timestamp: Text<'a>,
    #[serde(borrow)]
    deletion_timestamp: Text<'a>,
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow)]
    annotations: Pairs<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    owner_references: Vec<RawOwner<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    managed_fields: Vec<RawManaged<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawOwner<'a> {
    #[serde(borrow)]
    api_version: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(deserialize_with = "null_default")]
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawManaged<'a> {
    #[serde(borrow)]
    time: Text<'a>,
}

impl RawMetadata<'_> {
    /// The part that is kept; `managed` tells whether the time of the last change is.
    ///
    /// # Errors
    ///
    /// When there is no name, or a time is none.
    pub(super) fn keep(&self, extra: &[String], managed: bool) -> Result<Metadata, String> {
        let mut metadata = self.keep_like(extra, None)?;
        let managed_fields: &[RawManaged<'_>] = if managed { &self.managed_fields } else { &[] };
        for entry in managed_fields {
            metadata.managed_at = metadata.managed_at.max(time(&entry.time)?);
        }
        Ok(metadata)
    }

    /// The part that is kept of an object that may have labels and annotations in common with the
    /// one before it.
    ///
    /// # Errors
    ///
    /// When there is no name, or a time is none.
    pub(super) fn keep_like(
        &self,
        extra: &[String],
        previous: Option<&Metadata>,
    ) -> Result<Metadata, String> {
        if self.name.as_str().is_empty() {
            return Err("an object without a name".to_owned());
        }
        Ok(Metadata {
            name: self.name.to_string(),
            namespace: self.namespace.to_string(),
            uid: self.uid.to_string(),
            labels: match previous {
                Some(previous) if are(self.labels.0.iter(), &previous.labels) => {
                    previous.labels.clone()
                }
                _ => strings(&self.labels),
            },
            annotations: match previous {
                Some(previous) if are(kept(&self.annotations, extra), &previous.annotations) => {
                    previous.annotations.clone()
                }
                _ => annotations(&self.annotations, extra),
            },
            owner_references: self.owner_references.iter().map(RawOwner::keep).collect(),
            generation: self.generation,
            creation_timestamp: time(&self.creation_timestamp)?,
            deletion_timestamp: time(&self.deletion_timestamp)?,
            managed_at: None,
        })
    }

    /// `resourceVersion` as the number that every API server makes it.
    pub(super) fn version(&self) -> Option<u64> {
        self.resource_version.as_str().parse().ok()
    }
}

impl RawOwner<'_> {
    fn keep(&self) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version.to_string(),
            kind: self.kind.to_string(),
            name: self.name.to_string(),
            uid: self.uid.to_string(),
            controller: self.controller,
        }
    }
}

/// A time of the API; none where it is absent.
pub(super) fn time(text: &Text<'_>) -> Result<Option<Timestamp>, String> {
    match text.as_str() {
        "" => Ok(None),
        written => match written.parse() {
            Ok(time) => Ok(Some(time)),
            Err(_) => Err(format!("{written:?} is no time")),
        },
    }
}

/// All of a map.
pub(super) fn strings(pairs: &Pairs<'_>) -> StringMap {
    let owned = |(key, value): &(Text<'_>, Text<'_>)| (key.to_string(), value.to_string());
    pairs.0.iter().map(owned).collect()
}

/// The annotations that are kept.
pub(super) fn annotations(pairs: &Pairs<'_>, extra: &[String]) -> StringMap {
    kept(pairs, extra)
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

fn kept<'p, 'a>(
    pairs: &'p Pairs<'a>,
    extra: &'p [String],
) -> impl Iterator<Item = &'p (Text<'a>, Text<'a>)> {
    let pairs = pairs.0.iter();
    pairs.filter(|(key, _)| keeps_annotation(key.as_str(), extra))
}

/// Whether pairs that are sorted already are those of a map.
fn are<'p, 'a: 'p>(pairs: impl Iterator<Item = &'p (Text<'a>, Text<'a>)>, map: &StringMap) -> bool {
    pairs
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .eq(map
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())))
}
