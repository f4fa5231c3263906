//! Tests of the stage, by what they look at.

mod arithmetic;
mod dry_run;
mod effect;
mod members;
mod progress;
mod risk;
