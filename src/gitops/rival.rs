//! Rivals: what restarts stale sidecars by itself, so that nothing is restarted twice.
//!
//! Source: `spec/peers.md` §2.1-2.3, `spec/gitops.md` §5.

use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::rollout::value;
use crate::snapshot::{ClusterSnapshot, Metadata};

/// One diagnostic for each rival that the snapshot shows.
pub(super) fn rivals(snapshot: &ClusterSnapshot) -> Vec<Diagnostic> {
    [
        kyma(snapshot),
        deckhouse(snapshot),
        google(snapshot),
        fortsa(snapshot),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn rival(message: String, hint: &str) -> Diagnostic {
    Diagnostic::warning(DiagnosticCode::RivalRestarter, message).hint(hint)
}

/// Kyma's module restarts every pod whose proxy is not its own version's.
fn kyma(snapshot: &ClusterSnapshot) -> Option<Diagnostic> {
    let manager = snapshot.workloads.iter().find(|live| {
        let module = live.metadata.labels.get("kyma-project.io/module");
        live.reference.namespace == "kyma-system" && module.is_some_and(|name| name == "istio")
    })?;
    Some(rival(
        format!(
            "{} is Kyma's Istio module: it restarts stale workloads by itself",
            manager.reference
        ),
        "leave the restarts to one of the two",
    ))
}

/// Deckhouse restarts what carries its label.
fn deckhouse(snapshot: &ClusterSnapshot) -> Option<Diagnostic> {
    const AUTO_UPGRADE: &str = "istio.deckhouse.io/auto-upgrade";
    let opted_in = |metadata: &&Metadata| {
        metadata
            .labels
            .get(AUTO_UPGRADE)
            .is_some_and(|value| value == "true")
    };
    let namespaces = snapshot.namespaces.values();
    let workloads = snapshot.workloads.iter().map(|live| &live.metadata);
    let found: Vec<&Metadata> = namespaces.chain(workloads).filter(opted_in).collect();
    let first = found.first()?;
    Some(rival(
        format!(
            "Deckhouse upgrades data planes that carry {AUTO_UPGRADE}: {} do, among them {}",
            found.len(),
            first.name
        ),
        "remove the label from what meshroll restarts",
    ))
}

/// Google's managed data plane evicts pods until they have the proxy it wants.
fn google(snapshot: &ClusterSnapshot) -> Option<Diagnostic> {
    let mut controls = snapshot.objects_of("mesh.cloud.google.com", "DataPlaneControl");
    let active = controls
        .find(|control| {
            value::integer(&control.body, &["spec", "proxyTargetBasisPoints"]) != Some(0)
        })
        .map(|control| control.reference.to_string())
        .or_else(|| annotated_for_google(snapshot))?;
    Some(rival(
        format!("{active} is Google's managed data plane: it evicts stale pods by itself"),
        "turn it off with mesh.cloud.google.com/proxy: '{\"managed\":\"false\"}', or leave the restarts to it",
    ))
}

/// What opts into Google's managed data plane by annotation: a namespace, or a revision.
fn annotated_for_google(snapshot: &ClusterSnapshot) -> Option<String> {
    let is_managed = |metadata: &Metadata| {
        let proxy = metadata.annotations.get("mesh.cloud.google.com/proxy")?;
        let proxy: serde_json::Value = serde_json::from_str(proxy).ok()?;
        // Both a boolean and its text are in use.
        match proxy.get("managed")? {
            serde_json::Value::Bool(managed) => managed.then_some(()),
            managed => (managed.as_str() == Some("true")).then_some(()),
        }
    };
    let revisions = snapshot.objects_of("mesh.cloud.google.com", "ControlPlaneRevision");
    let revision = revisions
        .filter(|revision| is_managed(&revision.metadata).is_some())
        .map(|revision| revision.reference.to_string())
        .next();
    revision.or_else(|| {
        let mut namespaces = snapshot.namespaces.values();
        let namespace = namespaces.find(|namespace| is_managed(namespace).is_some())?;
        Some(format!(
            "Namespace {} with mesh.cloud.google.com/proxy",
            namespace.name
        ))
    })
}

/// Fortsa patches live workloads with an annotation of its own.
fn fortsa(snapshot: &ClusterSnapshot) -> Option<Diagnostic> {
    const RESTARTED_AT: &str = "fortsa.scaffidi.net/restartedAt";
    let runs = |name: Option<&String>| name.is_some_and(|name| name == "fortsa");
    let found = snapshot.workloads.iter().find(|live| {
        let template = live.template.as_ref();
        let labels = &live.metadata.labels;
        template.is_some_and(|template| template.metadata.annotations.contains_key(RESTARTED_AT))
            || runs(labels.get("app.kubernetes.io/name"))
            || runs(labels.get("app"))
    })?;
    Some(rival(
        format!(
            "{} shows that Fortsa restarts stale workloads by itself",
            found.reference
        ),
        "leave the restarts to one of the two: under a GitOps engine its patches are drift",
    ))
}
