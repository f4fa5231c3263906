//! Webhooks of revisions and tags as Istio's charts and `istioctl tag` render them, for revisions of
//! which only the version is known (`spec/istio.md` §1.2, §1.3).

use serde_json::{Value, json};

use crate::manifest::ObjectRef;
use crate::snapshot::{ClusterObject, Metadata};

/// What stands where istiod will put its certificate.
pub(super) const ASSUMED_CERTIFICATE: &str = "assumed";

/// The webhooks that a revision's label selects.
pub(super) fn of_revision(revision: &str, namespace: &str, service: &str) -> ClusterObject {
    let name = format!("istio-sidecar-injector-{revision}");
    let labels = [("istio.io/rev", revision)];
    configuration(&name, &labels, by_label(revision, namespace, service))
}

/// The webhooks that make up a tag.
pub(super) fn of_tag(tag: &str, revision: &str, namespace: &str, service: &str) -> ClusterObject {
    let name = format!("istio-revision-tag-{tag}");
    let labels = [("istio.io/tag", tag), ("istio.io/rev", revision)];
    let mut webhooks = by_label(tag, namespace, service);
    if tag == "default" {
        webhooks.extend(by_injection_label(namespace, service));
    }
    configuration(&name, &labels, webhooks)
}

fn configuration(name: &str, labels: &[(&str, &str)], webhooks: Vec<Value>) -> ClusterObject {
    let kind = "MutatingWebhookConfiguration";
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ClusterObject {
        api_version: "admissionregistration.k8s.io/v1".to_owned(),
        reference: ObjectRef::new("admissionregistration.k8s.io", kind, "", name),
        metadata: Metadata {
            name: name.to_owned(),
            labels: labels.collect(),
            ..Metadata::default()
        },
        body: json!({ "webhooks": webhooks }),
    }
}

/// Pods and namespaces that name the revision or tag.
fn by_label(name: &str, namespace: &str, service: &str) -> Vec<Value> {
    let names = json!({"key": "istio.io/rev", "operator": "In", "values": [name]});
    vec![
        webhook(
            "rev.namespace",
            (namespace, service),
            &json!([names, absent("istio-injection")]),
            &json!([not_off()]),
        ),
        webhook(
            "rev.object",
            (namespace, service),
            &json!([absent("istio.io/rev"), absent("istio-injection")]),
            &json!([not_off(), names]),
        ),
    ]
}

/// Namespaces that ask for injection, and pods that do where their namespace says nothing.
fn by_injection_label(namespace: &str, service: &str) -> Vec<Value> {
    let enabled = json!({"key": "istio-injection", "operator": "In", "values": ["enabled"]});
    let on = json!({"key": "sidecar.istio.io/inject", "operator": "In", "values": ["true"]});
    vec![
        webhook(
            "namespace",
            (namespace, service),
            &json!([enabled]),
            &json!([not_off()]),
        ),
        webhook(
            "object",
            (namespace, service),
            &json!([absent("istio-injection"), absent("istio.io/rev")]),
            &json!([on, absent("istio.io/rev")]),
        ),
    ]
}

fn webhook(
    prefix: &str,
    (namespace, service): (&str, &str),
    in_namespace: &Value,
    on_pod: &Value,
) -> Value {
    json!({
        "name": format!("{prefix}.sidecar-injector.istio.io"),
        "clientConfig": {
            "service": {"name": service, "namespace": namespace, "path": "/inject", "port": 443},
            "caBundle": ASSUMED_CERTIFICATE,
        },
        "rules": [{
            "operations": ["CREATE"],
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["pods"],
        }],
        "failurePolicy": "Fail",
        "namespaceSelector": {"matchExpressions": in_namespace},
        "objectSelector": {"matchExpressions": on_pod},
    })
}

fn absent(key: &str) -> Value {
    json!({"key": key, "operator": "DoesNotExist"})
}

fn not_off() -> Value {
    json!({"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]})
}
