//! The configuration file as it is written, and its way to a [`Policy`].

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{AnnotationKeys, ClusterPolicy, ConfigError, DriftClass, Exclusion, Policy};
use crate::diagnostic::{Code as _, Location};

/// `meshroll.yaml`, key for key.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawConfig {
    clusters: BTreeMap<String, RawCluster>,
    annotations: RawAnnotations,
    restart_on: Option<Vec<String>>,
    exclude: Vec<RawExclusion>,
    generated: Vec<String>,
    halt: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawCluster {
    paths: Vec<String>,
    snapshot: Option<String>,
    uid: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawAnnotations {
    restarted_at: Key,
    restarted_for: Option<String>,
}

/// A key, its absence (the default key), or `false` (switched off).
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Key {
    Name(String),
    Switch(bool),
    #[default]
    Absent,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawExclusion {
    namespaces: Vec<String>,
    names: Vec<String>,
    kinds: Vec<String>,
    reason: String,
    until: Option<String>,
}

/// Reads a configuration file.
///
/// # Errors
///
/// When it does not parse, has a key that is not known, or a value that cannot be used; the first
/// such fault, with its line where the parser tells it.
pub(super) fn parse(name: &str, text: &str) -> Result<Policy, ConfigError> {
    if text
        .lines()
        .all(|line| line.trim_start().starts_with('#') || line.trim().is_empty())
    {
        return Ok(Policy::default());
    }
    let raw: RawConfig = serde_yaml::from_str(text).map_err(|error| syntax_error(name, &error))?;
    let invalid = |message: String| ConfigError {
        message,
        location: Location::file(name),
        hint: None,
    };
    policy(raw).map_err(invalid)
}

fn syntax_error(name: &str, error: &serde_yaml::Error) -> ConfigError {
    let location = error.location().map_or_else(
        || Location::file(name),
        |place| Location {
            file: name.to_owned(),
            line: Some(place.line()),
            column: Some(place.column()),
        },
    );
    let message = error.to_string();
    // The parser repeats the place at the end of its message.
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    let hint = LATER_KEYS
        .iter()
        .find(|key| message.contains(&format!("unknown field `{key}`")))
        .map(|key| format!("`{key}` is not supported by this version of meshroll"));
    ConfigError {
        message,
        location,
        hint,
    }
}

/// Keys of the documented shape that this version does not act on: refused, because a limit that is
/// silently ignored restarts what it should have held.
const LATER_KEYS: [&str; 5] = ["waves", "limits", "windows", "gates", "migrate"];

fn policy(raw: RawConfig) -> Result<Policy, String> {
    let clusters = raw
        .clusters
        .into_iter()
        .map(|(name, cluster)| Ok((cluster_name(name)?, cluster_policy(cluster)?)))
        .collect::<Result<_, String>>()?;
    let exclude = raw
        .exclude
        .into_iter()
        .map(exclusion)
        .collect::<Result<_, _>>()?;
    for pattern in &raw.generated {
        glob(pattern)?;
    }
    let restart_on = match raw.restart_on {
        Some(names) => names
            .iter()
            .map(|name| class(name))
            .collect::<Result<_, _>>()?,
        None => Policy::default().restart_on,
    };
    Ok(Policy {
        clusters,
        annotations: annotation_keys(raw.annotations)?,
        restart_on,
        exclude,
        generated: raw.generated,
        halt: raw.halt,
    })
}

/// A cluster's name becomes part of a branch name, so it must be one label of a path.
fn cluster_name(name: String) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edges = name.starts_with(['.', '-']) || name.ends_with(['.', '-']);
    if name.is_empty() || edges || name.contains("..") || !name.bytes().all(plain) {
        return Err(format!(
            "clusters: `{name}` is no usable name (letters, digits, `-`, `_` and `.`)"
        ));
    }
    Ok(name)
}

fn cluster_policy(raw: RawCluster) -> Result<ClusterPolicy, String> {
    let paths = raw
        .paths
        .into_iter()
        .map(repository_path)
        .collect::<Result<_, _>>()?;
    let snapshot = raw.snapshot.map(repository_path).transpose()?;
    Ok(ClusterPolicy {
        paths,
        snapshot,
        uid: raw.uid,
    })
}

/// A path inside the repository: relative, `/`-separated, without `..`.
fn repository_path(path: String) -> Result<String, String> {
    let trimmed = path.trim_start_matches("./").trim_end_matches('/');
    let trimmed = if trimmed == "." { "" } else { trimmed };
    if trimmed.starts_with('/') || trimmed.split('/').any(|part| part == "..") {
        return Err(format!("`{path}` leads out of the repository"));
    }
    Ok(trimmed.to_owned())
}

fn annotation_keys(raw: RawAnnotations) -> Result<AnnotationKeys, String> {
    let defaults = AnnotationKeys::default();
    let restarted_at = match raw.restarted_at {
        Key::Name(name) => Some(annotation_key(name)?),
        Key::Switch(false) => None,
        Key::Switch(true) | Key::Absent => defaults.restarted_at,
    };
    let restarted_for = match raw.restarted_for {
        Some(name) => annotation_key(name)?,
        None => defaults.restarted_for,
    };
    if restarted_at.as_deref() == Some(&*restarted_for) {
        return Err("annotations: restartedAt and restartedFor must differ".into());
    }
    Ok(AnnotationKeys {
        restarted_at,
        restarted_for,
    })
}

/// A qualified name as the API server validates it: `[prefix/]name`.
fn annotation_key(key: String) -> Result<String, String> {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, &*key), |(prefix, name)| (Some(prefix), name));
    let alphanumeric_edges = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edge(part.chars().next()) && edge(part.chars().next_back())
    };
    let name_is_valid = name.len() <= 63
        && alphanumeric_edges(name)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let label = |part: &str| {
        alphanumeric_edges(part)
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let prefix_is_valid =
        prefix.is_none_or(|prefix| prefix.len() <= 253 && prefix.split('.').all(label));
    if name_is_valid && prefix_is_valid {
        Ok(key)
    } else {
        Err(format!(
            "annotations: `{key}` is no annotation key that Kubernetes accepts"
        ))
    }
}

fn class(name: &str) -> Result<DriftClass, String> {
    DriftClass::from_code(name).ok_or_else(|| {
        let known: Vec<&str> = DriftClass::ALL.iter().map(|class| class.code()).collect();
        format!("restartOn: `{name}` is none of {}", known.join(", "))
    })
}

fn exclusion(raw: RawExclusion) -> Result<Exclusion, String> {
    if raw.reason.trim().is_empty() {
        return Err("exclude: every entry needs a reason".into());
    }
    if raw.namespaces.is_empty() && raw.names.is_empty() && raw.kinds.is_empty() {
        return Err("exclude: an entry needs namespaces, names or kinds".into());
    }
    for pattern in raw.namespaces.iter().chain(&raw.names) {
        glob(pattern)?;
    }
    let until = raw.until.map(|date| {
        date.parse()
            .map_err(|_| format!("exclude: until: `{date}` is no date (as in 2027-01-31)"))
    });
    Ok(Exclusion {
        namespaces: raw.namespaces,
        names: raw.names,
        kinds: raw.kinds,
        reason: raw.reason,
        until: until.transpose()?,
    })
}

fn glob(pattern: &str) -> Result<(), String> {
    globset::Glob::new(pattern)
        .map(|_| ())
        .map_err(|error| error.to_string())
}
