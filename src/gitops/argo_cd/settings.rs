//! Settings: what `argocd-cm` and the AppProjects say about every Application.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::GROUP;
use crate::gitops::path;
use crate::rollout::value;
use crate::snapshot::ClusterSnapshot;

/// Argo CD's own configuration, as far as the snapshot holds it.
#[derive(Debug, Default)]
pub(in crate::gitops) struct Settings<'a> {
    /// Namespace of `argocd-cm`: where Argo CD itself runs.
    pub(in crate::gitops) namespace: Option<&'a str>,
    /// Entries of `argocd-cm`.
    config: Option<&'a Value>,
    projects: HashMap<(&'a str, &'a str), &'a Value>,
    /// ApplicationSets that sync group by group, by namespace and name.
    rolling: HashSet<(&'a str, &'a str)>,
    /// Rules about ignored differences, by the end of their key: `apps_Deployment`, `all`.
    ignore: BTreeMap<&'a str, IgnoreRule>,
    exclusions: Vec<Value>,
    /// None where everything is included.
    inclusions: Option<Vec<Value>>,
}

const IGNORE: &str = "resource.customizations.ignoreDifferences.";

/// One rule of `argocd-cm` about ignored differences.
#[derive(Debug)]
pub(super) struct IgnoreRule {
    /// The entry of `argocd-cm`.
    pub(super) key: String,
    pub(super) body: Value,
}

impl<'a> Settings<'a> {
    pub(in crate::gitops) fn new(snapshot: &'a ClusterSnapshot) -> Self {
        let config = snapshot
            .objects_of("", "ConfigMap")
            .find(|object| object.reference.name == "argocd-cm");
        let by_name = |kind: &'static str| {
            snapshot.objects_of(GROUP, kind).map(|object| {
                let reference = &object.reference;
                ((&*reference.namespace, &*reference.name), &object.body)
            })
        };
        let is_rolling =
            |body: &Value| value::text(body, &["spec", "strategy", "type"]) == Some("RollingSync");
        let data = config.and_then(|object| value::at(&object.body, &["data"]));
        let list = |key: &str| -> Option<Vec<Value>> {
            serde_yaml::from_str(value::text(data?, &[key])?).ok()
        };
        Self {
            namespace: config.map(|object| &*object.reference.namespace),
            config: data,
            projects: by_name("AppProject").collect(),
            rolling: by_name("ApplicationSet")
                .filter(|(_, body)| is_rolling(body))
                .map(|(name, _)| name)
                .collect(),
            ignore: data.map(ignore_rules).unwrap_or_default(),
            exclusions: list("resource.exclusions").unwrap_or_default(),
            inclusions: list("resource.inclusions"),
        }
    }

    pub(in crate::gitops) fn has_config(&self) -> bool {
        self.config.is_some()
    }

    /// An AppProject, in Argo CD's own namespace or whichever namespace holds it.
    pub(super) fn project(&self, namespace: &str, name: &str) -> Option<(String, &'a Value)> {
        let namespaces = self.namespace.into_iter().chain([namespace]);
        namespaces
            .filter_map(|namespace| self.projects.get_key_value(&(namespace, name)))
            .map(|((namespace, name), body)| (format!("AppProject {namespace}/{name}"), *body))
            .next()
    }

    pub(super) fn is_rolling(&self, namespace: &str, set: &str) -> bool {
        self.rolling.contains(&(namespace, set))
    }

    /// Whether the label alone is what tracks objects.
    pub(in crate::gitops) fn tracks_by_label(&self) -> bool {
        self.entry("application.resourceTrackingMethod") == Some("label")
    }

    /// The label that names the Application of an object.
    pub(in crate::gitops) fn instance_label(&self) -> &'a str {
        self.entry("application.instanceLabelKey")
            .filter(|key| !key.is_empty())
            .unwrap_or("app.kubernetes.io/instance")
    }

    /// Rules about ignored differences that apply to a group and kind.
    pub(super) fn ignore_rules(
        &self,
        group: &str,
        kind: &str,
    ) -> impl Iterator<Item = &IgnoreRule> + use<'_> {
        let own = match group {
            "" => kind.to_owned(),
            group => format!("{group}_{kind}"),
        };
        let own = self.ignore.get(own.as_str());
        own.into_iter().chain(self.ignore.get("all"))
    }

    /// The entry that leaves out objects of a group and kind altogether.
    pub(super) fn exclusion(&self, group: &str, kind: &str) -> Option<&'static str> {
        let names = |rule: &Value| {
            let any = |field: &str, what: &str| {
                let mut globs = value::texts(rule, &[field]).peekable();
                globs.peek().is_none() || globs.any(|glob| path::glob_matches(glob, what))
            };
            any("apiGroups", group) && any("kinds", kind)
        };
        if self.exclusions.iter().any(names) {
            return Some("resource.exclusions");
        }
        let inclusions = self.inclusions.as_ref().filter(|rules| !rules.is_empty())?;
        (!inclusions.iter().any(names)).then_some("resource.inclusions")
    }

    fn entry(&self, key: &str) -> Option<&'a str> {
        value::text(self.config?, &[key])
    }

    /// The id of this installation; empty where it has none.
    pub(in crate::gitops) fn installation(&self) -> &'a str {
        self.entry("installationID").unwrap_or_default()
    }
}

/// The rules of `argocd-cm`; one that cannot be read is left out, as Argo CD does.
fn ignore_rules(data: &Value) -> BTreeMap<&str, IgnoreRule> {
    let entries = data.as_object().into_iter().flatten();
    entries
        .filter_map(|(key, text)| {
            let which = key.strip_prefix(IGNORE)?;
            let body = serde_yaml::from_str(text.as_str()?).ok()?;
            let key = key.clone();
            Some((which, IgnoreRule { key, body }))
        })
        .collect()
}
