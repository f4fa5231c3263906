//! Elsewhere: why a live workload has no manifest to edit, and what to do instead.

use super::argo_cd::SourceKind;
use super::carrier::Carrier;
use super::origin::unparsable;
use super::ownership::{self, InstanceName, Owner};
use super::placement::Placement;
use super::{DeliveryMap, flux, helm, path};
use crate::manifest::ObjectRef;
use crate::reason::{Reason, ReasonCode};
use crate::rollout::{Member, WorkloadKind, value};

impl DeliveryMap<'_> {
    /// Why no manifest makes a live object.
    pub(super) fn elsewhere(
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
        if let Some(reason) = self.unparsed(reference) {
            return reason;
        }
        let near = self.nearest(reference).unwrap_or_default();
        let carrier = carrier.and_then(|number| self.carriers.get(number));
        let message = match (carrier, owner.and_then(Owner::carrier)) {
            (Some(carrier), _) => {
                let (display, reads) = (carrier.display(), carrier.reads());
                format!("{display} delivers it from {reads}, and no manifest there makes it{near}")
            }
            (None, Some(display)) => format!(
                "no manifest in the repository makes it, and {display} delivers it: restart it in \
                 the repository that this reads{near}"
            ),
            (None, None) if rolls(reference) => {
                let restart = helm::rollout_restart(reference);
                format!("no manifest in the repository makes it: run `{restart}`{near}")
            }
            (None, None) => format!("no manifest in the repository makes it{near}"),
        };
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
                let suspended = if self.is_suspended(namespace, name) {
                    "; it is suspended, so first `spec.suspend` must go"
                } else {
                    ""
                };
                format!(
                    "HelmRelease {namespace}/{name}{file} renders it: add to its spec \
                     `postRenderers: {patches}`, or the pod annotation to its values{suspended}"
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

    /// Whether Flux applies nothing of a HelmRelease for now.
    fn is_suspended(&self, namespace: &str, name: &str) -> bool {
        let reference = ObjectRef::new(flux::HELM_GROUP, "HelmRelease", namespace, name);
        let release = self.snapshot.object(&reference);
        release.is_some_and(|release| value::is_true(&release.body, &["spec", "suspend"]))
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

    /// The file that cannot be parsed and may make it, since it holds its name.
    fn unparsed(&self, reference: &ObjectRef) -> Option<Reason> {
        let mut named = self.placements.named(reference);
        let broken = named.find_map(|placement| {
            let file = self.manifests.files.get(placement.file)?;
            let mut broken = self.broken_kustomizations();
            broken.find(|broken| path::is_within(&file.path, path::directory(&broken.path)))
        });
        if let Some(broken) = broken {
            return Some(unparsable(&broken.path));
        }
        let within = |path: &str| self.paths.iter().any(|own| path::is_within(path, own));
        let file = self.manifests.unparsed.iter().find(|file| {
            (self.paths.is_empty() || within(&file.path)) && file.names(&reference.name)
        })?;
        let message = format!(
            "{} cannot be parsed, and may make it: mend the file first",
            file.path
        );
        Some(Reason::new(ReasonCode::UnparsableManifest, message))
    }

    /// The manifest that comes nearest: the same kind and name in another namespace, or one that
    /// nothing is known to apply.
    fn nearest(&self, reference: &ObjectRef) -> Option<String> {
        let path = |placement: &Placement| {
            let file = self.manifests.files.get(placement.file);
            file.map(|file| file.path.as_str())
        };
        // What lies elsewhere is another cluster's, and no help.
        let is_near = |placement: &&Placement| {
            let within = |own: &String| path(placement).is_some_and(|at| path::is_within(at, own));
            self.paths.is_empty() || self.paths.iter().any(within)
        };
        let near = self
            .placements
            .named(reference)
            .filter(is_near)
            .min_by_key(|placement| (path(placement), placement.object))?;
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
}

/// Whether `kubectl rollout restart` takes the kind.
fn rolls(reference: &ObjectRef) -> bool {
    matches!(
        WorkloadKind::of(reference),
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet
    )
}
