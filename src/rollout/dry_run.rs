//! `DryRun`: the pod that a workload's controller would make now, to be created without effect.
//!
//! It is made from the whole live template, not from a pod: a running pod has been injected
//! already, and carries what its node and its service account added (`spec/istio.md` §9).

use serde_json::{Map, Value, json};

use super::{Member, members};
use crate::manifest::{ObjectRef, StringMap};
use crate::snapshot::{ClusterSnapshot, LiveWorkload, OwnerReference};

/// A question to the API server: what would become of the next pod of a workload?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// The workload.
    pub workload: ObjectRef,
    /// What would own the pod: injection derives the names of the workload from it.
    owner: OwnerReference,
    /// The labels that the controller adds to its pods.
    labels: StringMap,
}

/// The dry runs that tell something of the mesh, sorted by workload.
///
/// Not asked about: what is done, what uses the node's network, what is in a namespace that
/// injection never reaches, a Knative Service (whose pods Knative puts together from more than the
/// template), and what takes its template from elsewhere (`workloadRef`).
#[must_use]
pub fn dry_runs(snapshot: &ClusterSnapshot) -> Vec<DryRun> {
    let members = members(snapshot);
    let mut runs: Vec<DryRun> = members.iter().filter_map(DryRun::of).collect();
    runs.sort_by(|a, b| a.workload.cmp(&b.workload));
    runs
}

/// Namespaces that Istio's injectors leave alone in every release (`spec/istio.md` §1.4).
const NEVER_INJECTED: [&str; 2] = ["kube-system", "kube-public"];
/// The API server cuts a `generateName` off here, to make room for what it adds
/// (`apiserver/pkg/storage/names`).
const GENERATE_NAME_LIMIT: usize = 58;

impl DryRun {
    fn of(member: &Member<'_>) -> Option<Self> {
        let live = member.live?;
        let template = live.template.as_ref()?;
        let says_nothing = template.spec.host_network
            || member.reference.group == "serving.knative.dev"
            || NEVER_INJECTED.contains(&member.reference.namespace.as_str())
            || is_done(live);
        (!says_nothing).then(|| {
            let labels = member.controller_labels();
            Self {
                workload: member.reference.clone(),
                owner: owner(member, live, &labels),
                labels,
            }
        })
    }

    /// The beginning of the pod's name, which the API server completes.
    #[must_use]
    pub fn generate_name(&self) -> String {
        let name = self.owner.name.chars().take(GENERATE_NAME_LIMIT - 1);
        format!("{}-", name.collect::<String>())
    }

    /// The pod, from the whole live object; none where that has no template.
    ///
    /// Of the template everything is taken but the node. What the controller itself would add is
    /// added: labels, claimed volumes, and the owner.
    #[must_use]
    pub fn pod(&self, object: &Value) -> Option<Value> {
        let spec = object.get("spec")?;
        let template = spec
            .pointer("/jobTemplate/spec/template")
            .or_else(|| spec.get("template"))?;
        let mut pod_spec = template.get("spec")?.as_object()?.clone();
        pod_spec.remove("nodeName");
        self.add_claims(spec, &mut pod_spec);
        let field = |name: &str| {
            let field = template.pointer(&format!("/metadata/{name}"));
            field.and_then(Value::as_object).cloned()
        };
        let mut labels = field("labels").unwrap_or_default();
        let added = self.labels.iter();
        labels.extend(added.map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
        Some(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": self.generate_name(),
                "namespace": self.workload.namespace,
                "labels": labels,
                "annotations": field("annotations").unwrap_or_default(),
                // `blockOwnerDeletion` would need rights on the owner.
                "ownerReferences": [{
                    "apiVersion": self.owner.api_version,
                    "kind": self.owner.kind,
                    "name": self.owner.name,
                    "uid": self.owner.uid,
                    "controller": true,
                }],
            },
            "spec": pod_spec,
        }))
    }

    /// The volumes that a controller makes of `volumeClaimTemplates`, without which mounts of them
    /// are invalid.
    fn add_claims(&self, spec: &Value, pod_spec: &mut Map<String, Value>) {
        let claims = spec.get("volumeClaimTemplates").and_then(Value::as_array);
        let names = claims.into_iter().flatten();
        let names = names.filter_map(|claim| claim.pointer("/metadata/name")?.as_str());
        let names = Vec::from_iter(names);
        if names.is_empty() {
            return;
        }
        let volumes = pod_spec.entry("volumes").or_insert_with(|| json!([]));
        let Value::Array(volumes) = volumes else {
            return;
        };
        let is_claimed = |volume: &Value| {
            let name = volume.get("name").and_then(Value::as_str);
            name.is_some_and(|name| names.contains(&name))
        };
        volumes.retain(|volume| !is_claimed(volume));
        volumes.extend(names.iter().map(|name| {
            let claim = format!("{name}-{}-0", self.workload.name);
            json!({ "name": name, "persistentVolumeClaim": { "claimName": claim } })
        }));
    }
}

/// The controller of the pod: what the workload makes it through, or the workload.
///
/// The API server wants a UID of every owner and looks at no more than its presence, so that an
/// owner which is not there yet has the workload's.
fn owner(member: &Member<'_>, live: &LiveWorkload, labels: &StringMap) -> OwnerReference {
    let ObjectRef {
        group, kind, name, ..
    } = &member.reference;
    let through = |api_version: &str, kind: &str, name: String| OwnerReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name,
        uid: live.metadata.uid.clone(),
        controller: true,
    };
    match (group.as_str(), kind.as_str()) {
        ("apps", "Deployment") | ("argoproj.io", "Rollout") => match member.replica_set {
            Some(set) => OwnerReference {
                uid: set.metadata.uid.clone(),
                ..through("apps/v1", "ReplicaSet", set.metadata.name.clone())
            },
            None => through("apps/v1", "ReplicaSet", hashed(name, labels)),
        },
        // Injection takes such an ending off, as the CronJob controller puts it on.
        ("batch", "CronJob") => through("batch/v1", "Job", format!("{name}-00000000")),
        ("apps.openshift.io", "DeploymentConfig") => {
            through("v1", "ReplicationController", format!("{name}-1"))
        }
        _ => through(&member.api_version, kind, name.clone()),
    }
}

fn hashed(name: &str, labels: &StringMap) -> String {
    let hashes = ["pod-template-hash", "rollouts-pod-template-hash"];
    let hash = hashes.iter().find_map(|label| labels.get(*label));
    hash.map_or_else(|| name.to_owned(), |hash| format!("{name}-{hash}"))
}

/// Whether a Job has run to its end.
fn is_done(live: &LiveWorkload) -> bool {
    let conditions = live.status.get("conditions").and_then(Value::as_array);
    let is_true = |condition: &Value| {
        let field = |key: &str| condition.get(key).and_then(Value::as_str);
        matches!(field("type"), Some("Complete" | "Failed")) && field("status") == Some("True")
    };
    live.reference.group == "batch" && conditions.into_iter().flatten().any(is_true)
}
