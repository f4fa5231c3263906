//! Tests of the whole stage, by subject.

mod recordings;
