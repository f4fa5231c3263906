//! Decisions: everything that is known of a workload becomes its one verdict, with reasons.
//!
//! The state machine is that of `design.md` §2; the verdicts and reason codes are those of §4.
//! Every workload with a sidecar, or due one, gets exactly one [`Decision`]; when the tool cannot
//! know, the verdict says so and nothing is done.

mod carry;
mod case;
mod exclusion;
mod judge;
mod marks;
mod oracle;
mod standing;
mod template;

use jiff::Timestamp;
use rayon::prelude::{IntoParallelRefIterator as _, ParallelIterator as _};

pub use carry::{Carried, carry};
pub use marks::Marks;
pub(crate) use marks::is_argo_rollout;
pub use oracle::{Verification, verify};

use crate::config::Policy;
use crate::diagnostic::Diagnostic;
use crate::gitops::{Delivery, DeliveryMap};
use crate::manifest::{ManifestFile, Object, ObjectRef};
use crate::mesh::{Drift, Explanation, Mesh, Stamp};
use crate::reason::{Reason, Verdict};
use crate::rollout::{Effect, Member, Risk};
use crate::snapshot::{ClusterSnapshot, Gaps};

/// Everything that decisions are made from.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What the user wants.
    pub policy: &'a Policy,
    /// The cluster.
    pub snapshot: &'a ClusterSnapshot,
    /// What the snapshot does not hold.
    pub gaps: &'a Gaps,
    /// Its mesh.
    pub mesh: &'a Mesh,
    /// Where its workloads come from.
    pub deliveries: &'a DeliveryMap<'a>,
    /// The time that is planned for.
    pub now: Timestamp,
    /// Whether workloads that came back stale are restarted once more.
    pub retry: bool,
}

/// What is said of one workload.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    /// Identity.
    pub reference: ObjectRef,
    /// `apiVersion` of the live object.
    pub api_version: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, the deciding reason first.
    pub reasons: Vec<Reason>,
    /// Differences between what its pods have and what they would get, sorted by code.
    pub drifts: Vec<DriftCount>,
    /// How many pods count, and how many of them are stale.
    pub pods: PodCounts,
    /// What it would be, was and is restarted for.
    pub stamps: Stamps,
    /// The manifest that makes it.
    pub manifest: Option<(&'a ManifestFile, &'a Object)>,
    /// The engine that carries its manifest.
    pub delivery: Option<Delivery>,
    /// What a restart puts at risk.
    pub risks: Vec<Risk>,
    /// The restart to write; present exactly when the verdict is `restart` or a gate holds one.
    pub restart: Option<Restart>,
    /// Whether it is in the mesh or should be.
    pub in_mesh: bool,
}

/// One difference and the number of pods that have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriftCount {
    /// The difference.
    pub drift: Drift,
    /// How many pods have it.
    pub pods: usize,
}

/// Pods of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// Pods that count (`design.md` §2).
    pub total: usize,
    /// Pods with a drift that the policy restarts on.
    pub stale: usize,
}

/// The stamps of a workload, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps {
    /// The stamp that a restart now would write.
    pub expected: Option<Stamp>,
    /// The stamp in its manifest.
    pub git: Option<String>,
    /// The stamp of its live template.
    pub live: Option<String>,
}

/// A restart to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// What makes the pods restart: [`Effect::TemplateAnnotation`] or [`Effect::RestartAt`].
    pub effect: Effect,
    /// The stamp to write.
    pub stamp: Stamp,
}

/// Decides every workload of the cluster, sorted by namespace, kind and name.
#[must_use]
pub fn decide<'a>(
    inputs: Inputs<'a>,
    members: &[Member<'_>],
) -> (Vec<Decision<'a>>, Vec<Diagnostic>) {
    let judged: Vec<_> = members
        .par_iter()
        .map(|member| judge::judge(inputs, member))
        .collect();
    let (mut decisions, mut diagnostics) = (Vec::with_capacity(judged.len()), Vec::new());
    for (decision, mut found) in judged {
        decisions.push(decision);
        diagnostics.append(&mut found);
    }
    decisions.sort_by(|a, b| a.reference.sort_key().cmp(&b.reference.sort_key()));
    (decisions, diagnostics)
}

/// One workload's decision with the whole chain of reasoning about its injection; no chain where
/// there is no template to reason about.
#[must_use]
pub fn explain<'a>(inputs: Inputs<'a>, member: &Member<'_>) -> (Decision<'a>, Option<Explanation>) {
    let (decision, _) = judge::judge(inputs, member);
    (decision, judge::explanation(inputs, member))
}
