//! How a `Mesh` is put together from a snapshot: injectors, the control planes that they lead to,
//! and what is said of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::control_plane::{ControlPlane, Unresolved, control_plane, locate};
use super::image::ImageName;
use super::injector::{Client, Injector, injectors};
use super::native::{NativeSwitch, Nodes, kubelet_minor};
use super::proxy_config_resource::proxy_config_resources;
use super::settling::settling;
use super::skew::skew_diagnostics;
use super::witness::witnessed;
use super::{Expectation, Mesh, Revision};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{PodTemplate, StringMap};
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::ClusterSnapshot;

/// Builds the model of a cluster's mesh.
pub(crate) fn mesh(snapshot: &ClusterSnapshot) -> (Mesh, Vec<Diagnostic>) {
    let (injectors, mut diagnostics) = injectors(snapshot);
    let mut planes: Vec<ControlPlane> = Vec::new();
    let mut deployments = Vec::new();
    let mut wired = Vec::new();
    for injector in injectors {
        let plane = locate(snapshot, &injector).map(|istiod| {
            let known = planes.iter().position(|plane| {
                plane.namespace == istiod.reference.namespace
                    && plane.deployment == istiod.reference.name
            });
            known.unwrap_or_else(|| {
                planes.push(control_plane(snapshot, istiod));
                deployments.push(istiod);
                planes.len() - 1
            })
        });
        wired.push((injector, plane));
    }
    for (index, istiod) in deployments.into_iter().enumerate() {
        let leading: Vec<&Injector> = leading_to(&wired, index).collect();
        let Some(plane) = planes.get_mut(index) else {
            continue;
        };
        plane.settling = settling(snapshot, istiod, plane, &leading);
        plane.witnessed = witnessed(snapshot, plane);
    }
    let mesh = Mesh {
        revisions: revisions(&wired, &planes),
        injectors: wired,
        planes,
        nodes: nodes(snapshot),
        proxy_configs: proxy_config_resources(snapshot),
    };
    diagnostics.extend(model_diagnostics(&mesh));
    diagnostics.extend(namespace_diagnostics(&mesh, snapshot));
    diagnostics.extend(skew_diagnostics(&mesh, snapshot));
    (mesh, diagnostics)
}

/// The injectors that lead to a control plane.
fn leading_to(
    wired: &[(Injector, Result<usize, Unresolved>)],
    index: usize,
) -> impl Iterator<Item = &Injector> {
    wired
        .iter()
        .filter(move |(_, plane)| *plane == Ok(index))
        .map(|(injector, _)| injector)
}

/// The control planes as others see them, those that cannot be resolved included.
fn revisions(
    wired: &[(Injector, Result<usize, Unresolved>)],
    planes: &[ControlPlane],
) -> Vec<Revision> {
    let tags = |injectors: &mut dyn Iterator<Item = &Injector>| -> Vec<String> {
        let tags: BTreeSet<String> = injectors
            .filter_map(|injector| injector.tag.clone())
            .collect();
        tags.into_iter().collect()
    };
    let mut revisions: Vec<Revision> = planes
        .iter()
        .enumerate()
        .map(|(index, plane)| Revision {
            name: plane.revision.clone(),
            namespace: plane.namespace.clone(),
            version: injected_version(plane),
            control_plane_version: plane.version.as_ref().map(ToString::to_string),
            tags: tags(&mut leading_to(wired, index)),
            settled: plane.settling.reasons.is_empty(),
            settled_at: plane.settling.at,
            reasons: plane.settling.reasons.clone(),
        })
        .collect();
    revisions.extend(unresolved_revisions(wired));
    revisions.sort_by(|a, b| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)));
    revisions
}

/// One entry for every client that leads to no control plane in the snapshot.
fn unresolved_revisions(wired: &[(Injector, Result<usize, Unresolved>)]) -> Vec<Revision> {
    let clients: BTreeSet<_> = wired
        .iter()
        .filter(|(_, plane)| plane.is_err())
        .map(|(injector, _)| &injector.client)
        .collect();
    let revision = |client: &Client| {
        let of_client = || {
            wired
                .iter()
                .filter(move |(injector, _)| injector.client == *client)
        };
        let (injector, plane) = of_client().next()?;
        let why = match plane {
            Err(Unresolved::Missing(why) | Unresolved::Unseen(why)) => why.clone(),
            Ok(_) => return None,
        };
        let tags: BTreeSet<String> = of_client().filter_map(|(one, _)| one.tag.clone()).collect();
        let named = injector.labelled_revision.as_deref();
        let namespace = match client {
            Client::Service { namespace, .. } => namespace.clone(),
            Client::Url(_) => String::new(),
        };
        Some(Revision {
            name: named.unwrap_or("default").to_owned(),
            namespace,
            version: None,
            control_plane_version: None,
            tags: tags.into_iter().collect(),
            settled: false,
            settled_at: None,
            reasons: vec![Reason::new(ReasonCode::InjectorUnresolvable, why)],
        })
    };
    clients.into_iter().filter_map(revision).collect()
}

/// The version of the proxies that a control plane injects by default.
fn injected_version(plane: &ControlPlane) -> Option<String> {
    let configuration = plane.configuration.as_ref().ok()?;
    let values = &configuration.values;
    let image = values.proxy_image();
    let version = if image.contains('/') {
        ImageName::parse(image)
            .version()
            .or_else(|| plane.version.clone())
    } else {
        super::Version::of_istio(&values.tag())
    };
    version.map(|version| version.to_string())
}

/// Nodes by name; none where the snapshot holds no such kind.
fn nodes(snapshot: &ClusterSnapshot) -> Nodes {
    let nodes: std::collections::BTreeMap<_, _> = snapshot
        .objects_of("", "Node")
        .map(|node| {
            let version = node.body.pointer("/status/nodeInfo/kubeletVersion");
            let minor = version.and_then(Value::as_str).and_then(kubelet_minor);
            (node.reference.name.clone(), minor)
        })
        .collect();
    (snapshot.holds("", "Node") || !nodes.is_empty()).then_some(nodes)
}

/// What of the cluster the model does not follow.
fn model_diagnostics(mesh: &Mesh) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for plane in &mesh.planes {
        let revision = &plane.revision;
        match &plane.configuration {
            Err(reason) => diagnostics.push(Diagnostic::error(
                DiagnosticCode::InjectorInvalid,
                format!("revision {revision}: {}", reason.message),
            )),
            Ok(configuration) => {
                if let Some(why) = &configuration.mesh_unknown {
                    diagnostics.push(Diagnostic::warning(
                        DiagnosticCode::ModelLimit,
                        format!("revision {revision}: {why}; proxy configuration is not compared"),
                    ));
                }
            }
        }
        if plane.native == NativeSwitch::Auto && mesh.nodes.is_none() {
            diagnostics.push(
                Diagnostic::info(
                    DiagnosticCode::ModelLimit,
                    format!("revision {revision} makes sidecars native according to the nodes, which the snapshot does not hold"),
                )
                .hint("record nodes as well"),
            );
        }
    }
    diagnostics
}

/// Namespaces whose labels name nobody, and injectors that select the same namespaces.
fn namespace_diagnostics(mesh: &Mesh, snapshot: &ClusterSnapshot) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut overlaps: BTreeSet<Vec<String>> = BTreeSet::new();
    let template = PodTemplate::default();
    for (name, metadata) in &snapshot.namespaces {
        let labels = Some(&metadata.labels);
        let explanation = mesh.explain(name, labels, &template, &StringMap::new());
        match explanation.expectation {
            Expectation::None {
                unserved: Some(label),
                ..
            } => diagnostics.push(
                Diagnostic::warning(
                    DiagnosticCode::RevisionNotServed,
                    format!("namespace {name} has the label {label}, which no injector serves"),
                )
                .hint("relabel the namespace, or install the revision or tag"),
            ),
            Expectation::Sidecar(sidecar) if !sidecar.overlap.is_empty() => {
                let winner = explanation.injector.into_iter();
                overlaps.insert(sidecar.overlap.into_iter().chain(winner).collect());
            }
            _ => {}
        }
    }
    diagnostics.extend(overlaps.into_iter().map(|webhooks| {
        let winner = webhooks.last().cloned().unwrap_or_default();
        let message = format!(
            "{} select the same pods; {winner} wins",
            webhooks.join(", ")
        );
        Diagnostic::warning(DiagnosticCode::InjectorsOverlap, message)
            .hint("remove or deactivate the configuration that is left over")
    }));
    diagnostics
}
