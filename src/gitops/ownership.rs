//! Ownership: what a live object itself says about who delivered it.
//!
//! Sources: Argo CD's resource tracking (`spec/gitops.md` §1.1), Flux's owner labels (§2.1), Helm's
//! own annotations.

use std::collections::HashMap;

use super::argo_cd::{self, Settings};
use super::flux;
use crate::manifest::ObjectRef;
use crate::rollout::{Member, value};
use crate::snapshot::{ClusterSnapshot, Metadata};

/// Argo CD's tracking annotation, `app:group/kind:namespace/name`.
pub(super) const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Tells the objects of one installation of Argo CD from those of another.
const INSTALLATION_ID: &str = "argocd.argoproj.io/installation-id";
const FLUX_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
const FLUX_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
const FLUX_HELM_NAME: &str = "helm.toolkit.fluxcd.io/name";
const FLUX_HELM_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";
const HELM_RELEASE: &str = "meta.helm.sh/release-name";
const HELM_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Written by charts, and so no proof of a release: `helm template` writes them into Git as well.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const CHART: &str = "helm.sh/chart";

/// Who delivered a live object, by its own marks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// An Argo CD Application, by its instance name.
    Application(InstanceName),
    /// A Flux Kustomization.
    Kustomization { namespace: String, name: String },
    /// A Flux HelmRelease.
    HelmRelease { namespace: String, name: String },
    /// A release that somebody installed with Helm itself.
    Release { namespace: String, name: String },
}

impl Owner {
    /// The engine's object, where an engine's own object delivers: not for releases of Helm.
    pub(super) fn carrier(&self) -> Option<String> {
        match self {
            Self::Application(instance) => Some(format!("Application {}", instance.display())),
            Self::Kustomization { namespace, name } => {
                Some(format!("Kustomization {namespace}/{name}"))
            }
            Self::HelmRelease { .. } | Self::Release { .. } => None,
        }
    }
}

/// The name by which Argo CD tracks: the Application's, with its namespace before it where that is
/// not Argo CD's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InstanceName {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl InstanceName {
    /// A namespace holds no underscore, so the first one ends it.
    pub(super) fn parse(text: &str) -> Self {
        match text.split_once('_') {
            Some((namespace, name)) => Self {
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
            },
            None => Self {
                namespace: None,
                name: text.to_owned(),
            },
        }
    }

    /// `namespace/name`, or the name alone where the namespace is Argo CD's own and not known.
    pub(super) fn display(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// The live metadata of what a member is: the workload's, or the bare pod's.
pub(super) fn metadata<'a>(member: &Member<'a>) -> Option<&'a Metadata> {
    if let Some(live) = member.live {
        return Some(&live.metadata);
    }
    if let Some(set) = member.replica_set {
        return Some(&set.metadata);
    }
    let is_pod = member.reference.group.is_empty() && member.reference.kind == "Pod";
    is_pod.then_some(&member.pods.first()?.metadata)
}

/// Whether a chart made an object, here or in a cluster.
pub(super) fn is_of_chart(metadata: &Metadata) -> bool {
    let managed = metadata.labels.get(MANAGED_BY);
    managed.is_some_and(|by| by == "Helm") || metadata.labels.contains_key(CHART)
}

/// Who delivered what, by the objects' own marks and by what the engines' objects list.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    listed: HashMap<ObjectRef, Owner>,
    /// The label that names the Application, where Argo CD tracks by label alone.
    instance_label: Option<String>,
    /// Argo CD's installation id, where `argocd-cm` is known.
    is_installation_known: bool,
    installation: String,
}

impl Ownership {
    pub(super) fn new(snapshot: &ClusterSnapshot, settings: &Settings<'_>) -> Self {
        let mut listed = HashMap::new();
        for object in snapshot.objects_of(argo_cd::GROUP, "Application") {
            let instance = InstanceName {
                namespace: Some(object.reference.namespace.clone()),
                name: object.reference.name.clone(),
            };
            let destination = value::text(&object.body, &["spec", "destination", "server"]);
            if !matches!(
                destination,
                None | Some("" | "https://kubernetes.default.svc")
            ) {
                continue;
            }
            for resource in value::items(&object.body, &["status", "resources"]) {
                let text = |key: &str| value::text(resource, &[key]).unwrap_or_default();
                let reference =
                    ObjectRef::new(text("group"), text("kind"), text("namespace"), text("name"));
                listed.insert(reference, Owner::Application(instance.clone()));
            }
        }
        for (group, kind) in [
            (flux::GROUP, "Kustomization"),
            (flux::HELM_GROUP, "HelmRelease"),
        ] {
            for object in snapshot.objects_of(group, kind) {
                let namespace = object.reference.namespace.clone();
                let name = object.reference.name.clone();
                let owner = match kind {
                    "HelmRelease" => Owner::HelmRelease { namespace, name },
                    _ => Owner::Kustomization { namespace, name },
                };
                for reference in flux::inventory(&object.body) {
                    listed.insert(reference, owner.clone());
                }
            }
        }
        Self {
            listed,
            instance_label: settings
                .tracks_by_label()
                .then(|| settings.instance_label().to_owned()),
            is_installation_known: settings.has_config(),
            installation: settings.installation().to_owned(),
        }
    }

    /// Who delivered a member.
    pub(super) fn of(&self, member: &Member<'_>) -> Option<Owner> {
        self.by_marks(&member.reference, metadata(member)?)
    }

    /// Who delivered a live object: its marks first, then who lists it. A release that Helm itself
    /// installed comes last, since Helm's annotations stay when an engine takes over.
    pub(super) fn by_marks(&self, reference: &ObjectRef, metadata: &Metadata) -> Option<Owner> {
        by_flux(metadata)
            .or_else(|| self.by_tracking(reference, metadata))
            .or_else(|| self.listed.get(reference).cloned())
            .or_else(|| self.by_label(metadata))
            .or_else(|| by_helm(reference, metadata))
    }

    fn by_tracking(&self, reference: &ObjectRef, metadata: &Metadata) -> Option<Owner> {
        let id = metadata.annotations.get(INSTALLATION_ID);
        if self.is_installation_known && id.is_some_and(|id| *id != self.installation) {
            return None;
        }
        tracking(reference, metadata).map(Owner::Application)
    }

    fn by_label(&self, metadata: &Metadata) -> Option<Owner> {
        let instance = metadata.labels.get(self.instance_label.as_deref()?)?;
        Some(Owner::Application(InstanceName::parse(instance)))
    }
}

/// Flux's Helm labels win over those of the Kustomization that applied the HelmRelease.
fn by_flux(metadata: &Metadata) -> Option<Owner> {
    let label = |key: &str| metadata.labels.get(key).cloned();
    if let (Some(name), Some(namespace)) = (label(FLUX_HELM_NAME), label(FLUX_HELM_NAMESPACE)) {
        return Some(Owner::HelmRelease { namespace, name });
    }
    let (name, namespace) = (label(FLUX_NAME)?, label(FLUX_NAMESPACE)?);
    Some(Owner::Kustomization { namespace, name })
}

fn by_helm(reference: &ObjectRef, metadata: &Metadata) -> Option<Owner> {
    let name = metadata.annotations.get(HELM_RELEASE)?.clone();
    let namespace = metadata.annotations.get(HELM_NAMESPACE).cloned();
    Some(Owner::Release {
        namespace: namespace.unwrap_or_else(|| reference.namespace.clone()),
        name,
    })
}

/// The Application that tracks an object. All four parts must be the object's own: copies keep the
/// annotation of what they were copied from.
fn tracking(reference: &ObjectRef, metadata: &Metadata) -> Option<InstanceName> {
    let id = metadata.annotations.get(TRACKING_ID)?;
    let mut parts = id.splitn(3, ':');
    let (instance, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (group, kind) = two_parts(kind)?;
    let (namespace, name) = two_parts(name)?;
    let is_own = group == reference.group
        && kind == reference.kind
        && namespace == reference.namespace
        && name == reference.name;
    (is_own && !instance.is_empty()).then(|| InstanceName::parse(instance))
}

fn two_parts(text: &str) -> Option<(&str, &str)> {
    let (first, second) = text.split_once('/')?;
    (!second.contains('/')).then_some((first, second))
}
