//! One case for each blocker.
