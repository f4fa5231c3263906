//! Freshness: how old a snapshot is, and whether it is of the right cluster.

use jiff::{SignedDuration, Timestamp};

use super::{Capture, SnapshotError};
use crate::diagnostic::{Diagnostic, DiagnosticCode};

/// The age from which `apply --to pull-request` refuses a snapshot (`design.md` §10).
pub const DEFAULT_MAX_AGE: SignedDuration = SignedDuration::from_hours(3);

/// How old a snapshot is, held against the age that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Not older than allowed. A capture time in the future counts as now: clocks differ.
    Fresh,
    /// Older than allowed.
    Stale {
        /// How old it is.
        age: SignedDuration,
    },
    /// Nothing tells when it was taken.
    Unknown,
}

impl Capture {
    /// How old the snapshot is at a moment.
    #[must_use]
    pub fn freshness(&self, now: Timestamp, max_age: SignedDuration) -> Freshness {
        let Some(captured_at) = self.captured_at else {
            return Freshness::Unknown;
        };
        let age = now.duration_since(captured_at);
        if age > max_age {
            Freshness::Stale { age }
        } else {
            Freshness::Fresh
        }
    }

    /// What is said of the snapshot's age; nothing where it is fresh.
    #[must_use]
    pub fn age_diagnostic(&self, now: Timestamp, max_age: SignedDuration) -> Option<Diagnostic> {
        match self.freshness(now, max_age) {
            Freshness::Fresh => None,
            Freshness::Stale { age } => {
                let minutes = age.as_mins();
                let (hours, minutes) = (minutes / 60, minutes % 60);
                let certainty = if self.inferred { "at least " } else { "" };
                let message = format!("the snapshot is {certainty}{hours} h {minutes} min old");
                Some(
                    Diagnostic::warning(DiagnosticCode::SnapshotStale, message)
                        .hint("record a new one with `meshroll snapshot`"),
                )
            }
            Freshness::Unknown => Some(
                Diagnostic::warning(
                    DiagnosticCode::SnapshotAgeUnknown,
                    "nothing in the snapshot tells when it was taken",
                )
                .hint("record it with `meshroll snapshot`, which notes the time"),
            ),
        }
    }

    /// Checks that the snapshot is of the cluster with this UID of `kube-system`.
    ///
    /// # Errors
    ///
    /// When it is of another one, or does not tell.
    pub fn check_cluster(&self, expected: &str) -> Result<(), SnapshotError> {
        match self.cluster_uid.as_deref() {
            Some(found) if found == expected => Ok(()),
            found => Err(SnapshotError::OtherCluster {
                expected: expected.to_owned(),
                found: found.unwrap_or("(none in the snapshot)").to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::{DEFAULT_MAX_AGE, Freshness};
    use crate::diagnostic::DiagnosticCode;
    use crate::snapshot::Capture;

    fn capture(time: Option<&str>) -> Capture {
        Capture {
            cluster_uid: Some("u1".to_owned()),
            captured_at: time.map(|time| time.parse().expect("a time")),
            inferred: false,
        }
    }

    #[test]
    fn age_is_counted_from_the_capture() {
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        let check = |time: Option<&str>, expected: Freshness| {
            assert_eq!(capture(time).freshness(now, DEFAULT_MAX_AGE), expected);
        };
        check(Some("2026-11-20T09:00:00Z"), Freshness::Fresh);
        check(Some("2026-11-20T13:00:00Z"), Freshness::Fresh);
        let age = SignedDuration::from_secs(3 * 3600 + 1);
        check(Some("2026-11-20T08:59:59Z"), Freshness::Stale { age });
        check(None, Freshness::Unknown);
    }

    #[test]
    fn snapshot_stale_and_snapshot_age_unknown_are_said() {
        let now = "2026-11-20T12:00:00Z".parse().expect("a time");
        let said = |time| capture(time).age_diagnostic(now, DEFAULT_MAX_AGE);
        let stale = said(Some("2026-11-20T07:30:00Z")).expect("a diagnostic");
        assert_eq!(stale.code, DiagnosticCode::SnapshotStale);
        assert_eq!(stale.message, "the snapshot is 4 h 30 min old");
        let unknown = said(None).expect("a diagnostic");
        assert_eq!(unknown.code, DiagnosticCode::SnapshotAgeUnknown);
        assert_eq!(said(Some("2026-11-20T11:30:00Z")), None);
    }

    #[test]
    fn a_snapshot_of_another_cluster_is_refused() {
        assert!(capture(None).check_cluster("u1").is_ok());
        assert!(capture(None).check_cluster("u2").is_err());
        assert!(Capture::default().check_cluster("u1").is_err());
    }
}
