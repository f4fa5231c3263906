//! Prometheus merge: whether the pod's metrics annotations point to the proxy
//! (`spec/istio.md` §3.4).

use crate::manifest::StringMap;

/// Where the agent serves the merged metrics.
const MERGED_PATH: &str = "/stats/prometheus";
/// The annotation by which a pod overrides the mesh's choice.
pub(crate) const MERGE_ANNOTATION: &str = "prometheus.istio.io/merge-metrics";

/// What a pod says of its own metrics; keys are matched as Prometheus matches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Scrape<'a> {
    /// `prometheus.io/scrape`.
    pub(crate) scrape: Option<&'a str>,
    /// `prometheus.io/port`.
    pub(crate) port: Option<&'a str>,
    /// `prometheus.io/path`.
    pub(crate) path: Option<&'a str>,
}

impl<'a> Scrape<'a> {
    /// Reads the annotations; `prometheus.io/port` and `prometheus_io_port` are the same key.
    pub(crate) fn read(annotations: &'a StringMap) -> Self {
        let mut scrape = Self::default();
        for (key, value) in annotations {
            let key: String = key
                .chars()
                .map(|char| {
                    if char.is_ascii_alphanumeric() {
                        char
                    } else {
                        '_'
                    }
                })
                .collect();
            match key.as_str() {
                "prometheus_io_scrape" => scrape.scrape = Some(value),
                "prometheus_io_port" => scrape.port = Some(value),
                "prometheus_io_path" => scrape.path = Some(value),
                _ => {}
            }
        }
        scrape
    }

    /// Whether the annotations point to the merged metrics.
    pub(crate) fn is_merged(&self) -> bool {
        self.path == Some(MERGED_PATH)
    }
}

/// Whether metrics are merged for a pod at all: its own word, then the mesh's.
pub(crate) fn is_on(annotations: &StringMap, scrape: Scrape<'_>, mesh_default: bool) -> bool {
    let own = annotations
        .get(MERGE_ANNOTATION)
        .and_then(|value| go_bool(value));
    let is_scraped = scrape.scrape.and_then(go_bool) != Some(false);
    is_scraped && own.unwrap_or(mesh_default)
}

/// Whether the annotations of a pod injected from this template point to the merged metrics.
pub(crate) fn is_merged_after(
    annotations: &StringMap,
    mesh_default: bool,
    status_port: &str,
) -> bool {
    let scrape = Scrape::read(annotations);
    let is_left_alone = scrape.port == Some(status_port);
    if is_on(annotations, scrape, mesh_default) && !is_left_alone {
        return true;
    }
    scrape.is_merged()
}

/// Go's `strconv.ParseBool`.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::is_merged_after;
    use crate::manifest::StringMap;

    #[track_caller]
    fn check(annotations: &[(&str, &str)], mesh_default: bool, merged: bool) {
        let annotations: StringMap = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(
            is_merged_after(&annotations, mesh_default, "15020"),
            merged,
            "{annotations:?}"
        );
    }

    #[test]
    fn the_pod_decides_before_the_mesh() {
        check(&[], true, true);
        check(&[], false, false);
        check(
            &[("prometheus.istio.io/merge-metrics", "false")],
            true,
            false,
        );
        check(
            &[("prometheus.istio.io/merge-metrics", "true")],
            false,
            true,
        );
        check(&[("prometheus.io/scrape", "false")], true, false);
        check(&[("prometheus_io_scrape", "false")], true, false);
        check(&[("prometheus.io/port", "9090")], true, true);
    }

    #[test]
    fn a_template_that_points_to_the_agent_is_left_alone() {
        let own = [
            ("prometheus.io/port", "15020"),
            ("prometheus.io/path", "/stats/prometheus"),
        ];
        check(&own, false, true);
        check(&own, true, true);
        check(&[("prometheus.io/port", "15020")], true, false);
    }
}
