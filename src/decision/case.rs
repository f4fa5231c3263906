//! The case of one workload: the questions in the order in which their answers decide.

use jiff::Timestamp;

use super::standing::{Facts, Standing, standing};
use super::{Inputs, Marks, Restart, exclusion};
use crate::config::DriftClass;
use crate::gitops::{Origin, Source};
use crate::mesh::{
    Comparison, Drift, DriftCode, Expectation, ExpectedSidecar, Observation, Revision, Stamp,
};
use crate::reason::{Reason, ReasonCode, Verdict};
use crate::rollout::{self, Effect, Member, Progress};
use crate::snapshot::Pod;

/// What is known of one workload before its verdict.
pub(super) struct Case<'a, 'b> {
    pub(super) inputs: Inputs<'a>,
    pub(super) member: &'b Member<'b>,
    pub(super) origin: Origin<'a>,
    pub(super) expectation: Expectation,
    pub(super) pods: Vec<PodCase<'b>>,
    pub(super) git: Marks,
    pub(super) live: Marks,
}

/// One pod, held against what is expected.
#[derive(Clone)]
pub(super) struct PodCase<'b> {
    pub(super) pod: &'b Pod,
    pub(super) observation: Observation,
    pub(super) comparison: Comparison,
}

impl PodCase<'_> {
    /// Whether another pod would give the same observation: one of the same template, unless the
    /// observation names its pod.
    pub(super) fn tells_of(&self, pod: &Pod) -> bool {
        !matches!(self.observation, Observation::Unknown(_)) && pod.is_like(self.pod)
    }

    fn lacks_its_sidecar(&self) -> bool {
        self.comparison
            .drifts
            .iter()
            .any(|drift| drift.code == DriftCode::SidecarMissing)
    }
}

/// A verdict with its reasons and, where one is due, its restart.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<Reason>,
    pub(super) restart: Option<Restart>,
}

impl Judgement {
    fn new(verdict: Verdict, reasons: Vec<Reason>) -> Self {
        Self {
            verdict,
            reasons,
            restart: None,
        }
    }

    fn because(verdict: Verdict, code: ReasonCode, message: impl Into<String>) -> Self {
        Self::new(verdict, vec![Reason::new(code, message)])
    }
}

impl<'a, 'b> Case<'a, 'b> {
    /// The verdict: the first question that has an answer decides.
    pub(super) fn judge(&self) -> Judgement {
        let early = self
            .proxy_of_others()
            .or_else(|| self.unreadable())
            .or_else(|| self.opted_out());
        early.unwrap_or_else(|| match &self.expectation {
            Expectation::None { why, unserved, .. } => {
                self.without_sidecar(why, unserved.as_deref())
            }
            Expectation::Rejected(reason) => Judgement::new(Verdict::Blocked, vec![reason.clone()]),
            Expectation::Unknown(reason) => Judgement::new(Verdict::Unknown, vec![reason.clone()]),
            Expectation::Sidecar(expected) => self.with_sidecar(expected),
        })
    }

    /// Whether a pod has a drift that the policy restarts on.
    pub(super) fn is_stale(&self, pod: &PodCase<'_>) -> bool {
        pod.comparison
            .drifts
            .iter()
            .any(|drift| self.is_restarted_on(drift))
    }

    /// Whether the workload is in the mesh or should be.
    pub(super) fn is_in_mesh(&self) -> bool {
        let expected = match &self.expectation {
            Expectation::None { unserved, .. } => unserved.is_some(),
            // An injector may select the pods. A snapshot that lacks a kind says so once.
            Expectation::Unknown(reason) => reason.code == ReasonCode::InjectorUnresolvable,
            Expectation::Sidecar(_) | Expectation::Rejected(_) => true,
        };
        expected
            || self
                .pods
                .iter()
                .any(|pod| pod.observation != Observation::None)
    }

    /// The stamp for the expected sidecar, as a first attempt.
    pub(super) fn stamp(&self, expected: &ExpectedSidecar) -> Stamp {
        expected.stamp(&self.inputs.policy.restart_on)
    }

    /// Proxies that istiod or the mesh's own machinery deploys and restarts.
    fn proxy_of_others(&self) -> Option<Judgement> {
        let message = self.pods.iter().find_map(|pod| match &pod.observation {
            Observation::GatewayApi => {
                Some("istiod deploys and restarts it for a Gateway".to_owned())
            }
            Observation::Other { what } => Some(what.clone()),
            _ => None,
        })?;
        Some(Judgement::because(
            Verdict::Excluded,
            ReasonCode::GatewayApiManaged,
            message,
        ))
    }

    /// A pod whose own sidecar cannot be read.
    fn unreadable(&self) -> Option<Judgement> {
        self.pods.iter().find_map(|pod| match &pod.observation {
            Observation::Unknown(reason) => {
                Some(Judgement::new(Verdict::Unknown, vec![reason.clone()]))
            }
            _ => None,
        })
    }

    fn opted_out(&self) -> Option<Judgement> {
        let object = match &self.origin.source {
            Source::Manifest { object, .. } => Some(*object),
            Source::Elsewhere(_) => None,
        };
        if let Some(reason) = exclusion::of(self.inputs, self.member, object) {
            return self
                .is_in_mesh()
                .then(|| Judgement::new(Verdict::Excluded, vec![reason]));
        }
        match &self.expectation {
            Expectation::Sidecar(expected) if expected.custom_image && !self.pods.is_empty() => {
                let message = format!(
                    "the workload chooses its own proxy image, {}",
                    expected.image
                );
                Some(Judgement::because(
                    Verdict::Excluded,
                    ReasonCode::CustomProxyImage,
                    message,
                ))
            }
            _ => None,
        }
    }

    /// No injector would give the pods a sidecar.
    fn without_sidecar(&self, why: &str, unserved: Option<&str>) -> Judgement {
        if self
            .pods
            .iter()
            .any(|pod| matches!(pod.observation, Observation::Static(_)))
        {
            return self.static_sidecar();
        }
        let has_sidecar = self
            .pods
            .iter()
            .any(|pod| matches!(pod.observation, Observation::Sidecar(_)));
        match (unserved, has_sidecar) {
            (Some(label), true) => {
                let message = format!("a restart would leave the pods without a sidecar: {why}");
                let loss = Reason::new(ReasonCode::WouldLoseSidecar, message);
                Judgement::new(Verdict::Blocked, vec![loss, not_installed(label)])
            }
            (Some(label), false) => Judgement::new(Verdict::Manual, vec![not_installed(label)]),
            (None, true)
                if self
                    .inputs
                    .policy
                    .restart_on
                    .contains(&DriftClass::Presence) =>
            {
                let message = format!("a restart removes the sidecar: {why}");
                self.act(None, vec![Reason::new(ReasonCode::SidecarRemoval, message)])
            }
            (None, true) => {
                let message = format!("a restart would remove the sidecar: {why}");
                Judgement::because(Verdict::Tolerated, ReasonCode::WouldLoseSidecar, message)
            }
            (None, false) => Judgement::new(Verdict::UpToDate, Vec::new()),
        }
    }

    /// A sidecar that was written into the manifest: only its version can be compared, with that of
    /// the revision that it names.
    fn static_sidecar(&self) -> Judgement {
        let observed = self.pods.iter().find_map(|pod| match &pod.observation {
            Observation::Static(observed) => Some(observed),
            _ => None,
        });
        let name = observed
            .and_then(|observed| observed.revision.as_deref())
            .unwrap_or("default");
        let revision = self
            .inputs
            .mesh
            .revisions
            .iter()
            .find(|revision| revision.name == name);
        let expected = revision.and_then(|revision| revision.version.as_deref());
        let observed = observed.and_then(|observed| observed.version.as_deref());
        if observed.is_some() && observed == expected {
            return Judgement::new(Verdict::UpToDate, Vec::new());
        }
        let message = format!(
            "the manifest holds a sidecar of version {} and the control plane has {}: run `istioctl kube-inject` again",
            observed.unwrap_or("unknown"),
            expected.unwrap_or("none of that revision"),
        );
        Judgement::because(Verdict::Manual, ReasonCode::StaticSidecar, message)
    }

    /// The pods should have this sidecar.
    fn with_sidecar(&self, expected: &ExpectedSidecar) -> Judgement {
        if let Some(alarm) = self.lost_sidecar_alarm() {
            return alarm;
        }
        if self.pods.is_empty() {
            let reasons = match rollout::effect(self.member) {
                Effect::NothingToDo(reason) => vec![reason],
                _ => Vec::new(),
            };
            return Judgement::new(Verdict::UpToDate, reasons);
        }
        if self.pods.iter().any(|pod| self.is_stale(pod)) {
            return self.act(Some(expected), self.notes());
        }
        if let Some(reason) = self.limit(expected) {
            return Judgement::new(Verdict::Unknown, vec![reason]);
        }
        let drifts = self
            .pods
            .iter()
            .any(|pod| !pod.comparison.drifts.is_empty());
        let verdict = if drifts {
            Verdict::Tolerated
        } else {
            Verdict::UpToDate
        };
        Judgement::new(verdict, Vec::new())
    }

    /// What the policy restarts on and the model could not compute: silence about it would read as
    /// `up-to-date`.
    fn limit(&self, expected: &ExpectedSidecar) -> Option<Reason> {
        let restart_on = &self.inputs.policy.restart_on;
        let (class, why) = expected
            .limits
            .iter()
            .find(|(class, _)| restart_on.contains(class))?;
        let message = format!("{class} cannot be compared: {why}");
        Some(Reason::new(ReasonCode::SnapshotIncomplete, message))
    }

    /// A workload that was restarted by us and has a pod that came back without its sidecar.
    fn lost_sidecar_alarm(&self) -> Option<Judgement> {
        self.live.stamp.as_ref()?;
        let lost = self.lost_pods().next()?;
        let message = format!(
            "pod {} came back without the sidecar that it should have",
            lost.metadata.name
        );
        Some(Judgement::because(
            Verdict::Ineffective,
            ReasonCode::LostSidecar,
            message,
        ))
    }

    /// Pods made since the restart that lack the sidecar that they should have.
    fn lost_pods(&self) -> impl Iterator<Item = &'b Pod> + '_ {
        let since = self.live.restarted_at;
        self.pods
            .iter()
            .filter(|pod| pod.lacks_its_sidecar())
            .map(|pod| pod.pod)
            .filter(move |pod| is_made_since(pod, since))
    }

    /// A reason that names an operator's object, with where that stands.
    fn with_owner(&self, reason: &Reason) -> Reason {
        let Some(owner) = self
            .member
            .operator
            .as_ref()
            .filter(|_| reason.code == ReasonCode::OperatorOwned)
        else {
            return reason.clone();
        };
        let place = match self.inputs.deliveries.place_of(owner) {
            Some(place) => format!("{} is at {place}", owner.kind),
            None => format!("{} is not in the repository", owner.kind),
        };
        Reason::new(reason.code, format!("{}; the {place}", reason.message))
    }

    /// A stale workload: what is to be done, by the table of `design.md` §2.
    ///
    /// `expected` is none where a restart removes the sidecar.
    fn act(&self, expected: Option<&ExpectedSidecar>, mut reasons: Vec<Reason>) -> Judgement {
        let stale = self
            .pods
            .iter()
            .filter(|pod| self.is_stale(pod))
            .map(|pod| pod.pod);
        let effect = rollout::effect_on(self.member, &stale.collect::<Vec<_>>());
        if let Effect::None(reason) | Effect::NothingToDo(reason) = &effect {
            let verdict = match reason.code {
                ReasonCode::GatewayApiManaged => Verdict::Excluded,
                _ => Verdict::Manual,
            };
            reasons.insert(0, self.with_owner(reason));
            return Judgement::new(verdict, reasons);
        }
        let stamp = expected.map_or_else(Stamp::removal, |sidecar| self.stamp(sidecar));
        let unsettled = expected
            .map(|sidecar| self.unsettled(sidecar))
            .unwrap_or_default();
        let progress = rollout::progress(self.member);
        let standing = standing(&Facts {
            expected: &stamp,
            git: &self.git_as_delivered(),
            live: &self.live,
            progress: &progress,
            lost_sidecar: self.lost_pods().next().is_some(),
            settled_at: expected.and_then(|sidecar| sidecar.settled_at),
            retry: self.inputs.retry,
        });
        match standing {
            Standing::Pending => self.pending(reasons),
            Standing::Rolling => rolling(&progress, reasons),
            Standing::Ineffective if !unsettled.is_empty() => held(unsettled, reasons),
            Standing::Ineffective => self.ineffective(expected, reasons),
            Standing::TooEarly(stamp) => {
                let message =
                    "it was restarted before the control plane had settled and came back stale";
                reasons.insert(0, Reason::new(ReasonCode::RestartedTooEarly, message));
                self.restart(Restart { effect, stamp }, unsettled, &progress, reasons)
            }
            Standing::Due(stamp) => {
                self.restart(Restart { effect, stamp }, unsettled, &progress, reasons)
            }
        }
    }

    /// What of Git's marks the engine delivers: a key that it withholds says nothing.
    fn git_as_delivered(&self) -> Marks {
        let mut marks = self.git.clone();
        let withheld = self
            .origin
            .delivery
            .iter()
            .flat_map(|delivery| &delivery.withheld);
        for key in withheld {
            if self.inputs.policy.annotations.restarted_at.as_ref() == Some(key) {
                marks.restarted_at = None;
            }
        }
        marks
    }

    /// A restart is due: who can make it, and does a gate hold it?
    fn restart(
        &self,
        restart: Restart,
        unsettled: Vec<Reason>,
        progress: &Progress,
        mut reasons: Vec<Reason>,
    ) -> Judgement {
        if let Source::Elsewhere(reason) = &self.origin.source {
            let verdict = match reason.code {
                ReasonCode::UnparsableManifest => Verdict::Unknown,
                _ => Verdict::Manual,
            };
            reasons.insert(0, reason.clone());
            return Judgement::new(verdict, reasons);
        }
        let gate = match progress {
            Progress::Running { message } => {
                vec![Reason::new(ReasonCode::RolloutInProgress, message.clone())]
            }
            Progress::Stuck { message } => {
                vec![Reason::new(ReasonCode::WorkloadUnhealthy, message.clone())]
            }
            Progress::Finished => unsettled,
        };
        let restart = Some(restart);
        if gate.is_empty() {
            Judgement {
                verdict: Verdict::Restart,
                reasons,
                restart,
            }
        } else {
            Judgement {
                restart,
                ..held(gate, reasons)
            }
        }
    }

    fn pending(&self, mut reasons: Vec<Reason>) -> Judgement {
        let blockers = self
            .origin
            .delivery
            .iter()
            .flat_map(|delivery| &delivery.blockers);
        let blocked = blockers.map(|blocker| {
            let message = format!("{}: {}", blocker.object, blocker.message);
            Reason::new(ReasonCode::DeliveryBlocked, message)
        });
        let mut causes: Vec<Reason> = blocked.collect();
        if causes.is_empty() {
            let message = "the restart is in Git and not yet in the cluster";
            causes.push(Reason::new(ReasonCode::AwaitingDelivery, message));
        }
        reasons.splice(0..0, causes);
        Judgement::new(Verdict::Pending, reasons)
    }

    /// Restarted, finished and still stale: something else decides.
    fn ineffective(
        &self,
        sidecar: Option<&ExpectedSidecar>,
        mut reasons: Vec<Reason>,
    ) -> Judgement {
        let drifts = self.pods.iter().flat_map(|pod| &pod.comparison.drifts);
        let found = drifts.filter(|drift| self.is_restarted_on(drift)).min();
        let (observed, expected) = found.map_or(("?", "?"), |drift| {
            (drift.observed.as_str(), drift.expected.as_str())
        });
        let settled = sidecar.and_then(|sidecar| sidecar.settled_at);
        let since = settled
            .map(|time| format!(", although the control plane settled at {time}"))
            .unwrap_or_default();
        let message = format!("its pods came back with {observed} and not {expected}{since}");
        reasons.insert(0, Reason::new(ReasonCode::NonConverging, message));
        Judgement::new(Verdict::Ineffective, reasons)
    }

    /// Why a pod that starts now may not get the expected sidecar; nothing where it surely does.
    fn unsettled(&self, expected: &ExpectedSidecar) -> Vec<Reason> {
        let cannot_be_told = || {
            let message = format!(
                "whether revision {} is settled cannot be told",
                expected.revision
            );
            vec![Reason::new(ReasonCode::ControlPlaneNotSettled, message)]
        };
        match self.revision(expected) {
            Some(revision) if revision.settled => Vec::new(),
            Some(revision) if !revision.reasons.is_empty() => revision.reasons.clone(),
            _ => cannot_be_told(),
        }
    }

    fn revision(&self, expected: &ExpectedSidecar) -> Option<&'a Revision> {
        self.inputs.mesh.revisions.iter().find(|revision| {
            revision.name == expected.revision && revision.namespace == expected.control_plane
        })
    }

    /// What else is to be said: overlapping injectors, downgrades, skew.
    fn notes(&self) -> Vec<Reason> {
        let mut notes: Vec<Reason> = self
            .pods
            .iter()
            .flat_map(|pod| pod.comparison.reasons.iter().cloned())
            .collect();
        notes.sort();
        notes.dedup();
        notes
    }

    /// Whether the policy restarts on a drift. A workload with some pods with and some without the
    /// sidecar is never tolerated.
    fn is_restarted_on(&self, drift: &Drift) -> bool {
        self.inputs.policy.restart_on.contains(&drift.class)
            || (drift.code == DriftCode::SidecarMissing && self.is_mixed())
    }

    fn is_mixed(&self) -> bool {
        let without = self
            .pods
            .iter()
            .filter(|pod| pod.lacks_its_sidecar())
            .count();
        without > 0 && without < self.pods.len()
    }
}

fn rolling(progress: &Progress, mut reasons: Vec<Reason>) -> Judgement {
    if let Progress::Stuck { message } = progress {
        reasons.insert(
            0,
            Reason::new(ReasonCode::WorkloadUnhealthy, message.clone()),
        );
    }
    Judgement::new(Verdict::Rolling, reasons)
}

fn held(gate: Vec<Reason>, mut reasons: Vec<Reason>) -> Judgement {
    reasons.splice(0..0, gate);
    Judgement::new(Verdict::Held, reasons)
}

fn not_installed(label: &str) -> Reason {
    let message =
        format!("{label} names a revision or tag that no injector serves: relabel, then restart");
    Reason::new(ReasonCode::RevisionNotInstalled, message)
}

/// Whether a pod was made since a restart; it counts as such where either time is unknown.
pub(super) fn is_made_since(pod: &Pod, restarted_at: Option<Timestamp>) -> bool {
    match (pod.metadata.creation_timestamp, restarted_at) {
        (Some(created), Some(restarted_at)) => created >= restarted_at,
        _ => true,
    }
}
