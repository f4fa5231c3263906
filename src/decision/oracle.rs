//! The oracle: where a dry run of the same template was made, what it gave is expected, and not
//! what the model computes.

use super::case::is_made_since;
use super::{Inputs, Marks};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{ObjectRef, PodTemplate};
use crate::mesh::{Agreement, Expectation, Mesh, Observation, Verified, observe_in};
use crate::reason::{Reason, ReasonCode};
use crate::rollout::{self, Member};
use crate::snapshot::{ClusterSnapshot, InjectionOutcome, Pod, template_digest};

/// How the model stands to the dry runs of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many dry runs gave what the model computes.
    pub agreed: usize,
    /// Of how many that cannot be told: they gave no pod, the template changed meanwhile, or the
    /// model has no answer.
    pub untold: usize,
    /// Those that gave something else, in the order of their workloads.
    pub disagreements: Vec<Diagnostic>,
}

/// Holds the model against every dry run of a snapshot, by the live templates that they were made
/// from.
#[must_use]
pub fn verify(mesh: &Mesh, snapshot: &ClusterSnapshot) -> Verification {
    let mut verification = Verification::default();
    for member in rollout::members(snapshot) {
        let workload = &member.reference;
        if snapshot.injection(workload).is_none() {
            continue;
        }
        let template = member.live.and_then(|live| live.template.as_ref());
        let pod =
            template.and_then(|template| Some((answer(snapshot, workload, template)?, template)));
        let Some((pod, template)) = pod else {
            verification.untold += 1;
            continue;
        };
        let namespace = snapshot.namespaces.get(&workload.namespace);
        let labels = namespace.map(|metadata| &metadata.labels);
        let controller_labels = member.controller_labels();
        let model = mesh.expect(&workload.namespace, labels, template, &controller_labels);
        match mesh.verify(&model, pod, template).agreement {
            Agreement::Agrees => verification.agreed += 1,
            Agreement::Untold(_) => verification.untold += 1,
            Agreement::Disagrees(words) => {
                verification.disagreements.push(disagrees(workload, &words));
            }
        }
    }
    verification
}

/// What the next pod of a template gets, by the dry run of that template where there is one.
pub(super) fn preferred(
    inputs: Inputs<'_>,
    member: &Member<'_>,
    template: &PodTemplate,
    model: Expectation,
) -> (Expectation, Option<Diagnostic>) {
    if let Some(refused) = refusal(inputs.snapshot, &member.reference, template)
        && matches!(model, Expectation::Sidecar(_))
    {
        return (Expectation::Rejected(refused), None);
    }
    let Some(pod) = answer(inputs.snapshot, &member.reference, template) else {
        let other = of_another_template(inputs.snapshot, &member.reference);
        return (model, other);
    };
    let Verified {
        expectation,
        agreement,
    } = inputs.mesh.verify(&model, pod, template);
    let diagnostic = match agreement {
        Agreement::Disagrees(words) => Some(disagrees(&member.reference, &words)),
        Agreement::Agrees | Agreement::Untold(_) => None,
    };
    let came_without = matches!(expectation, Expectation::None { .. });
    let expectation = match &model {
        Expectation::Sidecar(_) if came_without => {
            without_sidecar(inputs, member, model, expectation)
        }
        // A pod without a sidecar says nothing of why: a control plane that is down may be it.
        Expectation::Unknown(_) | Expectation::Rejected(_) if came_without => model,
        _ => expectation,
    };
    (expectation, diagnostic)
}

/// What is expected where the model has a sidecar and the dry run none.
fn without_sidecar(
    inputs: Inputs<'_>,
    member: &Member<'_>,
    model: Expectation,
    none: Expectation,
) -> Expectation {
    let template = member.template();
    let has_sidecar = |pod: &&Pod| matches!(observe_in(pod, template), Observation::Sidecar(_));
    let keys = &inputs.policy.annotations;
    let live = member.live.map(|live| Marks::live(live, keys));
    let is_lost = |marks: &Marks| {
        let made_since = |pod: &&Pod| is_made_since(pod, marks.restarted_at);
        let mut pods = member.pods.iter().copied().filter(made_since);
        marks.stamp.is_some() && pods.any(|pod| !has_sidecar(&pod))
    };
    if live.as_ref().is_some_and(is_lost) {
        // A restart of ours lost the sidecar: that alarm is the model's to give.
        return model;
    }
    if member.pods.iter().copied().any(|pod| has_sidecar(&pod)) {
        // Nobody switched injection off, as far as the model can tell: this is harm, not intent.
        let message = "a restart would leave the pods without a sidecar: the dry run of the next pod came back without one";
        return Expectation::Rejected(Reason::new(ReasonCode::WouldLoseSidecar, message));
    }
    none
}

/// The pod that a dry run of this very template gave.
fn answer<'s>(
    snapshot: &'s ClusterSnapshot,
    workload: &ObjectRef,
    template: &PodTemplate,
) -> Option<&'s Pod> {
    let injection = snapshot.injection(workload)?;
    match &injection.outcome {
        InjectionOutcome::Created(pod) if injection.template == template_digest(template) => {
            Some(pod)
        }
        _ => None,
    }
}

/// Why the API server refuses the next pod of this very template: a restart's pod would be refused as
/// well.
fn refusal(
    snapshot: &ClusterSnapshot,
    workload: &ObjectRef,
    template: &PodTemplate,
) -> Option<Reason> {
    let injection = snapshot.injection(workload)?;
    let InjectionOutcome::Refused { code, message } = &injection.outcome else {
        return None;
    };
    (injection.template == template_digest(template)).then(|| {
        let message = format!("the dry run of its next pod is refused with {code}: {message}");
        Reason::new(ReasonCode::WouldBeRejected, message)
    })
}

/// Says that the dry run of a workload is of no use here; one that gave no pod is told of already.
fn of_another_template(snapshot: &ClusterSnapshot, workload: &ObjectRef) -> Option<Diagnostic> {
    let injection = snapshot.injection(workload)?;
    matches!(injection.outcome, InjectionOutcome::Created(_)).then(|| {
        let message = format!(
            "the dry run of the next pod of {workload} was made from another template; the plan goes by the model"
        );
        Diagnostic::info(DiagnosticCode::OracleUnanswered, message)
    })
}

fn disagrees(workload: &ObjectRef, words: &str) -> Diagnostic {
    let message = format!("{workload}: the model and the dry run of its next pod differ: {words}");
    Diagnostic::warning(DiagnosticCode::OracleDisagrees, message)
        .hint("the plan goes by the dry run; `meshroll plan --verify-oracle` compares all of them")
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;
