//! Retries: how often, and how long to wait between them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// How often a request is tried in all.
pub(super) const TRIES: u32 = 5;
/// The wait after the first try; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// What waiting means: sleeping, or nothing in tests.
pub struct Pause {
    wait: Box<dyn FnMut(Duration)>,
}

impl Pause {
    /// Waits are slept.
    #[must_use]
    pub fn sleeping() -> Self {
        Self::new(std::thread::sleep)
    }

    /// Waits are handed to a function.
    pub fn new(wait: impl FnMut(Duration) + 'static) -> Self {
        Self {
            wait: Box::new(wait),
        }
    }

    /// Waits after a failed try: longer each time, at least as long as the server asks for, and
    /// never quite as long as others that failed at the same moment.
    pub(super) fn after(&mut self, tries: u32, asked: Duration) {
        let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16));
        let longest = doubled.min(LONGEST);
        let jitter = f64::from(chance()) / f64::from(u32::MAX);
        let wait = longest.mul_f64(0.5 + jitter / 2.0);
        (self.wait)(wait.max(asked.min(LONGEST)));
    }
}

/// A number that differs from run to run: the standard library's hashers are seeded by the system.
fn chance() -> u32 {
    let seed = RandomState::new().build_hasher().finish();
    u32::try_from(seed >> 32).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::Pause;

    #[test]
    fn waits_grow_and_the_server_is_heard() {
        let waits = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&waits);
        let mut pause = Pause::new(move |wait| seen.borrow_mut().push(wait));
        for tries in 1..=20 {
            pause.after(tries, Duration::ZERO);
        }
        pause.after(1, Duration::from_secs(7));
        pause.after(1, Duration::from_secs(7000));
        let waits = waits.borrow();
        let between = |wait: Duration, low: u64, high: u64| {
            wait >= Duration::from_millis(low) && wait <= Duration::from_millis(high)
        };
        assert!(between(waits[0], 250, 500), "{waits:?}");
        assert!(between(waits[2], 1000, 2000), "{waits:?}");
        assert!(between(waits[19], 15_000, 30_000), "{waits:?}");
        assert_eq!(waits[20], Duration::from_secs(7));
        assert_eq!(waits[21], Duration::from_secs(30));
    }
}
