//! Edges: files, the cluster, Git, the terminal. The only code that does I/O.

pub mod snapshot_input;
