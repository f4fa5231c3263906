//! Waves: verdicts and policy become a [`RestartPlan`]: which restarts are open now.
//!
//! Without configured waves all workloads form one wave, `all`.

use crate::config::Policy;
use crate::decision::{Decision, Restart};
use crate::reason::{Reason, ReasonCode, Verdict};

/// Name of the only wave.
pub const ALL: &str = "all";

/// What is to be done, workload by workload.
#[derive(Debug, Clone)]
pub struct RestartPlan<'a> {
    /// Every workload, sorted by namespace, kind and name.
    pub workloads: Vec<PlannedWorkload<'a>>,
}

/// A workload, its final verdict and its wave.
#[derive(Debug, Clone)]
pub struct PlannedWorkload<'a> {
    /// What was decided; its verdict is final.
    pub decision: Decision<'a>,
    /// Name of its wave.
    pub wave: &'static str,
    /// Whether its restart stays in the branch that has it already, though it is not open now: a
    /// hold never takes an edit out (`design.md` §8).
    pub kept: bool,
}

/// Puts workloads into waves and holds what is not open.
#[must_use]
pub fn schedule<'a>(decisions: Vec<Decision<'a>>, policy: &Policy) -> RestartPlan<'a> {
    let workloads = decisions.into_iter().map(|mut decision| {
        if let (Some(why), Verdict::Restart) = (&policy.halt, decision.verdict) {
            decision.verdict = Verdict::Held;
            decision
                .reasons
                .insert(0, Reason::new(ReasonCode::Halted, why.clone()));
        }
        PlannedWorkload {
            decision,
            wave: ALL,
            kept: false,
        }
    });
    RestartPlan {
        workloads: workloads.collect(),
    }
}

impl RestartPlan<'_> {
    /// Positions of the workloads that are restarted by this plan.
    pub fn restarts(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.workloads.len())
            .filter(|&position| self.verdict(position) == Some(Verdict::Restart))
    }

    /// Positions of the workloads whose restarts are written: those of this plan, and those that a
    /// branch keeps.
    pub fn written(&self) -> impl Iterator<Item = usize> + '_ {
        let is_written = |workload: &PlannedWorkload<'_>| {
            workload.kept || workload.decision.verdict == Verdict::Restart
        };
        let workloads = self.workloads.iter().enumerate();
        workloads
            .filter(move |(_, workload)| is_written(workload))
            .map(|(position, _)| position)
    }

    /// Holds a restart, for this reason.
    pub fn hold(&mut self, position: usize, reason: Reason) {
        if let Some(workload) = self.workloads.get_mut(position) {
            workload.decision.verdict = Verdict::Held;
            workload.decision.reasons.insert(0, reason);
        }
    }

    /// Keeps a restart that the wave's branch has already.
    pub fn keep(&mut self, position: usize, restart: Restart) {
        if let Some(workload) = self.workloads.get_mut(position) {
            workload.kept = true;
            workload.decision.restart = Some(restart);
        }
    }

    fn verdict(&self, position: usize) -> Option<Verdict> {
        self.workloads
            .get(position)
            .map(|workload| workload.decision.verdict)
    }

    /// Turns a restart whose edit was refused into `manual`. Its slot is given to no other workload
    /// in the same run.
    pub fn refuse(&mut self, position: usize, reason: Reason) {
        if let Some(workload) = self.workloads.get_mut(position) {
            workload.kept = false;
            workload.decision.verdict = Verdict::Manual;
            workload.decision.reasons.insert(0, reason);
        }
    }

    /// Why the plan is too large to be written without being asked twice, if it is.
    ///
    /// More than 30 % of the meshed workloads, and more than 10, stale for other reasons than
    /// version or revision is more likely a fault of the input than of the mesh (`design.md` §10,
    /// *the brake*).
    #[must_use]
    pub fn brake(&self) -> Option<String> {
        let meshed = self
            .workloads
            .iter()
            .filter(|workload| workload.decision.in_mesh)
            .count();
        let suspicious = self
            .workloads
            .iter()
            .filter(|workload| is_suspicious(&workload.decision))
            .count();
        (suspicious > 10 && suspicious * 10 > meshed * 3).then(|| {
            format!("{suspicious} of {meshed} meshed workloads are stale for reasons other than version or revision")
        })
    }
}

/// Whether a workload is to be restarted, and neither its version nor its revision is why.
fn is_suspicious(decision: &Decision<'_>) -> bool {
    use crate::config::DriftClass;
    let explained = decision.drifts.iter().any(|count| {
        matches!(
            count.drift.class,
            DriftClass::Version | DriftClass::Revision
        )
    });
    decision.verdict == Verdict::Restart && !explained
}

#[cfg(test)]
mod tests {
    use super::{RestartPlan, schedule};
    use crate::config::{DriftClass, Policy};
    use crate::decision::{Decision, DriftCount, PodCounts, Stamps};
    use crate::manifest::ObjectRef;
    use crate::mesh::{Drift, DriftCode};
    use crate::reason::{Reason, ReasonCode, Verdict};

    fn decision(name: &str, verdict: Verdict, class: DriftClass) -> Decision<'static> {
        let drift = Drift {
            code: DriftCode::ProxyConfigDiffers,
            class,
            observed: "a".into(),
            expected: "b".into(),
        };
        Decision {
            reference: ObjectRef::new("apps", "Deployment", "shop", name),
            api_version: "apps/v1".into(),
            verdict,
            reasons: Vec::new(),
            drifts: vec![DriftCount { drift, pods: 1 }],
            pods: PodCounts::default(),
            stamps: Stamps::default(),
            manifest: None,
            delivery: None,
            risks: Vec::new(),
            restart: None,
            in_mesh: true,
        }
    }

    /// A plan of so many restarts for a class, and so many workloads that are up to date.
    fn plan(restarts: usize, class: DriftClass, up_to_date: usize) -> RestartPlan<'static> {
        let restarts = (0..restarts).map(|n| decision(&format!("r{n}"), Verdict::Restart, class));
        let rest = (0..up_to_date).map(|n| decision(&format!("u{n}"), Verdict::UpToDate, class));
        schedule(restarts.chain(rest).collect(), &Policy::default())
    }

    #[test]
    fn the_brake_stops_what_neither_version_nor_revision_explains() {
        assert!(plan(11, DriftClass::Config, 10).brake().is_some());
        assert_eq!(
            plan(10, DriftClass::Config, 0).brake(),
            None,
            "not more than ten"
        );
        assert_eq!(
            plan(12, DriftClass::Config, 28).brake(),
            None,
            "not more than 30 %"
        );
        assert!(plan(12, DriftClass::Config, 27).brake().is_some());
        assert_eq!(plan(500, DriftClass::Version, 0).brake(), None);
        assert_eq!(plan(500, DriftClass::Revision, 0).brake(), None);
    }

    #[test]
    fn halted_holds_every_restart_and_nothing_else() {
        let policy = Policy {
            halt: Some("incident 42".into()),
            ..Policy::default()
        };
        let decisions = vec![
            decision("a", Verdict::Restart, DriftClass::Version),
            decision("b", Verdict::Manual, DriftClass::Version),
        ];
        let plan = schedule(decisions, &policy);
        let verdicts: Vec<_> = plan
            .workloads
            .iter()
            .map(|planned| planned.decision.verdict)
            .collect();
        assert_eq!(verdicts, [Verdict::Held, Verdict::Manual]);
        let halted = Reason::new(ReasonCode::Halted, "incident 42");
        assert_eq!(plan.workloads[0].decision.reasons, [halted]);
    }

    #[test]
    fn a_refused_edit_makes_its_workload_manual() {
        let mut plan = plan(2, DriftClass::Version, 0);
        plan.refuse(1, Reason::new(ReasonCode::UneditableManifest, "an alias"));
        assert_eq!(plan.restarts().collect::<Vec<_>>(), [0]);
        assert_eq!(plan.workloads[1].decision.verdict, Verdict::Manual);
        assert_eq!(
            plan.workloads[1].decision.reasons[0].code,
            ReasonCode::UneditableManifest
        );
    }
}
