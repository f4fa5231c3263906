//! Risks: what a restart puts at stake, in the numbers of the case.
//!
//! Source: `spec/gitops.md` §1.6 and §3. A risk informs and never changes a verdict.

use serde_json::Value;

use super::arithmetic::{self, Disruption, disruption};
use super::gateway::{Gateway, gateway};
use super::kind::WorkloadKind;
use super::quota::quota_too_small;
use super::{Member, Risk, RiskCode, value};
use crate::manifest::{ObjectRef, PodSpec, group_of};
use crate::mesh::LabelSelector;
use crate::snapshot::{ClusterObject, ClusterSnapshot, LiveWorkload};

/// Pods that may take longer than this to stop make a rollout long: two minutes.
const LONG_TERMINATION_SECONDS: i64 = 120;
/// The sidecar has a readiness probe of its own, which says nothing of the application.
const PROXY: &str = "istio-proxy";

/// What a restart puts at risk, sorted by code.
pub(super) fn risks(member: &Member<'_>, snapshot: &ClusterSnapshot) -> Vec<Risk> {
    let Some(disruption) = disruption(member) else {
        return restart_policy_never(member).into_iter().collect();
    };
    let mut risks: Vec<Risk> = [
        single_replica(member, disruption),
        recreate(member, disruption),
        no_readiness_probe(member),
        restart_policy_never(member),
        long_termination(member),
        partitioned(member, disruption),
        operator_owned(member),
        injected_gateway(member),
        quota_too_small(member, disruption, snapshot),
    ]
    .into_iter()
    .flatten()
    .collect();
    risks.extend(budgets(member, disruption, snapshot));
    risks.extend(volumes_with_surge(member, disruption, snapshot));
    risks.sort();
    risks
}

fn risk(code: RiskCode, message: impl Into<String>) -> Risk {
    Risk {
        code,
        message: message.into(),
    }
}

/// The objects of a kind in a namespace: objects are sorted by identity, so they stand together.
pub(super) fn objects_in<'a>(
    snapshot: &'a ClusterSnapshot,
    group: &str,
    kind: &str,
    namespace: &str,
) -> &'a [ClusterObject] {
    let wanted = (group, kind, namespace);
    let key = |object: &ClusterObject| {
        let reference = &object.reference;
        (&*reference.group, &*reference.kind, &*reference.namespace).cmp(&wanted)
    };
    let start = snapshot
        .objects
        .partition_point(|object| key(object).is_lt());
    let end = snapshot
        .objects
        .partition_point(|object| key(object).is_le());
    snapshot.objects.get(start..end).unwrap_or_default()
}

fn single_replica(member: &Member<'_>, disruption: Disruption) -> Option<Risk> {
    let alone = disruption.replicas == 1 && disruption.surge == 0;
    (alone && !member.kind().is_per_node() && !stops_all(member)).then(|| {
        risk(
            RiskCode::SingleReplica,
            "its one replica is down until the new pod is ready",
        )
    })
}

fn stops_all(member: &Member<'_>) -> bool {
    let strategy =
        |live: &LiveWorkload| value::text(&live.spec, &["strategy", "type"]) == Some("Recreate");
    let kind = member.kind();
    matches!(
        kind,
        WorkloadKind::Deployment | WorkloadKind::DeploymentConfig
    ) && member.live.is_some_and(strategy)
}

fn recreate(member: &Member<'_>, disruption: Disruption) -> Option<Risk> {
    stops_all(member).then(|| {
        let message = format!(
            "the Recreate strategy stops all {} pods before the first new one starts",
            disruption.replicas
        );
        risk(RiskCode::Recreate, message)
    })
}

fn no_readiness_probe(member: &Member<'_>) -> Option<Risk> {
    let spec = &member.template()?.spec;
    let mut own = spec
        .containers
        .iter()
        .filter(|container| container.name != PROXY)
        .peekable();
    own.peek()?;
    own.all(|container| container.readiness_probe.is_none()).then(|| {
        risk(
            RiskCode::NoReadinessProbe,
            "no container of the application has a readiness probe, so the rollout goes on as soon \
             as a pod starts",
        )
    })
}

fn restart_policy_never(member: &Member<'_>) -> Option<Risk> {
    let spec = pod_spec(member)?;
    (spec.restart_policy.as_deref() == Some("Never")).then(|| {
        risk(
            RiskCode::RestartPolicyNever,
            "with restartPolicy Never a native sidecar that fails is not restarted (istio#49210)",
        )
    })
}

/// The pod spec: the template's, else a pod's.
pub(super) fn pod_spec<'a>(member: &Member<'a>) -> Option<&'a PodSpec> {
    let of_pod = || Some(&*member.pods.first()?.spec);
    member
        .template()
        .map(|template| &template.spec)
        .or_else(of_pod)
}

fn long_termination(member: &Member<'_>) -> Option<Risk> {
    let seconds = pod_spec(member)?.termination_grace_period_seconds?;
    (seconds > LONG_TERMINATION_SECONDS).then(|| {
        let message = format!("each pod may take {seconds} s to stop");
        risk(RiskCode::LongTermination, message)
    })
}

fn partitioned(member: &Member<'_>, disruption: Disruption) -> Option<Risk> {
    let path = ["updateStrategy", "rollingUpdate", "partition"];
    let partition = value::integer(&member.live?.spec, &path)?;
    let applies = matches!(
        member.kind(),
        WorkloadKind::StatefulSet | WorkloadKind::AdvancedStatefulSet
    );
    (applies && partition > 0 && partition < disruption.replicas).then(|| {
        let message = format!(
            "the partition keeps the pods of ordinals below {partition} as they are: {} of {} are \
             restarted",
            disruption.replicas - partition,
            disruption.replicas
        );
        risk(RiskCode::Partitioned, message)
    })
}

/// An owner that does not control the workload may rewrite it all the same.
fn operator_owned(member: &Member<'_>) -> Option<Risk> {
    let owners = &member.live?.metadata.owner_references;
    let owner = owners.iter().find(|owner| {
        let kind = WorkloadKind::of_api(&owner.api_version, &owner.kind);
        !owner.controller && kind == WorkloadKind::Other && !group_of(&owner.api_version).is_empty()
    })?;
    let message = format!(
        "{} {} owns it, and undoes the edit if it writes the pod template",
        owner.kind, owner.name
    );
    Some(risk(RiskCode::OperatorOwned, message))
}

fn injected_gateway(member: &Member<'_>) -> Option<Risk> {
    (gateway(member) == Some(Gateway::Injected)).then(|| {
        risk(
            RiskCode::Gateway,
            "it is a gateway: connections through its pods end when they stop",
        )
    })
}

fn budgets(member: &Member<'_>, disruption: Disruption, snapshot: &ClusterSnapshot) -> Vec<Risk> {
    let found = objects_in(
        snapshot,
        "policy",
        "PodDisruptionBudget",
        &member.reference.namespace,
    );
    let selected = found.iter().filter(|budget| selects(budget, member));
    selected
        .filter_map(|budget| one_budget(member, disruption, budget))
        .collect()
}

/// A budget without a selector selects nothing, one with an empty selector every pod.
fn selects(budget: &ClusterObject, member: &Member<'_>) -> bool {
    let Some(selector) = value::at(&budget.body, &["spec", "selector"]) else {
        return false;
    };
    let Ok(selector) = LabelSelector::parse(Some(selector)) else {
        return false;
    };
    let labels = match member.pods.first() {
        Some(pod) => Some(&pod.metadata.labels),
        None => member.template().map(|template| &template.metadata.labels),
    };
    labels.is_some_and(|labels| selector.matches(labels))
}

/// Only eviction asks a budget, and of all restarts only that of an Argo Rollout evicts.
fn one_budget(member: &Member<'_>, disruption: Disruption, budget: &ClusterObject) -> Option<Risk> {
    let covered = value::integer(&budget.body, &["status", "expectedPods"]);
    let covered = covered
        .unwrap_or(disruption.replicas)
        .max(disruption.replicas);
    let allowed = arithmetic::budget(value::at(&budget.body, &["spec"])?, covered)?;
    let name = &budget.reference.name;
    if member.kind() == WorkloadKind::Rollout {
        return (allowed == 0).then(|| {
            let message = format!(
                "PodDisruptionBudget {name} lets no pod go, and spec.restartAt evicts: the restart \
                 waits until the budget changes"
            );
            risk(RiskCode::BudgetBlocks, message)
        });
    }
    (disruption.unavailable > allowed).then(|| {
        let message = format!(
            "up to {} of {} pods are away at a time, and PodDisruptionBudget {name} allows {allowed}: \
             a rolling update does not ask it",
            disruption.unavailable, disruption.replicas
        );
        risk(RiskCode::BudgetNotHonored, message)
    })
}

fn volumes_with_surge(
    member: &Member<'_>,
    disruption: Disruption,
    snapshot: &ClusterSnapshot,
) -> Vec<Risk> {
    let Some(template) = member.template().filter(|_| disruption.surge > 0) else {
        return Vec::new();
    };
    let claims = template
        .spec
        .volumes
        .iter()
        .filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims
        .filter_map(|claim| {
            let mode = access_mode(snapshot, &member.reference.namespace, &claim.claim_name)?;
            let message = format!(
                "claim {} is {mode}: a surge pod on another node waits for a volume that the old \
                 pod holds",
                claim.claim_name
            );
            Some(risk(RiskCode::VolumeWithSurge, message))
        })
        .collect()
}

/// The access mode of a claim, where it is one that ties pods to a node.
fn access_mode(snapshot: &ClusterSnapshot, namespace: &str, claim: &str) -> Option<&'static str> {
    let reference = ObjectRef::new("", "PersistentVolumeClaim", namespace, claim);
    let Some(found) = snapshot.object(&reference) else {
        let is_held = snapshot.holds("", "PersistentVolumeClaim");
        return (!is_held).then_some("of an access mode that the snapshot does not tell");
    };
    let modes = value::items(&found.body, &["spec", "accessModes"]);
    let has = |mode: &str| modes.iter().any(|found| found.as_str() == Some(mode));
    if has("ReadWriteMany") || has("ReadOnlyMany") {
        None
    } else if has("ReadWriteOncePod") {
        Some("ReadWriteOncePod")
    } else {
        has("ReadWriteOnce").then_some("ReadWriteOnce")
    }
}

/// Whether a delivery would scale an autoscaled workload back.
pub(super) fn replicas_in_git(
    member: &Member<'_>,
    snapshot: &ClusterSnapshot,
    spec: &Value,
) -> Option<Risk> {
    let written = value::integer(spec, &["replicas"])?;
    let reference = &member.reference;
    let scales = |scaler: &&ClusterObject| {
        let target = |key: &str| value::text(&scaler.body, &["spec", "scaleTargetRef", key]);
        target("kind") == Some(&*reference.kind)
            && target("name") == Some(&*reference.name)
            && target("apiVersion").is_none_or(|version| group_of(version) == reference.group)
    };
    let namespace = &reference.namespace;
    let scalers = objects_in(
        snapshot,
        "autoscaling",
        "HorizontalPodAutoscaler",
        namespace,
    );
    let scaler = scalers.iter().find(scales)?;
    let live = member
        .live
        .and_then(|live| value::integer(&live.spec, &["replicas"]));
    let live = live.map_or(String::new(), |live| format!(" (now {live})"));
    let message = format!(
        "HorizontalPodAutoscaler {} scales it{live} and Git sets {written} replicas: a delivery may \
         scale it back",
        scaler.reference.name
    );
    Some(risk(RiskCode::ReplicasInGit, message))
}
