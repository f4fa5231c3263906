//! Deliveries: which engine's object brings a workload to the cluster, and what blocks it.

use std::collections::BTreeSet;

use super::carrier::{Carrier, EngineObject};
use super::ownership::{self, InstanceName, Owner};
use super::written::written;
use super::{Blocker, Delivery, DeliveryMap, Engine, Source, argo_cd, flux};
use crate::manifest::{ManifestFile, Object, ObjectRef, StringMap};
use crate::rollout::{Member, value};

impl<'a> DeliveryMap<'a> {
    /// The carrier that a mark names.
    pub(super) fn carrier_of(&self, owner: &Owner) -> Option<usize> {
        match owner {
            Owner::Application(instance) => self.application(instance),
            Owner::Kustomization { namespace, name } => {
                self.carrier(Engine::Flux, Some(namespace), name)
            }
            Owner::HelmRelease { .. } | Owner::Release { .. } => None,
        }
    }

    /// An Application without a namespace in its instance name stands in Argo CD's own.
    fn application(&self, instance: &InstanceName) -> Option<usize> {
        let namespace = instance.namespace.as_deref().or(self.settings.namespace);
        self.carrier(Engine::ArgoCd, namespace, &instance.name)
            .or_else(|| {
                instance.namespace.is_none().then_some(())?;
                self.carrier(Engine::ArgoCd, None, &instance.name)
            })
    }

    /// The one carrier of this name; none where there are several.
    fn carrier(&self, engine: Engine, namespace: Option<&str>, name: &str) -> Option<usize> {
        let key = match namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        match self.by_name.get(&(engine, key))?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Names of the objects of an engine that live workloads name and the snapshot lacks, sorted.
    pub(super) fn missing(&self, engine: Engine) -> Vec<String> {
        let mut missing = BTreeSet::new();
        for live in &self.snapshot.workloads {
            let owner = self.ownership.by_marks(&live.reference, &live.metadata);
            let Some(owner) = owner.filter(|owner| engine_of(owner) == Some(engine)) else {
                continue;
            };
            let carrier = self.carrier_of(&owner);
            let live = carrier.and_then(|number| self.carriers.get(number));
            if live.is_none_or(|carrier| carrier.file.is_some()) {
                missing.extend(owner.carrier());
            }
        }
        missing.into_iter().collect()
    }

    /// The engine and its object, with everything that blocks this workload.
    pub(super) fn delivery(
        &self,
        member: &Member<'_>,
        owner: Option<&Owner>,
        carrier: Option<usize>,
        source: &Source<'a>,
    ) -> Option<Delivery> {
        let Some(carrier) = carrier.and_then(|number| self.carriers.get(number)) else {
            return unknown_carrier(owner?);
        };
        let manifest = match source {
            Source::Manifest { file, object, .. } => Some((*file, *object)),
            Source::Elsewhere(_) => None,
        };
        let (blockers, withheld) = self.blockers(member, carrier, manifest);
        let mut delivery = Delivery {
            engine: carrier.engine(),
            name: carrier.display_name(),
            blockers,
            withheld,
            unsynced: unsynced(carrier, &member.reference),
        };
        delivery.blockers.extend_from_slice(&carrier.blockers);
        delivery.blockers.sort();
        delivery.blockers.dedup();
        Some(delivery)
    }

    /// What blocks one object, and which of its keys never arrive.
    fn blockers(
        &self,
        member: &Member<'_>,
        carrier: &Carrier<'_>,
        manifest: Option<(&ManifestFile, &Object)>,
    ) -> (Vec<Blocker>, Vec<String>) {
        let empty = StringMap::new();
        let live = ownership::metadata(member);
        let fields = written(member.kind(), &self.policy.annotations);
        match &carrier.object {
            EngineObject::Application(application) => {
                let live = live.map_or(&empty, |live| &live.annotations);
                let target = argo_cd::Target {
                    reference: &member.reference,
                    annotations: manifest.map_or(live, |(_, object)| &object.annotations),
                    file: manifest.map(|(file, _)| file.path.as_str()),
                };
                let mut blockers =
                    argo_cd::for_object(application, &self.settings, &carrier.sources, &target);
                let ignored =
                    argo_cd::ignored(application, &self.settings, &member.reference, &fields);
                blockers.extend(ignored.blocker);
                (blockers, ignored.withheld)
            }
            EngineObject::Kustomization(kustomization) => {
                let live = live
                    .into_iter()
                    .flat_map(|live| [&live.labels, &live.annotations]);
                let written = manifest
                    .into_iter()
                    .flat_map(|(_, object)| [&object.labels, &object.annotations]);
                let target = flux::Target {
                    reference: &member.reference,
                    marks: live.chain(written).collect(),
                    file: manifest.map(|(file, _)| file.path.as_str()),
                };
                let blockers = flux::for_object(kustomization, self.snapshot, &target, &fields);
                (blockers, Vec::new())
            }
        }
    }
}

/// Objects of an Application, but for one, that Argo CD knows to differ from Git.
fn unsynced(carrier: &Carrier<'_>, but: &ObjectRef) -> Vec<String> {
    let EngineObject::Application(application) = &carrier.object else {
        return Vec::new();
    };
    let mut unsynced: Vec<String> = value::items(application.body, &["status", "resources"])
        .iter()
        .filter(|resource| value::text(resource, &["status"]) == Some("OutOfSync"))
        .map(|resource| {
            let text = |key: &str| value::text(resource, &[key]).unwrap_or_default();
            ObjectRef::new(text("group"), text("kind"), text("namespace"), text("name"))
        })
        .filter(|reference| reference != but)
        .map(|reference| reference.to_string())
        .collect();
    unsynced.sort();
    unsynced
}

/// The engine whose object a mark names.
fn engine_of(owner: &Owner) -> Option<Engine> {
    match owner {
        Owner::Application(_) => Some(Engine::ArgoCd),
        Owner::Kustomization { .. } | Owner::HelmRelease { .. } => Some(Engine::Flux),
        Owner::Release { .. } => None,
    }
}

/// The engine and its object by name alone.
fn unknown_carrier(owner: &Owner) -> Option<Delivery> {
    let name = match owner {
        Owner::Application(instance) => instance.display(),
        Owner::Kustomization { namespace, name }
        | Owner::HelmRelease { namespace, name }
        | Owner::Release { namespace, name } => format!("{namespace}/{name}"),
    };
    Some(Delivery {
        engine: engine_of(owner)?,
        name,
        blockers: Vec::new(),
        withheld: Vec::new(),
        unsynced: Vec::new(),
    })
}
