//! Markdown: what reviewers read in a job summary or a pull request.

use super::Report;
use super::escape::{as_code, for_markdown};
use super::table::change;
use crate::decision::Decision;
use crate::diagnostic::{Code as _, Severity};
use crate::reason::Verdict;

/// GitHub refuses bodies of more than 65,536 characters; this leaves room for a footer.
const LIMIT: usize = 60_000;

/// The plan as Markdown, cut by whole sections at the limit.
pub(super) fn render(report: Report<'_>) -> String {
    let decisions: Vec<&Decision<'_>> = report
        .plan
        .workloads
        .iter()
        .map(|workload| &workload.decision)
        .filter(|decision| report.all || decision.in_mesh)
        .collect();
    let with = |verdicts: &[Verdict]| -> Vec<&Decision<'_>> {
        decisions
            .iter()
            .copied()
            .filter(|decision| verdicts.contains(&decision.verdict))
            .collect()
    };
    let needs_a_person = with(&[
        Verdict::Ineffective,
        Verdict::Blocked,
        Verdict::Unknown,
        Verdict::Manual,
    ]);
    let waiting = with(&[Verdict::Held, Verdict::Pending, Verdict::Rolling]);
    let sections = [
        headline(&decisions),
        mesh(report),
        section("Merging this restarts", &with(&[Verdict::Restart])),
        section("Needs a person", &needs_a_person),
        blockers(&decisions),
        risks(&with(&[Verdict::Restart])),
        section("Waiting", &waiting),
        section(
            "Left alone",
            &with(&[Verdict::Excluded, Verdict::Tolerated]),
        ),
        problems(report),
    ];
    let mut text = String::new();
    for section in sections.into_iter().flatten() {
        if text.chars().count() + section.chars().count() > LIMIT {
            text.push_str("\n_Cut here: the whole plan is in the output of the run._\n");
            break;
        }
        text.push_str(&section);
    }
    text
}

fn headline(decisions: &[&Decision<'_>]) -> Option<String> {
    let counts = Verdict::ALL.iter().filter_map(|verdict| {
        let count = decisions
            .iter()
            .filter(|decision| decision.verdict == *verdict)
            .count();
        (count > 0).then(|| format!("{count} {verdict}"))
    });
    let counts: Vec<String> = counts.collect();
    let counts = if counts.is_empty() {
        "no workload in the mesh".to_owned()
    } else {
        counts.join(" · ")
    };
    Some(format!("### Istio sidecars\n\n**{counts}**\n"))
}

fn mesh(report: Report<'_>) -> Option<String> {
    let line = |revision: &crate::mesh::Revision| {
        let version = revision.version.as_deref().unwrap_or("unknown version");
        let state = if revision.settled {
            "settled"
        } else {
            "not settled"
        };
        format!(
            "- revision {}: {}, {state}\n",
            as_code(&revision.name),
            as_code(version)
        )
    };
    let lines: String = report.mesh.revisions.iter().map(line).collect();
    (!lines.is_empty()).then(|| format!("\n{lines}"))
}

fn section(title: &str, decisions: &[&Decision<'_>]) -> Option<String> {
    if decisions.is_empty() {
        return None;
    }
    let mut text = format!(
        "\n#### {title}\n\n| namespace | workload | verdict | pods | sidecar | why |\n|---|---|---|---|---|---|\n"
    );
    for decision in decisions {
        let workload = format!("{}/{}", decision.reference.kind, decision.reference.name);
        let reasons: Vec<String> = decision
            .reasons
            .iter()
            .map(|reason| {
                format!(
                    "{}: {}",
                    as_code(reason.code.code()),
                    for_markdown(&reason.message)
                )
            })
            .collect();
        text.push_str(&format!(
            "| {} | {} | {} | {}/{} | {} | {} |\n",
            as_code(&decision.reference.namespace),
            as_code(&workload),
            decision.verdict,
            decision.pods.stale,
            decision.pods.total,
            as_code(&change(&decision.drifts)),
            reasons.join("<br>"),
        ));
    }
    Some(text)
}

fn blockers(decisions: &[&Decision<'_>]) -> Option<String> {
    let mut lines: Vec<String> = decisions
        .iter()
        .filter(|decision| {
            matches!(
                decision.verdict,
                Verdict::Restart | Verdict::Held | Verdict::Pending
            )
        })
        .flat_map(|decision| {
            decision
                .delivery
                .iter()
                .flat_map(|delivery| &delivery.blockers)
        })
        .map(|blocker| {
            let code = as_code(blocker.code.code());
            format!(
                "- {code} {}: {}\n",
                as_code(&blocker.object),
                for_markdown(&blocker.message)
            )
        })
        .collect();
    lines.sort();
    lines.dedup();
    (!lines.is_empty()).then(|| format!("\n#### What keeps it from arriving\n\n{}", lines.concat()))
}

fn risks(decisions: &[&Decision<'_>]) -> Option<String> {
    let line = |decision: &&Decision<'_>| -> String {
        let risk = |risk: &crate::rollout::Risk| {
            let workload = as_code(&decision.reference.to_string());
            format!(
                "- {workload} {}: {}\n",
                as_code(risk.code.code()),
                for_markdown(&risk.message)
            )
        };
        decision.risks.iter().map(risk).collect()
    };
    let lines: String = decisions.iter().map(line).collect();
    (!lines.is_empty()).then(|| format!("\n#### Risks\n\n{lines}"))
}

fn problems(report: Report<'_>) -> Option<String> {
    let serious = report
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity < Severity::Info);
    let line = |diagnostic: &crate::diagnostic::Diagnostic| {
        let place = diagnostic
            .location
            .as_ref()
            .map(|location| format!(" {}", as_code(&location.to_string())));
        let code = as_code(diagnostic.code.code());
        format!(
            "- {code}{}: {}\n",
            place.unwrap_or_default(),
            for_markdown(&diagnostic.message)
        )
    };
    let lines: String = serious.map(line).collect();
    (!lines.is_empty()).then(|| format!("\n#### About the input\n\n{lines}"))
}
