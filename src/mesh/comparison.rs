//! `Comparison`: expectation against observation, presence included; what `decision` starts from.

use super::drift::drifts;
use super::expected::ExpectedSidecar;
use super::observed::{Observation, ObservedSidecar};
use super::version::Version;
use super::{Drift, DriftCode, Expectation};
use crate::config::DriftClass;
use crate::reason::{Reason, ReasonCode};

/// One pod: what differs, and what a decision about it must weigh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Where the pod stands with respect to the mesh.
    pub standing: Standing,
    /// What differs, sorted by code.
    pub drifts: Vec<Drift>,
    /// Facts of the mesh that speak for or against a restart, sorted by code.
    pub reasons: Vec<Reason>,
}

/// Where a pod stands with respect to the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It has no sidecar and would get none.
    Outside,
    /// It has a sidecar or would get one.
    InMesh,
    /// Its proxy is restarted by others.
    Foreign,
    /// It cannot be told what it would get, or what it has.
    Undecided,
    /// The injector would refuse it.
    Refused,
}

/// Compares what a pod has with what its replacement would get.
#[must_use]
pub fn compare(expectation: &Expectation, observation: &Observation) -> Comparison {
    let mut comparison = match (expectation, observation) {
        (_, Observation::GatewayApi) => foreign(Reason::new(
            ReasonCode::GatewayApiManaged,
            "istiod deploys and restarts this proxy for a Gateway",
        )),
        (_, Observation::Other { .. }) => Comparison::of(Standing::Foreign),
        (_, Observation::Unknown(reason)) => undecided(reason),
        (Expectation::None { why, unserved, .. }, observation) => {
            without(why, unserved.as_deref(), observation)
        }
        (Expectation::Rejected(reason), _) => Comparison {
            reasons: vec![reason.clone()],
            ..Comparison::of(Standing::Refused)
        },
        (Expectation::Unknown(reason), _) => undecided(reason),
        (Expectation::Sidecar(expected), observation) => with(expected, observation),
    };
    comparison.drifts.sort();
    comparison.reasons.sort();
    comparison
}

impl Comparison {
    fn of(standing: Standing) -> Self {
        Self {
            standing,
            drifts: Vec::new(),
            reasons: Vec::new(),
        }
    }
}

fn foreign(reason: Reason) -> Comparison {
    Comparison {
        reasons: vec![reason],
        ..Comparison::of(Standing::Foreign)
    }
}

fn undecided(reason: &Reason) -> Comparison {
    Comparison {
        reasons: vec![reason.clone()],
        ..Comparison::of(Standing::Undecided)
    }
}

/// No sidecar is expected.
fn without(why: &str, unserved: Option<&str>, observation: &Observation) -> Comparison {
    let mut comparison = Comparison::of(Standing::Outside);
    if let Some(label) = unserved {
        comparison.reasons.push(Reason::new(
            ReasonCode::RevisionNotInstalled,
            format!("label {label} names a revision or tag that no injector serves"),
        ));
    }
    match observation {
        Observation::Sidecar(observed) => {
            comparison.standing = Standing::InMesh;
            comparison.drifts.push(Drift {
                code: DriftCode::SidecarUnexpected,
                class: DriftClass::Presence,
                observed: in_words(observed),
                expected: "none".to_owned(),
            });
            comparison.reasons.push(Reason::new(
                ReasonCode::WouldLoseSidecar,
                format!("a restart would remove the sidecar: {why}"),
            ));
        }
        Observation::Static(_) => {
            comparison.standing = Standing::InMesh;
            comparison.reasons.push(Reason::new(
                ReasonCode::StaticSidecar,
                "the sidecar is part of the manifest, and no injector selects the pods",
            ));
        }
        _ => {}
    }
    comparison
}

/// A sidecar is expected.
fn with(expected: &ExpectedSidecar, observation: &Observation) -> Comparison {
    let mut comparison = Comparison::of(Standing::InMesh);
    if !expected.overlap.is_empty() {
        let others = expected.overlap.join(", ");
        comparison.reasons.push(Reason::new(
            ReasonCode::InjectorsOverlap,
            format!(
                "{others} select the pods too; revision {} wins",
                expected.revision
            ),
        ));
    }
    if expected.custom_image {
        comparison.reasons.push(Reason::new(
            ReasonCode::CustomProxyImage,
            format!("the workload asks for the proxy image {}", expected.image),
        ));
    }
    match observation {
        // What kube-inject wrote is stripped and injected again where an injector selects it.
        Observation::Sidecar(observed) | Observation::Static(observed) => {
            comparison.drifts = drifts(expected, observed);
            comparison.reasons.extend(downgrade(expected, observed));
        }
        _ => comparison.drifts.push(Drift {
            code: DriftCode::SidecarMissing,
            class: DriftClass::Presence,
            observed: "none".to_owned(),
            expected: match &expected.version {
                Some(version) => format!("{version} of revision {}", expected.revision),
                None => format!("revision {}", expected.revision),
            },
        }),
    }
    comparison
}

fn in_words(observed: &ObservedSidecar) -> String {
    let version = observed.version.as_deref().or(observed.image.as_deref());
    match (version, observed.revision.as_deref()) {
        (Some(version), Some(revision)) => format!("{version} of revision {revision}"),
        (Some(version), None) => version.to_owned(),
        (None, Some(revision)) => format!("revision {revision}"),
        (None, None) => "a sidecar".to_owned(),
    }
}

/// An expected proxy that is older than the running one.
fn downgrade(expected: &ExpectedSidecar, observed: &ObservedSidecar) -> Option<Reason> {
    let version = |text: &Option<String>| Version::parse(text.as_deref()?);
    let (new, old) = (version(&expected.version)?, version(&observed.version)?);
    new.is_older_than(&old).then(|| {
        Reason::new(
            ReasonCode::Downgrade,
            format!("the proxy runs {old} and would go back to {new}"),
        )
    })
}
