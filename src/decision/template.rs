//! The template that the next pod is made from.
//!
//! The one in Git where the file is plain, since the commit delivers it; the live one where the
//! object is not in Git or something changes the file on its way (`design.md` §10).

use std::collections::BTreeMap;

use crate::gitops::{Origin, Source};
use crate::manifest::{Container, PodTemplate, StringMap, TemplateMetadata};
use crate::rollout::Member;
use crate::snapshot::Pod;

/// Templates of one workload.
pub(super) struct Templates {
    /// The one that the next pod is made from.
    pub(super) next: PodTemplate,
    /// The live one, where `next` is the one in Git.
    pub(super) live: Option<PodTemplate>,
}

/// The templates of a workload; none where neither Git nor the snapshot holds one.
pub(super) fn of(member: &Member<'_>, origin: &Origin<'_>) -> Option<Templates> {
    let live = member
        .live
        .and_then(|live| live.template.clone())
        .or_else(|| member.pods.first().map(|pod| template_of(pod)));
    match &origin.source {
        Source::Manifest {
            object,
            transformed: false,
            ..
        } => {
            let next = object.workload().map(|workload| workload.template.clone());
            next.map(|next| Templates {
                next,
                live: live.clone(),
            })
            .or_else(|| live.map(|next| Templates { next, live: None }))
        }
        Source::Manifest { .. } | Source::Elsewhere(_) => {
            live.map(|next| Templates { next, live: None })
        }
    }
}

/// Containers that injection adds to a pod.
const INJECTED: [&str; 3] = ["istio-proxy", "istio-init", "istio-validation"];

/// What a pod without a template was made from: the pod without what injection added.
fn template_of(pod: &Pod) -> PodTemplate {
    let mut template = PodTemplate {
        metadata: TemplateMetadata {
            name: None,
            labels: pod.metadata.labels.clone(),
            annotations: pod.metadata.annotations.clone(),
        },
        spec: (*pod.spec).clone(),
    };
    if template.metadata.annotations.contains_key(STATUS) {
        let own = |container: &Container| !INJECTED.contains(&container.name.as_str());
        template.spec.containers.retain(own);
        template.spec.init_containers.retain(own);
        template.metadata.annotations.remove(STATUS);
        restore_scrape_annotations(&mut template.metadata.annotations, pod);
    }
    template
}

/// Undoes metrics merging: the injector put its own annotations in place of the user's, which it
/// keeps as JSON in an environment variable of the proxy (`spec/istio.md` §3.4).
fn restore_scrape_annotations(annotations: &mut StringMap, pod: &Pod) {
    let Some((proxy, _)) = pod.spec.container("istio-proxy") else {
        return;
    };
    let merged = annotations
        .get("prometheus.io/path")
        .is_some_and(|path| path == "/stats/prometheus");
    if !merged {
        return;
    }
    for key in ["scrape", "path", "port"] {
        annotations.remove(&format!("prometheus.io/{key}"));
    }
    let original = proxy.env_value("ISTIO_PROMETHEUS_ANNOTATIONS");
    let original: BTreeMap<String, String> = original
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let restored = original.into_iter().filter(|(_, value)| !value.is_empty());
    annotations.extend(restored.map(|(key, value)| (format!("prometheus.io/{key}"), value)));
}

/// The annotation in which the injector lists what it added.
const STATUS: &str = "sidecar.istio.io/status";
