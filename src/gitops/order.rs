//! Order: whether the engine delivers a workload only after the mesh has changed.
//!
//! One commit may change istiod and restart a workload where Flux proves the order: the Kustomization
//! of the workload depends on that of the change, both read one source, and the latter waits for
//! what it applies. Flux then compares the revision that the dependency applied last with the one at
//! hand (`spec/gitops.md` §2.4). Argo CD has no such order.

use std::collections::{BTreeMap, BTreeSet};

use super::carrier::{Carrier, EngineObject};
use super::flux::{self, Kustomization};
use super::{DeliveryMap, flux::HELM_GROUP};
use crate::diagnostic::Location;
use crate::manifest::{ManifestFile, Object, ObjectRef};
use crate::rollout::value;

impl DeliveryMap<'_> {
    /// Whether a workload is delivered only after every one of these changes of the mesh is applied
    /// and ready; a change is an object and where the repository asks for it.
    ///
    /// # Errors
    ///
    /// Why that is not proven.
    pub fn comes_after(
        &self,
        workload: (&ManifestFile, &Object),
        changes: &[(&ObjectRef, Option<&Location>)],
    ) -> Result<(), String> {
        let (file, object) = workload;
        let followers = self.kustomizations_of(&file.path, object.line, &object.reference)?;
        for (change, location) in changes {
            if change.group == HELM_GROUP {
                return Err(format!("{change} rolls istiod out in its own time"));
            }
            let place = location.and_then(|location| Some((&*location.file, location.line?)));
            let Some((path, line)) = place else {
                return Err(format!("when {change} goes is not told by any order"));
            };
            for leader in self.kustomizations_of(path, line, change)? {
                for follower in &followers {
                    self.follows(follower, leader)?;
                }
            }
        }
        Ok(())
    }

    /// The live Kustomizations of Flux that deliver an object of a file.
    fn kustomizations_of(
        &self,
        path: &str,
        line: usize,
        reference: &ObjectRef,
    ) -> Result<Vec<&Kustomization<'_>>, String> {
        let files = &self.manifests.files;
        let place = files.iter().enumerate().find_map(|(number, file)| {
            let mut objects = file.objects.iter();
            let is_it = |object: &Object| object.line == line;
            (file.path == path).then(|| Some((number, objects.position(is_it)?)))?
        });
        let roots = place
            .into_iter()
            .flat_map(|(file, object)| self.placements.of_object(file, object))
            .filter_map(|placement| self.placements.root(placement));
        let carriers: BTreeSet<Option<usize>> = roots.map(|root| root.carrier).collect();
        let mut found = Vec::new();
        for carrier in carriers {
            let carrier = carrier.and_then(|number| self.carriers.get(number));
            let carrier = carrier.ok_or_else(|| unknown(reference))?;
            found.push(live(carrier)?);
        }
        match found.as_slice() {
            [] => Err(unknown(reference)),
            _ => Ok(found),
        }
    }

    /// Whether one Kustomization is applied only after the other is ready at the same revision.
    fn follows(
        &self,
        follower: &Kustomization<'_>,
        leader: &Kustomization<'_>,
    ) -> Result<(), String> {
        let (first, then) = (leader.display(), follower.display());
        if (first.as_str(), leader.namespace) == (then.as_str(), follower.namespace) {
            return Err(format!("{first} delivers both the change and the workload"));
        }
        if !value::is_true(leader.body, &["spec", "wait"]) {
            return Err(format!(
                "{first} does not wait for what it applies (`spec.wait`)"
            ));
        }
        let source = flux::source_reference(leader);
        let by_name: BTreeMap<(&str, &str), &Kustomization<'_>> = self
            .carriers
            .iter()
            .filter_map(|carrier| live(carrier).ok())
            .map(|one| ((one.namespace, one.name), one))
            .collect();
        let (mut seen, mut next) = (BTreeSet::new(), vec![follower]);
        while let Some(one) = next.pop() {
            // A hop over another source compares no revisions.
            if flux::source_reference(one) != source || !seen.insert((one.namespace, one.name)) {
                continue;
            }
            if (one.namespace, one.name) == (leader.namespace, leader.name) {
                return Ok(());
            }
            for dependency in value::items(one.body, &["spec", "dependsOn"]) {
                let name = value::text(dependency, &["name"]).unwrap_or_default();
                let namespace = value::text(dependency, &["namespace"]).unwrap_or(one.namespace);
                next.extend(by_name.get(&(namespace, name)).copied());
            }
        }
        Err(format!(
            "{then} does not depend on {first} (`spec.dependsOn`, one source for both)"
        ))
    }
}

fn unknown(reference: &ObjectRef) -> String {
    format!("what delivers {reference} is not known")
}

/// A carrier as a live Kustomization of Flux.
fn live<'c>(carrier: &'c Carrier<'_>) -> Result<&'c Kustomization<'c>, String> {
    match &carrier.object {
        EngineObject::Kustomization(_) if carrier.file.is_some() => {
            Err(format!("{} is not in the snapshot", carrier.display()))
        }
        EngineObject::Kustomization(kustomization) => Ok(kustomization),
        EngineObject::Application(_) => Err(format!(
            "{} is of Argo CD, which keeps no order between Applications",
            carrier.display()
        )),
    }
}
