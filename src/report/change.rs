//! Changes in words: what a sidecar has and what it would get, short enough for a table's column.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::decision::DriftCount;
use crate::mesh::{Drift, DriftCode};

/// How many characters of a field's name are shown, and of its value.
const LONGEST: (usize, usize) = (40, 24);

/// The first difference in words, and how many there are besides: `1.30.3 → 1.30.4 (+1)`.
pub(super) fn change(drifts: &[DriftCount]) -> String {
    let words = |count: &DriftCount| in_words(&count.drift);
    let mut changes: Vec<String> = drifts.iter().flat_map(words).collect();
    changes.dedup();
    match changes.as_slice() {
        [] => "-".to_owned(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} (+{})", rest.len()),
    }
}

/// What a drift changes; of the configuration, each field.
fn in_words(drift: &Drift) -> Vec<String> {
    let (observed, expected) = (&drift.observed, &drift.expected);
    let whole = || vec![format!("{observed} → {expected}")];
    match drift.code {
        DriftCode::PrometheusMergeDiffers => {
            let (had, wanted) = (switch(observed), switch(expected));
            vec![format!("prometheus merge: {had} → {wanted}")]
        }
        DriftCode::ProxyConfigDiffers => fields(observed, expected).unwrap_or_else(whole),
        _ => whole(),
    }
}

fn switch(word: &str) -> &str {
    match word {
        "merged" => "on",
        "not merged" => "off",
        other => other,
    }
}

/// The fields that differ between two configurations; none where these are no JSON objects, or are
/// equal.
fn fields(observed: &str, expected: &str) -> Option<Vec<String>> {
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
    let (had, wanted) = (object(observed)?, object(expected)?);
    let names: BTreeSet<&String> = had.keys().chain(wanted.keys()).collect();
    let fields: Vec<String> = names
        .into_iter()
        .filter(|name| had.get(*name) != wanted.get(*name))
        .map(|name| field(name, had.get(name), wanted.get(name)))
        .collect();
    (!fields.is_empty()).then_some(fields)
}

/// One field, or the first one in it that differs.
fn field(name: &str, mut had: Option<&Value>, mut wanted: Option<&Value>) -> String {
    let mut path = name.to_owned();
    while let Some(key) = first_difference(had, wanted) {
        had = had.and_then(|value| value.get(&key));
        wanted = wanted.and_then(|value| value.get(&key));
        path = format!("{path}.{key}");
    }
    // What is neither a variable of the proxy nor a port of the mesh is a field of its ProxyConfig.
    let is_variable = !name.contains(|c: char| c.is_ascii_lowercase());
    let of = match is_variable || name.ends_with("ListenPort") {
        true => "",
        false => "PROXY_CONFIG ",
    };
    let path = shortened(&path, LONGEST.0);
    format!("{of}{path}: {} → {}", value(had), value(wanted))
}

/// The first key by which two objects differ, one of which may be absent; none where they are other
/// values.
fn first_difference(had: Option<&Value>, wanted: Option<&Value>) -> Option<String> {
    let none = Map::new();
    let (had, wanted) = match (had, wanted) {
        (Some(Value::Object(had)), Some(Value::Object(wanted))) => (had, wanted),
        (Some(Value::Object(had)), None) => (had, &none),
        (None, Some(Value::Object(wanted))) => (&none, wanted),
        _ => return None,
    };
    let names: BTreeSet<&String> = had.keys().chain(wanted.keys()).collect();
    let mut differing = names
        .into_iter()
        .filter(|name| had.get(*name) != wanted.get(*name));
    differing.next().cloned()
}

fn value(value: Option<&Value>) -> String {
    match value {
        None => "unset".to_owned(),
        Some(Value::String(text)) => shortened(text, LONGEST.1),
        Some(other) => shortened(&other.to_string(), LONGEST.1),
    }
}

fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::change;
    use crate::config::DriftClass;
    use crate::decision::DriftCount;
    use crate::mesh::{Drift, DriftCode};

    #[track_caller]
    fn check(drifts: &[(DriftCode, &str, &str)], expected: &str) {
        let count = |(code, observed, expected): &(DriftCode, &str, &str)| DriftCount {
            drift: Drift {
                code: *code,
                class: DriftClass::Config,
                observed: (*observed).to_owned(),
                expected: (*expected).to_owned(),
            },
            pods: 1,
        };
        let drifts: Vec<DriftCount> = drifts.iter().map(count).collect();
        assert_eq!(change(&drifts), expected);
    }

    #[test]
    fn a_change_names_the_first_and_counts_the_rest() {
        let version = (DriftCode::ProxyVersionDiffers, "1.26.4", "1.27.3");
        let shape = (DriftCode::NativeSidecarDiffers, "regular", "native");
        check(&[], "-");
        check(&[version], "1.26.4 → 1.27.3");
        check(&[version, version], "1.26.4 → 1.27.3");
        check(&[version, shape], "1.26.4 → 1.27.3 (+1)");
    }

    #[test]
    fn the_configuration_is_named_by_what_differs_in_it() {
        use DriftCode::{PrometheusMergeDiffers, ProxyConfigDiffers};
        let merge = (PrometheusMergeDiffers, "merged", "not merged");
        check(&[merge], "prometheus merge: on → off");
        let config = |observed, expected, words: &str| {
            check(&[(ProxyConfigDiffers, observed, expected)], words);
        };
        config(
            r#"{}"#,
            r#"{"gatewayTopology":{"numTrustedProxies":2}}"#,
            "PROXY_CONFIG gatewayTopology.numTrustedProxies: unset → 2",
        );
        config(
            r#"{"concurrency":2,"drainDuration":"45s"}"#,
            r#"{"concurrency":4}"#,
            "PROXY_CONFIG concurrency: 2 → 4 (+1)",
        );
        config(
            r#"{"proxyMetadata":{"A":"x","B":"1"}}"#,
            r#"{"proxyMetadata":{"A":"x","B":"2"}}"#,
            "PROXY_CONFIG proxyMetadata.B: 1 → 2",
        );
        config(
            r#"{"TRUST_DOMAIN":"a"}"#,
            r#"{"TRUST_DOMAIN":"b"}"#,
            "TRUST_DOMAIN: a → b",
        );
        config(
            r#"{"proxyListenPort":15001}"#,
            r#"{"proxyListenPort":15101}"#,
            "proxyListenPort: 15001 → 15101",
        );
        config(r#"{"a":{}}"#, r#"{}"#, "PROXY_CONFIG a: {} → unset");
        config(
            r#"{"a":[1]}"#,
            r#"{"a":{"b":1}}"#,
            r#"PROXY_CONFIG a: [1] → {"b":1}"#,
        );
        config("{}", "{}", "{} → {}");
        config("no JSON", "{}", "no JSON → {}");
        let long = format!(r#"{{"A":"{}"}}"#, "é".repeat(60));
        let words = format!("A: {}… → unset", "é".repeat(24));
        config(&long, "{}", &words);
    }
}
