//! Verdicts, one canonical test for each.
