//! The sections of the Markdown report, each from the decisions alone.

use std::collections::BTreeMap;

use super::{Section, Surface, with};
use crate::decision::Decision;
use crate::diagnostic::{Code as _, Diagnostic, Severity};
use crate::mesh::Revision;
use crate::reason::Verdict;
use crate::report::Report;
use crate::report::change::change;
use crate::report::escape::{as_code, message_for_markdown};
use crate::rollout::Risk;
use crate::upgrade::Change;
use crate::wave::{PlannedWorkload, RestartPlan};

/// Verdicts that only a person can do something about.
const NEEDS_A_PERSON: [Verdict; 4] = [
    Verdict::Ineffective,
    Verdict::Blocked,
    Verdict::Unknown,
    Verdict::Manual,
];
/// Verdicts that change by themselves.
const WAITING: [Verdict; 3] = [Verdict::Held, Verdict::Pending, Verdict::Rolling];
/// Names that a row lists before it only counts.
const NAMES_IN_A_ROW: usize = 10;

/// The verdict in one line: what is restarted, and the count of everything else.
pub(super) fn headline(
    report: Report<'_>,
    decisions: &[&Decision<'_>],
    surface: Surface,
) -> String {
    let restarts = written(report.plan);
    let pods: usize = restarts.iter().map(|decision| decision.pods.total).sum();
    let what = format!(
        "{} ({})",
        counted(restarts.len(), "workload"),
        counted(pods, "pod")
    );
    let verdict = match surface {
        _ if report.assumed.is_some() && restarts.is_empty() => {
            "Once this is applied, nothing is to be restarted.".to_owned()
        }
        _ if report.assumed.is_some() => {
            format!(
                "Once this is applied and istiod has rolled out, {what} will be due for a restart."
            )
        }
        _ if decisions.is_empty() => "No workload is in the mesh.".to_owned(),
        _ if restarts.is_empty() => "Nothing is to be restarted now.".to_owned(),
        Surface::PullRequest => format!("Merging this restarts {what}."),
        Surface::Summary => format!("{what} to restart."),
    };
    let others = Verdict::ALL
        .iter()
        .filter(|verdict| **verdict != Verdict::Restart)
        .map(|verdict| (with(decisions, &[*verdict]).len(), verdict))
        .filter(|(count, _)| *count > 0)
        .map(|(count, verdict)| format!("{count} {verdict}"));
    let others = Vec::from_iter(others).join(" · ");
    let is_held = |one: &&PlannedWorkload<'_>| one.kept && one.decision.verdict != Verdict::Restart;
    let kept = report.plan.workloads.iter().filter(is_held).count();
    let kept = match kept {
        0 => String::new(),
        count => format!(
            "\n{} held: they stay in this branch, and the commit status says when it may be merged.\n",
            if count == 1 {
                "1 of them is".to_owned()
            } else {
                format!("{count} of them are")
            }
        ),
    };
    let cluster = as_code(report.snapshot.cluster);
    let others = match others.is_empty() {
        true => others,
        false => format!(" {others}"),
    };
    format!("### Istio sidecars of {cluster}\n\n**{verdict}**{others}\n{kept}")
}

/// The workloads whose restarts are written: what a merge restarts.
pub(super) fn written<'p, 'a>(plan: &'p RestartPlan<'a>) -> Vec<&'p Decision<'a>> {
    plan.written()
        .map(|position| &plan.workloads[position].decision)
        .collect()
}

/// That a change does not touch the mesh at all.
pub(super) fn untouched(report: Report<'_>) -> String {
    let cluster = as_code(report.snapshot.cluster);
    format!(
        "### Istio sidecars of {cluster}\n\n**No sidecar changes.** Nothing of the mesh differs from the base.\n"
    )
}

/// What the plan assumes to be applied.
pub(super) fn assumed(report: Report<'_>) -> Section {
    let changes = report.assumed.map(|assumed| assumed.changes);
    let row = |change: &Change| {
        let place = change
            .location
            .as_ref()
            .map(|place| as_code(&place.to_string()));
        let (object, what) = (as_code(&change.object.to_string()), as_code(&change.what));
        format!("| {object} | {what} | {} |\n", place.unwrap_or_default())
    };
    let rows = changes.unwrap_or_default().iter().map(row).collect();
    let lead = "| object | change | where |\n|---|---|---|\n";
    Section::new("What is assumed of the mesh", lead, rows)
}

/// What the control plane is, a line for each revision.
pub(super) fn mesh(report: Report<'_>) -> String {
    let line = |revision: &Revision| {
        let version = revision.version.as_deref().unwrap_or("unknown version");
        let reasons: Vec<String> = revision
            .reasons
            .iter()
            .map(|reason| message_for_markdown(&reason.message))
            .collect();
        let state = if revision.settled {
            report.settled().to_owned()
        } else {
            format!("not settled: {}", reasons.join("; "))
        };
        let (name, version) = (as_code(&revision.name), as_code(version));
        format!("- revision {name}: {version}, {state}\n")
    };
    let lines: String = report.mesh.revisions.iter().map(line).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{lines}")
    }
}

/// What is restarted or, before a change of the mesh, would be: a row for each namespace and change.
pub(super) fn restarts(report: Report<'_>, written: &[&Decision<'_>]) -> Section {
    let mut groups: BTreeMap<(&str, String), Vec<&Decision<'_>>> = BTreeMap::new();
    for decision in written {
        let key = (
            decision.reference.namespace.as_str(),
            change(&decision.drifts),
        );
        groups.entry(key).or_default().push(decision);
    }
    let row = |((namespace, change), decisions): ((&str, String), Vec<&Decision<'_>>)| {
        let pods: usize = decisions.iter().map(|decision| decision.pods.total).sum();
        let names = listed(&decisions, |decision| workload(decision));
        let (namespace, change) = (as_code(namespace), as_code(&change));
        format!("| {namespace} | {names} | {pods} | {change} |\n")
    };
    let rows = groups.into_iter().map(row).collect();
    let lead = "| namespace | workloads | pods | sidecar |\n|---|---|---:|---|\n";
    let heading = match report.is_preview() {
        true => "What would be restarted",
        false => "What is restarted",
    };
    Section::new(heading, lead, rows)
}

/// What a restart puts at risk, a line for each risk.
pub(super) fn risks(written: &[&Decision<'_>]) -> Section {
    let mut groups: BTreeMap<&Risk, Vec<&Decision<'_>>> = BTreeMap::new();
    for decision in written {
        for risk in &decision.risks {
            groups.entry(risk).or_default().push(decision);
        }
    }
    let row = |(risk, decisions): (&Risk, Vec<&Decision<'_>>)| {
        let name = |decision: &&Decision<'_>| as_code(&decision.reference.to_string());
        let names = listed(&decisions, name);
        let (code, message) = (
            as_code(risk.code.code()),
            message_for_markdown(&risk.message),
        );
        format!("- {code}: {message}: {names}\n")
    };
    Section::new("Risks", "", groups.into_iter().map(row).collect())
}

/// Some of the names, and how many there are besides.
fn listed(decisions: &[&Decision<'_>], name: impl Fn(&&Decision<'_>) -> String) -> String {
    let mut names: Vec<String> = decisions.iter().take(NAMES_IN_A_ROW).map(name).collect();
    if decisions.len() > NAMES_IN_A_ROW {
        names.push(format!("and {} more", decisions.len() - NAMES_IN_A_ROW));
    }
    names.join(", ")
}

/// What keeps the commit from reaching the cluster.
pub(super) fn blockers(decisions: &[&Decision<'_>]) -> Section {
    let waiting = [Verdict::Restart, Verdict::Held, Verdict::Pending];
    let blockers = with(decisions, &waiting)
        .into_iter()
        .flat_map(|decision| decision.delivery.iter())
        .flat_map(|delivery| &delivery.blockers);
    let mut rows: Vec<String> = blockers
        .map(|blocker| {
            let (code, object) = (as_code(blocker.code.code()), as_code(&blocker.object));
            format!(
                "- {code} {object}: {}\n",
                message_for_markdown(&blocker.message)
            )
        })
        .collect();
    rows.sort();
    rows.dedup();
    Section::new("What keeps it from being delivered", "", rows)
}

/// What meshroll cannot do, and what somebody else must.
pub(super) fn needs_a_person(decisions: &[&Decision<'_>]) -> Section {
    table("Not for meshroll to do", &with(decisions, &NEEDS_A_PERSON))
}

/// What changes by itself.
pub(super) fn waiting(decisions: &[&Decision<'_>]) -> Section {
    table("Waiting", &with(decisions, &WAITING))
}

/// What stays as it is although it differs.
pub(super) fn left_alone(decisions: &[&Decision<'_>]) -> Section {
    let verdicts = [Verdict::Excluded, Verdict::Tolerated];
    table("Left alone", &with(decisions, &verdicts))
}

/// Every workload that is restarted or up to date, for those who look one up.
pub(super) fn every_workload(decisions: &[&Decision<'_>]) -> Section {
    let mut section = table(
        "Every workload",
        &with(decisions, &[Verdict::Restart, Verdict::UpToDate]),
    );
    section.lead = concat!(
        "<details>\n\n",
        "| namespace | workload | verdict | stale pods | sidecar | why |\n",
        "|---|---|---|---:|---|---|\n"
    );
    section.end = "\n</details>\n";
    section
}

/// What was wrong with the input.
pub(super) fn problems(report: Report<'_>) -> Section {
    let line = |diagnostic: &Diagnostic| {
        let place = diagnostic
            .location
            .as_ref()
            .map(|location| format!(" {}", as_code(&location.to_string())))
            .unwrap_or_default();
        let (code, message) = (
            as_code(diagnostic.code.code()),
            message_for_markdown(&diagnostic.message),
        );
        format!("- {code}{place}: {message}\n")
    };
    let serious = report
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity < Severity::Info);
    Section::new("About the input", "", serious.map(line).collect())
}

/// How to hold or exclude; nothing where nothing is restarted, or not by this.
pub(super) fn controls(report: Report<'_>, written: &[&Decision<'_>]) -> &'static str {
    if written.is_empty() || report.is_preview() {
        return "";
    }
    concat!(
        "\n#### To hold or exclude\n\n",
        "- One workload, or all of a namespace: annotate the object in Git with `meshroll.dev/exclude: \"<reason>\"`.\n",
        "- Everything: set `halt: \"<reason>\"` in `meshroll.yaml`.\n",
        "- A pull request of meshroll's that somebody closes stays closed until the target changes.\n",
        "- `meshroll explain NAMESPACE/KIND/NAME` shows one workload's whole reasoning.\n",
    )
}

fn table(heading: &'static str, decisions: &[&Decision<'_>]) -> Section {
    let lead = concat!(
        "| namespace | workload | verdict | stale pods | sidecar | why |\n",
        "|---|---|---|---:|---|---|\n"
    );
    let rows = decisions.iter().map(|decision| row(decision)).collect();
    Section::new(heading, lead, rows)
}

fn row(decision: &Decision<'_>) -> String {
    let reasons: Vec<String> = decision
        .reasons
        .iter()
        .map(|reason| {
            let code = as_code(reason.code.code());
            format!("{code}: {}", message_for_markdown(&reason.message))
        })
        .collect();
    format!(
        "| {} | {} | {} | {}/{} | {} | {} |\n",
        as_code(&decision.reference.namespace),
        workload(decision),
        decision.verdict,
        decision.pods.stale,
        decision.pods.total,
        as_code(&change(&decision.drifts)),
        reasons.join("<br>"),
    )
}

fn workload(decision: &Decision<'_>) -> String {
    let reference = &decision.reference;
    as_code(&format!("{}/{}", reference.kind, reference.name))
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
