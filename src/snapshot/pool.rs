//! The pool: what many objects have in common is kept once.
//!
//! The pods of a template differ in name, identity and times. Their specs, labels and annotations
//! are equal, and they are most of what is kept: fifty thousand pods are a few hundred megabytes
//! without sharing, and a few dozen with it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::object::Found;
use super::{Metadata, Pod};
use crate::manifest::{PodSpec, StringMap};

/// What the threads that read a snapshot have seen so far and may see again.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    maps: Distinct<StringMap>,
    specs: Distinct<Arc<PodSpec>>,
}

/// Values, each once, by a digest that is worked out once: specs are large.
#[derive(Debug)]
struct Distinct<T> {
    hasher: RandomState,
    by_digest: HashMap<u64, Vec<T>>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            by_digest: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Distinct<T> {
    /// Makes a value one that was seen before, if it is equal to one.
    fn share(&mut self, value: &mut T) {
        let digest = self.hasher.hash_one(&*value);
        let seen = self.by_digest.entry(digest).or_default();
        match seen.iter().find(|seen| *seen == value) {
            Some(known) => *value = known.clone(),
            None => seen.push(value.clone()),
        }
    }
}

impl Pool {
    /// Lets an object share what the pool holds already.
    pub(super) fn share(&self, found: &mut Found) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.share(found);
    }
}

impl Seen {
    fn share(&mut self, found: &mut Found) {
        match found {
            Found::Pod(pod) => self.share_pod(pod),
            Found::ReplicaSet(set) => self.share_metadata(&mut set.metadata),
            Found::Workload(live) => {
                self.share_metadata(&mut live.metadata);
                if let Some(template) = &mut live.template {
                    self.share_map(&mut template.metadata.labels);
                    self.share_map(&mut template.metadata.annotations);
                }
            }
            Found::Namespace(_) | Found::Object(_) => {}
        }
    }

    fn share_pod(&mut self, pod: &mut Pod) {
        self.share_metadata(&mut pod.metadata);
        if Arc::strong_count(&pod.spec) > 1 {
            return;
        }
        let spec = Arc::make_mut(&mut pod.spec);
        for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
            self.share_map(&mut container.resources.requests);
            self.share_map(&mut container.resources.limits);
        }
        self.specs.share(&mut pod.spec);
    }

    fn share_metadata(&mut self, metadata: &mut Metadata) {
        self.share_map(&mut metadata.labels);
        self.share_map(&mut metadata.annotations);
    }

    fn share_map(&mut self, map: &mut StringMap) {
        if !map.is_shared() {
            self.maps.share(map);
        }
    }
}
