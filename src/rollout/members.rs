//! Members: every workload of a snapshot with the pods that count.
//!
//! A pod belongs to the object that owns its *template*, found by climbing the controller
//! references: ReplicaSet to Deployment or Rollout, Job to CronJob, ReplicationController to
//! DeploymentConfig, and from a Knative Service's Deployments to the Service. An owner above that
//! is an operator's object: it is named, and the workload below it stays the member.

use std::collections::{BTreeMap, HashMap};

use super::kind::WorkloadKind;
use super::{Member, current};
use crate::manifest::{ObjectRef, group_of};
use crate::snapshot::{ClusterSnapshot, LiveWorkload, Metadata, OwnerReference, Pod, ReplicaSet};

/// Marks the pods that the kubelet made from a file on the node.
pub(super) const MIRROR_POD: &str = "kubernetes.io/config.mirror";
const KNATIVE_SERVICE: &str = "serving.knative.dev/service";
/// A chain of owners that Kubernetes itself makes has three links at most.
const MAX_OWNERS: usize = 8;

/// Groups the pods of a snapshot by the workload that owns their template.
pub(super) fn members(snapshot: &ClusterSnapshot) -> Vec<Member<'_>> {
    let index = Index::new(snapshot);
    let mut drafts = Drafts::default();
    for live in &snapshot.workloads {
        if let Owner::Top = index.above(live) {
            drafts.slot(&live.reference, &live.api_version, Some(live));
        }
    }
    for set in &snapshot.replica_sets {
        if set.metadata.controller().is_none() {
            let slot = drafts.slot(&replica_set_reference(set), &set.api_version, None);
            drafts.members[slot].replica_set = Some(set);
        }
    }
    for pod in snapshot.pods.iter().filter(|pod| index.counts(pod)) {
        index.place(pod, &mut drafts);
    }
    let mut members = drafts.members;
    for member in &mut members {
        index.complete(member);
    }
    members.sort_by(|left, right| left.reference.sort_key().cmp(&right.reference.sort_key()));
    members
}

/// Members in the making, found by identity.
#[derive(Default)]
struct Drafts<'a> {
    members: Vec<Member<'a>>,
    slots: BTreeMap<ObjectRef, usize>,
}

impl<'a> Drafts<'a> {
    fn slot(
        &mut self,
        reference: &ObjectRef,
        api_version: &str,
        live: Option<&'a LiveWorkload>,
    ) -> usize {
        if let Some(slot) = self.slots.get(reference) {
            return *slot;
        }
        let slot = self.members.len();
        self.slots.insert(reference.clone(), slot);
        self.members.push(Member {
            reference: reference.clone(),
            api_version: api_version.to_owned(),
            live,
            replica_set: None,
            referenced: None,
            pods: Vec::new(),
            current: Vec::new(),
            operator: None,
        });
        slot
    }
}

/// What stands above an object in the chain of owners.
enum Owner<'a> {
    /// Nothing: it owns its template itself, or an operator's object owns it.
    Top,
    /// Another object of the snapshot owns the template.
    Live(&'a LiveWorkload),
}

/// The owners of a snapshot, by name.
struct Index<'a> {
    replica_sets: HashMap<(&'a str, &'a str), &'a ReplicaSet>,
    sets_of: HashMap<(&'a str, &'a str, &'a str), Vec<&'a ReplicaSet>>,
    workloads: HashMap<(WorkloadKind, &'a str, &'a str), &'a LiveWorkload>,
}

impl<'a> Index<'a> {
    fn new(snapshot: &'a ClusterSnapshot) -> Self {
        let mut index = Self {
            replica_sets: HashMap::with_capacity(snapshot.replica_sets.len()),
            sets_of: HashMap::new(),
            workloads: HashMap::with_capacity(snapshot.workloads.len()),
        };
        for set in &snapshot.replica_sets {
            let namespace = set.metadata.namespace.as_str();
            index
                .replica_sets
                .insert((namespace, set.metadata.name.as_str()), set);
            if let Some(owner) = set.metadata.controller() {
                let key = (namespace, owner.kind.as_str(), owner.name.as_str());
                index.sets_of.entry(key).or_default().push(set);
            }
        }
        for live in &snapshot.workloads {
            let kind = WorkloadKind::of(&live.reference);
            if kind != WorkloadKind::Other {
                let key = (kind, &*live.reference.namespace, &*live.reference.name);
                index.workloads.insert(key, live);
            }
        }
        index
    }

    fn workload(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
    ) -> Option<&'a LiveWorkload> {
        self.workloads.get(&(kind, namespace, name)).copied()
    }

    /// Whether a pod still serves: neither done nor on its way out (`design.md` §2).
    fn counts(&self, pod: &Pod) -> bool {
        if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
            || pod.metadata.deletion_timestamp.is_some()
        {
            return false;
        }
        self.replica_set_of(pod).is_none_or(|set| set.replicas > 0)
    }

    fn replica_set_of(&self, pod: &Pod) -> Option<&'a ReplicaSet> {
        let owner = pod.metadata.controller()?;
        if kind_of(owner) != WorkloadKind::ReplicaSet {
            return None;
        }
        self.replica_sets
            .get(&(pod.metadata.namespace.as_str(), owner.name.as_str()))
            .copied()
    }

    /// The object of the snapshot that owns a workload's template, where that is not itself.
    fn above(&self, live: &LiveWorkload) -> Owner<'a> {
        let namespace = live.reference.namespace.as_str();
        let kind = WorkloadKind::of(&live.reference);
        if kind == WorkloadKind::Deployment {
            let service = live.metadata.labels.get(KNATIVE_SERVICE).and_then(|name| {
                live.metadata.controller()?;
                self.workload(WorkloadKind::KnativeService, namespace, name)
            });
            return service.map_or(Owner::Top, Owner::Live);
        }
        let Some(owner) = live.metadata.controller() else {
            return Owner::Top;
        };
        let ((WorkloadKind::Job, above @ WorkloadKind::CronJob)
        | (WorkloadKind::ReplicationController, above @ WorkloadKind::DeploymentConfig)) =
            (kind, kind_of(owner))
        else {
            return Owner::Top;
        };
        self.workload(above, namespace, &owner.name)
            .map_or(Owner::Top, Owner::Live)
    }

    /// Puts a pod into the member that owns its template.
    fn place(&self, pod: &'a Pod, drafts: &mut Drafts<'a>) {
        let slot = match pod.metadata.controller() {
            Some(owner) if !is_mirror(pod) => self.climb(&pod.metadata, owner, drafts),
            _ => drafts.slot(&pod_reference(pod), "v1", None),
        };
        drafts.members[slot].pods.push(pod);
    }

    /// Climbs from a pod's controller to the owner of the template.
    fn climb(
        &self,
        pod: &'a Metadata,
        owner: &'a OwnerReference,
        drafts: &mut Drafts<'a>,
    ) -> usize {
        let namespace = pod.namespace.as_str();
        let mut owner = owner;
        if kind_of(owner) == WorkloadKind::ReplicaSet {
            let set = self.replica_sets.get(&(namespace, owner.name.as_str()));
            match set.map(|set| set.metadata.controller()) {
                Some(Some(above)) => owner = above,
                Some(None) => {}
                None => {
                    if let Some(live) = self.deployment_by_hash(pod, &owner.name) {
                        return drafts.slot(&live.reference, &live.api_version, Some(live));
                    }
                }
            }
        }
        if let Some(live) = self.workload(kind_of(owner), namespace, &owner.name) {
            let top = self.top(live);
            return drafts.slot(&top.reference, &top.api_version, Some(top));
        }
        let reference = owner_reference(owner, namespace);
        let slot = drafts.slot(&reference, &owner.api_version, None);
        if WorkloadKind::of(&reference) == WorkloadKind::Other {
            drafts.members[slot].operator = Some(reference);
        }
        slot
    }

    fn top(&self, live: &'a LiveWorkload) -> &'a LiveWorkload {
        let mut top = live;
        for _ in 0..MAX_OWNERS {
            match self.above(top) {
                Owner::Live(above) => top = above,
                Owner::Top => break,
            }
        }
        top
    }

    /// The Deployment of a pod whose ReplicaSet the snapshot does not hold: kinds are listed one
    /// after another, so a ReplicaSet may have come in between.
    fn deployment_by_hash(&self, pod: &Metadata, set: &str) -> Option<&'a LiveWorkload> {
        let by = |kind, label| {
            let name = set
                .strip_suffix(pod.labels.get(label)?.as_str())?
                .strip_suffix('-')?;
            self.workload(kind, &pod.namespace, name)
        };
        by(WorkloadKind::Deployment, current::POD_TEMPLATE_HASH)
            .or_else(|| by(WorkloadKind::Rollout, current::ROLLOUTS_POD_TEMPLATE_HASH))
            .map(|live| self.top(live))
    }

    /// Fills in what needs all pods of a member.
    fn complete(&self, member: &mut Member<'a>) {
        member
            .pods
            .sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        let namespace = member.reference.namespace.clone();
        if let Some(live) = member.live {
            let key = (
                namespace.as_str(),
                member.reference.kind.as_str(),
                member.reference.name.as_str(),
            );
            if let Some(owned) = self.sets_of.get(&key) {
                member.replica_set = current::replica_set(live, owned);
            }
            member.operator = operator_of(live);
            member.referenced = super::value::text(&live.spec, &["workloadRef", "name"])
                .and_then(|name| self.workload(WorkloadKind::Deployment, &namespace, name));
        }
        member.current = current::pods(member.live, member.replica_set, &member.pods);
    }
}

/// The owner of a workload that is not a controller of Kubernetes' own.
fn operator_of(live: &LiveWorkload) -> Option<ObjectRef> {
    let owner = live.metadata.controller()?;
    let reference = owner_reference(owner, &live.reference.namespace);
    (WorkloadKind::of(&reference) == WorkloadKind::Other).then_some(reference)
}

fn owner_reference(owner: &OwnerReference, namespace: &str) -> ObjectRef {
    ObjectRef::new(
        group_of(&owner.api_version),
        &*owner.kind,
        namespace,
        &*owner.name,
    )
}

fn kind_of(owner: &OwnerReference) -> WorkloadKind {
    WorkloadKind::of_api(&owner.api_version, &owner.kind)
}

fn replica_set_reference(set: &ReplicaSet) -> ObjectRef {
    ObjectRef::new(
        "apps",
        "ReplicaSet",
        &*set.metadata.namespace,
        &*set.metadata.name,
    )
}

fn pod_reference(pod: &Pod) -> ObjectRef {
    ObjectRef::new("", "Pod", &*pod.metadata.namespace, &*pod.metadata.name)
}

/// Whether the kubelet made the pod from a file on its node; its owner is the Node.
pub(super) fn is_mirror(pod: &Pod) -> bool {
    let by_node = |owner: &OwnerReference| owner.api_version == "v1" && owner.kind == "Node";
    pod.metadata.annotations.contains_key(MIRROR_POD)
        || pod.metadata.controller().is_some_and(by_node)
}
