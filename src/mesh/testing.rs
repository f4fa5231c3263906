//! Clusters for the tests of this stage: objects as kubectl prints them become a snapshot, and
//! [`Istiod`] writes the objects of one control plane.

use serde_json::{Value, json};

use super::{Expectation, ExpectedSidecar, Mesh};
use crate::manifest::{PodTemplate, StringMap};
use crate::snapshot::{self, ClusterSnapshot, Input, Pod};

/// A snapshot of the given objects, read as any other; a pod stands in where there is none.
pub(crate) fn cluster(mut objects: Vec<Value>) -> ClusterSnapshot {
    if !objects.iter().any(|object| object["kind"] == "Pod") {
        let metadata = json!({"name": "bystander", "namespace": "default"});
        objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}}));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    read_snapshot(list.into_bytes())
}

/// A snapshot as kubectl prints it.
pub(crate) fn read_snapshot(bytes: Vec<u8>) -> ClusterSnapshot {
    let input = Input {
        name: "snapshot".to_owned(),
        reader: Box::new(std::io::Cursor::new(bytes)),
    };
    snapshot::read(vec![input]).expect("a snapshot").0
}

/// A JSON object as labels or annotations.
pub(crate) fn string_map(value: &Value) -> StringMap {
    let fields = value.as_object().cloned().unwrap_or_default();
    fields
        .into_iter()
        .map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// A pod template from JSON.
pub(crate) fn template(value: &Value) -> PodTemplate {
    serde_json::from_value(value.clone()).expect("a pod template")
}

/// A live pod from JSON.
pub(crate) fn live_pod(value: &Value) -> Pod {
    let mut pod = value.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    let mut pods = cluster(vec![pod]).pods;
    pods.pop().expect("a pod")
}

/// The text of a stock template of recent releases, as far as the model reads it.
pub(crate) const SIDECAR: &str = include_str!("tests/sidecar.tmpl");
/// The stock gateway template.
pub(crate) const GATEWAY: &str = include_str!("tests/gateway.tmpl");
/// The stock template of the proxyless gRPC agent.
pub(crate) const GRPC_AGENT: &str = include_str!("tests/grpc_agent.tmpl");

/// Writes the objects of one control plane: Deployment, ReplicaSet, Pod, Service, ConfigMaps and
/// webhooks.
#[derive(Clone)]
pub(crate) struct Istiod {
    pub(crate) version: String,
    pub(crate) revision: String,
    pub(crate) namespace: String,
    pub(crate) values: Value,
    pub(crate) config: Value,
    pub(crate) mesh: String,
    pub(crate) env: Vec<Value>,
    pub(crate) ready_at: String,
}

impl Istiod {
    /// An unrevisioned control plane of a version, installed with the chart's defaults.
    pub(crate) fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            revision: "default".to_owned(),
            namespace: "istio-system".to_owned(),
            values: json!({
                "global": {
                    "hub": "docker.io/istio",
                    "tag": version,
                    "variant": "",
                    "proxy": {
                        "image": "proxyv2",
                        "resources": {
                            "limits": {"cpu": "2000m", "memory": "1024Mi"},
                            "requests": {"cpu": "100m", "memory": "128Mi"},
                        },
                    },
                    "proxy_init": {"image": "proxyv2"},
                    "meshID": "",
                    "network": "",
                    "multiCluster": {"clusterName": ""},
                },
                "pilot": {"cni": {"enabled": false}},
                "revision": "",
            }),
            config: json!({
                "policy": "enabled",
                "defaultTemplates": ["sidecar"],
                "templates": {
                    "sidecar": SIDECAR,
                    "gateway": GATEWAY,
                    "grpc-agent": GRPC_AGENT,
                    "grpc-simple": "spec:\n  initContainers:\n  - name: grpc-bootstrap-init\n    image: busybox:1.28\n",
                },
            }),
            mesh: "trustDomain: cluster.local\nrootNamespace: istio-system\n".to_owned(),
            env: Vec::new(),
            ready_at: "2026-11-20T10:00:00Z".to_owned(),
        }
    }

    /// The same under a revision.
    pub(crate) fn revision(mut self, revision: &str) -> Self {
        self.revision = revision.to_owned();
        self
    }

    /// The same with a value changed.
    pub(crate) fn value(mut self, pointer: &str, value: Value) -> Self {
        *self.values.pointer_mut(pointer).expect("a known value") = value;
        self
    }

    /// The same with another mesh configuration.
    pub(crate) fn mesh(mut self, mesh: &str) -> Self {
        mesh.clone_into(&mut self.mesh);
        self
    }

    /// The same with a key of the injector's configuration changed.
    pub(crate) fn config(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// The same with an environment variable of istiod.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(json!({"name": name, "value": value}));
        self
    }

    /// Suffix of the names of its objects.
    fn suffix(&self) -> String {
        if self.revision == "default" {
            String::new()
        } else {
            format!("-{}", self.revision)
        }
    }

    fn metadata(&self, name: &str) -> Value {
        json!({
            "name": format!("{name}{}", self.suffix()),
            "namespace": self.namespace,
            "labels": {"istio.io/rev": self.revision, "app.kubernetes.io/version": self.version},
        })
    }

    /// Every object but the webhooks.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let labels = json!({"app": "istiod", "istio.io/rev": self.revision});
        let mut env = vec![json!({"name": "REVISION", "value": self.revision})];
        env.extend(self.env.clone());
        let image = format!("docker.io/istio/pilot:{}", self.version);
        let spec = json!({"containers": [{"name": "discovery", "image": image, "env": env}]});
        let name = format!("istiod{}", self.suffix());
        let owned = |name: &str, kind: &str, owner: &str| {
            json!({
                "name": name, "namespace": self.namespace, "labels": labels,
                "annotations": {"deployment.kubernetes.io/revision": "1", "sidecar.istio.io/inject": "false"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "controller": true}],
            })
        };
        let mut deployment = self.metadata("istiod");
        deployment["generation"] = json!(1);
        deployment["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
        let set = format!("{name}-1");
        vec![
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": deployment,
                "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec}},
                "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}}),
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": owned(&set, "Deployment", &name),
                "spec": {"replicas": 1}, "status": {"replicas": 1}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": owned(&format!("{set}-a"), "ReplicaSet", &set),
                "spec": spec,
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": self.ready_at}]}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": self.metadata("istiod"), "spec": {"selector": labels}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata("istio-sidecar-injector"),
                "data": {"values": self.values.to_string(), "config": self.config.to_string()}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata("istio"), "data": {"mesh": self.mesh}}),
        ]
    }

    /// The webhooks of the revision itself, as the chart renders them.
    pub(crate) fn webhooks(&self) -> Value {
        let name = format!("istio-sidecar-injector{}", self.suffix());
        let mut entries = self.revision_entries(&self.revision);
        if self.revision == "default" {
            entries.extend(self.default_entries());
        }
        self.configuration(&name, None, entries)
    }

    /// The webhooks of a tag that points to the revision.
    pub(crate) fn tag(&self, tag: &str) -> Value {
        let mut entries = self.revision_entries(tag);
        if tag == "default" {
            entries.extend(self.default_entries());
        }
        self.configuration(&format!("istio-revision-tag-{tag}"), Some(tag), entries)
    }

    /// A configuration with entries of one's own.
    pub(crate) fn configuration(
        &self,
        name: &str,
        tag: Option<&str>,
        entries: Vec<Value>,
    ) -> Value {
        let mut labels = json!({"istio.io/rev": self.revision});
        if let Some(tag) = tag {
            labels["istio.io/tag"] = json!(tag);
        }
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name, "labels": labels},
            "webhooks": entries,
        })
    }

    /// One entry.
    pub(crate) fn entry(&self, name: &str, namespace: Value, object: Value) -> Value {
        json!({
            "name": format!("{name}sidecar-injector.istio.io"),
            "clientConfig": {
                "caBundle": "Y2E=",
                "service": {"namespace": self.namespace, "name": format!("istiod{}", self.suffix()), "path": "/inject"},
            },
            "failurePolicy": "Fail",
            "namespaceSelector": {"matchExpressions": namespace},
            "objectSelector": {"matchExpressions": object},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        })
    }

    fn revision_entries(&self, name: &str) -> Vec<Value> {
        let not_false =
            json!({"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]});
        let named = json!({"key": "istio.io/rev", "operator": "In", "values": [name]});
        vec![
            self.entry(
                "rev.namespace.",
                json!([named, absent("istio-injection")]),
                json!([not_false]),
            ),
            self.entry(
                "rev.object.",
                json!([absent("istio.io/rev"), absent("istio-injection")]),
                json!([not_false, named]),
            ),
        ]
    }

    fn default_entries(&self) -> Vec<Value> {
        let not_false =
            json!({"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]});
        let enabled = json!({"key": "istio-injection", "operator": "In", "values": ["enabled"]});
        let asked = json!({"key": "sidecar.istio.io/inject", "operator": "In", "values": ["true"]});
        vec![
            self.entry("namespace.", json!([enabled]), json!([not_false])),
            self.entry(
                "object.",
                json!([absent("istio-injection"), absent("istio.io/rev")]),
                json!([asked, absent("istio.io/rev")]),
            ),
        ]
    }

    /// The entry of `enableNamespacesByDefault`.
    pub(crate) fn auto_entry(&self) -> Value {
        let system = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn",
            "values": ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"]});
        self.entry(
            "auto.",
            json!([absent("istio-injection"), absent("istio.io/rev"), system]),
            json!([absent("sidecar.istio.io/inject"), absent("istio.io/rev")]),
        )
    }

    /// All objects of the control plane.
    pub(crate) fn installed(&self) -> Vec<Value> {
        let mut objects = self.objects();
        objects.push(self.webhooks());
        objects
    }

    /// A mesh of this control plane and more objects.
    pub(crate) fn mesh_with(&self, more: Vec<Value>) -> Mesh {
        let mut objects = self.installed();
        objects.extend(more);
        mesh(objects)
    }
}

/// A requirement that a label be absent.
fn absent(key: &str) -> Value {
    json!({"key": key, "operator": "DoesNotExist"})
}

/// The mesh of some objects; nodes of a recent Kubernetes are added where there are none.
pub(crate) fn mesh(mut objects: Vec<Value>) -> Mesh {
    if !objects.iter().any(|object| object["kind"] == "Node") {
        objects.push(node("v1.36.2"));
    }
    Mesh::from_snapshot(&cluster(objects)).0
}

/// A node with a kubelet of some version.
pub(crate) fn node(kubelet: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": kubelet},
        "status": {"nodeInfo": {"kubeletVersion": kubelet}}})
}

/// A template with labels and annotations.
pub(crate) fn pods(labels: &Value, annotations: &Value) -> PodTemplate {
    template(&json!({
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    }))
}

/// What a mesh gives a template in a namespace called `shop` with these labels.
pub(crate) fn expect(mesh: &Mesh, namespace_labels: &Value, template: &PodTemplate) -> Expectation {
    let labels = string_map(namespace_labels);
    mesh.expect("shop", Some(&labels), template, &StringMap::new())
}

/// The sidecar that a template gets in a namespace with `istio-injection=enabled`.
pub(crate) fn sidecar(mesh: &Mesh, template: &PodTemplate) -> ExpectedSidecar {
    match expect(mesh, &json!({"istio-injection": "enabled"}), template) {
        Expectation::Sidecar(sidecar) => *sidecar,
        other => panic!("no sidecar is expected: {other:?}"),
    }
}
