//! `Verified`: the model's expectation, held against the pod that a dry run gave
//! (`spec/istio.md` §9).
//!
//! Where the two agree, the model's words stay, so that a stamp is the same with and without dry
//! runs; only what the model could not compute is filled in. Where they differ, the dry run is
//! right: it is what the API server would do.

use super::baked_config::remove_trusted_proxies;
use super::drift::drifts;
use super::expected::TEMPLATES;
use super::observed::observe_in;
use super::{
    Absence, Drift, Expectation, ExpectedSidecar, Mesh, Observation, ObservedSidecar, ProxyKind,
};
use crate::config::DriftClass;
use crate::manifest::PodTemplate;
use crate::snapshot::Pod;

/// What is to be expected once a dry run was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the next pod gets.
    pub expectation: Expectation,
    /// How the model stands to the dry run.
    pub agreement: Agreement,
}

/// How the model stands to a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agreement {
    /// They say the same.
    Agrees,
    /// They differ; each difference in words, the model's side and the dry run's.
    Disagrees(String),
    /// The two cannot be compared, and why.
    Untold(String),
}

/// Why no sidecar is expected where a dry run came back without one.
const NO_SIDECAR: &str = "the dry run of its next pod came back without a sidecar";

impl Mesh {
    /// Holds what the model expects for a template against the pod that a dry run of it gave.
    #[must_use]
    pub fn verify(&self, model: &Expectation, pod: &Pod, template: &PodTemplate) -> Verified {
        let given = match observe_in(pod, Some(template)) {
            Observation::Sidecar(given) => Some(given),
            Observation::None => None,
            Observation::Static(given) if matches!(model, Expectation::Sidecar(_)) => Some(given),
            Observation::Unknown(reason) => return untold(model, reason.message),
            Observation::Static(_) | Observation::GatewayApi | Observation::Other { .. } => {
                return untold(model, "its proxy is none that injection adds".to_owned());
            }
        };
        match (model, given.as_deref()) {
            (Expectation::None { .. }, None) => agrees(model.clone()),
            (Expectation::Sidecar(expected), Some(given)) => against(expected, given),
            (Expectation::Sidecar(expected), None) => {
                let words = format!("model: {}, dry run: no sidecar", sidecar_words(expected));
                disagrees(without_sidecar(), words)
            }
            (Expectation::None { why, .. }, Some(given)) => {
                let given = self.given(given, template);
                let words = format!(
                    "model: no sidecar ({why}), dry run: {}",
                    sidecar_words(&given)
                );
                disagrees(Expectation::Sidecar(Box::new(given)), words)
            }
            (Expectation::Rejected(reason), given) => {
                let words = format!("model: no pod ({}), dry run: a pod", reason.message);
                disagrees(self.of(given, template), words)
            }
            (Expectation::Unknown(reason), given) => Verified {
                expectation: self.of(given, template),
                agreement: Agreement::Untold(reason.message.clone()),
            },
        }
    }

    fn of(&self, given: Option<&ObservedSidecar>, template: &PodTemplate) -> Expectation {
        match given {
            Some(given) => Expectation::Sidecar(Box::new(self.given(given, template))),
            None => without_sidecar(),
        }
    }

    /// The sidecar that a dry run gave, where the model has none to correct.
    fn given(&self, given: &ObservedSidecar, template: &PodTemplate) -> ExpectedSidecar {
        let revision = given.revision.clone().unwrap_or_else(|| "default".into());
        let mut planes = self.revisions.iter().filter(|it| it.name == revision);
        // Two control planes of one name cannot be told apart here.
        let plane = planes.next().filter(|_| planes.next().is_none());
        let templates = template.metadata.annotations.get(TEMPLATES);
        let templates = templates.map_or("sidecar", String::as_str);
        let names = templates.split(',').map(|name| name.trim().to_owned());
        let mut sidecar = ExpectedSidecar {
            revision,
            control_plane: plane.map_or_else(String::new, |plane| plane.namespace.clone()),
            tag: None,
            version: None,
            image: String::new(),
            custom_image: false,
            image_inputs: Vec::new(),
            templates: names.collect(),
            kind: given.kind,
            native: None,
            init: None,
            config: Default::default(),
            prometheus_merged: false,
            resources: Default::default(),
            limits: Vec::new(),
            overlap: Vec::new(),
            settled_at: plane.and_then(|plane| plane.settled_at),
            computed: None,
        };
        for class in CLASSES {
            sidecar.take_over(class, given);
        }
        sidecar
    }
}

/// Classes of which a pod tells what it was given.
const CLASSES: [DriftClass; 5] = [
    DriftClass::Revision,
    DriftClass::Version,
    DriftClass::Shape,
    DriftClass::Config,
    DriftClass::Resources,
];

/// A sidecar is expected, and one was given.
fn against(expected: &ExpectedSidecar, given: &ObservedSidecar) -> Verified {
    let drifts = drifts(expected, given);
    let mut sidecar = expected.clone();
    if drifts.is_empty() {
        for (class, _) in &expected.limits {
            sidecar.take_over(*class, given);
        }
        if sidecar != *expected {
            sidecar.computed = Some(Box::new(expected.clone()));
        }
    } else {
        for class in CLASSES {
            sidecar.take_over(class, given);
        }
    }
    let expectation = Expectation::Sidecar(Box::new(sidecar));
    if drifts.is_empty() {
        return agrees(expectation);
    }
    let words: Vec<String> = drifts.iter().map(in_words).collect();
    disagrees(expectation, words.join("; "))
}

impl ExpectedSidecar {
    /// Puts what a dry run gave in the place of what was computed, or could not be.
    fn take_over(&mut self, class: DriftClass, given: &ObservedSidecar) {
        match class {
            DriftClass::Presence => {}
            DriftClass::Revision => {
                if let Some(revision) = &given.revision {
                    self.revision.clone_from(revision);
                }
            }
            DriftClass::Version | DriftClass::Variant | DriftClass::Registry => {
                self.version.clone_from(&given.version);
                self.image = given.image.clone().unwrap_or_default();
                self.image_inputs = vec![("dry run".to_owned(), self.image.clone())];
            }
            DriftClass::Shape => {
                self.kind = given.kind;
                self.native = given.image.is_some().then_some(given.native);
                self.init.clone_from(&given.init);
            }
            DriftClass::Config => {
                self.config.clone_from(&given.config);
                // Of a pod too it is looked at for gateways alone.
                if given.kind != ProxyKind::Gateway {
                    remove_trusted_proxies(&mut self.config);
                }
                self.prometheus_merged = given.prometheus_merged;
            }
            DriftClass::Resources => self.resources = given.resources.clone(),
        }
        self.limits.retain(|(limited, _)| *limited != class);
        if let (DriftClass::Config, Some(why)) = (class, &given.unreadable) {
            self.limits.push((class, why.clone()));
        }
    }
}

fn agrees(expectation: Expectation) -> Verified {
    Verified {
        expectation,
        agreement: Agreement::Agrees,
    }
}

fn disagrees(expectation: Expectation, words: String) -> Verified {
    Verified {
        expectation,
        agreement: Agreement::Disagrees(words),
    }
}

fn untold(model: &Expectation, why: String) -> Verified {
    Verified {
        expectation: model.clone(),
        agreement: Agreement::Untold(why),
    }
}

fn without_sidecar() -> Expectation {
    Expectation::None {
        why: NO_SIDECAR.to_owned(),
        unserved: None,
        absence: Absence::OptedOut,
    }
}

/// A drift whose observed side is the dry run's.
fn in_words(drift: &Drift) -> String {
    let Drift {
        code,
        observed,
        expected,
        ..
    } = drift;
    format!("{code} (model: {expected}, dry run: {observed})")
}

fn sidecar_words(sidecar: &ExpectedSidecar) -> String {
    let what = sidecar.version.as_deref().unwrap_or("a sidecar");
    format!("{what} of revision {}", sidecar.revision)
}
