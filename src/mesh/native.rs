//! Native or regular: where the proxy's container stands (`spec/istio.md` §3.3).

use std::collections::BTreeMap;

use super::template::Template;
use super::version::Version;

/// The first Kubernetes minor on which native sidecars are generally available.
const STABLE_SINCE: u32 = 33;

/// istiod's switch `ENABLE_NATIVE_SIDECARS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NativeSwitch {
    /// Never native.
    Off,
    /// Always native.
    On,
    /// Native where every node's kubelet is new enough.
    Auto,
    /// The value comes from somewhere that a snapshot does not show.
    Unseen,
}

impl NativeSwitch {
    /// Reads the switch as istiod of this version does; `variable` is the value, with none where
    /// it is set from elsewhere, and absent where it is not set.
    pub(crate) fn read(version: &Version, variable: Option<Option<&str>>) -> Self {
        if !version.at_least(19) {
            return Self::Off;
        }
        let value = match variable {
            Some(None) => return Self::Unseen,
            Some(Some(value)) => value,
            None => "",
        };
        if version.at_least(27) {
            // A string since 1.27: exactly these three, and anything else is off.
            return match value {
                "" | "auto" => Self::Auto,
                "true" => Self::On,
                _ => Self::Off,
            };
        }
        // A Go boolean before.
        match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Self::On,
            _ => Self::Off,
        }
    }
}

/// Nodes by name with the minor of their kubelet; none where a snapshot holds no nodes.
pub(crate) type Nodes = Option<BTreeMap<String, Option<u32>>>;

/// Minor of a kubelet's version `v1.33.2`.
pub(crate) fn kubelet_minor(version: &str) -> Option<u32> {
    Version::parse(version).map(|version| version.minor)
}

/// Whether the proxy becomes a native sidecar; `Err` says in words what is missing to tell.
pub(crate) fn is_native(
    template: &Template,
    annotation: Option<&str>,
    switch: NativeSwitch,
    nodes: &Nodes,
    node_name: Option<&str>,
) -> Result<bool, String> {
    if !template.knows_native {
        return Ok(false);
    }
    if template.reads_native_annotation
        && let Some(choice) = annotation.filter(|choice| !choice.is_empty())
    {
        return Ok(choice != "false");
    }
    match switch {
        NativeSwitch::Off => Ok(false),
        NativeSwitch::On => Ok(true),
        NativeSwitch::Auto => all_nodes_support_it(nodes, node_name),
        NativeSwitch::Unseen => Err(
            "istiod's ENABLE_NATIVE_SIDECARS comes from a ConfigMap or Secret that is not followed"
                .to_owned(),
        ),
    }
}

/// Only the minor is looked at, and the pinned node alone where a pod is pinned to one
/// (`DetectNativeSidecar`).
fn all_nodes_support_it(nodes: &Nodes, node_name: Option<&str>) -> Result<bool, String> {
    let Some(nodes) = nodes else {
        return Err("native sidecars depend on the nodes, which the snapshot does not hold".into());
    };
    let supports = |minor: &Option<u32>| minor.is_some_and(|minor| minor >= STABLE_SINCE);
    if let Some(minor) = node_name.and_then(|name| nodes.get(name)) {
        return Ok(supports(minor));
    }
    Ok(!nodes.is_empty() && nodes.values().all(supports))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{NativeSwitch, Nodes, is_native, kubelet_minor};
    use crate::mesh::template::Template;
    use crate::mesh::version::Version;

    #[test]
    fn the_switch_is_read_as_each_version_reads_it() {
        for (version, value, expected) in [
            ("1.18.7", Some("true"), NativeSwitch::Off),
            ("1.19.0", None, NativeSwitch::Off),
            ("1.19.0", Some("true"), NativeSwitch::On),
            ("1.26.8", Some("1"), NativeSwitch::On),
            ("1.26.8", Some("auto"), NativeSwitch::Off),
            ("1.27.0", None, NativeSwitch::Auto),
            ("1.27.0", Some("auto"), NativeSwitch::Auto),
            ("1.27.0", Some("true"), NativeSwitch::On),
            ("1.27.0", Some("True"), NativeSwitch::Off),
            ("1.27.0", Some("1"), NativeSwitch::Off),
            ("1.31.0", Some("false"), NativeSwitch::Off),
        ] {
            let version = Version::parse(version).expect("a version");
            assert_eq!(
                NativeSwitch::read(&version, value.map(Some)),
                expected,
                "{version} {value:?}"
            );
        }
        let version = Version::parse("1.30.0").expect("a version");
        assert_eq!(
            NativeSwitch::read(&version, Some(None)),
            NativeSwitch::Unseen
        );
    }

    #[test]
    fn auto_is_native_when_every_kubelet_is_new_enough() {
        let template = Template {
            knows_native: true,
            reads_native_annotation: true,
            ..Template::default()
        };
        let nodes = |versions: &[&str]| -> Nodes {
            let named = versions.iter().enumerate();
            Some(
                named
                    .map(|(n, version)| (format!("node-{n}"), kubelet_minor(version)))
                    .collect(),
            )
        };
        let judge = |nodes: &Nodes, node: Option<&str>, annotation: Option<&str>| {
            is_native(&template, annotation, NativeSwitch::Auto, nodes, node)
        };
        assert_eq!(
            judge(&nodes(&["v1.33.0", "v1.36.2-rig"]), None, None),
            Ok(true)
        );
        assert_eq!(
            judge(&nodes(&["v1.33.0", "v1.32.9"]), None, None),
            Ok(false)
        );
        assert_eq!(
            judge(&nodes(&["v1.33.0", "v1.32.9"]), Some("node-0"), None),
            Ok(true)
        );
        assert_eq!(judge(&nodes(&["v1.33.0", "junk"]), None, None), Ok(false));
        assert_eq!(judge(&Some(BTreeMap::new()), None, None), Ok(false));
        assert!(judge(&None, None, None).is_err());
        assert_eq!(judge(&None, None, Some("false")), Ok(false));
        assert_eq!(judge(&None, None, Some("yes")), Ok(true));
    }

    #[test]
    fn a_template_that_knows_nothing_of_it_is_never_native() {
        let regular = Template::default();
        assert_eq!(
            is_native(&regular, Some("true"), NativeSwitch::On, &None, None),
            Ok(false)
        );
    }
}
