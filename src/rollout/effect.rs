//! Effects: what an edit in Git does to the pods, kind by kind.
//!
//! Source: `spec/gitops.md` §3. Where no edit of ours replaces the pods, the reason says what does.

use serde_json::Value;

use super::gateway::{Gateway, gateway};
use super::kind::WorkloadKind;
use super::members::is_mirror;
use super::remedy::{delete_pods, kubectl, rollout, shell_word};
use super::{Effect, Member, value};
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::{LiveWorkload, Pod};

/// What an edit would do, with the remedies naming these pods.
pub(super) fn effect(member: &Member<'_>, stale: &[&Pod]) -> Effect {
    if let Some(reason) = foreign_gateway(member) {
        return Effect::None(reason);
    }
    let Some(live) = member.live else {
        return without_live(member, stale);
    };
    if let Some(reason) = nothing_to_do(member, live) {
        return Effect::NothingToDo(reason);
    }
    if let Some(owner) = &member.operator {
        let message = format!(
            "{owner} owns it and rewrites its pod template: set the pod annotation where {} sets \
             the template's metadata, or {}",
            owner.kind,
            delete_pods(&member.reference.namespace, stale)
        );
        return Effect::None(Reason::new(ReasonCode::OperatorOwned, message));
    }
    by_kind(member, live, stale)
}

fn by_kind(member: &Member<'_>, live: &LiveWorkload, stale: &[&Pod]) -> Effect {
    let reason = match WorkloadKind::of(&member.reference) {
        WorkloadKind::Deployment => deployment(live),
        WorkloadKind::StatefulSet => stateful_set(live, stale),
        WorkloadKind::DaemonSet => on_delete(live, &["updateStrategy", "type"], stale),
        WorkloadKind::Rollout => return Effect::RestartAt,
        WorkloadKind::CloneSet => clone_set(live, stale),
        WorkloadKind::AdvancedStatefulSet => advanced_stateful_set(live, stale),
        WorkloadKind::AdvancedDaemonSet => advanced_daemon_set(live, stale),
        WorkloadKind::DeploymentConfig => deployment_config(live),
        WorkloadKind::KnativeService => knative_service(live),
        WorkloadKind::Job => Some(job(member)),
        WorkloadKind::CronJob => Some(cron_job(member, stale)),
        WorkloadKind::ReplicationController => Some(replication_controller(member, stale)),
        WorkloadKind::ReplicaSet | WorkloadKind::Pod | WorkloadKind::Other => {
            return without_live(member, stale);
        }
    };
    reason.map_or(Effect::TemplateAnnotation, Effect::None)
}

fn foreign_gateway(member: &Member<'_>) -> Option<Reason> {
    let (code, message) = match gateway(member)? {
        Gateway::Injected | Gateway::Standalone => return None,
        Gateway::GatewayApi => (
            ReasonCode::GatewayApiManaged,
            "istiod deploys it for a Gateway resource and restarts it by itself".to_owned(),
        ),
        Gateway::Waypoint => (
            ReasonCode::GatewayApiManaged,
            "istiod deploys this waypoint and restarts it by itself".to_owned(),
        ),
        Gateway::Ztunnel => (
            ReasonCode::GatewayApiManaged,
            "ztunnel is upgraded with Istio's installation, not by a restart".to_owned(),
        ),
        Gateway::Cni => (
            ReasonCode::GatewayApiManaged,
            "istio-cni is upgraded with Istio's installation, not by a restart".to_owned(),
        ),
    };
    Some(Reason::new(code, message))
}

fn nothing_to_do(member: &Member<'_>, live: &LiveWorkload) -> Option<Reason> {
    let kind = WorkloadKind::of(&member.reference);
    let count = if kind.is_per_node() {
        value::integer(&live.status, &["desiredNumberScheduled"])
    } else {
        value::integer(&live.spec, &["replicas"])
    };
    if count != Some(0) || !member.pods.is_empty() {
        return None;
    }
    let message = if kind.is_per_node() {
        "no node runs it: there is nothing to restart"
    } else {
        "it is scaled to zero: there is nothing to restart"
    };
    Some(Reason::new(ReasonCode::ZeroReplicas, message))
}

fn deployment(live: &LiveWorkload) -> Option<Reason> {
    value::is_true(&live.spec, &["paused"]).then(|| {
        let message = format!(
            "spec.paused is true, so an edit would wait and take effect on resume: run `{}` first",
            rollout("resume", &live.reference)
        );
        Reason::new(ReasonCode::Paused, message)
    })
}

fn stateful_set(live: &LiveWorkload, stale: &[&Pod]) -> Option<Reason> {
    on_delete(live, &["updateStrategy", "type"], stale).or_else(|| {
        let partition = value::integer(
            &live.spec,
            &["updateStrategy", "rollingUpdate", "partition"],
        )?;
        partitioned(live, partition, stale)
    })
}

fn partitioned(live: &LiveWorkload, partition: i64, stale: &[&Pod]) -> Option<Reason> {
    let replicas = value::integer(&live.spec, &["replicas"]).unwrap_or(1);
    (partition > 0 && partition >= replicas).then(|| {
        let message = format!(
            "the partition {partition} holds back all {replicas} replicas: lower it, or {}",
            delete_pods(&live.reference.namespace, stale)
        );
        Reason::new(ReasonCode::Partitioned, message)
    })
}

fn on_delete(live: &LiveWorkload, path: &[&str], stale: &[&Pod]) -> Option<Reason> {
    (value::text(&live.spec, path) == Some("OnDelete")).then(|| {
        let message = format!(
            "the update strategy is OnDelete: {}",
            delete_pods(&live.reference.namespace, stale)
        );
        Reason::new(ReasonCode::OnDelete, message)
    })
}

/// `v1alpha1` has the policy in `updateStrategy.type`, `v1beta1` in
/// `updateStrategy.rollingUpdate.podUpdatePolicy`.
fn clone_set(live: &LiveWorkload, stale: &[&Pod]) -> Option<Reason> {
    let strategy = value::at(&live.spec, &["updateStrategy"]).unwrap_or(&Value::Null);
    kruise_paused(live, strategy)
        .or_else(|| on_delete(live, &["updateStrategy", "type"], stale))
        .or_else(|| {
            let policy = value::text(strategy, &["rollingUpdate", "podUpdatePolicy"])
                .or_else(|| value::text(strategy, &["type"]))?;
            in_place(live, policy, stale)
        })
}

fn advanced_stateful_set(live: &LiveWorkload, stale: &[&Pod]) -> Option<Reason> {
    let strategy = value::at(&live.spec, &["updateStrategy"]).unwrap_or(&Value::Null);
    stateful_set(live, stale)
        .or_else(|| kruise_paused(live, strategy))
        .or_else(|| {
            let policy = value::text(strategy, &["rollingUpdate", "podUpdatePolicy"])?;
            in_place(live, policy, stale)
        })
}

fn advanced_daemon_set(live: &LiveWorkload, stale: &[&Pod]) -> Option<Reason> {
    let strategy = value::at(&live.spec, &["updateStrategy"]).unwrap_or(&Value::Null);
    on_delete(live, &["updateStrategy", "type"], stale)
        .or_else(|| kruise_paused(live, strategy))
        .or_else(|| {
            let policy = value::text(strategy, &["rollingUpdate", "rollingUpdateType"])?;
            in_place(live, policy, stale)
        })
}

fn kruise_paused(live: &LiveWorkload, strategy: &Value) -> Option<Reason> {
    let paused = value::is_true(strategy, &["paused"])
        || value::is_true(strategy, &["rollingUpdate", "paused"]);
    paused.then(|| {
        let message = format!(
            "the update strategy of {} is paused: an edit would wait and take effect on resume",
            live.reference
        );
        Reason::new(ReasonCode::Paused, message)
    })
}

fn in_place(live: &LiveWorkload, policy: &str, stale: &[&Pod]) -> Option<Reason> {
    let deletion = delete_pods(&live.reference.namespace, stale);
    let message = match policy {
        "InPlaceIfPossible" => format!(
            "with InPlaceIfPossible a change of annotations is patched into the running pods: \
             change an environment variable of a container (kubectl-kruise sets RESTARTED_AT), or \
             {deletion}"
        ),
        "InPlaceOnly" => {
            format!("with InPlaceOnly pods are never re-created by an update: {deletion}")
        }
        _ => return None,
    };
    Some(Reason::new(ReasonCode::InPlaceUpdate, message))
}

/// `triggers` absent or null means a ConfigChange trigger; an empty list means none.
fn deployment_config(live: &LiveWorkload) -> Option<Reason> {
    let namespace = shell_word(&live.reference.namespace);
    let name = shell_word(&live.reference.name);
    if value::is_true(&live.spec, &["paused"]) {
        let message = format!(
            "spec.paused is true, so an edit would wait and take effect on resume: run \
             `oc rollout resume -n {namespace} dc/{name}` first"
        );
        return Some(Reason::new(ReasonCode::Paused, message));
    }
    let triggers = value::at(&live.spec, &["triggers"])?.as_array()?;
    let is_config_change =
        |trigger: &Value| value::text(trigger, &["type"]) == Some("ConfigChange");
    (!triggers.iter().any(is_config_change)).then(|| {
        let message = format!(
            "it has no ConfigChange trigger, so an edit starts no rollout: run \
             `oc rollout latest -n {namespace} dc/{name}`"
        );
        Reason::new(ReasonCode::NoConfigChange, message)
    })
}

fn knative_service(live: &LiveWorkload) -> Option<Reason> {
    let named = live.template.as_ref()?.metadata.name.as_deref();
    if let Some(revision) = named.filter(|name| !name.is_empty()) {
        let message = format!(
            "spec.template.metadata.name is {revision:?}: its webhook rejects a change of the \
             template without a new name, so set both together"
        );
        return Some(Reason::new(ReasonCode::NamedRevision, message));
    }
    let traffic = value::items(&live.spec, &["traffic"]);
    let follows = traffic
        .iter()
        .any(|target| value::text(target, &["revisionName"]).is_none());
    (!traffic.is_empty() && !follows).then(|| {
        let message = "every entry of spec.traffic names a revision, so a new one gets no \
                       requests: edit the template and move the traffic together";
        Reason::new(ReasonCode::NamedRevision, message)
    })
}

fn job(member: &Member<'_>) -> Reason {
    let delete = kubectl(
        "delete",
        "job",
        &member.reference.namespace,
        &member.reference.name,
    );
    let message = format!(
        "a Job's template is immutable: let it finish, or run `{delete}` and create it again"
    );
    Reason::new(ReasonCode::Job, message)
}

fn cron_job(member: &Member<'_>, stale: &[&Pod]) -> Reason {
    let message = if stale.is_empty() {
        "its next run gets the new sidecar by itself".to_owned()
    } else {
        let namespace = &member.reference.namespace;
        let jobs = match stale.first().and_then(|pod| pod.metadata.controller()) {
            Some(owner) => format!(
                " or run `{}`",
                kubectl("delete", "job", namespace, &owner.name)
            ),
            None => String::new(),
        };
        format!("its next run gets the new sidecar by itself: let the one under way finish,{jobs}")
    };
    Reason::new(ReasonCode::CronJob, message.trim_end_matches(','))
}

fn replication_controller(member: &Member<'_>, stale: &[&Pod]) -> Reason {
    let deletion = delete_pods(&member.reference.namespace, stale);
    Reason::new(
        ReasonCode::ReplicationController,
        format!("a ReplicationController never replaces running pods: {deletion}"),
    )
}

/// Bare pods, bare ReplicaSets, and owners that the snapshot does not hold.
fn without_live(member: &Member<'_>, stale: &[&Pod]) -> Effect {
    let reference = &member.reference;
    let reason = match WorkloadKind::of(reference) {
        WorkloadKind::Pod if member.pods.iter().any(|pod| is_mirror(pod)) => Reason::new(
            ReasonCode::StaticPod,
            "the kubelet makes it from a file on its node: change or touch that file",
        ),
        WorkloadKind::Pod => {
            let delete = kubectl("delete", "pod", &reference.namespace, &reference.name);
            let message = format!(
                "no controller re-creates it: run `{delete}` and create it again from its manifest"
            );
            Reason::new(ReasonCode::BarePod, message)
        }
        WorkloadKind::ReplicaSet if member.replica_set.is_some() => {
            return bare_replica_set(member, stale);
        }
        WorkloadKind::Job => job(member),
        WorkloadKind::CronJob => cron_job(member, stale),
        WorkloadKind::ReplicationController => replication_controller(member, stale),
        WorkloadKind::Other => {
            let message = format!(
                "{reference} owns the pods and decides about their template: restart them through \
                 it, or {}",
                delete_pods(&reference.namespace, stale)
            );
            Reason::new(ReasonCode::OperatorOwned, message)
        }
        _ => Reason::new(
            ReasonCode::SnapshotIncomplete,
            format!("the snapshot holds pods of {reference} and not the object itself"),
        ),
    };
    Effect::None(reason)
}

fn bare_replica_set(member: &Member<'_>, stale: &[&Pod]) -> Effect {
    let replicas = member.replica_set.map_or(0, |set| set.replicas);
    if replicas == 0 && member.pods.is_empty() {
        let message = "it is scaled to zero: there is nothing to restart";
        return Effect::NothingToDo(Reason::new(ReasonCode::ZeroReplicas, message));
    }
    let deletion = delete_pods(&member.reference.namespace, stale);
    Effect::None(Reason::new(
        ReasonCode::BareReplicaSet,
        format!("a ReplicaSet without a Deployment never replaces running pods: {deletion}"),
    ))
}
