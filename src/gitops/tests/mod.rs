//! Tests of the stage, by what they look at.

mod origin;
