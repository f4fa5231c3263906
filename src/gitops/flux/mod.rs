//! Flux: Kustomizations, where they read from and where they deliver to.
//!
//! Sources: `spec/gitops.md` §2.1 (ownership), §2.2 (paths and transformations).

mod blockers;
mod inventory;
mod source;

use serde_json::Value;

pub(super) use blockers::{Target, for_kustomization, for_object, source_reference};
pub(super) use inventory::inventory;
pub(super) use source::SourceUrls;

use super::kustomize::{Item, Kustomizations, Transform, is_kustomization, plain_items};
use super::patch::Patches;
use super::path;
use crate::manifest::ManifestSet;
use crate::rollout::value;

/// API group of Kustomizations.
pub(super) const GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// API group of sources.
pub(super) const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";
/// API group of HelmReleases.
pub(super) const HELM_GROUP: &str = "helm.toolkit.fluxcd.io";

/// A Kustomization of Flux, live or as it stands in Git.
#[derive(Debug)]
pub(super) struct Kustomization<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    /// Whether its deletion has begun.
    pub(super) is_leaving: bool,
    /// `spec` and `status`.
    pub(super) body: &'a Value,
}

impl<'a> Kustomization<'a> {
    pub(super) fn display(&self) -> String {
        format!("Kustomization {}/{}", self.namespace, self.name)
    }

    pub(super) fn text(&self, path: &[&str]) -> &'a str {
        value::text(self.body, path).unwrap_or_default()
    }

    /// The directory that it reads; the root where it names none.
    pub(super) fn path(&self) -> Option<String> {
        path::resolve("", self.text(&["spec", "path"]))
    }

    /// The cluster that it delivers to: empty for its own.
    pub(super) fn destination(&self) -> String {
        match value::text(self.body, &["spec", "kubeConfig", "secretRef", "name"]) {
            Some(secret) => format!("cluster of Secret {}/{secret}", self.namespace),
            None => String::new(),
        }
    }

    /// The objects that it renders from the repository's files.
    pub(super) fn items(
        &self,
        manifests: &ManifestSet,
        kustomizations: &Kustomizations<'_>,
    ) -> Vec<Item> {
        let Some(directory) = self.path() else {
            return Vec::new();
        };
        let components: Vec<&str> = value::texts(self.body, &["spec", "components"]).collect();
        let mut items = if kustomizations.is_at(&directory) {
            kustomizations.render_with(&directory, &components)
        } else {
            generated(manifests, kustomizations, &directory)
        };
        let mut transform = self.transform(manifests);
        // What a component does to a kustomization that Flux itself generates is not followed.
        if !components.is_empty() && !kustomizations.is_at(&directory) {
            transform.patches = Patches::everything();
        }
        for item in &mut items {
            transform.apply(manifests, item);
            item.transformed |= self.fills_in(manifests, item);
        }
        items
    }

    /// The directories of kustomizations that it brings in.
    pub(super) fn reach(&self, kustomizations: &Kustomizations<'_>) -> Vec<String> {
        let Some(directory) = self.path() else {
            return Vec::new();
        };
        let tops = if kustomizations.is_at(&directory) {
            [directory.as_str()].into()
        } else {
            kustomizations.topmost_within(&directory)
        };
        tops.into_iter()
            .flat_map(|top| kustomizations.reach(top))
            .map(str::to_owned)
            .collect()
    }

    /// Whether `spec.postBuild` fills in variables of the item's file. One whose very name waits for
    /// a variable is a template, and no item.
    fn fills_in(&self, manifests: &ManifestSet, item: &Item) -> bool {
        let file = manifests.files.get(item.file);
        value::at(self.body, &["spec", "postBuild"]).is_some()
            && file.is_some_and(|file| memchr::memmem::find(&file.bytes, b"${").is_some())
    }

    fn transform(&self, manifests: &ManifestSet) -> Transform {
        let Some(spec) = value::at(self.body, &["spec"]) else {
            return Transform::default();
        };
        let text = |key: &str| value::text(spec, &[key]).unwrap_or_default().to_owned();
        let namespace = text("targetNamespace");
        Transform {
            namespace: (!namespace.is_empty()).then_some(namespace),
            prefix: text("namePrefix"),
            suffix: text("nameSuffix"),
            patches: Patches::of(manifests, "", spec),
        }
    }
}

/// What Flux reads where there is no `kustomization.yaml`: every `.yaml` and `.yml` below, and each
/// directory with a kustomization of its own as one resource.
fn generated(
    manifests: &ManifestSet,
    kustomizations: &Kustomizations<'_>,
    directory: &str,
) -> Vec<Item> {
    let tops = kustomizations.topmost_within(directory);
    let mut items: Vec<Item> = tops
        .iter()
        .flat_map(|top| kustomizations.render(top).as_ref().clone())
        .collect();
    let is_own = |file: &str| {
        let is_yaml = file.ends_with(".yaml") || file.ends_with(".yml");
        let is_covered = path::ancestors(file).any(|above| tops.contains(above));
        is_yaml && !is_covered && !is_kustomization(file)
    };
    let plain = path::files_within(manifests, directory)
        .filter(|(_, file)| is_own(&file.path))
        .flat_map(|(index, _)| plain_items(manifests, index, false));
    items.extend(plain);
    items
}
