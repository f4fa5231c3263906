//! Explanations: one workload's whole reasoning, or what a code means.

use super::for_terminal;
use crate::config::DriftClass;
use crate::decision::{Decision, DriftCount};
use crate::diagnostic::{Code, DiagnosticCode};
use crate::gitops::BlockerCode;
use crate::manifest::StringMap;
use crate::mesh::{Drift, DriftCode, Expectation, Explanation, Match};
use crate::reason::{ReasonCode, Verdict};
use crate::rollout::RiskCode;

/// What a code of any output means, whatever its case, one paragraph for each set that has it; none
/// for no code.
#[must_use]
pub fn code(code: &str) -> Option<String> {
    let code = &*code.to_ascii_lowercase();
    let found: Vec<String> = [
        meaning::<Verdict>("verdict", code),
        meaning::<ReasonCode>("reason", code),
        meaning::<DriftCode>("drift", code),
        meaning::<DriftClass>("class of drift", code),
        meaning::<RiskCode>("risk", code),
        meaning::<BlockerCode>("delivery blocker", code),
        meaning::<DiagnosticCode>("diagnostic", code),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

fn meaning<C: Code>(set: &str, code: &str) -> Option<String> {
    let member = C::from_code(code)?;
    Some(format!("{code} ({set})\n  {}\n", member.meaning()))
}

/// One workload's whole reasoning, from its labels to its verdict.
#[must_use]
pub fn workload(decision: &Decision<'_>, explanation: Option<&Explanation>) -> String {
    let mut text = Text::default();
    text.line(0, &format!("{}: {}", decision.reference, decision.verdict));
    for reason in &decision.reasons {
        text.line(1, &format!("{}: {}", reason.code, reason.message));
    }
    text.line(
        0,
        &format!(
            "pods: {}, stale {}",
            decision.pods.total, decision.pods.stale
        ),
    );
    for DriftCount { drift, pods } in &decision.drifts {
        let Drift {
            code,
            class,
            observed,
            expected,
        } = drift;
        text.line(
            1,
            &format!("{code} ({class}), {pods} pods: {observed} → {expected}"),
        );
    }
    if let Some(explanation) = explanation {
        injection(&mut text, explanation);
    }
    delivery(&mut text, decision);
    text.0
}

/// Lines, indented and safe for a terminal.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, depth: usize, line: &str) {
        let indent = "  ".repeat(depth);
        self.0
            .push_str(&format!("{indent}{}\n", for_terminal(line)));
    }

    fn labels(&mut self, title: &str, labels: &StringMap) {
        self.line(0, title);
        for (key, value) in labels {
            self.line(1, &format!("{key}={value}"));
        }
    }
}

/// The chain from labels over webhooks to the image.
fn injection(text: &mut Text, explanation: &Explanation) {
    text.labels("labels of the namespace:", &explanation.namespace_labels);
    text.labels("labels of the pods:", &explanation.pod_labels);
    text.line(
        0,
        "injector webhooks, in the order in which the API server calls them:",
    );
    for called in &explanation.webhooks {
        let revision = match &called.revision {
            Ok(revision) => format!("revision {revision}"),
            Err(why) => why.clone(),
        };
        let outcome = match (&called.outcome, &called.refusal) {
            (Match::Called, None) => "called".to_owned(),
            (Match::Called, Some(why)) => format!("called, and leaves the pod alone: {why}"),
            (Match::NamespaceNotSelected(unmet), _) => {
                format!("not called: the namespace does not meet {unmet}")
            }
            (Match::PodNotSelected(unmet), _) => {
                format!("not called: the pod does not meet {unmet}")
            }
            (Match::Undecided(why), _) => format!("cannot be told: {why}"),
        };
        text.line(
            1,
            &format!(
                "{}/{} ({revision}): {outcome}",
                called.configuration, called.webhook
            ),
        );
    }
    text.line(
        0,
        &format!(
            "injector: {}",
            explanation.injector.as_deref().unwrap_or("none")
        ),
    );
    if let Some(config_map) = &explanation.config_map {
        text.line(0, &format!("its ConfigMap: {config_map}"));
    }
    match &explanation.expectation {
        Expectation::None { why, .. } => text.line(0, &format!("expected: no sidecar: {why}")),
        Expectation::Sidecar(expected) => {
            text.line(
                0,
                &format!(
                    "expected: {} of revision {}",
                    expected.image, expected.revision
                ),
            );
            for (name, value) in &expected.image_inputs {
                text.line(1, &format!("{name}: {value}"));
            }
        }
        Expectation::Rejected(reason) | Expectation::Unknown(reason) => {
            text.line(0, &format!("expected: {}: {}", reason.code, reason.message));
        }
    }
}

/// Where the workload comes from, what carries it, and what it was restarted for.
fn delivery(text: &mut Text, decision: &Decision<'_>) {
    let manifest = decision
        .manifest
        .map(|(file, object)| format!("{}:{}", file.path, object.line));
    text.line(
        0,
        &format!("manifest: {}", manifest.as_deref().unwrap_or("none")),
    );
    if let Some(delivery) = &decision.delivery {
        text.line(
            0,
            &format!(
                "delivered by: {} {}",
                delivery.engine.as_str(),
                delivery.name
            ),
        );
        for blocker in &delivery.blockers {
            text.line(
                1,
                &format!(
                    "{} {} {}: {}",
                    blocker.code, blocker.object, blocker.field, blocker.message
                ),
            );
        }
    }
    let expected = decision.stamps.expected.as_ref().map(ToString::to_string);
    for (name, stamp) in [
        ("expected", &expected),
        ("in Git", &decision.stamps.git),
        ("live", &decision.stamps.live),
    ] {
        text.line(
            0,
            &format!("stamp {name}: {}", stamp.as_deref().unwrap_or("none")),
        );
    }
    for risk in &decision.risks {
        text.line(0, &format!("risk {}: {}", risk.code, risk.message));
    }
}

#[cfg(test)]
mod tests {
    use super::code;
    use crate::diagnostic::Code as _;
    use crate::reason::ReasonCode;

    #[test]
    fn every_code_is_explained_and_no_other_word() {
        for reason in ReasonCode::ALL {
            assert!(code(reason.code()).is_some_and(|text| text.contains(reason.meaning())));
        }
        assert_eq!(code("Restart"), code("restart"));
        assert!(code("Restart").is_some());
        assert_eq!(code("no-such-code"), None);
    }
}
