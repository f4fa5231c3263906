//! Sources: the Git repositories that Kustomizations read, by URL.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kustomization, SOURCE_GROUP, source_reference};
use crate::gitops::carrier::{SourceRepository, canonical, in_git};
use crate::manifest::{ManifestSet, ObjectRef};
use crate::rollout::value;
use crate::snapshot::ClusterSnapshot;

const KIND: &str = "GitRepository";

/// The URLs of GitRepositories, in canonical form.
#[derive(Debug)]
pub(in crate::gitops) struct SourceUrls<'a> {
    snapshot: &'a ClusterSnapshot,
    /// Those in Git, by namespace and name: clusters may define one name differently.
    defined: BTreeMap<(&'a str, &'a str), BTreeSet<String>>,
}

impl<'a> SourceUrls<'a> {
    pub(in crate::gitops) fn new(
        manifests: &'a ManifestSet,
        snapshot: &'a ClusterSnapshot,
    ) -> Self {
        let mut defined: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for (_, object, body) in in_git(manifests, SOURCE_GROUP, KIND) {
            let reference = &object.reference;
            let key = (&*reference.namespace, &*reference.name);
            let url = value::text(body, &["spec", "url"]).unwrap_or_default();
            defined.entry(key).or_default().insert(canonical(url));
        }
        Self { snapshot, defined }
    }

    /// The repository that a Kustomization reads, be it live or known from Git alone.
    pub(in crate::gitops) fn repository(
        &self,
        kustomization: &Kustomization<'_>,
        is_live: bool,
    ) -> SourceRepository {
        let reference = source_reference(kustomization);
        let live = self.live(&reference);
        let defined = self.defined.get(&(&*reference.namespace, &*reference.name));
        let (only, count) = match defined {
            Some(urls) => (urls.first().cloned(), urls.len()),
            None => (None, 0),
        };
        let url = match (is_live, count) {
            (true, 2..) => live,
            (true, _) => live.or(only),
            (false, 2..) => None,
            (false, _) => only.or(live),
        };
        match url.filter(|_| reference.kind == KIND) {
            Some(url) => SourceRepository::Url(url),
            None => SourceRepository::Named(reference.to_string()),
        }
    }

    fn live(&self, reference: &ObjectRef) -> Option<String> {
        let source = self.snapshot.object(reference)?;
        value::text(&source.body, &["spec", "url"]).map(canonical)
    }
}
