//! Waves: verdicts and policy become a [`RestartPlan`]: which restarts are open now.
//!
//! Without configured waves all workloads form one wave, `all`.

use std::collections::BTreeMap;

use crate::config::Policy;
use crate::decision::Decision;
use crate::diagnostic::Code as _;
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

    fn verdict(&self, position: usize) -> Option<Verdict> {
        self.workloads
            .get(position)
            .map(|workload| workload.decision.verdict)
    }

    /// Turns a restart whose edit was refused into `manual`. Its slot is given to no other workload
    /// in the same run.
    pub fn refuse(&mut self, position: usize, reason: Reason) {
        if let Some(workload) = self.workloads.get_mut(position) {
            workload.decision.verdict = Verdict::Manual;
            workload.decision.reasons.insert(0, reason);
        }
    }

    /// How many workloads have each verdict; every verdict is there.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<Verdict, usize> {
        let mut summary: BTreeMap<Verdict, usize> =
            Verdict::ALL.iter().map(|verdict| (*verdict, 0)).collect();
        for workload in &self.workloads {
            *summary.entry(workload.decision.verdict).or_default() += 1;
        }
        summary
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
