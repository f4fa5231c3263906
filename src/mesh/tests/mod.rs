//! Tests of the whole stage, by subject.

mod goldens;
mod recordings;
