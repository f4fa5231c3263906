//! Lenient reading of pod templates.
//!
//! A field that the API server would refuse, or that a substitution is to fill in
//! (`hostNetwork: ${HOST}`), is left out and named; it does not hide the rest of the template.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::StringMap;
use super::pod::{PodSpec, PodTemplate, TemplateMetadata};

/// A pod template, and the fields of it that could not be read.
pub(crate) fn pod_template(value: Value) -> (PodTemplate, Vec<String>) {
    if let Ok(template) = serde_json::from_value::<Option<PodTemplate>>(value.clone()) {
        return (template.unwrap_or_default(), Vec::new());
    }
    let mut invalid = Vec::new();
    let Value::Object(mut template) = value else {
        return (PodTemplate::default(), vec!["template".to_owned()]);
    };
    let metadata = template.remove("metadata").unwrap_or_default();
    let metadata = TemplateMetadata {
        name: metadata
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_owned),
        labels: string_map(&metadata, "labels", &mut invalid),
        annotations: string_map(&metadata, "annotations", &mut invalid),
    };
    let spec = pod_spec(template.remove("spec").unwrap_or_default(), &mut invalid);
    (PodTemplate { metadata, spec }, invalid)
}

/// Labels or annotations of a `metadata`; a value that is no string is read as its text and named.
pub(crate) fn string_map(metadata: &Value, field: &str, invalid: &mut Vec<String>) -> StringMap {
    let Some(Value::Object(map)) = metadata.get(field) else {
        if metadata.get(field).is_some_and(|value| !value.is_null()) {
            invalid.push(format!("metadata.{field}"));
        }
        return StringMap::new();
    };
    map.iter()
        .map(|(key, value)| match value {
            Value::String(text) => (key.clone(), text.clone()),
            // The API server reads a null value as an empty string.
            Value::Null => (key.clone(), String::new()),
            other => {
                invalid.push(format!("metadata.{field}.{key}"));
                (key.clone(), other.to_string())
            }
        })
        .collect()
}

fn pod_spec(value: Value, invalid: &mut Vec<String>) -> PodSpec {
    let Value::Object(mut spec) = value else {
        return PodSpec::default();
    };
    for list in ["containers", "initContainers", "volumes"] {
        if let Some(Value::Array(items)) = spec.get_mut(list) {
            for (index, item) in items.iter_mut().enumerate() {
                keep_readable(item, list, &format!("spec.{list}[{index}]"), invalid);
            }
        }
    }
    let mut spec = Value::Object(spec);
    drop_unreadable::<PodSpec>(&mut spec, "spec", invalid);
    serde_json::from_value(spec).unwrap_or_default()
}

fn keep_readable(item: &mut Value, list: &str, place: &str, invalid: &mut Vec<String>) {
    match list {
        "volumes" => drop_unreadable::<super::pod::Volume>(item, place, invalid),
        _ => drop_unreadable::<super::pod::Container>(item, place, invalid),
    }
}

/// Takes out the fields that alone make a value unreadable.
fn drop_unreadable<T: DeserializeOwned>(value: &mut Value, place: &str, invalid: &mut Vec<String>) {
    let Value::Object(fields) = value else {
        return;
    };
    fields.retain(|name, field| {
        let alone = Map::from_iter([(name.clone(), field.clone())]);
        let readable = serde_json::from_value::<T>(Value::Object(alone)).is_ok();
        if !readable {
            invalid.push(format!("{place}.{name}"));
        }
        readable
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::pod_template;

    #[test]
    fn a_good_template_is_read_as_it_stands() {
        let (template, invalid) = pod_template(json!({
            "metadata": {"labels": {"app": "cart"}, "annotations": null},
            "spec": {"containers": [{"name": "cart", "image": "cart:1"}]},
        }));
        assert!(invalid.is_empty());
        assert_eq!(template.metadata.labels["app"], "cart");
        assert_eq!(template.spec.containers[0].name, "cart");
    }

    #[test]
    fn unreadable_fields_are_left_out_and_named() {
        let (template, invalid) = pod_template(json!({
            "metadata": {"labels": {"version": 1.5, "app": "cart"}},
            "spec": {
                "hostNetwork": "${HOST}",
                "nodeName": "node-1",
                "containers": [{"name": "cart", "env": [{"name": "A", "value": 1}], "image": "i"}],
            },
        }));
        assert_eq!(
            invalid,
            [
                "metadata.labels.version",
                "spec.containers[0].env",
                "spec.hostNetwork"
            ]
        );
        assert_eq!(template.metadata.labels["version"], "1.5");
        assert_eq!(template.spec.node_name.as_deref(), Some("node-1"));
        assert_eq!(template.spec.containers[0].image.as_deref(), Some("i"));
    }

    #[test]
    fn what_is_no_template_is_empty() {
        assert_eq!(pod_template(json!("x")).1, ["template"]);
        assert!(pod_template(json!(null)).1.is_empty());
    }
}
