//! Tests of the whole stage, by subject.

mod decision_table;
mod goldens;
mod recordings;
mod traps;
