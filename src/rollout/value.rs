//! Reads of loosely typed fields: a live object's `spec` and `status` as the API server gave them.
//!
//! An absent field, a `null` and a field of the wrong type all read as none: nothing in a snapshot
//! is trusted to have the shape that its kind promises.

use serde_json::Value;

/// The value at a path of keys.
pub(crate) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter()
        .try_fold(value, |inner, key| inner.get(key))
        .filter(|found| !found.is_null())
}

/// The string at a path.
pub(crate) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str()
}

/// The integer at a path. Argo Rollouts writes some of its integers as strings.
pub(crate) fn integer(value: &Value, path: &[&str]) -> Option<i64> {
    let found = at(value, path)?;
    found.as_i64().or_else(|| found.as_str()?.parse().ok())
}

/// Whether the boolean at a path is true.
pub(crate) fn is_true(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of the list at a path; empty where there is none.
pub(crate) fn items<'v>(value: &'v Value, path: &[&str]) -> &'v [Value] {
    at(value, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The strings of the list at a path; other items are left out.
pub(crate) fn texts<'v>(
    value: &'v Value,
    path: &[&str],
) -> impl Iterator<Item = &'v str> + use<'v> {
    items(value, path).iter().filter_map(Value::as_str)
}

/// The entry of `status.conditions` of a type.
pub(crate) fn condition<'v>(status: &'v Value, kind: &str) -> Option<&'v Value> {
    items(status, &["conditions"])
        .iter()
        .find(|condition| text(condition, &["type"]) == Some(kind))
}
