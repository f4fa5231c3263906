//! Manifest sets for tests, from YAML text.

use serde::Deserialize as _;
use serde_json::Value;

use crate::manifest::{
    Body, Document, ManifestFile, ManifestSet, Object, ObjectRef, PodTemplate, StringMap, Workload,
    group_of,
};
use crate::rollout::WorkloadKind;

/// A set of these files, in whatever order.
pub(crate) fn manifests(files: &[(&str, &str)]) -> ManifestSet {
    let mut files: Vec<ManifestFile> = files
        .iter()
        .map(|(path, text)| ManifestFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
            objects: objects(text),
        })
        .collect();
    files.sort_by(|left, right| left.path.cmp(&right.path));
    ManifestSet {
        files,
        ..ManifestSet::default()
    }
}

fn objects(text: &str) -> Vec<Object> {
    serde_yaml::Deserializer::from_str(text)
        .enumerate()
        .filter_map(|(index, document)| {
            let value = Value::deserialize(document).expect("YAML");
            value.is_object().then(|| object(index, value))
        })
        .collect()
}

fn object(index: usize, mut value: Value) -> Object {
    let text = |path: &str| {
        let found = value.pointer(path).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let reference = ObjectRef::new(
        group_of(&api_version),
        kind,
        text("/metadata/namespace"),
        text("/metadata/name"),
    );
    let map = |path: &str| -> StringMap {
        let found = value.pointer(path).cloned().unwrap_or(Value::Null);
        serde_json::from_value::<Option<StringMap>>(found)
            .expect("a map")
            .unwrap_or_default()
    };
    let (labels, annotations) = (map("/metadata/labels"), map("/metadata/annotations"));
    let is_workload = WorkloadKind::of(&reference) != WorkloadKind::Other;
    let body = if is_workload {
        Body::Workload(Box::new(workload(value["spec"].take())))
    } else {
        Body::Configuration(value)
    };
    Object {
        document: Document { index, span: 0..0 },
        item: None,
        line: index + 1,
        api_version,
        reference,
        labels,
        annotations,
        body,
    }
}

fn workload(mut spec: Value) -> Workload {
    let template = spec
        .as_object_mut()
        .and_then(|fields| fields.remove("template"));
    let template: PodTemplate = template
        .map(|template| serde_json::from_value(template).expect("a pod template"))
        .unwrap_or_default();
    Workload {
        template_path: &["spec", "template"],
        is_patch: template.spec.containers.is_empty(),
        template,
        spec,
        rendered: false,
    }
}

/// A Deployment without a namespace line where `namespace` is empty.
pub(crate) fn deployment(namespace: &str, name: &str) -> String {
    let namespace = match namespace {
        "" => String::new(),
        namespace => format!(", namespace: {namespace}"),
    };
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}{namespace}}}, \
         spec: {{template: {{spec: {{containers: [{{name: app}}]}}}}}}}}\n"
    )
}
