//! Whatever stands in a cluster's objects: nothing panics, and what cannot be read is said.

use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use serde_json::{Value, json};

use crate::manifest::StringMap;
use crate::mesh::testing::{Istiod, cluster, live_pod, pods, string_map};
use crate::mesh::{Expectation, ImageName, Mesh, Version, compare, observe};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_text_is_an_image_and_perhaps_a_version(text in "[a-z0-9.:/@_v-]{0,40}|.{0,20}") {
        let image = ImageName::parse(&text);
        let _ = image.variant();
        if let Some(version) = Version::parse(&text) {
            let again = Version::parse(&version.to_string());
            prop_assert!(again.is_some_and(|again| again == version));
        }
    }

    #[test]
    fn annotations_of_any_value_are_judged(value in ".{0,30}|[0-9.eEkMGi+-]{0,30}|[{}\\[\\]:, a-z0-9\n-]{0,60}") {
        let mesh = Istiod::new("1.31.0").mesh_with(vec![]);
        let labels = string_map(&json!({"istio-injection": "enabled"}));
        let annotations = json!({
            "proxy.istio.io/config": value, "sidecar.istio.io/proxyCPU": value,
            "sidecar.istio.io/proxyImage": value, "sidecar.istio.io/proxyImageType": value,
            "inject.istio.io/templates": value, "prometheus.io/port": value,
            "sidecar.istio.io/nativeSidecar": value,
        });
        let keys = annotations.as_object().expect("annotations");
        for key in keys.keys() {
            let template = pods(&json!({}), &json!({key.as_str(): value}));
            let expectation = mesh.expect("shop", Some(&labels), &template, &StringMap::new());
            let is_none = matches!(expectation, Expectation::None { .. });
            prop_assert!(!is_none, "an annotation other than inject opts nothing out");
        }
    }

    #[test]
    fn a_pod_says_what_it_likes(status in ".{0,30}|[{}\":,a-z\\[\\]]{0,40}", config in "[{}\":,a-z0-9\\[\\]]{0,40}") {
        let pod = json!({
            "metadata": {"name": "pod", "namespace": "shop", "annotations": {"sidecar.istio.io/status": status}},
            "spec": {"containers": [{"name": "istio-proxy", "image": status, "args": ["-p"],
                "env": [{"name": "PROXY_CONFIG", "value": config}]}]},
        });
        let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
        let expected = crate::mesh::testing::sidecar(&mesh, &pods(&json!({}), &json!({})));
        let _ = compare(&Expectation::Sidecar(Box::new(expected)), &observe(&live_pod(&pod)));
    }
}

/// JSON that is of no use.
fn junk() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("{{ junk"),
        json!([]),
        json!([null, 1, "a"]),
        json!({}),
        json!({"a": {"b": [1]}}),
    ]
}

/// Every place of a value, as JSON pointers, down to a depth.
fn places(value: &Value, path: &str, depth: usize, found: &mut Vec<String>) {
    found.push(path.to_owned());
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{path}/{key}"), depth - 1, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                places(value, &format!("{path}/{index}"), depth - 1, found);
            }
        }
        _ => {}
    }
}

/// Objects of a control plane with junk in one place after the other.
fn spoil(object: usize, root: &str, depth: usize) {
    let objects = Istiod::new("1.30.3").installed();
    let labels = string_map(&json!({"istio-injection": "enabled"}));
    let mut found = Vec::new();
    let spoiled = objects[object].pointer(root).expect("a part");
    places(spoiled, root, depth, &mut found);
    for place in found {
        for junk in junk() {
            let mut objects = objects.clone();
            *objects[object].pointer_mut(&place).expect("a place") = junk;
            let (mesh, _) = Mesh::from_snapshot(&cluster(objects));
            let template = pods(&json!({}), &json!({}));
            let _ = mesh.expect("shop", Some(&labels), &template, &StringMap::new());
        }
    }
}

#[test]
fn webhooks_may_hold_anything() {
    spoil(6, "/webhooks", 1);
    // The entry that selects the namespace of the pod.
    spoil(6, "/webhooks/2", 4);
}

#[test]
fn config_maps_may_hold_anything() {
    spoil(4, "/data", 1);
    spoil(5, "/data", 1);
}

#[test]
fn values_and_configurations_may_hold_anything() {
    let labels = string_map(&json!({"istio-injection": "enabled"}));
    let judge = |istiod: &Istiod| {
        let template = pods(&json!({}), &json!({}));
        let mesh = istiod.mesh_with(vec![]);
        let _ = mesh.expect("shop", Some(&labels), &template, &StringMap::new());
    };
    let stock = Istiod::new("1.30.3");
    for (is_values, value) in [(true, &stock.values), (false, &stock.config)] {
        let mut found = Vec::new();
        places(value, "", 3, &mut found);
        for place in found {
            for junk in junk() {
                let mut istiod = stock.clone();
                let value = if is_values {
                    &mut istiod.values
                } else {
                    &mut istiod.config
                };
                *value.pointer_mut(&place).expect("a place") = junk;
                judge(&istiod);
            }
        }
    }
}
