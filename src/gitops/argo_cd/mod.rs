//! Argo CD: Applications, where they read from and where they deliver to.
//!
//! Sources: `spec/gitops.md` §1.2 (sources and paths), §1.3 (fan-out), §1.4 (namespaces).

mod application_set;
mod blockers;
mod directory;
mod ignore;
mod overrides;
mod schedule;
mod settings;
mod sync_window;

use serde_json::Value;

pub(super) use application_set::ApplicationSet;
pub(super) use blockers::{Target, for_application, for_object};
pub(super) use ignore::ignored;
pub(super) use settings::Settings;

use super::kustomize::{Item, Kustomizations, Transform};
use super::patch::Patches;
use super::path;
use crate::manifest::{ManifestSet, StringMap};
use crate::rollout::value;
use crate::snapshot::OwnerReference;

/// API group of Argo CD's kinds.
pub(super) const GROUP: &str = "argoproj.io";

/// An Application, live or as it stands in Git.
#[derive(Debug)]
pub(super) struct Application<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) annotations: &'a StringMap,
    pub(super) owners: &'a [OwnerReference],
    /// Whether its deletion has begun.
    pub(super) is_leaving: bool,
    /// `spec`, `status` and `operation`.
    pub(super) body: &'a Value,
}

/// How a source makes manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceKind {
    Directory,
    Kustomize,
    Helm,
    Plugin,
}

/// One source of an Application.
#[derive(Debug)]
pub(super) struct RepoSource<'a> {
    pub(super) kind: SourceKind,
    /// As written.
    pub(super) repository: &'a str,
    /// Directory of the repository; none for a chart of a Helm repository.
    pub(super) path: Option<String>,
    /// `targetRevision`, as written.
    pub(super) revision: &'a str,
    /// The source itself.
    pub(super) body: &'a Value,
    /// The source as `.argocd-source.yaml` and `.argocd-source-<name>.yaml` in its directory change
    /// it; none where there are none.
    pub(super) overridden: Option<Value>,
}

impl<'a> Application<'a> {
    pub(super) fn display(&self) -> String {
        format!("Application {}/{}", self.namespace, self.name)
    }

    pub(super) fn spec(&self, path: &[&str]) -> Option<&'a Value> {
        value::at(value::at(self.body, &["spec"])?, path)
    }

    pub(super) fn text(&self, path: &[&str]) -> &'a str {
        value::text(self.body, path).unwrap_or_default()
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// The namespace of objects that name none.
    pub(super) fn namespace_of_objects(&self) -> Option<&'a str> {
        value::text(self.body, &["spec", "destination", "namespace"])
            .filter(|name| !name.is_empty())
    }

    /// The cluster that it delivers to: empty for the one that Argo CD itself runs in.
    pub(super) fn destination(&self) -> String {
        let name = self.text(&["spec", "destination", "name"]);
        let server = self.text(&["spec", "destination", "server"]);
        if matches!(server, "" | "https://kubernetes.default.svc")
            && matches!(name, "" | "in-cluster")
        {
            return String::new();
        }
        let cluster = if name.is_empty() { server } else { name };
        format!("cluster {cluster}")
    }

    /// The source that a commit reaches first: a source hydrator's dry source wins over `sources`,
    /// and `sources` over `source`.
    pub(super) fn sources(&self, kustomizations: &Kustomizations<'_>) -> Vec<RepoSource<'a>> {
        if let Some(dry) = self.spec(&["sourceHydrator", "drySource"]) {
            return vec![self.source(dry, 0, kustomizations)];
        }
        let several = value::items(self.body, &["spec", "sources"]);
        if !several.is_empty() {
            let numbered = several.iter().enumerate();
            return numbered
                .map(|(number, source)| self.source(source, number, kustomizations))
                .collect();
        }
        self.spec(&["source"])
            .map(|source| self.source(source, 0, kustomizations))
            .into_iter()
            .collect()
    }

    /// The path that only the source hydrator may write.
    pub(super) fn hydrated_path(&self) -> Option<String> {
        let written = value::text(self.body, &["spec", "sourceHydrator", "syncSource", "path"])?;
        path::resolve("", written)
    }

    fn source(
        &self,
        body: &'a Value,
        number: usize,
        kustomizations: &Kustomizations<'_>,
    ) -> RepoSource<'a> {
        let text = |key: &str| value::text(body, &[key]).unwrap_or_default();
        let path = value::text(body, &["path"]).and_then(|written| path::resolve("", written));
        let overridden = path
            .as_deref()
            .and_then(|path| overrides::overridden(kustomizations.manifests(), path, self, body));
        let effective = overridden.as_ref().unwrap_or(body);
        let is_set = |key: &str| value::at(effective, &[key]).is_some();
        let kind = if is_set("chart") || is_set("helm") {
            SourceKind::Helm
        } else if is_set("kustomize") {
            SourceKind::Kustomize
        } else if is_set("plugin") {
            SourceKind::Plugin
        } else if is_set("directory") {
            SourceKind::Directory
        } else {
            self.detected(number, path.as_deref(), kustomizations)
        };
        RepoSource {
            kind,
            repository: text("repoURL"),
            path,
            revision: text("targetRevision"),
            body,
            overridden,
        }
    }

    /// The type that Argo CD found, else what a `kustomization.yaml` tells.
    fn detected(
        &self,
        number: usize,
        path: Option<&str>,
        kustomizations: &Kustomizations<'_>,
    ) -> SourceKind {
        let one = value::text(self.body, &["status", "sourceType"]);
        let several = value::items(self.body, &["status", "sourceTypes"]).get(number);
        match several.and_then(Value::as_str).or(one) {
            Some("Helm") => SourceKind::Helm,
            Some("Kustomize") => SourceKind::Kustomize,
            Some("Plugin") => SourceKind::Plugin,
            Some("Directory") => SourceKind::Directory,
            _ if path.is_some_and(|path| kustomizations.is_at(path)) => SourceKind::Kustomize,
            _ => SourceKind::Directory,
        }
    }
}

impl RepoSource<'_> {
    /// The objects that the source renders from the repository's files.
    pub(super) fn items(
        &self,
        manifests: &ManifestSet,
        kustomizations: &Kustomizations<'_>,
    ) -> Vec<Item> {
        let Some(path) = &self.path else {
            return Vec::new();
        };
        match self.kind {
            SourceKind::Directory => directory::items(manifests, path, self.body()),
            SourceKind::Kustomize => {
                let components = value::texts(self.body(), &["kustomize", "components"]);
                let components: Vec<&str> = components.collect();
                let transform = self.transform(manifests);
                let mut items = kustomizations.render_with(path, &components);
                items
                    .iter_mut()
                    .for_each(|item| transform.apply(manifests, item));
                items
            }
            SourceKind::Helm | SourceKind::Plugin => Vec::new(),
        }
    }

    /// The source with what files in its directory change of it.
    fn body(&self) -> &Value {
        self.overridden.as_ref().unwrap_or(self.body)
    }

    fn transform(&self, manifests: &ManifestSet) -> Transform {
        let Some(kustomize) = value::at(self.body(), &["kustomize"]) else {
            return Transform::default();
        };
        let text = |key: &str| {
            value::text(kustomize, &[key])
                .unwrap_or_default()
                .to_owned()
        };
        let namespace = text("namespace");
        Transform {
            namespace: (!namespace.is_empty()).then_some(namespace),
            prefix: text("namePrefix"),
            suffix: text("nameSuffix"),
            patches: Patches::of(
                manifests,
                self.path.as_deref().unwrap_or_default(),
                kustomize,
            ),
        }
    }
}
