//! Progress: how far the rollout of a workload's present template is.
//!
//! Generations and counts, as `kubectl rollout status` reads them, with two differences: pods that
//! are unready long after a rollout are not a rollout, and a node that is gone does not keep a
//! DaemonSet rolling for ever.

use super::kind::WorkloadKind;
use super::{Member, Progress, value};
use crate::snapshot::LiveWorkload;

/// Reasons of waiting containers that do not go away by waiting.
const HOPELESS: [&str; 9] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// How far the present rollout is.
pub(super) fn progress(member: &Member<'_>) -> Progress {
    let Some(live) = member.live else {
        return crashing(member).map_or(Progress::Finished, stuck);
    };
    let by_kind = match WorkloadKind::of(&member.reference) {
        WorkloadKind::Deployment => deployment(live),
        WorkloadKind::StatefulSet | WorkloadKind::AdvancedStatefulSet => stateful_set(live),
        WorkloadKind::DaemonSet | WorkloadKind::AdvancedDaemonSet => daemon_set(live),
        WorkloadKind::Rollout => argo_rollout(live),
        WorkloadKind::CloneSet => clone_set(live),
        WorkloadKind::DeploymentConfig => deployment_config(live),
        WorkloadKind::KnativeService => knative_service(live),
        _ => Progress::Finished,
    };
    match by_kind {
        Progress::Stuck { .. } => by_kind,
        Progress::Finished | Progress::Running { .. } => crashing(member).map_or(by_kind, stuck),
    }
}

fn stuck(message: String) -> Progress {
    Progress::Stuck { message }
}

fn running(message: impl Into<String>) -> Progress {
    Progress::Running {
        message: message.into(),
    }
}

/// Pods of the workload whose containers wait for what does not come.
fn crashing(member: &Member<'_>) -> Option<String> {
    let hopeless = |reasons: &[String]| {
        reasons
            .iter()
            .find(|reason| HOPELESS.contains(&reason.as_str()))
            .cloned()
    };
    let reasons: Vec<(String, &str)> = member
        .pods
        .iter()
        .filter_map(|pod| {
            let reason = hopeless(&pod.status.waiting_reasons)?;
            Some((reason, pod.metadata.name.as_str()))
        })
        .collect();
    let (reason, pod) = reasons.first()?;
    let (count, total) = (reasons.len(), member.pods.len());
    Some(format!(
        "{count} of {total} pods do not run: {pod} is in {reason}"
    ))
}

/// Whether the controller has yet to see the newest spec.
fn is_unobserved(live: &LiveWorkload) -> bool {
    let observed = value::integer(&live.status, &["observedGeneration"]);
    match (live.metadata.generation, observed) {
        (Some(generation), Some(observed)) => observed < generation,
        _ => false,
    }
}

const UNOBSERVED: &str = "the controller has not acted on the newest spec yet";

fn status(live: &LiveWorkload, field: &str) -> i64 {
    value::integer(&live.status, &[field]).unwrap_or(0)
}

fn replicas(live: &LiveWorkload) -> i64 {
    value::integer(&live.spec, &["replicas"]).unwrap_or(1)
}

fn deployment(live: &LiveWorkload) -> Progress {
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let condition = |kind: &str| value::condition(&live.status, kind);
    let reason = condition("Progressing").and_then(|found| value::text(found, &["reason"]));
    if reason == Some("ProgressDeadlineExceeded") {
        return stuck("its rollout has exceeded the progress deadline".to_owned());
    }
    if let Some(progress) = counts(live) {
        return progress;
    }
    let available = condition("Available").and_then(|found| value::text(found, &["status"]));
    if available == Some("False") {
        let (now, wanted) = (status(live, "availableReplicas"), replicas(live));
        let message =
            format!("{now} of {wanted} replicas are available, fewer than its strategy keeps");
        return if reason == Some("NewReplicaSetAvailable") {
            stuck(message)
        } else {
            running(message)
        };
    }
    Progress::Finished
}

/// Counts of updated and present replicas, as Deployments and their kin report them.
fn counts(live: &LiveWorkload) -> Option<Progress> {
    let wanted = replicas(live);
    let updated = status(live, "updatedReplicas");
    let present = status(live, "replicas");
    if updated < wanted {
        return Some(running(format!(
            "{updated} of {wanted} replicas are updated"
        )));
    }
    if present > updated {
        let old = present - updated;
        return Some(running(format!("{old} old replicas are still there")));
    }
    None
}

fn stateful_set(live: &LiveWorkload) -> Progress {
    let strategy = value::text(&live.spec, &["updateStrategy", "type"]);
    if strategy == Some("OnDelete") {
        return Progress::Finished;
    }
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let wanted = replicas(live);
    let partition = ["updateStrategy", "rollingUpdate", "partition"];
    let kept = value::integer(&live.spec, &partition).unwrap_or(0);
    let due = (wanted - kept).max(0);
    let revision = |field: &str| value::text(&live.status, &[field]);
    let updated = status(live, "updatedReplicas");
    if revision("currentRevision") != revision("updateRevision") && updated < due {
        return running(format!("{updated} of {due} replicas are updated"));
    }
    let ready = status(live, "readyReplicas");
    if ready >= wanted {
        return Progress::Finished;
    }
    let message = format!("{ready} of {wanted} replicas are ready");
    if status(live, "replicas") < wanted {
        return running(message);
    }
    stuck(format!(
        "{message}, and an update waits for every one of them"
    ))
}

fn daemon_set(live: &LiveWorkload) -> Progress {
    if value::text(&live.spec, &["updateStrategy", "type"]) == Some("OnDelete") {
        return Progress::Finished;
    }
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let wanted = status(live, "desiredNumberScheduled");
    let updated = status(live, "updatedNumberScheduled");
    if updated < wanted {
        return running(format!("{updated} of {wanted} pods are updated"));
    }
    if wanted > 0 && status(live, "numberAvailable") == 0 {
        return stuck(format!("none of its {wanted} pods is available"));
    }
    Progress::Finished
}

fn argo_rollout(live: &LiveWorkload) -> Progress {
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let said = value::text(&live.status, &["message"]);
    let with = |phrase: &str| match said {
        Some(said) => format!("{phrase}: {said}"),
        None => phrase.to_owned(),
    };
    match value::text(&live.status, &["phase"]) {
        Some("Degraded") => return stuck(with("the Rollout is degraded")),
        Some("Paused") => return running(with("the Rollout is paused at a step")),
        Some("Progressing") => return running(with("the Rollout is progressing")),
        _ => {}
    }
    let wanted = value::text(&live.spec, &["restartAt"]);
    let done = value::text(&live.status, &["restartedAt"]);
    if wanted.is_some() && instant(wanted) != instant(done) {
        return running("the Rollout is restarting its pods");
    }
    Progress::Finished
}

fn instant(text: Option<&str>) -> Option<jiff::Timestamp> {
    text?.parse().ok()
}

fn clone_set(live: &LiveWorkload) -> Progress {
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let wanted = replicas(live);
    let expected = value::integer(&live.status, &["expectedUpdatedReplicas"]).unwrap_or(wanted);
    let updated = status(live, "updatedReplicas");
    if updated < expected {
        return running(format!("{updated} of {expected} replicas are updated"));
    }
    let ready = status(live, "readyReplicas");
    if ready < wanted {
        return running(format!("{ready} of {wanted} replicas are ready"));
    }
    Progress::Finished
}

fn deployment_config(live: &LiveWorkload) -> Progress {
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let progressing = value::condition(&live.status, "Progressing");
    let text = |field: &str| progressing.and_then(|found| value::text(found, &[field]));
    if text("status") == Some("False") {
        let reason = text("reason").unwrap_or("its deployment failed");
        return stuck(format!(
            "the latest deployment is not progressing: {reason}"
        ));
    }
    counts(live).unwrap_or(Progress::Finished)
}

fn knative_service(live: &LiveWorkload) -> Progress {
    if is_unobserved(live) {
        return running(UNOBSERVED);
    }
    let ready = value::condition(&live.status, "Ready");
    match ready.and_then(|found| value::text(found, &["status"])) {
        Some("False") => stuck("the Service is not ready".to_owned()),
        Some("Unknown") => running("the newest revision is not ready yet"),
        _ => Progress::Finished,
    }
}
