//! Tests of the whole stage, by subject.

mod decision_table;
mod drift_codes;
mod goldens;
mod recordings;
mod traps;
