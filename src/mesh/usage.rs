//! `Usage`: who uses a revision or a tag, so that nobody removes what is in use.

use std::collections::{BTreeMap, BTreeSet};

use super::Mesh;
use super::injection::INJECT;
use super::injector::REVISION;
use super::observed::{Observation, observe};
use super::resolution::INJECTION;
use crate::manifest::StringMap;
use crate::snapshot::{ClusterSnapshot, Pod};

/// The users of one revision or tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// Name of the revision or tag, as labels name it.
    pub name: String,
    /// The revision that serves it; none where nobody does.
    pub revision: Option<String>,
    /// Whether it is a tag.
    pub is_tag: bool,
    /// Pods with a proxy that this revision injected; of a tag, those in its namespaces and those
    /// with its label.
    pub proxies: usize,
    /// Namespaces whose labels name it, sorted.
    pub namespaces: Vec<String>,
    /// Pods that name it by a label of their own where it counts, as `namespace/name`, sorted.
    pub pods: Vec<String>,
}

impl Mesh {
    /// The users of every revision and tag that is installed or named, sorted by name.
    #[must_use]
    pub fn usage(&self, snapshot: &ClusterSnapshot) -> Vec<Usage> {
        let mut usages: BTreeMap<String, Usage> = BTreeMap::new();
        for revision in &self.revisions {
            for (name, is_tag) in std::iter::once((&revision.name, false))
                .chain(revision.tags.iter().map(|tag| (tag, true)))
            {
                let usage = usages.entry(name.clone()).or_default();
                usage.is_tag |= is_tag;
                usage.revision = Some(revision.name.clone());
            }
        }
        let named: BTreeMap<&str, &str> = snapshot
            .namespaces
            .iter()
            .filter_map(|(name, metadata)| {
                let label = |key: &str| metadata.labels.get(key).map(String::as_str);
                let revision = match label(INJECTION) {
                    Some("enabled") => "default",
                    Some(_) => return None,
                    None => label(REVISION)?,
                };
                Some((name.as_str(), revision))
            })
            .collect();
        for (namespace, revision) in &named {
            let usage = usages.entry((*revision).to_owned()).or_default();
            usage.namespaces.push((*namespace).to_owned());
        }
        self.count_pods(snapshot, &named, &mut usages);
        for (name, usage) in &mut usages {
            usage.name.clone_from(name);
        }
        usages.into_values().collect()
    }

    fn count_pods(
        &self,
        snapshot: &ClusterSnapshot,
        named: &BTreeMap<&str, &str>,
        usages: &mut BTreeMap<String, Usage>,
    ) {
        let tags: BTreeSet<&String> = self.revisions.iter().flat_map(|one| &one.tags).collect();
        let mut observed: Option<(&Pod, Observation)> = None;
        for pod in &snapshot.pods {
            let namespace = pod.metadata.namespace.as_str();
            let own = pod.metadata.labels.get(REVISION).map(String::as_str);
            let by_namespace = named.get(namespace).copied();
            // A namespace that names a revision, or that is opted out, outweighs the pod's label.
            let is_labelled = snapshot
                .namespaces
                .get(namespace)
                .is_some_and(|metadata| metadata.labels.contains_key(INJECTION));
            let is_false = |map: &StringMap| map.get(INJECT).is_some_and(|word| word == "false");
            let objects = is_false(&pod.metadata.labels) || is_false(&pod.metadata.annotations);
            let asked = by_namespace
                .or(own.filter(|_| !is_labelled))
                .filter(|_| !objects);
            if let Some(name) = asked.filter(|_| by_namespace.is_none()) {
                let usage = usages.entry(name.to_owned()).or_default();
                usage
                    .pods
                    .push(format!("{namespace}/{}", pod.metadata.name));
            }
            let observation = match observed.take() {
                Some((previous, observation)) if pod.is_like(previous) => observation,
                _ => observe(pod),
            };
            let (_, observation) = observed.insert((pod, observation));
            let (Observation::Sidecar(observed) | Observation::Static(observed)) = observation
            else {
                continue;
            };
            if let Some(name) = &observed.revision {
                usages.entry(name.clone()).or_default().proxies += 1;
            }
            if let Some(name) = asked.filter(|name| tags.iter().any(|tag| tag == name)) {
                let is_own = observed.revision.as_deref() == Some(name);
                usages.entry(name.to_owned()).or_default().proxies += usize::from(!is_own);
            }
        }
    }
}
