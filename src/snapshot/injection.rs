//! `Injection`: what a server-side dry run of a workload's next pod gave (`spec/istio.md` §9), as
//! it is answered and as it is recorded.
//!
//! Of the pod that comes back, the part is kept that pods are kept with, and of its containers
//! those that injection writes: a recording says no more of a dry run than of a running pod.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::metadata::{RawMetadata, keeps_annotation};
use super::object::Context;
use super::pod::{RawPod, is_injected};
use super::text::Text;
use super::window::{Refusal, one};
use super::{Metadata, Pod, PodStatus};
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::{Container, ObjectRef, PodSpec, PodTemplate, null_default};

/// API group of injection results in a recording.
pub(super) const GROUP: &str = "meshroll.dev";
/// Kind of injection results in a recording.
pub(super) const KIND: &str = "InjectionResult";
/// No message of a refusal is kept beyond this many characters.
const MESSAGE_LIMIT: usize = 500;
/// How many characters the API server adds to a `generateName`.
const RANDOM_LENGTH: usize = 5;

/// What injection gave the next pod of a workload, when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The workload.
    pub workload: ObjectRef,
    /// [`template_digest`] of the template that the pod was made from.
    pub template: String,
    /// What came of its pod.
    pub outcome: InjectionOutcome,
}

/// What a dry run of a pod came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InjectionOutcome {
    /// The pod as it would have been created, under its workload's name, with no container but
    /// those that injection writes.
    Created(Box<Pod>),
    /// The API server or a webhook refuses the pod, as it would refuse the real one.
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// Nothing can be told of the pod: meshroll may not ask, or something in the way does not
    /// answer dry runs.
    Unanswered {
        /// Why, in the server's words.
        message: String,
    },
}

/// What the API server says where it creates no pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateRefusal<'r> {
    /// The HTTP status.
    pub code: u16,
    /// Whether its details name the pod that is refused.
    pub names_pod: bool,
    /// Its words.
    pub message: &'r str,
    /// The `generateName` of the pod: what the server adds to it is chance.
    pub generate_name: &'r str,
}

impl CreateRefusal<'_> {
    /// Whether the server forbids meshroll to ask, and not the pod.
    ///
    /// The authorizer refuses a request without naming the pod, admission refuses a named pod
    /// (`apimachinery/pkg/api/errors`, `NewForbidden`); a webhook says that it was one
    /// (`apiserver/pkg/admission/plugin/webhook/errors`, `ToStatusErr`).
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        let is_denial = self.message.starts_with("admission webhook");
        self.code == 403 && !self.names_pod && !is_denial
    }

    /// A full quota is no refusal: the pods that fill it are those that a restart replaces. A
    /// conflict is one of names or of quotas' counts, and says nothing of the pod.
    fn says_nothing(&self) -> bool {
        match self.code {
            403 => self.is_unauthorized() || self.message.contains("exceeded quota"),
            400 => self.message.contains("does not support dry run"),
            401 | 404 | 405 | 408 | 409 | 429 | 502..=504 => true,
            _ => false,
        }
    }
}

impl InjectionOutcome {
    /// Reads the pod that the API server answers with.
    ///
    /// `annotation_keys` are kept besides the known ones, as everywhere in a snapshot.
    #[must_use]
    pub fn of_pod(workload: &ObjectRef, body: &str, annotation_keys: &[String]) -> Self {
        let read = one::<RawPod<'_>>(body).map_err(|refusal| refusal.message);
        match read.and_then(|(raw, _)| kept(&raw, workload, annotation_keys)) {
            Ok(pod) => Self::Created(Box::new(pod)),
            Err(message) => Self::unanswered(&format!("the answer is no pod: {message}")),
        }
    }

    /// What it means that the API server creates no pod.
    #[must_use]
    pub fn of_refusal(refusal: CreateRefusal<'_>) -> Self {
        let message = without_chance(refusal.message, refusal.generate_name);
        if refusal.says_nothing() {
            return Self::unanswered(&format!("{}: {message}", refusal.code));
        }
        Self::Refused {
            code: refusal.code,
            message: shortened(&message),
        }
    }

    /// A dry run that tells nothing, and why.
    #[must_use]
    pub fn unanswered(message: &str) -> Self {
        Self::Unanswered {
            message: shortened(message),
        }
    }
}

impl Injection {
    /// What is to be said of a dry run that gave no pod; the plan then goes by the model.
    #[must_use]
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        let workload = &self.workload;
        match &self.outcome {
            InjectionOutcome::Created(_) => None,
            InjectionOutcome::Refused { code, message } => {
                let message = format!(
                    "the dry run of the next pod of {workload} is refused with {code}: {message}"
                );
                let refused = Diagnostic::warning(DiagnosticCode::OracleRefused, message);
                Some(
                    refused.hint(
                        "a restart's pod would be refused as well, so the workload is blocked; find out why, then record again",
                    ),
                )
            }
            // Without the workload's name, so that a namespace is told of once.
            InjectionOutcome::Unanswered { message } => {
                let message = format!(
                    "dry runs of pods of namespace {} tell nothing: {message}",
                    workload.namespace
                );
                let unanswered = Diagnostic::warning(DiagnosticCode::OracleUnanswered, message);
                Some(unanswered.hint(
                    "they need `create` on pods (deploy/oracle.yaml) and webhooks without side effects; the plan goes by the model",
                ))
            }
        }
    }
}

/// What is to be said of the dry runs that gave no pod, each once.
pub(super) fn diagnostics(injections: &[Injection]) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = injections
        .iter()
        .filter_map(Injection::diagnostic)
        .collect();
    found.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    found.dedup();
    found
}

/// A digest of what injection looks at in a template: equal digests, equal sidecars.
///
/// Restarts change a template's annotations without changing what it is injected with, so their
/// annotations are left out, and so is all that a snapshot does not keep.
#[must_use]
pub fn template_digest(template: &PodTemplate) -> String {
    let PodTemplate { metadata, spec } = template;
    let counts = |key: &str| keeps_annotation(key, &[]) && !is_of_restarts(key);
    let annotations = metadata.annotations.iter();
    let annotations: Vec<_> = annotations.filter(|(key, _)| counts(key)).collect();
    let containers = spec.containers.iter().chain(&spec.init_containers);
    let own = containers.filter(|container| is_injected(&container.name));
    let own: Vec<Value> = own.map(essence).collect();
    let labels: Vec<_> = metadata.labels.iter().collect();
    let essence = json!([labels, annotations, spec.host_network, own]);
    let digest = Sha256::digest(essence.to_string().as_bytes());
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What injection takes over from a container of the user's own that has the proxy's name.
fn essence(container: &Container) -> Value {
    let Container {
        name,
        image,
        resources,
        ..
    } = container;
    let requests: Vec<_> = resources.requests.iter().collect();
    let limits: Vec<_> = resources.limits.iter().collect();
    json!([name, image, requests, limits])
}

/// Whether an annotation is there to restart pods, and for nothing else.
fn is_of_restarts(key: &str) -> bool {
    let (domain, name) = key.split_once('/').unwrap_or(("", key));
    matches!(domain, "meshroll.dev" | "kubectl.kubernetes.io")
        || matches!(name, "restartedAt" | "restarted-at")
}

fn shortened(message: &str) -> String {
    message.chars().take(MESSAGE_LIMIT).collect()
}

/// A message without the ending that the API server made up for the pod's name.
fn without_chance(message: &str, generate_name: &str) -> String {
    let mut parts = message.split(generate_name);
    if generate_name.is_empty() {
        return message.to_owned();
    }
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(generate_name);
        let is_random = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let length = part.bytes().take_while(is_random).count();
        let rest = part
            .get(RANDOM_LENGTH..)
            .filter(|_| length == RANDOM_LENGTH);
        text.push_str(rest.unwrap_or(part));
    }
    text
}

/// The part of a dry run's pod that is kept: the random name, identity and times that the API
/// server makes up are not, so that two dry runs are equal.
fn kept(raw: &RawPod<'_>, workload: &ObjectRef, keys: &[String]) -> Result<Pod, String> {
    let context = Context {
        annotation_keys: keys,
        previous: None,
        repeats: None,
    };
    let (pod, _) = raw.keep(context)?;
    let injected = |containers: &[Container]| {
        let injected = containers.iter().filter(|it| is_injected(&it.name));
        injected.cloned().collect()
    };
    Ok(Pod {
        metadata: Metadata {
            name: workload.name.clone(),
            namespace: workload.namespace.clone(),
            labels: pod.metadata.labels,
            annotations: pod.metadata.annotations,
            ..Metadata::default()
        },
        spec: PodSpec {
            containers: injected(&pod.spec.containers),
            init_containers: injected(&pod.spec.init_containers),
            ..PodSpec::default()
        }
        .into(),
        status: PodStatus::default(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawInjection<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: RawMetadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: RawQuestion<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    status: RawOutcome<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawQuestion<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    workload_ref: RawReference<'a>,
    #[serde(borrow)]
    template_digest: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawReference<'a> {
    #[serde(borrow)]
    group: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawOutcome<'a> {
    #[serde(borrow)]
    pod: Option<RawPod<'a>>,
    #[serde(borrow)]
    refused: Option<RawRefusal<'a>>,
    #[serde(borrow)]
    unanswered: Option<RawRefusal<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawRefusal<'a> {
    #[serde(deserialize_with = "null_default")]
    code: u16,
    #[serde(borrow)]
    message: Text<'a>,
}

/// Reads the result at the start of `text`, as [`body`] writes it.
pub(super) fn read(text: &str, context: Context<'_>) -> Result<(Injection, usize), Refusal> {
    let (raw, length) = one::<RawInjection<'_>>(text)?;
    let RawReference { group, kind } = &raw.spec.workload_ref;
    let workload = ObjectRef::new(
        group.as_str(),
        kind.as_str(),
        raw.metadata.namespace.as_str(),
        raw.metadata.name.as_str(),
    );
    if workload.kind.is_empty() || workload.name.is_empty() {
        return Err(Refusal::new("an injection result without its workload"));
    }
    let outcome = raw.status.outcome(&workload, context)?;
    let injection = Injection {
        workload,
        template: raw.spec.template_digest.to_string(),
        outcome,
    };
    Ok((injection, length))
}

impl RawOutcome<'_> {
    fn outcome(
        &self,
        workload: &ObjectRef,
        context: Context<'_>,
    ) -> Result<InjectionOutcome, Refusal> {
        match (&self.pod, &self.refused, &self.unanswered) {
            (Some(pod), None, None) => {
                let pod = kept(pod, workload, context.annotation_keys).map_err(Refusal::new)?;
                Ok(InjectionOutcome::Created(Box::new(pod)))
            }
            (None, Some(refused), None) => Ok(InjectionOutcome::Refused {
                code: refused.code,
                message: shortened(refused.message.as_str()),
            }),
            (None, None, Some(unanswered)) => {
                Ok(InjectionOutcome::unanswered(unanswered.message.as_str()))
            }
            _ => Err(Refusal::new("an injection result without one outcome")),
        }
    }
}

/// `spec` and `status` of a recorded result; `pod` is the recorded form of a pod.
pub(super) fn body(injection: &Injection, pod: impl Fn(&Pod) -> Value) -> Map<String, Value> {
    let ObjectRef { group, kind, .. } = &injection.workload;
    let status = match &injection.outcome {
        InjectionOutcome::Created(created) => json!({ "pod": pod(created) }),
        InjectionOutcome::Refused { code, message } => {
            json!({ "refused": { "code": code, "message": message } })
        }
        InjectionOutcome::Unanswered { message } => {
            json!({ "unanswered": { "message": message } })
        }
    };
    let spec = json!({
        "workloadRef": { "group": group, "kind": kind },
        "templateDigest": injection.template,
    });
    Map::from_iter([("spec".to_owned(), spec), ("status".to_owned(), status)])
}
