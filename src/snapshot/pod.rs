//! Pods and pod templates as they are written, and the part of them that is kept.
//!
//! Of containers: name, image, resources, restart policy, and whether there is a readiness probe.
//! Arguments and environment may hold secrets, so they are kept for Istio's own containers only,
//! and of their environment only what the mesh model compares. Of volumes: claims.

use std::sync::Arc;

use serde::Deserialize;

use super::list::{Item, those_that_matter};
use super::metadata::{RawMetadata, annotations, strings, time};
use super::object::Context;
use super::text::{Pairs, Quantity, Text};
use super::{Pod, PodStatus};
use crate::manifest::{
    ClaimVolume, Container, EnvVar, PodSpec, PodTemplate, Present, Resources, StringMap,
    TemplateMetadata, Volume, null_default,
};

/// Containers whose arguments and environment are looked at: those that injection writes, and
/// istiod.
const ISTIO_CONTAINERS: &[&str] = &["istio-proxy", "istio-init", "istio-validation", "discovery"];

/// Variables of those containers that are kept (`spec/istio.md` §3.2-3.4, §4.3, §5.1), besides
/// [`VARIABLE_PREFIXES`].
const VARIABLES: &[&str] = &[
    "CA_ADDR",
    "CLUSTER_ID",
    "COMPLIANCE_POLICY",
    "ENABLE_NATIVE_SIDECARS",
    "INJECTION_WEBHOOK_CONFIG_NAME",
    "JWT_POLICY",
    "PROXY_CONFIG",
    "REVISION",
    "REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION",
    "SHARED_MESH_CONFIG",
    "TRUST_DOMAIN",
];

/// Settings of Istio's own that have a common beginning.
const VARIABLE_PREFIXES: &[&str] = &["ISTIO_META_", "ISTIO_PROMETHEUS_", "ISTIOD_", "PILOT_"];

/// Derived from the pod's own ports and containers, and never compared (`spec/istio.md` §4.5).
const DERIVED_VARIABLES: &[&str] = &["ISTIO_META_APP_CONTAINERS", "ISTIO_META_POD_PORTS"];

/// Containers that injection writes into a pod.
const INJECTED: &[&str] = &["istio-proxy", "istio-init", "istio-validation"];

/// Whether injection writes the container of this name.
pub(super) fn is_injected(name: &str) -> bool {
    INJECTED.contains(&name)
}

fn keeps_variable(name: &str) -> bool {
    let own = VARIABLES.contains(&name)
        || VARIABLE_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    own && !DERIVED_VARIABLES.contains(&name)
}

/// A pod as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPod<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: RawMetadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: RawPodSpec<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    status: RawPodStatus<'a>,
}

/// A pod template as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPodTemplate<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: RawTemplateMetadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: RawPodSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawTemplateMetadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    labels: Pairs<'a>,
    #[serde(borrow)]
    annotations: Pairs<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPodSpec<'a> {
    #[serde(deserialize_with = "null_default")]
    host_network: bool,
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow)]
    restart_policy: Text<'a>,
    termination_grace_period_seconds: Option<i64>,
    #[serde(borrow)]
    service_account_name: Text<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    containers: Vec<RawContainer<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    init_containers: Vec<RawContainer<'a>>,
    #[serde(borrow, deserialize_with = "those_that_matter")]
    volumes: Vec<RawVolume<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainer<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    image: Text<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    args: Vec<Text<'a>>,
    #[serde(borrow, deserialize_with = "those_that_matter")]
    env: Vec<RawVariable<'a>>,
    env_from: Option<Present>,
    #[serde(borrow, deserialize_with = "null_default")]
    resources: RawResources<'a>,
    #[serde(borrow)]
    restart_policy: Text<'a>,
    readiness_probe: Option<Present>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawVariable<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
    value_from: Option<Present>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawResources<'a> {
    #[serde(borrow)]
    requests: Pairs<'a, Quantity<'a>>,
    #[serde(borrow)]
    limits: Pairs<'a, Quantity<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawVolume<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    persistent_volume_claim: Option<RawClaim<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawClaim<'a> {
    #[serde(borrow)]
    claim_name: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPodStatus<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow, deserialize_with = "those_that_matter")]
    conditions: Vec<RawCondition<'a>>,
    #[serde(borrow, deserialize_with = "those_that_matter")]
    container_statuses: Vec<RawContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "those_that_matter")]
    init_container_statuses: Vec<RawContainerStatus<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCondition<'a> {
    #[serde(borrow, rename = "type")]
    name: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    last_transition_time: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawContainerStatus<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    state: RawState<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawState<'a> {
    #[serde(borrow)]
    waiting: Option<RawWaiting<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawWaiting<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

impl RawPod<'_> {
    /// The part that is kept, and its `resourceVersion`.
    pub(super) fn keep(&self, context: Context<'_>) -> Result<(Pod, Option<u64>), String> {
        let previous = context.previous;
        let pod = Pod {
            metadata: self
                .metadata
                .keep_like(context.annotation_keys, previous.map(|pod| &pod.metadata))?,
            spec: match previous {
                Some(previous) if self.spec.is(&previous.spec) => Arc::clone(&previous.spec),
                // Which node a pod runs on means nothing to the model; without it, the pods of a
                // template have equal specs.
                _ => Arc::new(PodSpec {
                    node_name: None,
                    ..self.spec.keep()
                }),
            },
            status: self.status.keep()?,
        };
        Ok((pod, self.metadata.version()))
    }
}

impl RawPodTemplate<'_> {
    /// The part that is kept.
    pub(super) fn keep(&self, extra: &[String]) -> PodTemplate {
        PodTemplate {
            metadata: TemplateMetadata {
                name: self.metadata.name.to_option(),
                labels: strings(&self.metadata.labels),
                annotations: annotations(&self.metadata.annotations, extra),
            },
            spec: self.spec.keep(),
        }
    }
}

impl RawPodSpec<'_> {
    /// Whether this much is kept of it, but for the node; tells without building anything.
    fn is(&self, spec: &PodSpec) -> bool {
        let volumes = self.volumes.iter().filter_map(RawVolume::keep);
        self.host_network == spec.host_network
            && self.restart_policy.as_option() == spec.restart_policy.as_deref()
            && self.termination_grace_period_seconds == spec.termination_grace_period_seconds
            && self.service_account_name.as_option() == spec.service_account_name.as_deref()
            && are(&self.containers, &spec.containers)
            && are(&self.init_containers, &spec.init_containers)
            && volumes.eq(spec.volumes.iter().cloned())
    }

    fn keep(&self) -> PodSpec {
        PodSpec {
            host_network: self.host_network,
            node_name: self.node_name.to_option(),
            restart_policy: self.restart_policy.to_option(),
            termination_grace_period_seconds: self.termination_grace_period_seconds,
            service_account_name: self.service_account_name.to_option(),
            containers: self.containers.iter().map(RawContainer::keep).collect(),
            init_containers: self
                .init_containers
                .iter()
                .map(RawContainer::keep)
                .collect(),
            volumes: self.volumes.iter().filter_map(RawVolume::keep).collect(),
        }
    }
}

fn are(raw: &[RawContainer<'_>], containers: &[Container]) -> bool {
    raw.len() == containers.len() && raw.iter().zip(containers).all(|(raw, it)| raw.is(it))
}

impl<'a> RawContainer<'a> {
    /// Arguments and variables, as far as they may be looked at.
    fn innards(&self) -> (&[Text<'a>], &[RawVariable<'a>]) {
        if ISTIO_CONTAINERS.contains(&self.name.as_str()) {
            (&self.args, &self.env)
        } else {
            (&[], &[])
        }
    }

    /// Whether variables come from elsewhere as a whole, as far as it may be looked at.
    fn env_from(&self) -> Option<Present> {
        self.env_from
            .filter(|_| ISTIO_CONTAINERS.contains(&self.name.as_str()))
    }

    fn is(&self, container: &Container) -> bool {
        let (args, variables) = self.innards();
        let variables = variables
            .iter()
            .filter(|it| keeps_variable(it.name.as_str()));
        let known = container.env.iter();
        self.name.as_str() == container.name
            && self.image.as_option() == container.image.as_deref()
            && args.iter().map(Text::as_str).eq(&container.args)
            && variables.map(RawVariable::parts).eq(known.map(|it| {
                let value = it.value.as_deref();
                (it.name.as_str(), value, it.value_from)
            }))
            && have(&self.resources.requests, &container.resources.requests)
            && have(&self.resources.limits, &container.resources.limits)
            && self.restart_policy.as_option() == container.restart_policy.as_deref()
            && self.readiness_probe == container.readiness_probe
            && self.env_from() == container.env_from
    }

    fn keep(&self) -> Container {
        let (args, variables) = self.innards();
        Container {
            name: self.name.to_string(),
            image: self.image.to_option(),
            args: args.iter().map(Text::to_string).collect(),
            env: variables.iter().filter_map(RawVariable::keep).collect(),
            env_from: self.env_from(),
            resources: Resources {
                requests: quantities(&self.resources.requests),
                limits: quantities(&self.resources.limits),
            },
            restart_policy: self.restart_policy.to_option(),
            readiness_probe: self.readiness_probe,
        }
    }
}

impl Item for RawVariable<'_> {
    fn matters(&self) -> bool {
        keeps_variable(self.name.as_str())
    }
}

impl RawVariable<'_> {
    fn parts(&self) -> (&str, Option<&str>, Option<Present>) {
        (self.name.as_str(), self.value.as_option(), self.value_from)
    }

    fn keep(&self) -> Option<EnvVar> {
        keeps_variable(self.name.as_str()).then(|| EnvVar {
            name: self.name.to_string(),
            value: self.value.to_option(),
            value_from: self.value_from,
        })
    }
}

impl Item for RawVolume<'_> {
    fn matters(&self) -> bool {
        self.persistent_volume_claim.is_some()
    }
}

impl RawVolume<'_> {
    fn keep(&self) -> Option<Volume> {
        let claim = self.persistent_volume_claim.as_ref()?;
        Some(Volume {
            name: self.name.to_string(),
            persistent_volume_claim: Some(ClaimVolume {
                claim_name: claim.claim_name.to_string(),
            }),
        })
    }
}

impl Item for RawCondition<'_> {
    fn matters(&self) -> bool {
        self.name.as_str() == "Ready"
    }
}

impl Item for RawContainerStatus<'_> {
    fn matters(&self) -> bool {
        self.state.waiting.is_some()
    }
}

impl RawPodStatus<'_> {
    fn keep(&self) -> Result<PodStatus, String> {
        // Of the conditions nothing but this one is read.
        let ready = self.conditions.first();
        let mut waiting_reasons: Vec<String> = self
            .container_statuses
            .iter()
            .chain(&self.init_container_statuses)
            .filter_map(|container| container.state.waiting.as_ref())
            .filter_map(|waiting| waiting.reason.to_option())
            .collect();
        waiting_reasons.sort();
        waiting_reasons.dedup();
        Ok(PodStatus {
            phase: self.phase.to_string(),
            ready: ready.is_some_and(|condition| condition.status.as_str() == "True"),
            ready_since: match ready {
                Some(condition) => time(&condition.last_transition_time)?,
                None => None,
            },
            waiting_reasons,
        })
    }
}

fn quantities(pairs: &Pairs<'_, Quantity<'_>>) -> StringMap {
    pairs
        .0
        .iter()
        .filter_map(|(name, quantity)| Some((name.to_string(), quantity.to_option()?)))
        .collect()
}

fn have(pairs: &Pairs<'_, Quantity<'_>>, map: &StringMap) -> bool {
    let raw = pairs.0.iter();
    raw.filter_map(|(name, quantity)| Some((name.as_str(), quantity.as_option()?)))
        .eq(map
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())))
}
