//! The image computation as a table, with the versions as columns (`spec/istio.md` §2.2).

use serde_json::{Value, json};

use crate::mesh::testing::{Istiod, SIDECAR, pods, sidecar};

/// Versions at which the computation changes.
const VERSIONS: [&str; 5] = ["1.12.9", "1.21.6", "1.22.8", "1.30.3", "1.31.0"];

/// Where an image type may come from.
#[derive(Default)]
struct Case {
    tag: &'static str,
    annotation: Option<&'static str>,
    proxy_config: Option<&'static str>,
    variant: &'static str,
}

/// The template of a version: until 1.12 it put hub, name and tag together by itself.
fn templates(version: &str) -> Value {
    let plain =
        "{{ .Values.global.hub }}/{{ .Values.global.proxy.image }}:{{ .Values.global.tag }}";
    let sidecar = if version == "1.12.9" {
        SIDECAR.replace("{{ .ProxyImage }}", plain)
    } else {
        SIDECAR.to_owned()
    };
    json!({ "sidecar": sidecar })
}

/// Tags of the proxy's image, version by version.
#[track_caller]
fn check(case: &Case, tags: [&str; VERSIONS.len()]) {
    let annotations = match case.annotation {
        Some(own) => json!({"sidecar.istio.io/proxyImageType": own}),
        None => json!({}),
    };
    let mesh_config = case
        .proxy_config
        .map(|own| json!({"defaultConfig": {"image": {"imageType": own}}}).to_string());
    let found = VERSIONS.map(|version| {
        let mesh = Istiod::new(version)
            .value("/global/tag", json!(case.tag))
            .value("/global/variant", json!(case.variant))
            .config("templates", templates(version))
            .mesh(mesh_config.as_deref().unwrap_or_default())
            .mesh_with(vec![]);
        sidecar(&mesh, &pods(&json!({}), &annotations)).image
    });
    let expected = tags.map(|tag| format!("docker.io/istio/proxyv2:{tag}"));
    assert_eq!(found, expected);
}

#[test]
fn the_type_comes_from_the_pod_then_the_proxy_config_then_the_values() {
    let plain = Case {
        tag: "1.2.3",
        ..Case::default()
    };
    check(&plain, ["1.2.3"; 5]);
    let variant = Case {
        variant: "distroless",
        tag: "1.2.3",
        ..Case::default()
    };
    let d = "1.2.3-distroless";
    check(&variant, ["1.2.3", "1.2.3", d, d, d]);
    let config = Case {
        proxy_config: Some("debug"),
        ..variant
    };
    let debug = "1.2.3-debug";
    check(&config, ["1.2.3", debug, debug, debug, debug]);
    let annotation = Case {
        annotation: Some("own"),
        ..config
    };
    let own = "1.2.3-own";
    check(&annotation, ["1.2.3", own, own, own, own]);
}

#[test]
fn an_empty_type_falls_back_to_the_variant_since_1_31() {
    let case = Case {
        tag: "1.2.3",
        proxy_config: Some(""),
        variant: "distroless",
        annotation: None,
    };
    check(
        &case,
        ["1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3-distroless"],
    );
    let annotation = Case {
        annotation: Some(""),
        ..case
    };
    check(&annotation, ["1.2.3"; 5]);
}

#[test]
fn a_type_replaces_one_known_type_at_the_end_of_the_tag() {
    for (tag, own, expected) in [
        ("1.11.2-asm.17-distroless", "default", "1.11.2-asm.17"),
        ("1.11.2-asm.17", "default", "1.11.2-asm.17"),
        ("1.11.2-asm.17", "distroless", "1.11.2-asm.17-distroless"),
        ("1.12-debug", "distroless", "1.12-distroless"),
        ("1.12-distroless", "distroless", "1.12-distroless"),
        (
            "1.12-this-is-unusual-tag-distroless",
            "default",
            "1.12-this-is-unusual-tag",
        ),
        ("1.12-debug-distroless", "default", "1.12-debug"),
        ("1.12-other", "debug", "1.12-other-debug"),
    ] {
        let case = Case {
            tag,
            annotation: Some(own),
            ..Case::default()
        };
        check(&case, [tag, expected, expected, expected, expected]);
    }
}

#[test]
fn an_image_with_a_slash_in_the_values_is_taken_as_it_is() {
    let pinned = "corp.example/mesh/proxy@sha256:0f2c";
    let mesh = Istiod::new("1.30.3")
        .value("/global/proxy/image", json!(pinned))
        .value("/global/variant", json!("debug"))
        .mesh_with(vec![]);
    let sidecar = sidecar(&mesh, &pods(&json!({}), &json!({})));
    assert_eq!(
        (sidecar.image.as_str(), sidecar.custom_image),
        (pinned, false)
    );
}
