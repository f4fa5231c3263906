//! The clock: read once a run, and passed down from there.

use jiff::Timestamp;

/// The time, to the second, as Kubernetes writes it.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
