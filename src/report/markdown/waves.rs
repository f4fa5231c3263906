//! The picture of the waves: a small Mermaid flowchart, never one node a workload.

use super::Section;
use crate::reason::Verdict;
use crate::report::Report;
use crate::wave::RestartPlan;

/// More nodes than this are unreadable on GitHub (`spec/ux.md` A3).
const MOST_NODES: usize = 12;

/// Each wave with its counts, in order.
///
/// Labels hold the waves' names and numbers only: nothing that comes from a cluster.
pub(super) fn picture(report: Report<'_>) -> Section {
    let plan = report.plan;
    let tense = match report.assumed {
        Some(_) => "to restart",
        None => "restart now",
    };
    let mut waves: Vec<&str> = Vec::new();
    for workload in &plan.workloads {
        if !waves.contains(&workload.wave) {
            waves.push(workload.wave);
        }
    }
    let moves = |wave: &&str| counts(plan, wave, tense).is_some();
    waves.retain(moves);
    let node = |(position, wave): (usize, &&str)| {
        let counts = counts(plan, wave, tense).unwrap_or_default();
        let arrow = if position == 0 {
            String::new()
        } else {
            format!("  w{} --> w{position}\n", position - 1)
        };
        format!("  w{position}[\"{}: {counts}\"]\n{arrow}", label(wave))
    };
    let nodes = waves.iter().take(MOST_NODES).enumerate().map(node);
    let mut section = Section::new("Waves", "```mermaid\nflowchart LR\n", nodes.collect());
    section.end = "```\n";
    section
}

/// What a wave has to do, in words; none where nothing in it is stale or on its way.
fn counts(plan: &RestartPlan<'_>, wave: &str, tense: &'static str) -> Option<String> {
    let states = [
        (Verdict::Restart, tense),
        (Verdict::Held, "held"),
        (Verdict::Pending, "pending"),
        (Verdict::Rolling, "rolling"),
        (Verdict::Ineffective, "ineffective"),
    ];
    let count = |verdict: Verdict| {
        let of_wave = plan.workloads.iter().filter(|workload| {
            workload.wave == wave
                && workload.decision.in_mesh
                && workload.decision.verdict == verdict
        });
        of_wave.count()
    };
    let counted: Vec<String> = states
        .into_iter()
        .map(|(verdict, words)| (count(verdict), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    (!counted.is_empty()).then(|| counted.join(", "))
}

/// A wave's name as a Mermaid label: letters, digits and what cannot end the label.
fn label(wave: &str) -> String {
    wave.chars()
        .take(40)
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '?'
            }
        })
        .collect()
}
