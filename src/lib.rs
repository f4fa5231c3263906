//! meshroll restarts stale Istio sidecars through Git.
//!
//! # Bird's-eye view
//!
//! For every pod, the *observed* sidecar (what it runs) is held against the *expected* sidecar
//! (what its injector would give its replacement now). The difference is a list of typed drifts.
//! A workload is *stale* when a current pod of it drifts in a way that the policy restarts on, and
//! the restart is written into the manifests in Git as the smallest reviewable diff, so that
//! Argo CD or Flux performs the rollout. The cluster itself is never touched.
//!
//! # The pipeline
//!
//! The module list below is the order in which data flows. Each stage is a pure function
//! `fn stage(inputs) -> (Out, Vec<Diagnostic>)`: a bad file is data and never hides the others.
//!
//! | module | from → to |
//! |---|---|
//! | [`config`] | `meshroll.yaml` → `Policy` |
//! | [`manifest`] | bytes of the repository → `ManifestSet`: files, documents, objects, with byte spans |
//! | [`snapshot`] | bytes of the cluster → `ClusterSnapshot`; and the projection that is recorded |
//! | [`mesh`] | injectors, revisions, tags → `ExpectedSidecar`; a pod → `ObservedSidecar`; their `Drift`s |
//! | [`upgrade`] | the control plane that the repository asks for → the snapshot as it would be then |
//! | [`rollout`] | what a template edit does, kind by kind; progress; disruption and its risks |
//! | [`gitops`] | which file reaches which object of the cluster through which engine; what blocks it |
//! | [`decision`] | all of the above → a `Verdict` for every workload, with reasons |
//! | [`wave`] | verdicts and policy → `RestartPlan`: which restarts are open now |
//! | [`edit`] | plan → proven byte edits of manifest files |
//! | [`publish`] | branch names, commit messages: what would be delivered, as values |
//! | [`report`] | table, JSON, Markdown, diff |
//! | [`edge`] | files, cluster, Git, terminal: the only code that does I/O |
//!
//! Three vocabularies stand before the stages: [`diagnostic`] (what was wrong with the input),
//! [`reason`] (verdicts and why) and [`text`]. Every stage from `mesh` to `edit` gives reasons, so the closed set
//! cannot live in `decision`, which comes after most of them; `text` says which characters no output
//! may pass on: commit messages and reports have to agree on that.
//!
//! `upgrade` is a stage of its own because a plan for tomorrow's mesh must be the plan of today's in
//! everything else: it gives back a snapshot, so that no stage after it knows of the assumption.
//!
//! [`run`] is the table of contents of the program and the only caller of [`edge`].
//!
//! # Invariants
//!
//! * A stage uses types of earlier stages only. Edges know core types, never each other, and decide
//!   nothing.
//! * The core does no I/O and reads no clock, no environment and no randomness. Time enters once.
//! * `edit::text_edit` knows bytes and ranges, nothing of YAML and nothing of this crate.
//! * Core types do not implement `Serialize`; [`report`] owns the wire types of what leaves the
//!   process, and the snapshot's projection owns those of a recording.
//! * Same input, same bytes out: every collection that reaches output is sorted.

pub mod diagnostic;
pub mod reason;
pub mod text;

pub mod config;
pub mod manifest;
pub mod snapshot;

pub mod mesh;
pub mod rollout;
pub mod upgrade;

pub mod gitops;

pub mod decision;
pub mod wave;

pub mod edit;
pub mod publish;
pub mod report;

pub mod edge;

pub mod cli;
pub mod error;
pub mod run;
