//! Tests of the stage, by what they look at.

mod arithmetic;
mod effect;
mod members;
mod progress;
mod risk;
