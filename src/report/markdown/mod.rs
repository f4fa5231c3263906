//! Markdown: what reviewers read in a job summary or a pull request.
//!
//! Sections come in the order in which a reviewer asks. What does not fit is cut by rows and by whole
//! sections, and the text says what is missing and where it is (`spec/ux.md` A3).

mod sections;
mod waves;

use super::Report;
use crate::decision::Decision;
use crate::reason::Verdict;

/// Where the text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surface {
    /// A job summary, which GitHub drops as a whole when it is over 1 MiB.
    Summary,
    /// The body of a pull request or a comment, which GitHub refuses at 65,536 characters.
    PullRequest,
}

impl Surface {
    /// How long a text may be, in the units that [`length`](Self::length) counts.
    fn limit(self) -> usize {
        match self {
            Self::Summary => 1_000_000,
            Self::PullRequest => 60_000,
        }
    }

    /// The length of a text as the reader's side counts it: bytes, or UTF-16 units, of which a
    /// character has at least one.
    fn length(self, text: &str) -> usize {
        match self {
            Self::Summary => text.len(),
            Self::PullRequest => text.encode_utf16().count(),
        }
    }

    /// Where to look for what was cut.
    fn rest(self) -> &'static str {
        match self {
            Self::Summary => "the plan as JSON has all of it",
            Self::PullRequest => "the summary of the run has all of it",
        }
    }
}

/// One section: a heading, what stands above its rows, and its rows.
struct Section {
    heading: &'static str,
    /// The table's head, or an introduction.
    lead: &'static str,
    /// Lines, each with its line break.
    rows: Vec<String>,
    /// What stands below the rows.
    end: &'static str,
}

impl Section {
    fn new(heading: &'static str, lead: &'static str, rows: Vec<String>) -> Self {
        Self {
            heading,
            lead,
            rows,
            end: "",
        }
    }
}

/// The plan as Markdown.
pub(super) fn render(report: Report<'_>, surface: Surface) -> String {
    let decisions: Vec<&Decision<'_>> = report
        .plan
        .workloads
        .iter()
        .map(|workload| &workload.decision)
        .filter(|decision| report.all || decision.in_mesh)
        .collect();
    if report.assumed.is_some_and(|assumed| assumed.untouched) {
        return sections::untouched(report);
    }
    let written = sections::written(report.plan);
    let mut sections = vec![
        sections::assumed(report),
        sections::restarts(report, &written),
        waves::picture(report),
        sections::risks(&written),
        sections::blockers(&decisions),
        sections::needs_a_person(&decisions),
        sections::waiting(&decisions),
        sections::left_alone(&decisions),
        sections::problems(report),
    ];
    if surface == Surface::Summary {
        sections.push(sections::every_workload(&decisions));
    }
    let head = format!(
        "{}{}",
        sections::headline(report, &decisions, surface),
        sections::mesh(report)
    );
    let end = sections::controls(report, &written);
    assemble(head, &sections, end, surface)
}

/// Puts the parts together, as many rows as the limit allows; head and end are always there.
fn assemble(mut text: String, sections: &[Section], end: &str, surface: Surface) -> String {
    // Room for the end, and for the two lines that say what was cut.
    let mut room = surface
        .limit()
        .saturating_sub(surface.length(&text) + surface.length(end) + 1_000);
    let mut left_out: Vec<String> = Vec::new();
    for section in sections.iter().filter(|section| !section.rows.is_empty()) {
        let frame = format!("\n#### {}\n\n{}", section.heading, section.lead);
        let framed = surface.length(&frame) + surface.length(section.end) + 100;
        let count = section.rows.len();
        let shown = fitting(&section.rows, room.saturating_sub(framed), surface);
        if shown == 0 || !left_out.is_empty() {
            left_out.push(format!("{} ({count})", section.heading));
            continue;
        }
        let rows = section.rows[..shown].concat();
        room -= framed + surface.length(&rows);
        text.push_str(&frame);
        text.push_str(&rows);
        text.push_str(section.end);
        if shown < count {
            let rest = surface.rest();
            text.push_str(&format!("\n_And {} more: {rest}._\n", count - shown));
        }
    }
    if !left_out.is_empty() {
        let (names, rest) = (left_out.join(", "), surface.rest());
        text.push_str(&format!("\n_Cut here: {names}; {rest}._\n"));
    }
    text.push_str(end);
    text
}

/// How many rows from the first on fit into the room.
fn fitting(rows: &[String], room: usize, surface: Surface) -> usize {
    let mut used = 0;
    rows.iter()
        .take_while(|row| {
            used += surface.length(row);
            used <= room
        })
        .count()
}

/// Decisions with one of the verdicts.
fn with<'a, 'b>(decisions: &[&'a Decision<'b>], verdicts: &[Verdict]) -> Vec<&'a Decision<'b>> {
    decisions
        .iter()
        .copied()
        .filter(|decision| verdicts.contains(&decision.verdict))
        .collect()
}

#[cfg(test)]
mod tests;
