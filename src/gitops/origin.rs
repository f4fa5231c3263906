//! Origins: for one live workload, the manifest that makes it, or why there is none to edit.

use std::collections::BTreeSet;

use super::ownership::{self, Owner};
use super::placement::{Placement, object};
use super::{Delivery, DeliveryMap, Engine, Origin, Source};
use crate::manifest::ObjectRef;
use crate::reason::{Reason, ReasonCode};
use crate::rollout::Member;

impl<'a> DeliveryMap<'a> {
    /// Where a live workload comes from.
    #[must_use]
    pub fn origin(&self, member: &Member<'_>) -> Origin<'a> {
        let owner = ownership::metadata(member)
            .and_then(|metadata| ownership::owner(&member.reference, metadata));
        let found = self.candidates(&member.reference, owner.as_ref());
        let source = match found.as_slice() {
            [] => Source::Elsewhere(self.not_in_git(&member.reference, owner.as_ref())),
            [placement] => self.source(placement),
            several => Source::Elsewhere(self.ambiguous(several)),
        };
        Origin {
            source,
            delivery: delivery(owner.as_ref()),
        }
    }

    /// The placements that make a live object, one for each object of a file.
    fn candidates(&self, reference: &ObjectRef, owner: Option<&Owner>) -> Vec<&Placement> {
        let mut seen = BTreeSet::new();
        let mut found: Vec<&Placement> = self
            .placements
            .named(reference)
            .filter(|placement| placement.namespace == reference.namespace)
            .filter(|placement| self.is_ours(placement) && self.is_read(placement, owner))
            .filter(|placement| seen.insert((placement.file, placement.object)))
            .collect();
        if found.iter().any(|placement| self.is_certain(placement)) {
            found.retain(|placement| self.is_certain(placement));
        } else if owner.is_none() {
            found.clear();
        }
        found
    }

    fn is_ours(&self, placement: &Placement) -> bool {
        self.placements
            .root(placement)
            .is_some_and(|root| root.destination.is_empty())
    }

    fn is_certain(&self, placement: &Placement) -> bool {
        self.placements
            .root(placement)
            .is_some_and(|root| root.certain)
    }

    /// Flux reads no `.json` that no kustomization lists.
    fn is_read(&self, placement: &Placement, owner: Option<&Owner>) -> bool {
        let is_flux = matches!(owner, Some(Owner::Kustomization { .. }));
        let file = self.manifests.files.get(placement.file);
        let is_json = file.is_some_and(|file| file.path.ends_with(".json"));
        !(is_flux && is_json && !placement.listed)
    }

    fn source(&self, placement: &Placement) -> Source<'a> {
        let file = self.manifests.files.get(placement.file);
        let object = object(self.manifests, placement.file, placement.object);
        let (Some(file), Some(object)) = (file, object) else {
            let message = "the manifest is gone from the set";
            return Source::Elsewhere(Reason::new(ReasonCode::NotInGit, message));
        };
        if let Some(reason) = self.refusal(placement, file) {
            return Source::Elsewhere(reason);
        }
        Source::Manifest {
            file,
            object,
            transformed: placement.transformed,
        }
    }

    /// Why a manifest that makes the object must not be edited.
    fn refusal(
        &self,
        placement: &Placement,
        file: &crate::manifest::ManifestFile,
    ) -> Option<Reason> {
        let places = self
            .placements
            .destinations(placement.file, placement.object);
        if places.len() > 1 {
            let elsewhere: Vec<String> = places
                .iter()
                .map(|(cluster, namespace, name)| destination(cluster, namespace, name))
                .collect();
            let message = format!(
                "{} makes {} objects ({}), so an edit would restart them all: give this one a \
                 patch of its own",
                file.path,
                places.len(),
                elsewhere.join(", ")
            );
            return Some(Reason::new(ReasonCode::SharedManifest, message));
        }
        None
    }

    fn ambiguous(&self, several: &[&Placement]) -> Reason {
        let files: BTreeSet<String> = several
            .iter()
            .filter_map(|placement| {
                let file = self.manifests.files.get(placement.file)?;
                let object = file.objects.get(placement.object)?;
                Some(format!("{}:{}", file.path, object.line))
            })
            .collect();
        let files: Vec<String> = files.into_iter().collect();
        let message = format!(
            "{} all make it: name the directories of this cluster in the configuration, or remove \
             all but one",
            files.join(" and ")
        );
        Reason::new(ReasonCode::AmbiguousManifest, message)
    }

    fn not_in_git(&self, reference: &ObjectRef, owner: Option<&Owner>) -> Reason {
        if let Some(Owner::HelmRelease { namespace, name } | Owner::Release { namespace, name }) =
            owner
        {
            let message = format!("the Helm release {namespace}/{name} renders it");
            return Reason::new(ReasonCode::HelmRelease, message);
        }
        let mut message = format!("no manifest in the repository makes {reference}");
        if let Some(near) = self.nearest(reference) {
            message.push_str(&near);
        }
        Reason::new(ReasonCode::NotInGit, message)
    }

    /// The manifest that comes nearest: the same kind and name in another namespace.
    fn nearest(&self, reference: &ObjectRef) -> Option<String> {
        let near = self.placements.named(reference).min_by_key(|placement| {
            let file = self.manifests.files.get(placement.file);
            (file.map(|file| file.path.as_str()), placement.object)
        })?;
        let file = self.manifests.files.get(near.file)?;
        Some(format!(
            "; {} makes one of that name in namespace {}",
            file.path, near.namespace
        ))
    }
}

fn destination(cluster: &str, namespace: &str, name: &str) -> String {
    if cluster.is_empty() {
        format!("{namespace}/{name}")
    } else {
        format!("{namespace}/{name} of {cluster}")
    }
}

/// The engine and its object, by the live object's own marks.
fn delivery(owner: Option<&Owner>) -> Option<Delivery> {
    let (engine, name) = match owner? {
        Owner::Application(instance) => (Engine::ArgoCd, instance.display()),
        Owner::Kustomization { namespace, name } | Owner::HelmRelease { namespace, name } => {
            (Engine::Flux, format!("{namespace}/{name}"))
        }
        Owner::Release { .. } => return None,
    };
    Some(Delivery {
        engine,
        name,
        blockers: Vec::new(),
    })
}
