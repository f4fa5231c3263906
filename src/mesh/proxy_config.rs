//! `Fields`: the effective ProxyConfig of a pod, and how istiod renders it into `PROXY_CONFIG`.
//!
//! Layers replace what they name (`spec/istio.md` §4.1); what equals the built-in default of the
//! istiod that injects is not rendered (§4.2), which is why only proxies of the same minor can be
//! compared.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Fields of a ProxyConfig by their JSON name, values in canonical form.
pub(crate) type Fields = BTreeMap<String, Value>;

/// Deepest nesting that is followed; ProxyConfig itself has four levels.
const MAX_DEPTH: usize = 16;

/// Fields of ProxyConfig; istiod ignores others.
const KNOWN: [&str; 38] = [
    "availabilityZone",
    "binaryPath",
    "caCertificatesPem",
    "concurrency",
    "configPath",
    "controlPlaneAuthPolicy",
    "customConfigFile",
    "discoveryAddress",
    "discoveryRefreshDelay",
    "drainDuration",
    "envoyAccessLogService",
    "envoyMetricsService",
    "envoyMetricsServiceAddress",
    "extraStatTags",
    "fileFlushInterval",
    "fileFlushMinSizeKb",
    "gatewayTopology",
    "holdApplicationUntilProxyStarts",
    "image",
    "interceptionMode",
    "meshId",
    "parentShutdownDuration",
    "privateKeyProvider",
    "proxyAdminPort",
    "proxyBootstrapTemplatePath",
    "proxyHeaders",
    "proxyMetadata",
    "proxyStatsMatcher",
    "readinessProbe",
    "runtimeValues",
    "sds",
    "serviceCluster",
    "statNameLength",
    "statsCompression",
    "statsdUdpAddress",
    "statusPort",
    "terminationDrainDuration",
    "tracing",
];

/// Fields that are maps of the user's own keys.
const FREE_MAPS: [&str; 2] = ["proxyMetadata", "runtimeValues"];
/// Wrapped scalars: their zero value is present and is rendered.
const WRAPPED: [&str; 5] = [
    "concurrency",
    "disabled",
    "enableIstioTags",
    "fileFlushMinSizeKb",
    "holdApplicationUntilProxyStarts",
];
/// Scalars that are numbers, also where somebody wrote them as strings.
const NUMBERS: [&str; 6] = [
    "concurrency",
    "fileFlushMinSizeKb",
    "numTrustedProxies",
    "proxyAdminPort",
    "statNameLength",
    "statusPort",
];

/// The fields of one layer, as istiod reads them: known ones only, names and values canonical.
pub(crate) fn fields_of(layer: &Map<String, Value>) -> Fields {
    layer
        .iter()
        .map(|(name, value)| (camel_case(name), value))
        .filter(|(name, value)| {
            !value.is_null() && (KNOWN.contains(&name.as_str()) || is_other_known(name))
        })
        .map(|(name, value)| {
            let value = canonical(&name, value, 0);
            (name, value)
        })
        .collect()
}

/// Fields that are rare or gone, kept out of the table above only for its size.
fn is_other_known(name: &str) -> bool {
    matches!(name, "tracingServiceName" | "zipkinAddress")
}

/// Lays a layer over another: present fields replace, `proxyMetadata` is merged by key and
/// `proxyHeaders` by field.
pub(crate) fn apply(base: &mut Fields, layer: &Fields) {
    for (name, value) in layer {
        match (name.as_str(), base.get_mut(name), value) {
            ("proxyMetadata" | "proxyHeaders", Some(Value::Object(old)), Value::Object(new)) => {
                for (key, value) in new {
                    old.insert(key.clone(), value.clone());
                }
            }
            _ => {
                base.insert(name.clone(), value.clone());
            }
        }
        // The name of the cluster is one choice of two.
        if name == "tracingServiceName" {
            base.remove("serviceCluster");
        }
    }
}

/// istiod's built-in ProxyConfig (`pkg/config/mesh/mesh.go` of each minor).
pub(crate) fn defaults(minor: u32) -> Fields {
    let mut fields: Fields = [
        ("binaryPath", Value::from("/usr/local/bin/envoy")),
        ("configPath", Value::from("./etc/istio/proxy")),
        ("controlPlaneAuthPolicy", Value::from("MUTUAL_TLS")),
        (
            "discoveryAddress",
            Value::from("istiod.istio-system.svc:15012"),
        ),
        ("drainDuration", Value::from("45s")),
        ("proxyAdminPort", Value::from(15000)),
        ("serviceCluster", Value::from("istio-proxy")),
        ("statNameLength", Value::from(189)),
        ("statusPort", Value::from(15020)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if minor >= 7 {
        add("terminationDrainDuration", Value::from("5s"));
    }
    if minor <= 16 {
        add("parentShutdownDuration", Value::from("60s"));
    }
    if minor <= 17 {
        add("concurrency", Value::from(2));
    }
    if minor <= 21 {
        let zipkin = serde_json::json!({"zipkin": {"address": "zipkin.istio-system:9411"}});
        add("tracing", zipkin);
    }
    fields
}

/// What istiod of a minor renders into `PROXY_CONFIG` (`cleanProxyConfig`).
pub(crate) fn rendered(effective: &Fields, minor: u32) -> Fields {
    let defaults = defaults(minor);
    let elided = |name: &str, value: &Value| {
        // 1.6 rendered the policy whatever it was; its zero value is not rendered anyway.
        let is_rendered = minor <= 6 && name == "controlPlaneAuthPolicy";
        (!is_rendered && defaults.get(name) == Some(value)) || is_absent(name, value)
    };
    effective
        .iter()
        .filter(|(name, value)| !elided(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether a protobuf message with this value would not have the field in its JSON.
fn is_absent(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        _ if WRAPPED.contains(&name) => false,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            text.is_empty() || (name == "controlPlaneAuthPolicy" && text == "NONE")
        }
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => {
            let is_map = FREE_MAPS.contains(&name);
            let is_service = matches!(name, "envoyAccessLogService" | "envoyMetricsService");
            fields.is_empty() && (is_map || is_service)
        }
    }
}

/// A value as protobuf's JSON has it: names in camel case, zero values left out below the top,
/// durations in seconds, numbers as numbers.
fn canonical(name: &str, value: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match value {
        Value::Object(fields) if FREE_MAPS.contains(&name) => {
            let text = |value: &Value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let entries = fields
                .iter()
                .map(|(key, value)| (key.clone(), Value::from(text(value))));
            Value::Object(entries.collect())
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| {
                let key = camel_case(key);
                let value = canonical(&key, value, depth + 1);
                (key, value)
            });
            Value::Object(
                fields
                    .filter(|(key, value)| !is_absent(key, value))
                    .collect(),
            )
        }
        Value::Array(list) => {
            let list = list.iter().map(|value| canonical("", value, depth + 1));
            Value::Array(list.collect())
        }
        Value::String(text) if NUMBERS.contains(&name) => match text.parse::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => value.clone(),
        },
        Value::String(text) if names_a_duration(name) => match seconds(text) {
            Some(seconds) => Value::from(seconds),
            None => value.clone(),
        },
        Value::Number(number) => whole(number),
        other => other.clone(),
    }
}

/// A number without a fraction as an integer, so that `100` and `100.0` are one.
fn whole(number: &serde_json::Number) -> Value {
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
        _ => Value::Number(number.clone()),
    }
}

fn names_a_duration(name: &str) -> bool {
    ["Duration", "Delay", "Interval", "Timeout"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
        || matches!(name, "interval" | "time" | "timeout")
}

/// Whether the text is a Go duration.
pub(crate) fn is_duration(text: &str) -> bool {
    !text.is_empty() && seconds(text).is_some()
}

/// A Go duration (`1m0s`, `1.5s`) as protobuf's JSON writes it: seconds with `s`.
fn seconds(text: &str) -> Option<String> {
    let mut nanos: i128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let (unit, tail) = UNITS
            .iter()
            .find_map(|(unit, nanos)| Some((*nanos, tail.strip_prefix(unit)?)))?;
        nanos = nanos.checked_add(scaled(number, unit)?)?;
        rest = tail;
    }
    let (whole, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if fraction == 0 {
        return Some(format!("{whole}s"));
    }
    let fraction = format!("{fraction:09}");
    Some(format!("{whole}.{}s", fraction.trim_end_matches('0')))
}

/// Units of Go durations in nanoseconds, longer names first.
const UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

/// A decimal number times a unit, exactly.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || whole.len() > 12 {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    let mut value = whole.checked_mul(unit)?;
    if !fraction.is_empty() {
        let power = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        value = value.checked_add(fraction.parse::<i128>().ok()?.checked_mul(unit)? / power)?;
    }
    Some(value)
}

/// protobuf's JSON reads `stat_name_length` as `statNameLength`.
fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for char in name.chars() {
        if char == '_' {
            upper = true;
        } else if upper {
            camel.extend(char.to_uppercase());
            upper = false;
        } else {
            camel.push(char);
        }
    }
    camel
}

#[cfg(test)]
#[path = "proxy_config_tests.rs"]
mod tests;
