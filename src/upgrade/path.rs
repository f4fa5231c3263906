//! The way of an upgrade: what Istio, and who runs it for you, support (`spec/istio.md` §5.3, §8).

use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::mesh::{Mesh, Revision, Version};
use crate::snapshot::ClusterSnapshot;

/// Judges the way from the mesh of now to the one that is assumed.
///
/// `after` is the snapshot of the assumed mesh: its namespaces say what is still named.
#[must_use]
pub fn check(before: &Mesh, assumed: &Mesh, after: &ClusterSnapshot) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for revision in &assumed.revisions {
        let Some(version) = version(revision) else {
            continue;
        };
        match same(before, revision) {
            Some(old) => {
                if let Some(old) = self::version(old) {
                    found.extend(in_place(revision, &old, &version));
                }
            }
            None => found.extend(canary(before, revision, &version)),
        }
        found.extend(managed(before, revision, &version, after));
    }
    found.extend(gone(before, assumed, after));
    found
}

fn same<'a>(mesh: &'a Mesh, revision: &Revision) -> Option<&'a Revision> {
    mesh.revisions
        .iter()
        .find(|one| one.name == revision.name && one.namespace == revision.namespace)
}

fn version(revision: &Revision) -> Option<Version> {
    let text = revision.control_plane_version.as_deref();
    Version::of_istio(text.or(revision.version.as_deref())?)
}

/// How many minors lie between two versions; negative where the second is older.
fn minors(old: &Version, new: &Version) -> i64 {
    i64::from(new.minor) - i64::from(old.minor)
}

/// A control plane that becomes another version: one minor at a time, and no way back past its
/// proxies.
fn in_place(revision: &Revision, old: &Version, new: &Version) -> Option<Diagnostic> {
    let name = &revision.name;
    let distance = minors(old, new);
    if new.is_older_than(old) {
        let message = format!(
            "revision {name} would go back from {old} to {new}: proxies of {old} are newer than their control plane until they restart, which Istio does not support"
        );
        return Some(
            Diagnostic::warning(DiagnosticCode::ControlPlaneDowngrade, message)
                .hint("take the proxies back first: move their namespaces to a revision of the older version"),
        );
    }
    (distance > 1).then(|| {
        let message = format!(
            "revision {name} would go from {old} to {new} in place and skip {} minors; Istio supports one minor at a time",
            distance - 1
        );
        Diagnostic::warning(DiagnosticCode::UpgradeSkipsMinors, message)
            .hint("upgrade minor by minor, or install the new version as a revision of its own")
    })
}

/// A revision beside others may be two minors ahead of them.
fn canary(before: &Mesh, revision: &Revision, new: &Version) -> Option<Diagnostic> {
    let name = &revision.name;
    let oldest = before
        .revisions
        .iter()
        .filter_map(|old| Some((old, version(old)?)))
        .filter(|(_, old)| minors(old, new) > 2)
        .min_by_key(|(_, old)| (old.minor, old.patch))?;
    let (old, from) = oldest;
    let message = format!(
        "revision {name} of {new} is more than two minors ahead of revision {} of {from}, which Istio does not test",
        old.name
    );
    let code = DiagnosticCode::UpgradeSkipsMinors;
    Some(Diagnostic::warning(code, message).hint("go by a version between the two"))
}

/// What those who run Istio for their users do not allow.
fn managed(
    before: &Mesh,
    revision: &Revision,
    new: &Version,
    after: &ClusterSnapshot,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let rule = DiagnosticCode::ManagedMeshRule;
    if revision.namespace == "aks-istio-system" && revision.name.starts_with("asm-") {
        let by_injection_label: Vec<&str> = after
            .namespaces
            .values()
            .filter(|namespace| {
                let label = namespace.labels.get("istio-injection");
                label.is_some_and(|value| value == "enabled")
            })
            .map(|namespace| namespace.name.as_str())
            .collect();
        if !by_injection_label.is_empty() {
            let message = format!(
                "the AKS add-on takes no `istio-injection` label: namespaces {} get no sidecar from it",
                by_injection_label.join(", ")
            );
            let hint = format!("label them `istio.io/rev={}`", revision.name);
            found.push(Diagnostic::warning(rule, message).hint(hint));
        }
        let newest = before
            .revisions
            .iter()
            .filter_map(version)
            .max_by_key(|v| v.minor);
        if same(before, revision).is_none() && newest.is_some_and(|old| minors(&old, new) > 1) {
            let message = format!(
                "the AKS add-on allows one minor at a time: {} is further ahead",
                revision.name
            );
            found.push(Diagnostic::warning(rule, message));
        }
    }
    if is_kyma(after)
        && let Some(old) = same(before, revision).and_then(version)
        && (new.is_older_than(&old) || minors(&old, new) > 1)
    {
        let message = format!(
            "Kyma's Istio module goes one minor up at a time and never back: it refuses {old} → {new}"
        );
        found.push(Diagnostic::warning(rule, message));
    }
    found
}

/// Whether Kyma's module runs Istio here.
fn is_kyma(snapshot: &ClusterSnapshot) -> bool {
    snapshot.workloads.iter().any(|live| {
        let module = live.metadata.labels.get("kyma-project.io/module");
        live.reference.namespace == "kyma-system" && module.is_some_and(|name| name == "istio")
    })
}

/// Revisions and tags that disappear while namespaces still name them.
fn gone(before: &Mesh, assumed: &Mesh, after: &ClusterSnapshot) -> Vec<Diagnostic> {
    let names = |mesh: &Mesh| -> Vec<String> {
        let revisions = mesh.revisions.iter();
        let mut names: Vec<String> = revisions
            .flat_map(|revision| std::iter::once(&revision.name).chain(&revision.tags))
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let served = names(assumed);
    let lost = names(before)
        .into_iter()
        .filter(|name| !served.contains(name));
    lost.filter_map(|name| {
        let named_by: Vec<&str> = after
            .namespaces
            .values()
            .filter(|namespace| namespace.labels.get("istio.io/rev") == Some(&name))
            .map(|namespace| namespace.name.as_str())
            .collect();
        (!named_by.is_empty()).then(|| {
            let message = format!(
                "revision or tag {name} disappears, and namespaces {} still name it: their pods lose their sidecars when they restart",
                named_by.join(", ")
            );
            Diagnostic::error(DiagnosticCode::RevisionDisappears, message)
                .hint("move the namespaces to another revision first, and restart their workloads")
        })
    })
    .collect()
}
