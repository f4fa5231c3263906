//! `Injector`: one webhook entry that injects sidecars, and which pods it selects
//! (`spec/istio.md` §1.1-1.3).

use serde_json::Value;

use super::selector::LabelSelector;
use crate::diagnostic::{Diagnostic, DiagnosticCode};
use crate::manifest::StringMap;
use crate::snapshot::{ClusterObject, ClusterSnapshot};

/// What the names of Istio's injector webhooks end with, whoever installed them.
const SUFFIX: &str = "sidecar-injector.istio.io";
/// The label that names a revision, on namespaces, pods and Istio's own objects.
pub(crate) const REVISION: &str = "istio.io/rev";
/// The label of the configurations that make up a tag.
const TAG: &str = "istio.io/tag";

/// One webhook entry of a `MutatingWebhookConfiguration`.
#[derive(Debug, Clone)]
pub(crate) struct Injector {
    /// Name of the configuration.
    pub(crate) configuration: String,
    /// Name of the webhook in it.
    pub(crate) webhook: String,
    /// The tag that the configuration makes up.
    pub(crate) tag: Option<String>,
    /// The revision that the configuration's label names: informational.
    pub(crate) labelled_revision: Option<String>,
    /// Whether a failing injector keeps pods from being created.
    pub(crate) fails_closed: bool,
    /// Whether the API server has the certificate to trust the injector.
    pub(crate) has_ca_bundle: bool,
    /// Whom the API server calls.
    pub(crate) client: Client,
    /// When the configuration was last written.
    pub(crate) managed_at: Option<jiff::Timestamp>,
    /// What it selects; `Err` says in words why that cannot be told.
    pub(crate) selection: Result<Selection, String>,
}

/// Whom the API server calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    /// A Service in the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Path of the request.
        path: String,
    },
    /// A URL outside, or nothing at all.
    Url(String),
}

/// The two selectors of a webhook.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    namespace: LabelSelector,
    object: LabelSelector,
    /// Whether CEL conditions decide as well, which are not evaluated.
    has_conditions: bool,
}

/// Whether a webhook is called for a pod, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It is called.
    Called,
    /// Its namespace selector is not met: the requirement.
    NamespaceNotSelected(String),
    /// Its object selector is not met: the requirement.
    PodNotSelected(String),
    /// It cannot be told: why.
    Undecided(String),
}

impl Injector {
    /// Whether the API server calls the webhook for a pod with these labels.
    pub(crate) fn matches(&self, namespace_labels: &StringMap, pod_labels: &StringMap) -> Match {
        let selection = match &self.selection {
            Ok(selection) => selection,
            Err(why) => return Match::Undecided(why.clone()),
        };
        if let Some(unmet) = selection.namespace.unmet(namespace_labels) {
            return Match::NamespaceNotSelected(unmet.to_string());
        }
        if let Some(unmet) = selection.object.unmet(pod_labels) {
            return Match::PodNotSelected(unmet.to_string());
        }
        if selection.has_conditions {
            return Match::Undecided("it has matchConditions, which are not evaluated".to_owned());
        }
        Match::Called
    }

    /// The revisions and tags that the selectors name: what somebody serves.
    pub(crate) fn serves(&self) -> impl Iterator<Item = &str> {
        self.selection.iter().flat_map(|selection| {
            let namespace = selection.namespace.values_of(REVISION);
            namespace.chain(selection.object.values_of(REVISION))
        })
    }

    /// `configuration/webhook`, as shown to people.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.configuration, self.webhook)
    }
}

/// Istio's injectors in the order in which the API server calls them: by name of configuration,
/// bytewise, then by position.
pub(crate) fn injectors(snapshot: &ClusterSnapshot) -> (Vec<Injector>, Vec<Diagnostic>) {
    let group = "admissionregistration.k8s.io";
    let mut configurations: Vec<_> = snapshot
        .objects_of(group, "MutatingWebhookConfiguration")
        .collect();
    configurations.sort_by(|a, b| a.reference.name.as_bytes().cmp(b.reference.name.as_bytes()));
    let mut injectors = Vec::new();
    let mut diagnostics = Vec::new();
    for configuration in configurations {
        let webhooks = configuration.body.get("webhooks").and_then(Value::as_array);
        for webhook in webhooks.into_iter().flatten() {
            let name = webhook
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if !name.ends_with(SUFFIX) || calls_for_other_requests(webhook) {
                continue;
            }
            let injector = injector(configuration, name, webhook);
            if let Err(why) = &injector.selection {
                diagnostics.push(Diagnostic::warning(
                    DiagnosticCode::InjectorInvalid,
                    format!("webhook {}: {why}", injector.title()),
                ));
            }
            injectors.push(injector);
        }
    }
    (injectors, diagnostics)
}

fn injector(configuration: &ClusterObject, name: &str, webhook: &Value) -> Injector {
    let label = |key: &str| configuration.metadata.labels.get(key).cloned();
    let config = webhook.get("clientConfig");
    let has_ca_bundle = config
        .and_then(|config| config.get("caBundle"))
        .and_then(Value::as_str)
        .is_some_and(|bundle| !bundle.is_empty());
    Injector {
        configuration: configuration.reference.name.clone(),
        webhook: name.to_owned(),
        tag: label(TAG),
        labelled_revision: label(REVISION),
        fails_closed: webhook.get("failurePolicy").and_then(Value::as_str) != Some("Ignore"),
        has_ca_bundle,
        client: client(config),
        managed_at: configuration.metadata.managed_at,
        selection: selection(webhook),
    }
}

fn client(config: Option<&Value>) -> Client {
    let text = |value: &Value, key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    match config.and_then(|config| config.get("service")) {
        Some(service) if service.is_object() => Client::Service {
            namespace: text(service, "namespace"),
            name: text(service, "name"),
            path: text(service, "path"),
        },
        _ => Client::Url(config.map_or_else(String::new, |config| text(config, "url"))),
    }
}

fn selection(webhook: &Value) -> Result<Selection, String> {
    let rules = webhook.get("rules").and_then(Value::as_array);
    if rules.is_none_or(Vec::is_empty) {
        return Err("it has no rules".to_owned());
    }
    let selector =
        |key: &str| LabelSelector::parse(webhook.get(key)).map_err(|why| format!("{key}: {why}"));
    let conditions = webhook.get("matchConditions").and_then(Value::as_array);
    Ok(Selection {
        namespace: selector("namespaceSelector")?,
        object: selector("objectSelector")?,
        has_conditions: conditions.is_some_and(|conditions| !conditions.is_empty()),
    })
}

/// Whether the webhook has rules, none of which is about the creation of pods.
fn calls_for_other_requests(webhook: &Value) -> bool {
    let Some(rules) = webhook.get("rules").and_then(Value::as_array) else {
        return false;
    };
    let lists = |rule: &Value, key: &str, wanted: &str| {
        let list = rule.get(key).and_then(Value::as_array);
        list.is_some_and(|list| {
            let mut texts = list.iter().filter_map(Value::as_str);
            texts.any(|text| text == wanted || text == "*")
        })
    };
    !rules.is_empty()
        && !rules.iter().any(|rule| {
            lists(rule, "operations", "CREATE")
                && lists(rule, "apiGroups", "")
                && lists(rule, "apiVersions", "v1")
                && (lists(rule, "resources", "pods") || lists(rule, "resources", "*/*"))
        })
}
