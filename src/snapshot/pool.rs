//! The pool: what many objects have in common is kept once.
//!
//! The pods of a template differ in name, identity and times. Their specs, labels and annotations
//! are equal, and they are most of what is kept: fifty thousand pods are a few hundred megabytes
//! without sharing, and a few dozen with it.

use std::collections::HashSet;
use std::sync::Arc;

use super::object::Found;
use super::{Metadata, Pod};
use crate::manifest::{PodSpec, StringMap};

/// Everything that was seen so far and may come again.
#[derive(Debug, Default)]
pub(super) struct Pool {
    maps: HashSet<StringMap>,
    specs: HashSet<Arc<PodSpec>>,
}

impl Pool {
    /// Lets an object share what the pool holds already.
    pub(super) fn share(&mut self, found: &mut Found) {
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
        match self.specs.get(&pod.spec) {
            Some(known) => pod.spec = Arc::clone(known),
            None => {
                let spec = Arc::make_mut(&mut pod.spec);
                for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
                    self.share_map(&mut container.resources.requests);
                    self.share_map(&mut container.resources.limits);
                }
                self.specs.insert(Arc::clone(&pod.spec));
            }
        }
    }

    fn share_metadata(&mut self, metadata: &mut Metadata) {
        self.share_map(&mut metadata.labels);
        self.share_map(&mut metadata.annotations);
    }

    fn share_map(&mut self, map: &mut StringMap) {
        if map.is_shared() {
            return;
        }
        match self.maps.get(map) {
            Some(known) => *map = known.clone(),
            None => {
                self.maps.insert(map.clone());
            }
        }
    }
}
