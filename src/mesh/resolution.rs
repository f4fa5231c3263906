//! `Explanation`: how the injectors of a cluster come to give a pod what they give it
//! (`spec/istio.md` §0, §1).

use std::collections::BTreeSet;

use serde_json::Value;

use super::control_plane::{ControlPlane, Unresolved, control_plane, locate};
use super::expected::{Failure, Subject, Surroundings, expected_sidecar};
use super::image::ImageName;
use super::injection::{Candidate, INJECT, injection_required};
use super::injector::{Injector, Match, REVISION, injectors};
use super::native::{Nodes, kubelet_minor};
use super::proxy_config_resource::proxy_config_resources;
use super::settling::settling;
use super::template::PROXY;
use super::witness::witnessed;
use super::{Absence, Expectation, Mesh, Revision};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{PodTemplate, StringMap};
use crate::reason::{Reason, ReasonCode};
use crate::snapshot::ClusterSnapshot;

/// The label that switches injection on for a namespace.
pub(crate) const INJECTION: &str = "istio-injection";
/// The label that every live namespace has and that no manifest has.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The whole chain of reasoning about one workload's pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Labels of the namespace as the API server sees them.
    pub namespace_labels: StringMap,
    /// Labels of the pods.
    pub pod_labels: StringMap,
    /// Every injector webhook in the order of calls.
    pub webhooks: Vec<Called>,
    /// The webhook that decides, as `configuration/webhook`.
    pub injector: Option<String>,
    /// `namespace/name` of the ConfigMap that it injects from.
    pub config_map: Option<String>,
    /// What comes of it; the image's inputs are in
    /// [`ExpectedSidecar::image_inputs`](super::ExpectedSidecar::image_inputs).
    pub expectation: Expectation,
}

/// One injector webhook and whether it is called for a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Name of the configuration.
    pub configuration: String,
    /// Name of the webhook.
    pub webhook: String,
    /// Whether it is called, and if not, why.
    pub outcome: Match,
    /// The revision that it leads to; `Err` says why it leads nowhere.
    pub revision: Result<String, String>,
    /// Why its injector leaves the pod alone though it is called.
    pub refusal: Option<String>,
}

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
    let revision = |client: &super::injector::Client| {
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
            super::injector::Client::Service { namespace, .. } => namespace.clone(),
            super::injector::Client::Url(_) => String::new(),
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
        if plane.native == super::native::NativeSwitch::Auto && mesh.nodes.is_none() {
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

/// What the fold over the webhooks leaves.
#[derive(Default)]
struct Fold {
    webhooks: Vec<Called>,
    /// Positions of the webhooks whose injectors inject the pod, the last of which wins.
    injecting: Vec<usize>,
    /// Why it cannot be told, or the pod be created.
    obstacle: Option<Expectation>,
}

impl Mesh {
    /// What the pods of a template would get now, with all the reasoning.
    #[must_use]
    pub fn explain(
        &self,
        namespace: &str,
        namespace_labels: Option<&StringMap>,
        template: &PodTemplate,
        controller_labels: &StringMap,
    ) -> Explanation {
        let mut labels = template.metadata.labels.clone();
        labels.extend(controller_labels.clone());
        let mut subject = Subject {
            namespace,
            namespace_labels: namespace_labels.cloned().unwrap_or_default(),
            labels,
            template,
        };
        let name = || namespace.to_owned();
        subject
            .namespace_labels
            .entry(NAMESPACE_NAME.to_owned())
            .or_insert_with(name);
        if namespace_labels.is_none() {
            let message = format!("namespace {namespace} is neither in the snapshot nor in Git");
            let reason = Reason::new(ReasonCode::SnapshotIncomplete, message);
            return explanation(subject, Vec::new(), Expectation::Unknown(reason));
        }
        let fold = self.fold(&subject);
        let winner = fold
            .injecting
            .last()
            .and_then(|index| self.injectors.get(*index));
        let expectation = match (fold.obstacle, winner) {
            (Some(obstacle), _) => obstacle,
            (None, Some((injector, Ok(plane)))) => {
                self.injected(injector, *plane, &fold.injecting, &subject)
            }
            (None, _) => without_injection(&subject, self.not_injected(&fold.webhooks, &subject)),
        };
        let mut explanation = explanation(subject, fold.webhooks, expectation);
        if let Some((injector, plane)) = winner {
            explanation.injector = Some(injector.title());
            explanation.config_map = self.config_map(plane);
        }
        explanation
    }

    fn config_map(&self, plane: &Result<usize, Unresolved>) -> Option<String> {
        let plane = self.planes.get(*plane.as_ref().ok()?)?;
        let configuration = plane.configuration.as_ref().ok()?;
        Some(format!("{}/{}", plane.namespace, configuration.config_map))
    }

    /// Asks every webhook in the order of calls; later ones see what earlier ones did.
    fn fold(&self, subject: &Subject<'_>) -> Fold {
        let mut fold = Fold::default();
        let mut labels = subject.labels.clone();
        for (index, (injector, plane)) in self.injectors.iter().enumerate() {
            let outcome = injector.matches(&subject.namespace_labels, &labels);
            let mut refusal = None;
            match &outcome {
                Match::NamespaceNotSelected(_) | Match::PodNotSelected(_) => {}
                Match::Undecided(why) => fold.stop(unknown(format!(
                    "whether webhook {} selects the pods cannot be told: {why}",
                    injector.title()
                ))),
                Match::Called => match self.called(injector, plane, subject, &labels) {
                    Verdict::Injects => {
                        fold.injecting.push(index);
                        self.relabel(plane, &mut labels);
                    }
                    Verdict::LeavesAlone(why) => refusal = Some(why),
                    Verdict::Stops(expectation) => fold.stop(expectation),
                },
            }
            fold.webhooks.push(Called {
                configuration: injector.configuration.clone(),
                webhook: injector.webhook.clone(),
                outcome,
                revision: self.revision_of(plane),
                refusal,
            });
        }
        fold
    }

    fn revision_of(&self, plane: &Result<usize, Unresolved>) -> Result<String, String> {
        match plane {
            Ok(index) => {
                let plane = self.planes.get(*index);
                Ok(plane
                    .map(|plane| plane.revision.clone())
                    .unwrap_or_default())
            }
            Err(Unresolved::Missing(why) | Unresolved::Unseen(why)) => Err(why.clone()),
        }
    }

    /// What an injector does with a pod that it is called for.
    fn called(
        &self,
        injector: &Injector,
        plane: &Result<usize, Unresolved>,
        subject: &Subject<'_>,
        labels: &StringMap,
    ) -> Verdict {
        let index = match plane {
            Ok(index) => *index,
            Err(Unresolved::Missing(why)) if injector.fails_closed => {
                let message = format!("{why}, so pods cannot be created");
                let reason = Reason::new(ReasonCode::WouldBeRejected, message);
                return Verdict::Stops(Expectation::Rejected(reason));
            }
            Err(Unresolved::Unseen(_)) if subject.template.spec.host_network => {
                return Verdict::LeavesAlone("the pod uses the node's network".to_owned());
            }
            Err(Unresolved::Missing(why) | Unresolved::Unseen(why)) => {
                return Verdict::Stops(unknown(format!("webhook {}: {why}", injector.title())));
            }
        };
        let configuration = self.planes.get(index).map(|plane| &plane.configuration);
        let configuration = match configuration {
            Some(Ok(configuration)) => configuration,
            Some(Err(reason)) => return Verdict::Stops(Expectation::Unknown(reason.clone())),
            None => return Verdict::LeavesAlone(String::new()),
        };
        let candidate = Candidate {
            namespace: subject.namespace,
            labels,
            annotations: &subject.template.metadata.annotations,
            host_network: subject.template.spec.host_network,
        };
        match injection_required(&configuration.injector, &configuration.version, &candidate) {
            Ok(()) => Verdict::Injects,
            Err(why) => Verdict::LeavesAlone(why),
        }
    }

    /// Until 1.10 injection itself wrote the revision's label, which later webhooks see (§3.1).
    fn relabel(&self, plane: &Result<usize, Unresolved>, labels: &mut StringMap) {
        let plane = plane
            .as_ref()
            .ok()
            .and_then(|index| self.planes.get(*index));
        let Some((plane, Ok(configuration))) = plane.map(|plane| (plane, &plane.configuration))
        else {
            return;
        };
        if !configuration.version.at_least(11) {
            labels.insert(REVISION.to_owned(), plane.revision.clone());
        }
    }

    /// The sidecar of the injector that wins.
    fn injected(
        &self,
        injector: &Injector,
        plane: usize,
        injecting: &[usize],
        subject: &Subject<'_>,
    ) -> Expectation {
        let Some((plane, Ok(configuration))) = self
            .planes
            .get(plane)
            .map(|plane| (plane, &plane.configuration))
        else {
            return unknown("the control plane has no configuration".to_owned());
        };
        let surroundings = Surroundings {
            nodes: &self.nodes,
            proxy_configs: &self.proxy_configs,
        };
        let client = &injector.client;
        match expected_sidecar(plane, configuration, client, &surroundings, subject) {
            Err(Failure::Rejected(reason)) => Expectation::Rejected(reason),
            Err(Failure::Unknown(reason)) => Expectation::Unknown(reason),
            Ok(mut sidecar) => {
                sidecar.tag = injector.tag.clone();
                let others = injecting.split_last().map_or(&[][..], |(_, others)| others);
                sidecar.overlap = others
                    .iter()
                    .filter_map(|index| Some(self.injectors.get(*index)?.0.title()))
                    .collect();
                sidecar.settled_at = match (sidecar.settled_at, injector.managed_at) {
                    (Some(settled), Some(managed)) => Some(settled.max(managed)),
                    (settled, _) => settled,
                };
                Expectation::Sidecar(Box::new(sidecar))
            }
        }
    }

    /// Why no injector injects the pod.
    fn not_injected(&self, webhooks: &[Called], subject: &Subject<'_>) -> Expectation {
        let none = |absence, why: String, unserved: Option<String>| Expectation::None {
            why,
            unserved,
            absence,
        };
        if self.injectors.is_empty() {
            return none(
                Absence::NoInjector,
                "the cluster has no injector".to_owned(),
                None,
            );
        }
        if let Some(why) = webhooks.iter().find_map(|webhook| webhook.refusal.clone()) {
            return none(Absence::OptedOut, why, None);
        }
        let namespace = subject.namespace;
        let label = |key: &str| subject.labels.get(key).map(String::as_str);
        let namespace_label = |key: &str| subject.namespace_labels.get(key).map(String::as_str);
        if label(INJECT) == Some("false") {
            return none(
                Absence::OptedOut,
                format!("the pods have the label {INJECT}=false"),
                None,
            );
        }
        if subject.template.spec.host_network {
            return none(
                Absence::OptedOut,
                "the pods use the node's network".to_owned(),
                None,
            );
        }
        match (
            namespace_label(INJECTION),
            namespace_label(REVISION),
            label(REVISION),
        ) {
            (Some("enabled"), _, _) => {
                let label = format!("{INJECTION}=enabled");
                let why = format!("no injector serves namespace {namespace}, labelled {label}");
                none(Absence::Unserved, why, Some(label))
            }
            (Some(word), _, _) => {
                let why = format!("namespace {namespace} has the label {INJECTION}={word}");
                none(Absence::OptedOut, why, None)
            }
            (None, Some(revision), _) => self.named(revision, &format!("namespace {namespace}")),
            (None, None, Some(revision)) => self.named(revision, "the pod template"),
            (None, None, None) => {
                let why = format!("neither namespace {namespace} nor the pods ask for a sidecar");
                none(Absence::NotAsked, why, None)
            }
        }
    }

    /// A revision or tag is named, and no webhook was called.
    fn named(&self, revision: &str, place: &str) -> Expectation {
        let is_served = self.serves(revision);
        let label = format!("{REVISION}={revision}");
        Expectation::None {
            why: if is_served {
                format!("{place} has the label {label}, and no injector selects the pods")
            } else {
                format!("{place} has the label {label}, which no injector serves")
            },
            unserved: (!is_served).then_some(label),
            absence: if is_served {
                Absence::NotAsked
            } else {
                Absence::Unserved
            },
        }
    }

    /// Whether some injector selects by this revision or tag.
    #[must_use]
    pub fn serves(&self, revision: &str) -> bool {
        let mut injectors = self.injectors.iter();
        injectors.any(|(injector, _)| injector.serves().any(|served| served == revision))
    }
}

/// A container with the image `auto` cannot start without injection: that is worse than a sidecar
/// lost (`spec/istio.md` §6). A revision that nobody serves says so by itself.
fn without_injection(subject: &Subject<'_>, expectation: Expectation) -> Expectation {
    let proxy = subject.template.spec.container(PROXY);
    let is_auto = proxy.is_some_and(|(proxy, _)| proxy.image.as_deref() == Some("auto"));
    match expectation {
        Expectation::None {
            why,
            unserved: None,
            ..
        } if is_auto => Expectation::Rejected(Reason::new(
            ReasonCode::WouldBeRejected,
            format!(
                "image auto of container {PROXY} cannot be pulled unless an injector replaces it: {why}"
            ),
        )),
        other => other,
    }
}

impl Fold {
    /// Keeps the first thing that stands in the way.
    fn stop(&mut self, expectation: Expectation) {
        self.obstacle.get_or_insert(expectation);
    }
}

/// What an injector does with a pod.
enum Verdict {
    Injects,
    LeavesAlone(String),
    Stops(Expectation),
}

fn unknown(message: String) -> Expectation {
    Expectation::Unknown(Reason::new(ReasonCode::InjectorUnresolvable, message))
}

fn explanation(
    subject: Subject<'_>,
    webhooks: Vec<Called>,
    expectation: Expectation,
) -> Explanation {
    Explanation {
        namespace_labels: subject.namespace_labels,
        pod_labels: subject.labels,
        webhooks,
        injector: None,
        config_map: None,
        expectation,
    }
}
