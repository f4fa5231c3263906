//! The command line, end to end: the binary, real Git repositories, real files.

mod api_server; // lists the objects of a snapshot
mod apply; // what `apply` writes, and what it never touches
mod carry; // stamps across a re-render
mod common; // the `Tool` builder: hermetic environment, temporary repositories
mod errors; // bad input: message, exit code, nothing half-written
mod example; // the bundled example of the README
mod help; // the whole of `--help`, as a snapshot
mod hostile; // names that would like to be something else
mod oracle; // dry runs: recorded, preferred, and held against the model
mod preview; // the plan for a mesh that is not there yet
mod publish; // branches of remotes, and pull requests
mod recordings; // recordings of a real cluster, where there are any
mod scenarios; // every folder of fixtures/scenarios
mod snapshot; // recordings of files and of a live cluster
#[allow(dead_code, reason = "the tests of the crate use all of it")]
#[path = "../../src/edge/cluster/stand_in.rs"]
mod stand_in; // HTTP and HTTPS on the loopback
mod tidy; // rules of the house that no compiler checks
