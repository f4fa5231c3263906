//! `Explanation`: how the injectors of a cluster come to give a pod what they give it
//! (`spec/istio.md` §0, §1).

use super::control_plane::Unresolved;
use super::expected::{Failure, Subject, Surroundings, expected_sidecar};
use super::injection::{Candidate, INJECT, injection_required};
use super::injector::{Injector, Match, REVISION};
use super::template::PROXY;
use super::{Absence, Expectation, Mesh};
use crate::manifest::{PodTemplate, StringMap};
use crate::reason::{Reason, ReasonCode};

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
