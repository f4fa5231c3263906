//! The standing of a stale workload: what Git asks for, what the cluster has, how far it is.
//!
//! The rows of the table in `design.md` §2, from top to bottom; the first that fits decides.

use jiff::Timestamp;

use super::Marks;
use crate::mesh::Stamp;
use crate::rollout::Progress;

/// The facts that the table looks at.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// The stamp for the expected sidecar, as a first attempt.
    pub(super) expected: &'a Stamp,
    /// Marks in Git; empty where no manifest of ours makes the workload.
    pub(super) git: &'a Marks,
    /// Marks of the live template.
    pub(super) live: &'a Marks,
    /// How far the present rollout is.
    pub(super) progress: &'a Progress,
    /// Whether a pod made since the restart lacks the sidecar that it should have.
    pub(super) lost_sidecar: bool,
    /// When the control plane settled.
    pub(super) settled_at: Option<Timestamp>,
    /// Whether the user asks for another attempt.
    pub(super) retry: bool,
}

/// Where a stale workload stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Git asks for the restart and the cluster has not got it.
    Pending,
    /// The restart is under way.
    Rolling,
    /// It was restarted before the control plane had settled: this stamp restarts it once more.
    TooEarly(Stamp),
    /// It was restarted for this sidecar and came back stale.
    Ineffective,
    /// It was not restarted for this sidecar: this stamp restarts it.
    Due(Stamp),
}

/// Where a stale workload stands.
pub(super) fn standing(facts: &Facts<'_>) -> Standing {
    if facts.git.is_for(facts.expected) && !is_live(facts.git, facts.live) {
        return Standing::Pending;
    }
    let Some(live) = facts
        .live
        .stamp
        .as_ref()
        .filter(|_| facts.live.is_for(facts.expected))
    else {
        return Standing::Due(facts.expected.clone());
    };
    if !matches!(facts.progress, Progress::Finished) {
        return Standing::Rolling;
    }
    let next = Stamp {
        attempt: live.attempt,
        ..facts.expected.clone()
    }
    .retry();
    if !facts.lost_sidecar && !live.is_retry() && was_too_early(facts) {
        return Standing::TooEarly(next);
    }
    if facts.retry {
        Standing::Due(next)
    } else {
        Standing::Ineffective
    }
}

/// Whether the cluster has what Git asks for: the same stamp, and no earlier restart time.
///
/// A later live time is somebody's imperative restart, which is no drift of ours.
fn is_live(git: &Marks, live: &Marks) -> bool {
    let earlier = git
        .restarted_at
        .is_some_and(|git| live.restarted_at.is_none_or(|live| live < git));
    git.stamp == live.stamp && !earlier
}

/// An unknown time never retries.
fn was_too_early(facts: &Facts<'_>) -> bool {
    matches!(
        (facts.live.restarted_at, facts.settled_at),
        (Some(restarted_at), Some(settled_at)) if restarted_at < settled_at
    )
}

#[cfg(test)]
mod tests {
    use super::{Facts, Standing, standing};
    use crate::decision::Marks;
    use crate::mesh::Stamp;
    use crate::rollout::Progress;

    fn stamp(text: &str) -> Stamp {
        text.parse().expect("a stamp")
    }

    /// `"<stamp> <time>"`, either of which may be `-`.
    fn marks(text: &str) -> Marks {
        let (stamp, time) = text.split_once(' ').expect("two words");
        let text = (stamp != "-").then(|| stamp.to_owned());
        Marks {
            stamp: text.as_deref().and_then(|text| text.parse().ok()),
            text,
            restarted_at: (time != "-")
                .then(|| format!("2026-11-20T{time}Z").parse().expect("a time")),
        }
    }

    const FINISHED: Progress = Progress::Finished;

    fn running() -> Progress {
        Progress::Running {
            message: "1 of 3".into(),
        }
    }

    #[track_caller]
    fn check(git: &str, live: &str, progress: &Progress, expected: Standing) {
        check_facts(git, live, progress, false, false, expected);
    }

    #[track_caller]
    fn check_facts(
        git: &str,
        live: &str,
        progress: &Progress,
        lost: bool,
        retry: bool,
        expected: Standing,
    ) {
        let facts = Facts {
            expected: &stamp("1.27.3/default/1.9f2c41"),
            git: &marks(git),
            live: &marks(live),
            progress,
            lost_sidecar: lost,
            settled_at: Some("2026-11-20T09:00:00Z".parse().expect("a time")),
            retry,
        };
        assert_eq!(standing(&facts), expected);
    }

    #[test]
    fn nothing_in_git_and_nothing_live_is_due() {
        let due = Standing::Due(stamp("1.27.3/default/1.9f2c41"));
        check("- -", "- -", &FINISHED, due.clone());
        check(
            "1.26.0/default/1.000000 08:00:00",
            "1.26.0/default/1.000000 08:00:00",
            &FINISHED,
            due.clone(),
        );
        check("by-hand 08:00:00", "by-hand 08:00:00", &running(), due);
    }

    #[test]
    fn a_stamp_in_git_that_is_not_live_is_pending() {
        let git = "1.27.3/default/1.9f2c41 10:00:00";
        check(git, "- -", &FINISHED, Standing::Pending);
        check(
            git,
            "1.26.0/default/1.000000 08:00:00",
            &running(),
            Standing::Pending,
        );
        check(
            git,
            "1.27.3/default/1.9f2c41 08:00:00",
            &FINISHED,
            Standing::Pending,
        );
        check(
            git,
            "1.27.3/default/1.9f2c41 -",
            &FINISHED,
            Standing::Pending,
        );
        check(
            "1.27.3/default/1.9f2c41~2 10:00:00",
            "1.27.3/default/1.9f2c41 10:00:00",
            &FINISHED,
            Standing::Pending,
        );
    }

    #[test]
    fn a_live_stamp_with_a_running_rollout_is_rolling() {
        let mark = "1.27.3/default/1.9f2c41 10:00:00";
        check(mark, mark, &running(), Standing::Rolling);
        check(
            "- -",
            mark,
            &Progress::Stuck {
                message: "crash loop".into(),
            },
            Standing::Rolling,
        );
    }

    #[test]
    fn a_restart_before_the_control_plane_settled_is_repeated_once() {
        let early = "1.27.3/default/1.9f2c41 08:59:59";
        check(
            early,
            early,
            &FINISHED,
            Standing::TooEarly(stamp("1.27.3/default/1.9f2c41~2")),
        );
        let again = "1.27.3/default/1.9f2c41~2 08:59:59";
        check(again, again, &FINISHED, Standing::Ineffective);
        check_facts(early, early, &FINISHED, true, false, Standing::Ineffective);
        check(
            "1.27.3/default/1.9f2c41 -",
            "1.27.3/default/1.9f2c41 -",
            &FINISHED,
            Standing::Ineffective,
        );
    }

    #[test]
    fn a_finished_restart_that_came_back_stale_is_ineffective_until_the_user_asks_again() {
        let late = "1.27.3/default/1.9f2c41 10:00:00";
        check(late, late, &FINISHED, Standing::Ineffective);
        check_facts(
            late,
            late,
            &FINISHED,
            false,
            true,
            Standing::Due(stamp("1.27.3/default/1.9f2c41~2")),
        );
    }

    #[test]
    fn a_later_restart_by_a_person_is_no_drift_of_ours() {
        let git = "1.27.3/default/1.9f2c41 10:00:00";
        check(
            git,
            "1.27.3/default/1.9f2c41 11:00:00",
            &FINISHED,
            Standing::Ineffective,
        );
    }
}
