//! Pull requests: what becomes of the one that asks for a wave's restarts.
//!
//! One for each open wave, found again by its head branch and a hidden marker. What a person closed
//! stays closed until something else is to be restarted (`design.md` §8, `spec/gitops.md` §4).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::branch::RestartEdit;
use super::message::subject;
use crate::edit::FileEdit;
use crate::reason::Verdict;
use crate::text::one_line;
use crate::wave::RestartPlan;

/// Stands in every pull request of ours, in front of what it asks for.
const MARKER: &str = "<!-- meshroll: targets=";
/// Stands in a pull request that meshroll closed itself, so that the target may come back.
const CLOSED_MARKER: &str = "<!-- meshroll: closed, nothing is left to restart -->";
/// Stands in the one comment that shows what a change of the mesh would bring.
const PREVIEW_MARKER: &str = "<!-- meshroll: preview";
/// Stands in the comment that says why meshroll leaves a branch alone.
pub const FOREIGN_MARKER: &str = "<!-- meshroll: a commit that is not ours -->";
/// More targets than this are not remembered one by one.
const MOST_TARGETS: usize = 200;
/// GitHub refuses longer titles.
const LONGEST_TITLE: usize = 250;
/// GitHub refuses longer descriptions of a commit status.
const LONGEST_DESCRIPTION: usize = 140;

/// A pull request as the forge has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Where a person reads it.
    pub url: String,
    /// Whether it is open.
    pub state: PullRequestState,
    /// Its title.
    pub title: String,
    /// Its text, markers included.
    pub body: String,
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequestState {
    /// It is open, maybe as a draft.
    Open,
    /// It was closed and not merged.
    Closed,
    /// It was merged.
    Merged,
}

/// What a pull request is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestContent {
    /// Its title.
    pub title: String,
    /// Its text, marker included.
    pub body: String,
}

/// What is to be done about a wave's pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullRequestAction<'a> {
    /// There is none, and none is needed.
    Nothing,
    /// A new one is opened.
    Open,
    /// This one gets the new title and text.
    Update(&'a PullRequest),
    /// This one says it already.
    Keep(&'a PullRequest),
    /// Nothing is left to restart: this one is closed.
    Close(&'a PullRequest),
    /// A person closed this one, and nothing else is to be restarted since.
    Declined(&'a PullRequest),
}

/// What a commit status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether the branch may be merged; pending otherwise.
    pub is_open: bool,
    /// Why, in at most 140 characters.
    pub description: String,
}

/// What is to be done about the pull request of a branch, given those that were ever opened for it,
/// the newest first. None of a plan that restarts nothing.
#[must_use]
pub fn pull_request_action<'a>(
    planned: &BTreeSet<RestartEdit>,
    content: &PullRequestContent,
    existing: &'a [PullRequest],
) -> PullRequestAction<'a> {
    let open = existing
        .iter()
        .find(|one| one.state == PullRequestState::Open);
    match open {
        Some(open) if planned.is_empty() => PullRequestAction::Close(open),
        Some(open) if open.title == content.title && is_same(&open.body, &content.body) => {
            PullRequestAction::Keep(open)
        }
        Some(open) => PullRequestAction::Update(open),
        None if planned.is_empty() => PullRequestAction::Nothing,
        None => match existing.first() {
            Some(last) if declines(last, planned) => PullRequestAction::Declined(last),
            _ => PullRequestAction::Open,
        },
    }
}

/// Whether a pull request that was closed asked for all of this already.
fn declines(last: &PullRequest, planned: &BTreeSet<RestartEdit>) -> bool {
    let asked = last
        .body
        .lines()
        .find_map(|line| line.strip_prefix(MARKER)?.strip_suffix(" -->"));
    let Some(asked) = asked.filter(|_| last.state == PullRequestState::Closed) else {
        return false;
    };
    let asked: BTreeSet<&str> = asked.split(' ').collect();
    let targets = targets(planned);
    targets.iter().all(|target| asked.contains(target.as_str()))
}

/// The distinct stamps of some restarts, without which attempt it is.
fn targets(planned: &BTreeSet<RestartEdit>) -> BTreeSet<String> {
    planned.iter().map(|edit| one_word(&edit.stamp)).collect()
}

/// The text as a word that ends no comment: what is neither alphanumeric nor one of `._~/` is `_`.
fn one_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._~/".contains(c);
    text.chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect()
}

/// Forges turn line ends and trim texts.
fn is_same(one: &str, other: &str) -> bool {
    let lines = |text: &str| text.trim().replace("\r\n", "\n");
    lines(one) == lines(other)
}

/// Title and text of the pull request for a plan; `report` is its Markdown.
#[must_use]
pub fn pull_request_content(
    plan: &RestartPlan<'_>,
    edits: &[FileEdit],
    cluster: &str,
    report: &str,
) -> PullRequestContent {
    let planned = super::planned_edits(plan);
    let mut body = format!("{}\n\n{MARKER}", report.trim_end());
    let targets = targets(&planned);
    let remembered = targets.iter().take(MOST_TARGETS).cloned();
    let list: Vec<String> = match targets.len() {
        count if count > MOST_TARGETS => vec!["many".to_owned()],
        _ => remembered.collect(),
    };
    // Writing into a String cannot fail.
    let _ = writeln!(body, "{} -->", list.join(" "));
    let title = match cluster {
        "default" => subject(plan, edits),
        cluster => one_line(&format!("{} in {cluster}", subject(plan, edits))),
    };
    PullRequestContent {
        title: title.chars().take(LONGEST_TITLE).collect(),
        body,
    }
}

/// The text of a pull request that meshroll closes: what it asked for may be asked for again.
#[must_use]
pub fn closing_body(body: &str) -> String {
    let kept = body.lines().filter(|line| !line.starts_with(MARKER));
    let kept: Vec<&str> = kept.collect();
    format!("{}\n\n{CLOSED_MARKER}\n", kept.join("\n").trim_end())
}

/// The comment that says why meshroll leaves the branch alone, and how to hand it back.
#[must_use]
pub fn foreign_commit_comment(branch: &str, hint: &str) -> String {
    format!(
        "{FOREIGN_MARKER}\n`{branch}` has a commit that meshroll did not write, so meshroll leaves it alone.\n\n{hint}\n"
    )
}

/// The comment that shows what a change of the mesh would bring; `report` is its Markdown.
#[must_use]
pub fn preview_comment(cluster: &str, report: &str) -> String {
    format!("{}\n{report}", preview_marker(cluster))
}

/// The marker of a cluster's preview.
#[must_use]
pub fn preview_marker(cluster: &str) -> String {
    format!("{PREVIEW_MARKER} {} -->", one_word(cluster))
}

/// The commit status of a wave's branch: success, or pending until what is held opens.
#[must_use]
pub fn status(plan: &RestartPlan<'_>) -> Status {
    let held: Vec<_> = plan
        .written()
        .map(|position| &plan.workloads[position].decision)
        .filter(|decision| decision.verdict != Verdict::Restart)
        .collect();
    let count = plan.written().count();
    let description = match held.first() {
        None => format!("{count} to restart, nothing holds them"),
        Some(first) => {
            let why = first.reasons.first();
            let why = why.map_or("it cannot be told", |reason| reason.message.as_str());
            format!("{} of {count} held: {}: {why}", held.len(), first.reference)
        }
    };
    Status {
        is_open: held.is_empty(),
        description: one_line(&description)
            .chars()
            .take(LONGEST_DESCRIPTION)
            .collect(),
    }
}
