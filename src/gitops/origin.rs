//! Origins: for one live workload, the manifest that makes it, or why there is none to edit.

use std::collections::BTreeSet;

use super::argo_cd::{self, SourceKind};
use super::carrier::{Carrier, EngineObject};
use super::ownership::{InstanceName, Owner};
use super::placement::{Placement, object};
use super::written::written;
use super::{Delivery, DeliveryMap, Engine, Origin, Source, flux, helm, ownership};
use crate::manifest::{ManifestFile, ManifestSet, Object, ObjectRef, StringMap};
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
            [placement] => self.source(placement),
            several => Source::Elsewhere(self.ambiguous(several)),
        };
        let carrier = carrier.or_else(|| self.only_carrier(found.first()?));
        Origin {
            delivery: self.delivery(member, owner.as_ref(), carrier, &source),
            source,
        }
    }

    /// The carrier that a mark names.
    fn carrier_of(&self, owner: &Owner) -> Option<usize> {
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
            let name = match (&owner, engine) {
                (Some(Owner::Application(instance)), Engine::ArgoCd) => {
                    format!("Application {}", instance.display())
                }
                (Some(Owner::Kustomization { namespace, name }), Engine::Flux) => {
                    format!("Kustomization {namespace}/{name}")
                }
                _ => continue,
            };
            let carrier = owner.and_then(|owner| self.carrier_of(&owner));
            let live = carrier.and_then(|number| self.carriers.get(number));
            if live.is_none_or(|carrier| carrier.file.is_some()) {
                missing.insert(name);
            }
        }
        missing.into_iter().collect()
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
            None => root.destination.is_empty(),
        }
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
    fn refusal(&self, placement: &Placement, file: &ManifestFile) -> Option<Reason> {
        let number = self.placements.root(placement)?.carrier;
        if let Some(reason) = self.generated(number, file) {
            return Some(reason);
        }
        let repository = self.placements.root(placement)?.repository.as_deref();
        let places = self
            .placements
            .destinations(placement.file, placement.object, repository);
        if places.len() < 2 {
            return None;
        }
        let shown: Vec<String> = places
            .iter()
            .map(|(cluster, namespace, name)| destination(cluster, namespace, name))
            .collect();
        let message = format!(
            "{} makes {} objects ({}), so an edit would restart them all: give this one a patch \
             of its own",
            file.path,
            places.len(),
            shown.join(", ")
        );
        Some(Reason::new(ReasonCode::SharedManifest, message))
    }

    /// Why a file is nobody's to edit; the carrier tells what it is made from.
    fn generated(&self, carrier: Option<usize>, file: &ManifestFile) -> Option<Reason> {
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

    /// Why no manifest makes a live object.
    fn elsewhere(
        &self,
        member: &Member<'_>,
        owner: Option<&Owner>,
        carrier: Option<usize>,
    ) -> Reason {
        let reference = &member.reference;
        if let Some(reason) = self.helm(member, owner, carrier) {
            return reason;
        }
        if let Some(reason) = self.generated_copy(reference, carrier) {
            return reason;
        }
        if let Some(reason) = self.template_of(reference) {
            return reason;
        }
        let mut message = format!("no manifest in the repository makes {reference}");
        if let Some(carrier) = carrier.and_then(|number| self.carriers.get(number)) {
            let (display, reads) = (carrier.display(), carrier.reads());
            message = format!("{display} delivers it from {reads}, and no manifest there makes it");
        }
        if let Some(near) = self.nearest(reference) {
            message.push_str(&near);
        }
        Reason::new(ReasonCode::NotInGit, message)
    }

    fn helm(
        &self,
        member: &Member<'_>,
        owner: Option<&Owner>,
        carrier: Option<usize>,
    ) -> Option<Reason> {
        let (reference, keys) = (&member.reference, &self.policy.annotations);
        let message = match owner? {
            Owner::HelmRelease { namespace, name } => {
                let patches = helm::post_renderer(reference, &member.api_version, keys, self.now);
                let file = self.releases.get(&(&**namespace, &**name));
                let file = file.map_or(String::new(), |file| format!(" ({file})"));
                format!(
                    "HelmRelease {namespace}/{name}{file} renders it: add to its spec \
                     `postRenderers: {patches}`, or the pod annotation to its values"
                )
            }
            Owner::Release { namespace, name } => format!(
                "the Helm release {namespace}/{name} renders it, and no engine delivers it: run \
                 `{}`",
                helm::rollout_restart(reference)
            ),
            Owner::Application(instance) => self.helm_source(member, instance, carrier)?,
            Owner::Kustomization { .. } => return None,
        };
        Some(Reason::new(ReasonCode::HelmRelease, message))
    }

    /// What makes an Application's object that is in no manifest: Helm or a plugin, by its sources,
    /// or by the labels that charts write.
    fn helm_source(
        &self,
        member: &Member<'_>,
        instance: &InstanceName,
        carrier: Option<usize>,
    ) -> Option<String> {
        let carrier = carrier.and_then(|number| self.carriers.get(number));
        let of_chart = ownership::metadata(member).is_some_and(ownership::is_of_chart);
        let kind = match carrier.and_then(Carrier::renders_elsewhere) {
            Some(kind) => kind,
            None if of_chart => SourceKind::Helm,
            None => return None,
        };
        let (display, from) = match carrier {
            Some(carrier) => (carrier.display(), format!(" from {}", carrier.reads())),
            None => (format!("Application {}", instance.display()), String::new()),
        };
        let values = helm::values(&self.policy.annotations, self.now);
        Some(if kind == SourceKind::Plugin {
            format!(
                "a plugin renders it for {display}{from}: add the pod annotation to what it reads"
            )
        } else {
            format!(
                "{display} renders it with Helm{from}: add the pod annotation to its values, in \
                 most charts `{values}`"
            )
        })
    }

    /// A generated copy of the object: the reason to give when what it is made from is not here.
    fn generated_copy(&self, reference: &ObjectRef, carrier: Option<usize>) -> Option<Reason> {
        self.placements
            .named(reference)
            .filter(|placement| placement.namespace == reference.namespace)
            .find_map(|placement| {
                let file = self.manifests.files.get(placement.file)?;
                self.generated(carrier, file)
            })
    }

    /// A template whose name would be this object's once its placeholders are filled in.
    fn template_of(&self, reference: &ObjectRef) -> Option<Reason> {
        let templates = &self.manifests.templates;
        let template = templates
            .iter()
            .find(|template| template.can_make(reference))?;
        let message = format!(
            "{}:{} makes it from a template ({}), which is filled in elsewhere: add the pod \
             annotation there by hand",
            template.path, template.line, template.name
        );
        Some(Reason::new(ReasonCode::TemplatedManifest, message))
    }

    /// The manifest that comes nearest: the same kind and name in another namespace, or one that
    /// nothing is known to apply.
    fn nearest(&self, reference: &ObjectRef) -> Option<String> {
        let near = self.placements.named(reference).min_by_key(|placement| {
            let file = self.manifests.files.get(placement.file);
            (file.map(|file| file.path.as_str()), placement.object)
        })?;
        let file = &self.manifests.files.get(near.file)?.path;
        if near.namespace != reference.namespace {
            let namespace = &near.namespace;
            return Some(format!(
                "; {file} makes one of that name in namespace {namespace}"
            ));
        }
        Some(if self.is_certain(near) {
            format!("; {file} holds it, and something else applies that")
        } else {
            format!("; {file} holds it, and the kustomization above does not list that")
        })
    }

    /// The engine and its object, with everything that blocks this workload.
    fn delivery(
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
    ) -> (Vec<super::Blocker>, Vec<String>) {
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

fn destination(cluster: &str, namespace: &str, name: &str) -> String {
    if cluster.is_empty() {
        format!("{namespace}/{name}")
    } else {
        format!("{namespace}/{name} of {cluster}")
    }
}

/// The engine and its object by name alone.
fn unknown_carrier(owner: &Owner) -> Option<Delivery> {
    let (engine, name) = match owner {
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
        withheld: Vec::new(),
    })
}
