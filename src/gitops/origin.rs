//! Origins: for one live workload, the manifest that makes it, or why there is none to edit.

use std::collections::BTreeSet;

use super::kustomize::is_kustomization;
use super::ownership::{self, Owner};
use super::placement::{Placement, object};
use super::{DeliveryMap, Origin, Source, path};
use crate::manifest::{ManifestFile, ManifestSet, ObjectRef, UnparsedFile};
use crate::reason::{Reason, ReasonCode};
use crate::rollout::Member;

/// Where Kustomize took an object from, with `buildMetadata: [originAnnotations]`.
const ORIGIN: &str = "config.kubernetes.io/origin";

impl<'a> DeliveryMap<'a> {
    /// Where a live workload comes from.
    #[must_use]
    pub fn origin(&self, member: &Member<'_>) -> Origin<'a> {
        let owner = self.ownership.of(member);
        let carrier = owner.as_ref().and_then(|owner| self.carrier_of(owner));
        let found = self.candidates(&member.reference, owner.as_ref(), carrier);
        let found = narrowed_by_origin(self.manifests, member, found);
        let source = match found.as_slice() {
            [] => Source::Elsewhere(self.elsewhere(member, owner.as_ref(), carrier)),
            [placement] => self.source(placement, owner.as_ref()),
            several => Source::Elsewhere(self.ambiguous(several)),
        };
        // What the object's own marks name is not to be overruled by who could deliver the file.
        let carrier = match &owner {
            Some(Owner::Release { .. }) | None => found
                .first()
                .and_then(|placement| self.only_carrier(placement)),
            Some(_) => carrier,
        };
        Origin {
            delivery: self.delivery(member, owner.as_ref(), carrier, &source),
            source,
        }
    }

    /// The placements that make a live object, one for each object of a file.
    ///
    /// Where the engine's object is known, only what it renders counts.
    fn candidates(
        &self,
        reference: &ObjectRef,
        owner: Option<&Owner>,
        carrier: Option<usize>,
    ) -> Vec<&Placement> {
        if matches!(owner, Some(Owner::HelmRelease { .. })) {
            return Vec::new();
        }
        let mut seen = BTreeSet::new();
        let mut found: Vec<&Placement> = self
            .placements
            .named(reference)
            .filter(|placement| placement.namespace == reference.namespace)
            .filter(|placement| self.is_candidate(placement, carrier))
            .filter(|placement| self.is_read(placement, owner))
            .collect();
        if found.iter().any(|placement| self.is_certain(placement)) {
            found.retain(|placement| self.is_certain(placement));
        } else if owner.is_none() {
            found.clear();
        }
        found.retain(|placement| seen.insert((placement.file, placement.object)));
        found
    }

    /// The carrier of a placement that nothing live names; none where several bring the object.
    fn only_carrier(&self, placement: &Placement) -> Option<usize> {
        let same = self
            .placements
            .of_object(placement.file, placement.object)
            .filter(|other| other.namespace == placement.namespace && other.name == placement.name);
        let roots = same.filter_map(|other| self.placements.root(other));
        let carriers: BTreeSet<Option<usize>> = roots.map(|root| root.carrier).collect();
        match carriers.first() {
            Some(only) if carriers.len() == 1 => *only,
            _ => None,
        }
    }

    fn is_candidate(&self, placement: &Placement, carrier: Option<usize>) -> bool {
        let Some(root) = self.placements.root(placement) else {
            return false;
        };
        match carrier {
            Some(number) => root.carrier == Some(number),
            None => !root.is_foreign,
        }
    }

    pub(super) fn is_certain(&self, placement: &Placement) -> bool {
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

    fn source(&self, placement: &Placement, owner: Option<&Owner>) -> Source<'a> {
        let file = self.manifests.files.get(placement.file);
        let object = object(self.manifests, placement.file, placement.object);
        let (Some(file), Some(object)) = (file, object) else {
            let message = "the manifest is gone from the set";
            return Source::Elsewhere(Reason::new(ReasonCode::NotInGit, message));
        };
        let refusal = self.refusal(placement, file);
        let refusal = refusal.or_else(|| self.delivered_otherwise(placement, file, owner?));
        if let Some(reason) = refusal {
            return Source::Elsewhere(reason);
        }
        Source::Manifest {
            file,
            object,
            transformed: placement.transformed,
        }
    }

    /// Why a manifest that makes the object must not be edited.
    fn refusal(&self, placement: &Placement, file: &ManifestFile) -> Option<Reason> {
        let number = self.placements.root(placement)?.carrier;
        if let Some(reason) = self.generated(number, file) {
            return Some(reason);
        }
        if let Some(reason) = self.may_be_shared(placement, file) {
            return Some(reason);
        }
        self.shared(placement, file)
            .or_else(|| self.shared_by_set(placement, file))
    }

    /// A `kustomization.yaml` that cannot be parsed and may say what becomes of a file: one above it,
    /// or one elsewhere where the file is a base that another directory brings in.
    fn may_be_shared(&self, placement: &Placement, file: &ManifestFile) -> Option<Reason> {
        let root = self.placements.root(placement)?;
        let roots = &root.directories;
        let is_base = !roots.is_empty() && !roots.iter().any(|at| path::is_within(&file.path, at));
        // One that lists the file, or a directory that brings it in.
        let lists = |broken: &UnparsedFile| {
            let directory = path::directory(&broken.path);
            let listed = broken
                .words()
                .filter_map(|word| path::resolve(directory, word));
            let mut listed = listed.filter(|path| path != directory);
            listed.any(|listed| {
                let brings_in = path::is_within(&file.path, &listed) || roots.contains(&listed);
                listed == file.path || root.reach.contains(&listed) && brings_in
            })
        };
        let found = self.broken_kustomizations().find(|broken| {
            is_base || path::is_within(&file.path, path::directory(&broken.path)) || lists(broken)
        })?;
        Some(unparsable(&found.path))
    }

    /// Every `kustomization.yaml` that cannot be parsed.
    pub(super) fn broken_kustomizations(&self) -> impl Iterator<Item = &UnparsedFile> {
        let files = self.manifests.unparsed.iter();
        files.filter(|file| is_kustomization(&file.path))
    }

    /// Why a file is nobody's to edit; the carrier tells what it is made from.
    pub(super) fn generated(&self, carrier: Option<usize>, file: &ManifestFile) -> Option<Reason> {
        let by = self.generated.by(&file.path)?;
        let carrier = carrier.and_then(|number| self.carriers.get(number));
        let instead = match carrier {
            Some(carrier) => format!("edit what it is made from: {}", carrier.reads()),
            None => "edit what it is made from".to_owned(),
        };
        let message = format!(
            "{}: {by}, so the next run drops an edit; {instead}",
            file.path
        );
        Some(Reason::new(ReasonCode::GeneratedManifest, message))
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
}

/// Of several placements, those of the file that Kustomize says it took the object from, where its
/// origin annotation is switched on. The path is relative to the root that was built.
fn narrowed_by_origin<'p>(
    manifests: &ManifestSet,
    member: &Member<'_>,
    found: Vec<&'p Placement>,
) -> Vec<&'p Placement> {
    let annotations = ownership::metadata(member).map(|metadata| &metadata.annotations);
    let origin = annotations.and_then(|annotations| annotations.get(ORIGIN));
    let (Some(origin), true) = (origin, found.len() > 1) else {
        return found;
    };
    let is_remote = origin.lines().any(|line| line.starts_with("repo:"));
    let path = origin.lines().find_map(|line| line.strip_prefix("path:"));
    let Some(path) = path.filter(|_| !is_remote) else {
        return found;
    };
    let path = path
        .trim()
        .trim_start_matches("../")
        .trim_matches(['"', '\'']);
    let is_origin = |placement: &&&Placement| {
        let file = manifests.files.get(placement.file);
        let rest = file.and_then(|file| file.path.strip_suffix(path));
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    let narrowed: Vec<&Placement> = found.iter().filter(is_origin).copied().collect();
    if narrowed.is_empty() { found } else { narrowed }
}

/// What cannot be told because of a file that cannot be parsed.
pub(super) fn unparsable(path: &str) -> Reason {
    let message =
        format!("{path} cannot be parsed, and may say what becomes of it: mend the file first");
    Reason::new(ReasonCode::UnparsableManifest, message)
}
