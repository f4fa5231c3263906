//! Pod templates and pod specs: the fields that injection and rollout look at.
//!
//! One shape for the template in Git, the live template and the live pod, so that the mesh model
//! answers for all three. Deserialisation is lenient where the API server is (absent, `null`) and
//! takes nothing that it would refuse.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::StringMap;

/// `spec.template` of a workload: what the controller makes pods from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct PodTemplate {
    /// The metadata that pods get.
    #[serde(deserialize_with = "null_default")]
    pub metadata: TemplateMetadata,
    /// The pod spec.
    #[serde(deserialize_with = "null_default")]
    pub spec: PodSpec,
}

/// `metadata` of a pod template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct TemplateMetadata {
    /// A name of its own, which only Knative templates have.
    pub name: Option<String>,
    /// Labels.
    #[serde(deserialize_with = "null_default")]
    pub labels: StringMap,
    /// Annotations.
    #[serde(deserialize_with = "null_default")]
    pub annotations: StringMap,
}

/// The part of a pod spec that injection and rollouts depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// Whether the pod uses the node's network, which rules out injection.
    #[serde(deserialize_with = "null_default")]
    pub host_network: bool,
    /// The node the pod runs on or is pinned to.
    pub node_name: Option<String>,
    /// `Always`, `OnFailure`, `Never`; absent is `Always`.
    pub restart_policy: Option<String>,
    /// Seconds between the stop signal and the kill; absent is 30.
    pub termination_grace_period_seconds: Option<i64>,
    /// Service account.
    pub service_account_name: Option<String>,
    /// Containers.
    #[serde(deserialize_with = "null_default")]
    pub containers: Vec<Container>,
    /// Init containers, among them native sidecars (`restartPolicy: Always`).
    #[serde(deserialize_with = "null_default")]
    pub init_containers: Vec<Container>,
    /// Volumes.
    #[serde(deserialize_with = "null_default")]
    pub volumes: Vec<Volume>,
}

impl PodSpec {
    /// The container or init container of this name, and whether it is an init container.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<(&Container, bool)> {
        let regular = self.containers.iter().map(|container| (container, false));
        let init = self
            .init_containers
            .iter()
            .map(|container| (container, true));
        regular
            .chain(init)
            .find(|(container, _)| container.name == name)
    }
}

/// One container of a pod spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// Name, unique in the pod.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// Image as written; absent where injection is to fill it in.
    pub image: Option<String>,
    /// Arguments.
    #[serde(deserialize_with = "null_default")]
    pub args: Vec<String>,
    /// Environment variables, in order.
    #[serde(deserialize_with = "null_default")]
    pub env: Vec<EnvVar>,
    /// Whether more variables come from ConfigMaps or Secrets as a whole.
    pub env_from: Option<Present>,
    /// Compute resources.
    #[serde(deserialize_with = "null_default")]
    pub resources: Resources,
    /// `Always` on an init container makes it a native sidecar.
    pub restart_policy: Option<String>,
    /// The readiness probe; only its presence matters.
    pub readiness_probe: Option<Present>,
}

impl Container {
    /// The literal value of an environment variable; none where it comes from elsewhere.
    #[must_use]
    pub fn env_value(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .find(|var| var.name == name)?
            .value
            .as_deref()
    }
}

/// One environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvVar {
    /// Name.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// Literal value; absent when `valueFrom` is used.
    pub value: Option<String>,
    /// Whether the value comes from a field, a ConfigMap or a Secret.
    pub value_from: Option<Present>,
}

/// Requests and limits, as written: quantities by resource name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// `resources.requests`.
    #[serde(deserialize_with = "quantities")]
    pub requests: StringMap,
    /// `resources.limits`.
    #[serde(deserialize_with = "quantities")]
    pub limits: StringMap,
}

/// One volume: only what ties a pod to a place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume {
    /// Name.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// The claim, for a volume that is one.
    pub persistent_volume_claim: Option<ClaimVolume>,
}

/// `persistentVolumeClaim` of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimVolume {
    /// Name of the PersistentVolumeClaim.
    #[serde(deserialize_with = "null_default")]
    pub claim_name: String,
}

/// Something that is there; its contents do not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// The value, or the default where it is `null`, as the API server reads absent fields.
pub(crate) fn null_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Quantities by name; a bare number is read as its own text, as Kubernetes reads it.
fn quantities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StringMap, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Quantity {
        Text(String),
        Number(serde_json::Number),
    }
    let raw = Option::<BTreeMap<String, Option<Quantity>>>::deserialize(deserializer)?;
    let text = |quantity| match quantity {
        Quantity::Text(text) => text,
        Quantity::Number(number) => number.to_string(),
    };
    Ok(raw
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, quantity)| Some((name, text(quantity?))))
        .collect())
}
