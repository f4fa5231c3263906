//! Tests of the whole stage, by subject.

mod control_planes;
mod decision_table;
mod drift_codes;
mod goldens;
mod images;
mod recordings;
mod settling;
mod traps;
