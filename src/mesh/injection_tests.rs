//! `injectRequired` as a table, with the versions as columns.

use serde_json::json;

use super::{Candidate, INJECT, injection_required};
use crate::manifest::StringMap;
use crate::mesh::injector_config::InjectorConfig;
use crate::mesh::version::Version;

/// The versions at which the rules change, as columns.
const VERSIONS: [&str; 5] = ["1.8.6", "1.11.8", "1.12.0", "1.26.8", "1.27.0"];

fn map(pairs: &[(&str, &str)]) -> StringMap {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn config(policy: &str, never: serde_json::Value, always: serde_json::Value) -> InjectorConfig {
    let config = json!({
        "policy": policy, "neverInjectSelector": never, "alwaysInjectSelector": always,
        "templates": {"sidecar": ""},
    });
    InjectorConfig::parse(&config.to_string()).expect("a configuration")
}

#[track_caller]
fn check(
    config: &InjectorConfig,
    label: Option<&str>,
    annotation: Option<&str>,
    expected: [bool; VERSIONS.len()],
) {
    let labels = map(&label
        .map(|word| (INJECT, word))
        .into_iter()
        .collect::<Vec<_>>());
    let annotations = map(&annotation
        .map(|word| (INJECT, word))
        .into_iter()
        .collect::<Vec<_>>());
    let pod = Candidate {
        namespace: "shop",
        labels: &labels,
        annotations: &annotations,
        host_network: false,
    };
    let found = VERSIONS.map(|version| {
        let version = Version::parse(version).expect("a version");
        injection_required(config, &version, &pod).is_ok()
    });
    assert_eq!(found, expected, "label {label:?} annotation {annotation:?}");
}

#[test]
fn the_pods_word_under_an_enabled_policy() {
    let config = config("enabled", json!([]), json!([]));
    let (yes, no) = ([true; 5], [false; 5]);
    check(&config, None, None, yes);
    check(&config, None, Some("true"), yes);
    check(&config, None, Some("false"), no);
    check(&config, None, Some(""), yes);
    // A word that is neither turned from a no into the default at 1.27.
    check(
        &config,
        None,
        Some("off"),
        [false, false, false, false, true],
    );
    check(
        &config,
        None,
        Some("no"),
        [false, false, false, false, true],
    );
    check(
        &config,
        None,
        Some("junk"),
        [false, false, false, false, true],
    );
    check(
        &config,
        None,
        Some("False"),
        [false, false, false, false, true],
    );
    // The label counts since 1.12, and then before the annotation.
    check(
        &config,
        Some("false"),
        None,
        [true, true, false, false, false],
    );
    check(
        &config,
        Some("false"),
        Some("true"),
        [true, true, false, false, false],
    );
    check(
        &config,
        Some("true"),
        Some("false"),
        [false, false, true, true, true],
    );
}

#[test]
fn the_pods_word_under_a_disabled_policy() {
    let config = config("disabled", json!([]), json!([]));
    let (yes, no) = ([true; 5], [false; 5]);
    check(&config, None, None, no);
    check(&config, None, Some("true"), yes);
    // A yes that is not `true` lost its meaning at 1.27.
    for word in ["yes", "y", "on", "YES", "True"] {
        check(&config, None, Some(word), [true, true, true, true, false]);
    }
    check(&config, None, Some("junk"), no);
}

#[test]
fn a_policy_that_is_neither_injects_only_who_asks() {
    let config = config("off", json!([]), json!([]));
    check(&config, None, None, [false; 5]);
    check(&config, None, Some("true"), [true; 5]);
}

#[test]
fn selectors_decide_before_the_policy_and_after_the_pods_word() {
    let select =
        |value: &str| json!([{"matchLabels": {INJECT: value}}, {}, {"matchLabels": {"a": 1}}]);
    let never = config("enabled", select("maybe"), json!([]));
    check(&never, Some("maybe"), None, [false; 5]);
    check(
        &never,
        Some("maybe"),
        Some("true"),
        [true, true, false, false, false],
    );
    check(&never, None, None, [true; 5]);
    let always = config("disabled", json!([]), select("maybe"));
    check(
        &always,
        Some("maybe"),
        None,
        [true, true, false, false, true],
    );
    check(&always, None, None, [false; 5]);
    let both = config("enabled", select("maybe"), select("maybe"));
    check(&both, Some("maybe"), None, [false; 5]);
}

#[test]
fn the_nodes_network_and_system_namespaces_rule_injection_out() {
    let config = config("enabled", json!([]), json!([]));
    let (labels, annotations) = (StringMap::new(), map(&[(INJECT, "true")]));
    let judge = |namespace, host_network, version| {
        let pod = Candidate {
            namespace,
            labels: &labels,
            annotations: &annotations,
            host_network,
        };
        let version = Version::parse(version).expect("a version");
        injection_required(&config, &version, &pod).is_ok()
    };
    assert!(!judge("shop", true, "1.30.0"));
    for namespace in ["kube-system", "kube-public"] {
        assert!(!judge(namespace, false, "1.6.0") && !judge(namespace, false, "1.30.0"));
    }
    for namespace in ["kube-node-lease", "local-path-storage"] {
        assert!(judge(namespace, false, "1.8.0") && !judge(namespace, false, "1.9.0"));
    }
    assert!(judge("istio-system", false, "1.30.0"));
}
