//! Carriers: the engines' objects that bring files to a cluster, Argo CD's Applications and Flux's
//! Kustomizations.
//!
//! The live ones count. Where the snapshot holds none of a kind, those in Git stand in for them, so
//! that at least their paths are known; others in Git are other clusters' (`standing`).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::argo_cd::{self, Application, RepoSource, Settings, SourceKind};
use super::flux::{self, Kustomization};
use super::kustomize::{Item, Kustomizations};
use super::standing::{self, Standing};
use super::{Blocker, Engine};
use crate::manifest::{Body, ManifestSet, Object};
use crate::snapshot::{ClusterObject, ClusterSnapshot};

/// An engine's object with what is known about it.
#[derive(Debug)]
pub(super) struct Carrier<'a> {
    pub(super) object: EngineObject<'a>,
    /// Sources of an Application.
    pub(super) sources: Vec<RepoSource<'a>>,
    /// The repository of a Kustomization's source.
    pub(super) repository: Option<SourceRepository>,
    /// What keeps any commit from arriving.
    pub(super) blockers: Vec<Blocker>,
    /// The file that it stands in, when it is known from Git alone.
    pub(super) file: Option<&'a str>,
    /// Whether the snapshot holds the kind and not this one: it is another cluster's, or new.
    pub(super) is_not_live: bool,
    /// Whose it is.
    pub(super) standing: Standing,
}

/// Which repository an engine's object reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SourceRepository {
    /// The one of this canonical URL.
    Url(String),
    /// The one of a source of this name, whose URL is not known.
    Named(String),
}

/// An Application or a Kustomization.
#[derive(Debug)]
pub(super) enum EngineObject<'a> {
    Application(Application<'a>),
    Kustomization(Kustomization<'a>),
}

impl Carrier<'_> {
    pub(super) fn engine(&self) -> Engine {
        match self.object {
            EngineObject::Application(_) => Engine::ArgoCd,
            EngineObject::Kustomization(_) => Engine::Flux,
        }
    }

    pub(super) fn namespace(&self) -> &str {
        match &self.object {
            EngineObject::Application(application) => application.namespace,
            EngineObject::Kustomization(kustomization) => kustomization.namespace,
        }
    }

    pub(super) fn name(&self) -> &str {
        match &self.object {
            EngineObject::Application(application) => application.name,
            EngineObject::Kustomization(kustomization) => kustomization.name,
        }
    }

    /// `namespace/name`.
    pub(super) fn display_name(&self) -> String {
        match self.namespace() {
            "" => self.name().to_owned(),
            namespace => format!("{namespace}/{}", self.name()),
        }
    }

    pub(super) fn display(&self) -> String {
        let kind = match self.object {
            EngineObject::Application(_) => "Application",
            EngineObject::Kustomization(_) => "Kustomization",
        };
        format!("{kind} {}", self.display_name())
    }

    /// The same with the file that it stands in, where it is known from Git alone.
    pub(super) fn place(&self) -> String {
        match self.file {
            Some(file) => format!("{} ({file})", self.display()),
            None => self.display(),
        }
    }

    pub(super) fn destination(&self) -> String {
        match &self.object {
            EngineObject::Application(application) => application.destination(),
            EngineObject::Kustomization(kustomization) => kustomization.destination(),
        }
    }

    pub(super) fn namespace_of_objects(&self) -> Option<&str> {
        match &self.object {
            EngineObject::Application(application) => application.namespace_of_objects(),
            EngineObject::Kustomization(_) => None,
        }
    }

    /// Whether its objects are made by Helm or a plugin, so that no file of theirs is a manifest.
    pub(super) fn renders_elsewhere(&self) -> Option<SourceKind> {
        let mut kinds = self.sources.iter().map(|source| source.kind);
        kinds.find(|kind| matches!(kind, SourceKind::Helm | SourceKind::Plugin))
    }

    /// The directories that it reads.
    pub(super) fn directories(&self) -> Vec<String> {
        match &self.object {
            EngineObject::Application(_) => {
                let paths = self.sources.iter().map(|source| source.path.clone());
                paths.flatten().collect()
            }
            EngineObject::Kustomization(kustomization) => {
                kustomization.path().into_iter().collect()
            }
        }
    }

    /// What it renders, source by source, each with its repository.
    pub(super) fn renders(
        &self,
        manifests: &ManifestSet,
        kustomizations: &Kustomizations<'_>,
    ) -> Vec<(Option<SourceRepository>, Vec<Item>)> {
        match &self.object {
            EngineObject::Application(_) => self
                .sources
                .iter()
                .map(|source| {
                    let repository = SourceRepository::Url(canonical(source.repository));
                    (Some(repository), source.items(manifests, kustomizations))
                })
                .collect(),
            EngineObject::Kustomization(kustomization) => {
                let items = kustomization.items(manifests, kustomizations);
                vec![(self.repository.clone(), items)]
            }
        }
    }

    /// The repositories that it reads, by URL: those of an Application's sources.
    pub(super) fn repositories(&self) -> impl Iterator<Item = String> + '_ {
        let sources = self.sources.iter();
        sources.map(|source| canonical(source.repository))
    }

    /// Whether it is an Application that Kustomize renders.
    pub(super) fn reads_kustomization(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| source.kind == SourceKind::Kustomize)
    }

    /// Directories of the kustomizations that it brings in.
    pub(super) fn reach(&self, kustomizations: &Kustomizations<'_>) -> BTreeSet<String> {
        match &self.object {
            EngineObject::Application(_) => self
                .sources
                .iter()
                .filter(|source| source.kind == SourceKind::Kustomize)
                .filter_map(|source| source.path.as_deref())
                .flat_map(|path| kustomizations.reach(path))
                .map(str::to_owned)
                .collect(),
            EngineObject::Kustomization(kustomization) => {
                kustomization.reach(kustomizations).into_iter().collect()
            }
        }
    }

    /// Where it reads from, in words.
    pub(super) fn reads(&self) -> String {
        match &self.object {
            EngineObject::Application(_) => {
                let sources = self.sources.iter().map(|source| {
                    let path = source.path.as_deref().unwrap_or("a chart");
                    format!("{path} of {}", source.repository)
                });
                sources.collect::<Vec<_>>().join(" and ")
            }
            EngineObject::Kustomization(kustomization) => {
                let path = kustomization.path().unwrap_or_default();
                let shown = if path.is_empty() { "the root" } else { &path };
                let name = kustomization.text(&["spec", "sourceRef", "name"]);
                format!("{shown} of {name}")
            }
        }
    }
}

/// A repository's URL without what does not tell repositories apart: scheme, user, `.git`, case.
pub(super) fn canonical(url: &str) -> String {
    let lower = url.trim().to_ascii_lowercase();
    let bare = lower.split_once("://").map_or(&*lower, |(_, rest)| rest);
    let bare = match bare.split_once('@') {
        Some((user, rest)) if !user.contains('/') => rest,
        _ => bare,
    };
    let bare = bare.trim_end_matches('/');
    bare.strip_suffix(".git")
        .unwrap_or(bare)
        .replacen(':', "/", 1)
}

/// Every carrier, sorted by engine, namespace and name; and what could not be checked about them.
pub(super) fn carriers<'a>(
    manifests: &'a ManifestSet,
    snapshot: &'a ClusterSnapshot,
    kustomizations: &Kustomizations<'_>,
    settings: &Settings<'a>,
    paths: &[String],
    now: Timestamp,
) -> (Vec<Carrier<'a>>, BTreeSet<String>) {
    let mut unchecked = BTreeSet::new();
    let mut found: Vec<Carrier<'a>> = Vec::new();
    for (object, file) in applications(manifests, snapshot) {
        let sources = object.sources(kustomizations);
        let (blockers, unknown) = argo_cd::for_application(&object, settings, &sources, now);
        // Of what is known from Git alone nothing else is known: that is said as a whole.
        unchecked.extend(unknown.into_iter().filter(|_| file.is_none()));
        found.push(Carrier {
            object: EngineObject::Application(object),
            sources,
            repository: None,
            blockers,
            file,
            is_not_live: file.is_some() && is_held(snapshot, argo_cd::GROUP, "Application"),
            standing: Standing::Ours,
        });
    }
    let sources = flux::SourceUrls::new(manifests, snapshot);
    for (object, file) in flux_kustomizations(manifests, snapshot) {
        let repository = sources.repository(&object, file.is_none());
        let (blockers, unknown) = flux::for_kustomization(&object, snapshot);
        unchecked.extend(unknown.into_iter().filter(|_| file.is_none()));
        found.push(Carrier {
            object: EngineObject::Kustomization(object),
            sources: Vec::new(),
            repository: Some(repository),
            blockers,
            file,
            is_not_live: file.is_some() && is_held(snapshot, flux::GROUP, "Kustomization"),
            standing: Standing::Ours,
        });
    }
    found.sort_by(|left, right| {
        let key = |carrier: &Carrier<'_>| {
            (
                carrier.engine(),
                carrier.display_name(),
                carrier.file.map(str::to_owned),
            )
        };
        key(left).cmp(&key(right))
    });
    standing::sort_out(&mut found, paths);
    for carrier in &mut found {
        carrier.blockers.sort();
        carrier.blockers.dedup();
    }
    (found, unchecked)
}

type Found<'a, T> = Vec<(T, Option<&'a str>)>;

fn applications<'a>(
    manifests: &'a ManifestSet,
    snapshot: &'a ClusterSnapshot,
) -> Found<'a, Application<'a>> {
    let live = snapshot.objects_of(argo_cd::GROUP, "Application");
    let live = live.map(|object| (live_application(object), None));
    let defined = in_git(manifests, argo_cd::GROUP, "Application").map(|(file, object, body)| {
        let application = Application {
            namespace: &object.reference.namespace,
            name: &object.reference.name,
            annotations: &object.annotations,
            owners: &[],
            is_leaving: false,
            body,
        };
        (application, Some(file))
    });
    live.chain(defined).collect()
}

fn live_application(object: &ClusterObject) -> Application<'_> {
    Application {
        namespace: &object.reference.namespace,
        name: &object.reference.name,
        annotations: &object.metadata.annotations,
        owners: &object.metadata.owner_references,
        is_leaving: object.metadata.deletion_timestamp.is_some(),
        body: &object.body,
    }
}

fn flux_kustomizations<'a>(
    manifests: &'a ManifestSet,
    snapshot: &'a ClusterSnapshot,
) -> Found<'a, Kustomization<'a>> {
    let live = snapshot.objects_of(flux::GROUP, "Kustomization");
    let live = live.map(|object| {
        let kustomization = Kustomization {
            namespace: &object.reference.namespace,
            name: &object.reference.name,
            is_leaving: object.metadata.deletion_timestamp.is_some(),
            body: &object.body,
        };
        (kustomization, None)
    });
    let defined = in_git(manifests, flux::GROUP, "Kustomization").map(|(file, object, body)| {
        let kustomization = Kustomization {
            namespace: &object.reference.namespace,
            name: &object.reference.name,
            is_leaving: false,
            body,
        };
        (kustomization, Some(file))
    });
    live.chain(defined).collect()
}

fn is_held(snapshot: &ClusterSnapshot, group: &str, kind: &str) -> bool {
    snapshot.holds(group, kind) || snapshot.objects_of(group, kind).next().is_some()
}

/// Objects of a kind that stand in Git.
pub(super) fn in_git<'a>(
    manifests: &'a ManifestSet,
    group: &'a str,
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Object, &'a serde_json::Value)> {
    manifests.files.iter().flat_map(move |file| {
        let objects = file.objects.iter();
        objects.filter_map(move |object| match &object.body {
            Body::Configuration(body)
                if object.reference.group == group && object.reference.kind == kind =>
            {
                Some((file.path.as_str(), object, body))
            }
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn the_same_repository_is_told_by_any_of_its_urls() {
        for url in [
            "https://github.com/Org/Repo.git",
            "git@github.com:org/repo",
            "ssh://git@github.com/org/repo.git/",
            "https://token@github.com/org/repo",
        ] {
            assert_eq!(canonical(url), "github.com/org/repo", "{url}");
        }
        assert_ne!(
            canonical("https://github.com/org/other"),
            "github.com/org/repo"
        );
    }
}
