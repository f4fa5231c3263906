//! Tests of the whole stage, by subject.

mod any_input;
mod control_planes;
mod decision_table;
mod drift_codes;
mod goldens;
mod images;
mod oracle;
mod recordings;
mod settling;
mod traps;
