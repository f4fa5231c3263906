//! The clock: read once a run, and passed down from there; and waiting.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

use jiff::Timestamp;

/// The time, to the second, as Kubernetes writes it.
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Waits.
pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// A number that differs from run to run: the standard library's hashers are seeded by the system.
#[must_use]
pub fn number() -> u32 {
    let seed = RandomState::new().build_hasher().finish();
    u32::try_from(seed >> 32).unwrap_or_default()
}

/// The same as a number from 0 to 1.
#[must_use]
pub fn chance() -> f64 {
    f64::from(number()) / f64::from(u32::MAX)
}
