//! The command line, end to end: the binary, real Git repositories, real files.

mod apply; // what `apply` writes, and what it never touches
mod carry; // stamps across a re-render
mod common; // the `Tool` builder: hermetic environment, temporary repositories
mod errors; // bad input: message, exit code, nothing half-written
mod example; // the bundled example of the README
mod help; // the whole of `--help`, as a snapshot
mod preview; // the plan for a mesh that is not there yet
mod publish; // branches of remotes, and pull requests
mod recordings; // recordings of a real cluster, where there are any
mod scenarios; // every folder of fixtures/scenarios
mod snapshot; // recordings of files and of a live cluster
mod tidy; // rules of the house that no compiler checks
