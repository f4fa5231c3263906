//! Arithmetic: how many pods a restart adds and takes away at once.
//!
//! Each controller rounds in its own way (`spec/gitops.md` §3). Sources: Kubernetes'
//! `ResolveFenceposts` for Deployments, its StatefulSet and DaemonSet controllers, Argo Rollouts,
//! OpenKruise and OpenShift.

use serde_json::Value;

use super::kind::WorkloadKind;
use super::{Member, value};
use crate::snapshot::LiveWorkload;

/// What a restart does to the number of pods at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disruption {
    /// Replicas that should serve.
    pub replicas: i64,
    /// How many pods more than that may exist.
    pub surge: i64,
    /// How many of them may be missing.
    pub unavailable: i64,
}

/// A field that is a number or a percentage of the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Count(i64),
    Percent(i64),
}

/// Which way a percentage is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Up,
    Down,
}

impl Amount {
    fn at(value: &Value, path: &[&str]) -> Option<Self> {
        Self::read(value::at(value, path)?)
    }

    /// What the API server takes: an integer or a string `N%`; Argo Rollouts also a bare string.
    fn read(value: &Value) -> Option<Self> {
        if let Some(count) = value.as_i64() {
            return Some(Self::Count(count.max(0)));
        }
        let text = value.as_str()?.trim();
        match text.strip_suffix('%') {
            Some(percent) => Some(Self::Percent(percent.parse::<i64>().ok()?.max(0))),
            None => Some(Self::Count(text.parse::<i64>().ok()?.max(0))),
        }
    }

    fn of(self, total: i64, round: Round) -> i64 {
        let percent = match self {
            Self::Count(count) => return count,
            Self::Percent(percent) => i128::from(percent) * i128::from(total),
        };
        let whole = match round {
            Round::Up => percent.saturating_add(99).div_euclid(100),
            Round::Down => percent.div_euclid(100),
        };
        i64::try_from(whole).unwrap_or(i64::MAX)
    }
}

/// What a restart of a workload does; none for kinds that no edit restarts.
#[must_use]
pub fn disruption(member: &Member<'_>) -> Option<Disruption> {
    let live = member.live?;
    let replicas = replicas(live);
    let (surge, unavailable) = match WorkloadKind::of(&live.reference) {
        WorkloadKind::Deployment => deployment(live, replicas),
        WorkloadKind::DeploymentConfig => deployment_config(live, replicas),
        WorkloadKind::StatefulSet => (0, stateful_set(live, replicas)),
        WorkloadKind::AdvancedStatefulSet => (0, advanced_stateful_set(live, replicas)),
        WorkloadKind::DaemonSet | WorkloadKind::AdvancedDaemonSet => daemon_set(live, replicas),
        WorkloadKind::Rollout => (0, argo_rollout(live, replicas)),
        WorkloadKind::CloneSet => clone_set(live, replicas),
        WorkloadKind::KnativeService => (replicas, 0),
        _ => return None,
    };
    Some(Disruption {
        replicas,
        surge,
        unavailable: unavailable.min(replicas),
    })
}

/// The live number of replicas: Git's may be absent or overruled by an autoscaler.
fn replicas(live: &LiveWorkload) -> i64 {
    let kind = WorkloadKind::of(&live.reference);
    let count = if kind.is_per_node() {
        value::integer(&live.status, &["desiredNumberScheduled"])
    } else {
        value::integer(&live.spec, &["replicas"])
            .or_else(|| (kind != WorkloadKind::KnativeService).then_some(1))
    };
    count.unwrap_or(0).max(0)
}

const QUARTER: Amount = Amount::Percent(25);

/// Surge rounds up, unavailable rounds down, and both zero means one unavailable.
fn fenceposts(surge: Amount, unavailable: Amount, replicas: i64) -> (i64, i64) {
    let surge = surge.of(replicas, Round::Up);
    let unavailable = unavailable.of(replicas, Round::Down);
    (
        surge,
        if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        },
    )
}

fn deployment(live: &LiveWorkload, replicas: i64) -> (i64, i64) {
    if value::text(&live.spec, &["strategy", "type"]) == Some("Recreate") {
        return (0, replicas);
    }
    let field = |name| Amount::at(&live.spec, &["strategy", "rollingUpdate", name]);
    fenceposts(
        field("maxSurge").unwrap_or(QUARTER),
        field("maxUnavailable").unwrap_or(QUARTER),
        replicas,
    )
}

fn deployment_config(live: &LiveWorkload, replicas: i64) -> (i64, i64) {
    if value::text(&live.spec, &["strategy", "type"]) == Some("Recreate") {
        return (0, replicas);
    }
    let field = |name| Amount::at(&live.spec, &["strategy", "rollingParams", name]);
    fenceposts(
        field("maxSurge").unwrap_or(QUARTER),
        field("maxUnavailable").unwrap_or(QUARTER),
        replicas,
    )
}

/// One at a time, unless `maxUnavailable` says more. The API's comment says that it rounds up; the
/// controller rounds down, to one at least.
fn stateful_set(live: &LiveWorkload, replicas: i64) -> i64 {
    let path = ["updateStrategy", "rollingUpdate", "maxUnavailable"];
    Amount::at(&live.spec, &path).map_or(1, |amount| amount.of(replicas, Round::Down).max(1))
}

/// OpenKruise's honours `maxUnavailable` only where pods are managed in parallel.
fn advanced_stateful_set(live: &LiveWorkload, replicas: i64) -> i64 {
    if value::text(&live.spec, &["podManagementPolicy"]) == Some("Parallel") {
        stateful_set(live, replicas)
    } else {
        1
    }
}

/// Both round up; both zero means one unavailable.
fn daemon_set(live: &LiveWorkload, replicas: i64) -> (i64, i64) {
    let field = |name| Amount::at(&live.spec, &["updateStrategy", "rollingUpdate", name]);
    let surge = field("maxSurge").map_or(0, |amount| amount.of(replicas, Round::Up));
    let unavailable = field("maxUnavailable").map_or(1, |amount| amount.of(replicas, Round::Up));
    (
        surge,
        if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        },
    )
}

/// `restartAt` evicts at most `max(maxUnavailable, 1)` pods at a time and surges none.
fn argo_rollout(live: &LiveWorkload, replicas: i64) -> i64 {
    let strategy = |path: &[&str]| value::at(&live.spec, path);
    let configured = if strategy(&["strategy", "blueGreen"]).is_some() {
        Amount::at(&live.spec, &["strategy", "blueGreen", "maxUnavailable"])
    } else {
        Amount::at(&live.spec, &["strategy", "canary", "maxUnavailable"])
    };
    configured
        .unwrap_or(QUARTER)
        .of(replicas, Round::Down)
        .max(1)
}

/// `maxUnavailable` is 20 % by default and rounds up, but down where there is a surge.
fn clone_set(live: &LiveWorkload, replicas: i64) -> (i64, i64) {
    let field = |name| {
        Amount::at(&live.spec, &["updateStrategy", name])
            .or_else(|| Amount::at(&live.spec, &["updateStrategy", "rollingUpdate", name]))
    };
    let surge = field("maxSurge").map_or(0, |amount| amount.of(replicas, Round::Up));
    let round = if surge > 0 { Round::Down } else { Round::Up };
    let unavailable = field("maxUnavailable").unwrap_or(Amount::Percent(20));
    let unavailable = unavailable.of(replicas, round);
    (
        surge,
        if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        },
    )
}

/// How many pods a PodDisruptionBudget lets go of, when all of them are healthy: percentages of
/// both of its fields round up.
pub(super) fn budget(spec: &Value, replicas: i64) -> Option<i64> {
    if let Some(unavailable) = Amount::at(spec, &["maxUnavailable"]) {
        return Some(unavailable.of(replicas, Round::Up));
    }
    let least = Amount::at(spec, &["minAvailable"])?.of(replicas, Round::Up);
    Some((replicas - least).max(0))
}
