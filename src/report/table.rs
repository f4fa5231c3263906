//! The table: one line a workload, then what needs a person, then the count.

use comfy_table::Table;
use comfy_table::presets;

use super::change::change;
use super::escape::for_terminal;
use super::{Assumption, BranchOperation, Report, Written, WrittenBranch};
use crate::decision::Decision;
use crate::diagnostic::Code as _;
use crate::mesh::Usage;
use crate::reason::Verdict;
use crate::upgrade::Change;
use crate::wave::PlannedWorkload;

/// How much of each workload is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// What a person decides by; up-to-date workloads are only counted.
    Normal,
    /// Every workload of the mesh, with source, delivery and stamp.
    Wide,
}

/// The whole answer for a terminal.
pub(super) fn render(report: Report<'_>, width: Width) -> String {
    let mut text = report.assumed.map_or_else(String::new, assumption);
    if report.assumed.is_some_and(|assumed| assumed.untouched) {
        return text;
    }
    for revision in &report.mesh.revisions {
        text.push_str(&revision_line(revision, report.settled()));
    }
    if width == Width::Wide {
        text.extend(report.usage.iter().map(usage_line));
    }
    let shown: Vec<_> = report
        .plan
        .workloads
        .iter()
        .filter(|workload| is_shown(workload, report, width))
        .collect();
    if !shown.is_empty() {
        text.push_str(&format!("\n{}", rows(&shown, width, report.color)));
    }
    let attention: String = shown
        .iter()
        .flat_map(|workload| remedies(&workload.decision))
        .collect();
    if !attention.is_empty() {
        text.push_str(&format!("\nNot for meshroll to do:\n{attention}"));
    }
    text.push_str(&format!("\n{}\n", summary(report)));
    text
}

/// What the plan assumes, a line for each change.
fn assumption(assumption: Assumption<'_>) -> String {
    if assumption.untouched {
        let base = for_terminal(assumption.base.unwrap_or("the base"));
        return format!("no sidecar changes: nothing of the mesh differs from {base}\n");
    }
    if assumption.changes.is_empty() {
        return "assumed: the mesh as it is, which is what the repository asks for\n".to_owned();
    }
    let line = |change: &Change| {
        let place = change.location.as_ref();
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        let line = format!("assumed: {}: {}{place}", change.object, change.what);
        format!("{}\n", for_terminal(&line))
    };
    assumption.changes.iter().map(line).collect()
}

fn revision_line(revision: &crate::mesh::Revision, settled: &str) -> String {
    let version = revision.version.as_deref().unwrap_or("of unknown version");
    let tags = match revision.tags.as_slice() {
        [] => String::new(),
        tags => format!(", tags {}", tags.join(", ")),
    };
    let reasons: Vec<&str> = revision
        .reasons
        .iter()
        .map(|reason| reason.message.as_str())
        .collect();
    let state = if revision.settled {
        settled.to_owned()
    } else {
        format!("not settled: {}", reasons.join("; "))
    };
    let line = format!(
        "istiod {}/{}: {version}{tags}, {state}",
        revision.namespace, revision.name
    );
    format!("{}\n", for_terminal(&line))
}

/// Who uses a revision or a tag: by labels of namespaces and by labels of their own.
fn usage_line(usage: &Usage) -> String {
    let kind = if usage.is_tag { "tag" } else { "revision" };
    let served = match &usage.revision {
        Some(revision) if usage.is_tag => format!(" → {revision}"),
        Some(_) => String::new(),
        None => " (nobody serves it)".to_owned(),
    };
    let namespaces = match usage.namespaces.as_slice() {
        [] => "no namespace".to_owned(),
        names => format!("namespaces {}", names.join(", ")),
    };
    let own = usage.pods.len();
    let line = format!(
        "{kind} {}{served}: {} proxies, {namespaces}, {own} pods by their own label",
        usage.name, usage.proxies
    );
    format!("{}\n", for_terminal(&line))
}

fn is_shown(workload: &PlannedWorkload<'_>, report: Report<'_>, width: Width) -> bool {
    let decision = &workload.decision;
    let quiet = decision.verdict == Verdict::UpToDate && decision.reasons.is_empty();
    report.all || (decision.in_mesh && (width == Width::Wide || !quiet))
}

fn rows(shown: &[&PlannedWorkload<'_>], width: Width, color: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec![
        "NAMESPACE",
        "KIND",
        "NAME",
        "VERDICT",
        "STALE",
        "SIDECAR",
        "WHY",
    ];
    if width == Width::Wide {
        header.extend(["SOURCE", "DELIVERY", "STAMP", "RISKS"]);
    }
    table.set_header(header);
    for workload in shown {
        let mut row = cells(&workload.decision);
        if width == Width::Wide {
            row.extend(wide_cells(&workload.decision));
        }
        table.add_row(row.iter().map(|cell| for_terminal(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    let verdicts =
        std::iter::once(None).chain(shown.iter().map(|workload| Some(workload.decision.verdict)));
    lines
        .zip(verdicts)
        .map(|(line, verdict)| colored(&line, verdict, color))
        .collect()
}

fn cells(decision: &Decision<'_>) -> Vec<String> {
    let reference = &decision.reference;
    let mut codes: Vec<&str> = decision
        .reasons
        .iter()
        .map(|reason| reason.code.code())
        .collect();
    codes.dedup();
    vec![
        reference.namespace.clone(),
        reference.kind.clone(),
        reference.name.clone(),
        decision.verdict.to_string(),
        format!("{}/{}", decision.pods.stale, decision.pods.total),
        change(&decision.drifts),
        codes.join(", "),
    ]
}

fn wide_cells(decision: &Decision<'_>) -> Vec<String> {
    let source = decision
        .manifest
        .map(|(file, object)| format!("{}:{}", file.path, object.line));
    let delivery = decision.delivery.as_ref().map(|delivery| {
        let blocked = if delivery.blockers.is_empty() {
            ""
        } else {
            " (blocked)"
        };
        format!("{} {}{blocked}", delivery.engine.as_str(), delivery.name)
    });
    let risks: Vec<&str> = decision.risks.iter().map(|risk| risk.code.code()).collect();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        or_dash(source),
        or_dash(delivery),
        or_dash(decision.stamps.expected.as_ref().map(ToString::to_string)),
        if risks.is_empty() {
            "-".to_owned()
        } else {
            risks.join(", ")
        },
    ]
}

/// What somebody else must do about a workload, a line for each reason.
fn remedies<'a>(decision: &'a Decision<'_>) -> impl Iterator<Item = String> + 'a {
    let needs_a_person = matches!(
        decision.verdict,
        Verdict::Ineffective | Verdict::Blocked | Verdict::Unknown | Verdict::Manual
    );
    decision
        .reasons
        .iter()
        .filter(move |_| needs_a_person)
        .map(|reason| {
            let line = format!("{}: {}", decision.reference, reason.message);
            format!("  {}\n", for_terminal(&line))
        })
}

fn summary(report: Report<'_>) -> String {
    let listed = report
        .plan
        .workloads
        .iter()
        .filter(|workload| report.all || workload.decision.in_mesh);
    let verdicts: Vec<Verdict> = listed.map(|workload| workload.decision.verdict).collect();
    let counts = Verdict::ALL.iter().filter_map(|verdict| {
        let count = verdicts.iter().filter(|other| *other == verdict).count();
        (count > 0).then(|| format!("{count} {verdict}"))
    });
    let counts: Vec<String> = counts.collect();
    let counts = if counts.is_empty() {
        "no workload in the mesh".to_owned()
    } else {
        counts.join(", ")
    };
    let files = report.edits.len();
    let noun = if files == 1 { "file" } else { "files" };
    match report.written {
        None if files > 0 => format!("{counts}; {files} {noun} to edit"),
        None | Some(Written::Nothing) => format!("{counts}; nothing to edit"),
        Some(Written::Worktree) => format!("{counts}; {files} {noun} edited"),
        Some(Written::Branch(branch)) => format!("{counts}; {}", branch_line(branch, files, noun)),
        Some(Written::PullRequest {
            branch,
            pull_request,
        }) => {
            let branch = branch.as_ref();
            let branch = branch.map(|branch| format!("; {}", branch_line(branch, files, noun)));
            let pull_request = pull_request.as_ref().map(|written| {
                let (operation, url) = (written.operation.as_str(), for_terminal(&written.url));
                format!("; pull request #{} {operation}: {url}", written.number)
            });
            [Some(counts), branch, pull_request]
                .into_iter()
                .flatten()
                .collect()
        }
    }
}

fn branch_line(written: &WrittenBranch, files: usize, noun: &str) -> String {
    let name = match &written.remote {
        Some(remote) => format!("{remote} {}", written.branch),
        None => written.branch.clone(),
    };
    let name = for_terminal(&name);
    let commit = short(written.commit.as_deref().unwrap_or_default());
    match written.operation {
        BranchOperation::Created | BranchOperation::Updated => {
            format!("{files} {noun} edited on {name} ({commit})")
        }
        BranchOperation::Kept => format!("{name} has it already ({commit})"),
        BranchOperation::Deleted => format!("nothing is left to restart: {name} is deleted"),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

fn colored(line: &str, verdict: Option<Verdict>, color: bool) -> String {
    let code = match verdict {
        None => "1",
        Some(Verdict::Restart) => "32",
        Some(Verdict::Held | Verdict::Pending | Verdict::Rolling) => "36",
        Some(Verdict::Manual | Verdict::Unknown) => "33",
        Some(Verdict::Blocked | Verdict::Ineffective) => "31",
        Some(Verdict::Excluded | Verdict::Tolerated | Verdict::UpToDate) => "2",
    };
    if color {
        format!("\u{1b}[{code}m{line}\u{1b}[0m\n")
    } else {
        format!("{line}\n")
    }
}
