//! `injection_required`: whether the injector that a pod reaches injects it
//! (`spec/istio.md` §1.4, `pkg/kube/inject/inject.go`).

use super::injector_config::{InjectorConfig, Policy};
use super::version::Version;
use crate::manifest::StringMap;

/// The label and the annotation by which a pod asks for injection or objects to it.
pub(crate) const INJECT: &str = "sidecar.istio.io/inject";

/// The pod as the injector sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    /// Namespace.
    pub(crate) namespace: &'a str,
    /// Labels, those of its controller included.
    pub(crate) labels: &'a StringMap,
    /// Annotations.
    pub(crate) annotations: &'a StringMap,
    /// Whether it uses the node's network.
    pub(crate) host_network: bool,
}

/// What a pod's own word means to an injector of some version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Inject,
    Refuse,
    Default,
}

/// Whether the pod is injected; `Err` says in words why not.
pub(crate) fn injection_required(
    config: &InjectorConfig,
    version: &Version,
    pod: &Candidate<'_>,
) -> Result<(), String> {
    if pod.host_network {
        return Err("the pod uses the node's network".to_owned());
    }
    if is_ignored(pod.namespace, version) {
        return Err(format!("istiod injects nothing in {}", pod.namespace));
    }
    let (source, word) = own_word(pod, version);
    match wish(word, version) {
        Wish::Inject => Ok(()),
        Wish::Refuse => Err(format!("{source} {INJECT} is {word:?}")),
        Wish::Default => by_default(config, pod),
    }
}

/// What happens to a pod that says nothing: selectors, then the policy.
fn by_default(config: &InjectorConfig, pod: &Candidate<'_>) -> Result<(), String> {
    if config.policy == Policy::Other {
        return Err("the injector's policy is neither enabled nor disabled".to_owned());
    }
    if config
        .never
        .iter()
        .any(|selector| selector.matches(pod.labels))
    {
        return Err("a neverInjectSelector of the injector selects the pod".to_owned());
    }
    let is_always = config
        .always
        .iter()
        .any(|selector| selector.matches(pod.labels));
    if is_always || config.policy == Policy::Enabled {
        return Ok(());
    }
    Err("the injector's policy is disabled and the pod does not ask for a sidecar".to_owned())
}

/// Namespaces whose pods no injector touches; `istio-system` is not one of them.
fn is_ignored(namespace: &str, version: &Version) -> bool {
    match namespace {
        "kube-system" | "kube-public" => true,
        "kube-node-lease" | "local-path-storage" => version.at_least(9),
        _ => false,
    }
}

/// The pod's own word and where it stands: the label from 1.12 on, else the annotation.
fn own_word<'a>(pod: &Candidate<'a>, version: &Version) -> (&'static str, &'a str) {
    if version.at_least(12)
        && let Some(word) = pod.labels.get(INJECT)
    {
        return ("the label", word);
    }
    let word = pod.annotations.get(INJECT).map_or("", String::as_str);
    ("the annotation", word)
}

/// Until 1.26 every word but a yes was a no; from 1.27 on only `true` and `false` count.
fn wish(word: &str, version: &Version) -> Wish {
    if version.at_least(27) {
        return match word {
            "true" => Wish::Inject,
            "false" => Wish::Refuse,
            _ => Wish::Default,
        };
    }
    match word.to_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Wish::Inject,
        "" => Wish::Default,
        _ => Wish::Refuse,
    }
}

#[cfg(test)]
#[path = "injection_tests.rs"]
mod tests;
