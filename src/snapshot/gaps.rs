//! Gaps: what a snapshot does not hold, and the command that would fill them.
//!
//! In what kubectl prints, a kind that was not asked for and a kind of which there is nothing look
//! the same. What nothing can be told without is a gap; anything else that is absent counts as none,
//! and is named once (`design.md` §10, *missing or empty*).

use std::collections::BTreeSet;

use super::ClusterSnapshot;
use super::kinds::{KINDS, Kind, Role};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::group_of;

/// What a snapshot does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Kinds that are needed: the verdicts that depend on them are unknown.
    pub required: Vec<&'static Kind>,
    /// Namespaces that have pods, and are not there themselves.
    pub namespaces: Vec<String>,
    /// Kinds that count as none.
    pub unchecked: Vec<&'static Kind>,
}

/// What the snapshot does not hold.
///
/// Of the kinds that own pods, those are needed that an owner reference names: a list without
/// StatefulSets is whole where no pod is of one.
#[must_use]
pub fn gaps(snapshot: &ClusterSnapshot) -> Gaps {
    let owners = owners(snapshot);
    let has_workloads = KINDS
        .iter()
        .filter(|kind| owns_pods(kind))
        .any(|kind| snapshot.holds(kind.group, kind.kind));
    let mut gaps = Gaps {
        namespaces: lone_namespaces(snapshot),
        ..Gaps::default()
    };
    for kind in KINDS {
        if snapshot.holds(kind.group, kind.kind) {
            continue;
        }
        let required = match owns_pods(kind) {
            true => owners.contains(&(kind.group, kind.kind)) || kind.required && !has_workloads,
            false => kind.required,
        };
        match required {
            true => gaps.required.push(kind),
            false => gaps.unchecked.push(kind),
        }
    }
    gaps
}

fn owns_pods(kind: &Kind) -> bool {
    matches!(
        kind.role,
        Role::Workload | Role::CronWorkload | Role::ReplicaSet
    )
}

/// Groups and kinds of everything that controls a pod, a ReplicaSet or a workload, and what lies
/// behind ReplicaSets that are missing themselves.
fn owners(snapshot: &ClusterSnapshot) -> BTreeSet<(&str, &str)> {
    let pods = snapshot.pods.iter().map(|pod| &pod.metadata);
    let sets = snapshot.replica_sets.iter().map(|set| &set.metadata);
    let live = snapshot.workloads.iter().map(|live| &live.metadata);
    let mut owners: BTreeSet<(&str, &str)> = pods
        .chain(sets)
        .chain(live)
        .filter_map(|metadata| metadata.controller())
        .map(|owner| (group_of(&owner.api_version), owner.kind.as_str()))
        .collect();
    if owners.contains(&("apps", "ReplicaSet")) && !snapshot.holds("apps", "ReplicaSet") {
        owners.insert(("apps", "Deployment"));
    }
    owners
}

fn lone_namespaces(snapshot: &ClusterSnapshot) -> Vec<String> {
    if snapshot.namespaces.is_empty() {
        return Vec::new();
    }
    let of_pods: BTreeSet<&str> = snapshot
        .pods
        .iter()
        .map(|pod| pod.metadata.namespace.as_str())
        .collect();
    let is_alone = |name: &&str| !snapshot.namespaces.contains_key(*name);
    of_pods
        .into_iter()
        .filter(is_alone)
        .map(str::to_owned)
        .collect()
}

impl Gaps {
    /// The command that records what is needed and missing; none where nothing is.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        let mut resources: Vec<String> = self.required.iter().map(|kind| kind.resource()).collect();
        if resources.is_empty() && !self.namespaces.is_empty() {
            resources.push("namespaces".to_owned());
        }
        (!resources.is_empty()).then(|| command(&resources))
    }

    /// What is said about the gaps.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let incomplete = |message: String| {
            let diagnostic = Diagnostic::error(DiagnosticCode::SnapshotIncomplete, message);
            match self.command() {
                Some(command) => diagnostic.hint(format!("add the output of `{command}`")),
                None => diagnostic,
            }
        };
        if !self.required.is_empty() {
            let kinds = names(&self.required);
            diagnostics.push(incomplete(format!("the snapshot does not hold {kinds}")));
        }
        if !self.namespaces.is_empty() {
            let names = self.namespaces.join(", ");
            diagnostics.push(incomplete(format!(
                "the snapshot holds pods of namespaces that it does not hold itself: {names}"
            )));
        }
        diagnostics.extend(self.not_checked());
        diagnostics
    }

    fn not_checked(&self) -> Option<Diagnostic> {
        let (built_in, custom): (Vec<&Kind>, Vec<&Kind>) =
            self.unchecked.iter().partition(|kind| kind.is_built_in());
        let resources: Vec<String> = built_in.iter().map(|kind| kind.resource()).collect();
        let groups: BTreeSet<&str> = custom.iter().map(|kind| kind.group).collect();
        let groups = Vec::from_iter(groups).join(", ");
        let mut absent = resources.join(", ");
        if !groups.is_empty() {
            let separator = if absent.is_empty() { "" } else { ", and " };
            absent = format!("{absent}{separator}resources of {groups}");
        }
        if absent.is_empty() {
            return None;
        }
        let message = format!("not in the snapshot, and taken for none in the cluster: {absent}");
        let diagnostic = Diagnostic::info(DiagnosticCode::NotChecked, message);
        let hint = match resources.is_empty() {
            true => "add what of them the cluster has".to_owned(),
            false => format!("add the output of `{}`", command(&resources)),
        };
        Some(diagnostic.hint(hint))
    }
}

fn command(resources: &[String]) -> String {
    format!("kubectl get {} -A -o json", resources.join(","))
}

fn names(kinds: &[&Kind]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.kind).collect();
    names.join(", ")
}
