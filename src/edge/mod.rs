//! The edges: files, cluster, Git, forge and the terminal. The only code that does I/O.
//!
//! Edges translate and decide nothing. They know core types and never each other; `run` is their
//! only caller.

pub mod clock;
pub mod cluster;
pub mod files;
pub mod forge;
pub mod git;
pub mod snapshot_file;
pub mod terminal;
