//! One canonical test for each drift code, and what is not a drift.

use serde_json::{Value, json};

use crate::config::DriftClass;
use crate::mesh::testing::{Istiod, live_pod, pods, sidecar, template};
use crate::mesh::{
    Drift, DriftCode, Expectation, ExpectedSidecar, Observation, ProxyKind, compare, drifts,
    observe,
};
use crate::reason::ReasonCode;

/// The pod that an expected sidecar makes, as it would be recorded.
pub(super) fn born_of(expected: &ExpectedSidecar) -> Value {
    let mut variables = vec![];
    let mut proxy_config = json!({});
    let mut args = vec![];
    for (name, value) in &expected.config {
        match name.as_str() {
            "proxyListenPort" => args.extend(["-p".to_owned(), value.to_string()]),
            "proxyInboundListenPort" => args.extend(["-z".to_owned(), value.to_string()]),
            name if name.chars().all(|char| char.is_uppercase() || char == '_') => {
                variables.push(json!({"name": name, "value": value}));
            }
            name => proxy_config[name] = value.clone(),
        }
    }
    variables.push(json!({"name": "PROXY_CONFIG", "value": format!("{proxy_config}\n")}));
    let role = if expected.kind == ProxyKind::Gateway {
        "router"
    } else {
        "sidecar"
    };
    let proxy = json!({
        "name": "istio-proxy", "image": expected.image, "args": ["proxy", role], "env": variables,
        "resources": {"requests": *expected.resources.requests, "limits": *expected.resources.limits},
    });
    let mut init: Vec<Value> = expected
        .init
        .iter()
        .map(|(name, image)| json!({"name": name, "image": image, "args": args}))
        .collect();
    let mut regular = vec![json!({"name": "app", "image": "app:1"})];
    if expected.native == Some(true) {
        &mut init
    } else {
        &mut regular
    }
    .push(proxy);
    let mut annotations = json!({
        "sidecar.istio.io/status": json!({"revision": expected.revision}).to_string(),
    });
    if expected.prometheus_merged {
        annotations["prometheus.io/path"] = json!("/stats/prometheus");
    }
    json!({
        "metadata": {"name": "pod", "namespace": "shop", "annotations": annotations},
        "spec": {"containers": regular, "initContainers": init},
    })
}

/// What differs between the pod that one control plane made and what another would make.
fn between(before: &Istiod, after: &Istiod, annotations: Value) -> Vec<Drift> {
    let template = pods(&json!({}), &annotations);
    let old = sidecar(&before.mesh_with(vec![]), &template);
    let new = sidecar(&after.mesh_with(vec![]), &template);
    let (old_pod, new_pod) = (born_of(&old), born_of(&new));
    let observed = |pod: &Value| match observe(&live_pod(pod)) {
        Observation::Sidecar(observed) => observed,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        drifts(&old, &observed(&old_pod)),
        [],
        "a new pod differs from what made it"
    );
    assert_eq!(
        drifts(&new, &observed(&new_pod)),
        [],
        "a new pod differs from what made it"
    );
    drifts(&new, &observed(&old_pod))
}

/// The only drift between two control planes: code, class, both values.
#[track_caller]
fn check(
    before: &Istiod,
    after: &Istiod,
    (code, class): (DriftCode, DriftClass),
    (observed, expected): (&str, &str),
) {
    let found = between(before, after, json!({}));
    let wanted = Drift {
        code,
        class,
        observed: observed.to_owned(),
        expected: expected.to_owned(),
    };
    assert_eq!(found, [wanted]);
}

fn istiod() -> Istiod {
    Istiod::new("1.30.3")
}

#[test]
fn sidecar_missing() {
    let expected = sidecar(&istiod().mesh_with(vec![]), &pods(&json!({}), &json!({})));
    let comparison = compare(
        &Expectation::Sidecar(Box::new(expected)),
        &Observation::None,
    );
    let [drift] = comparison.drifts.as_slice() else {
        panic!("{comparison:?}");
    };
    assert_eq!(
        (drift.code, drift.class),
        (DriftCode::SidecarMissing, DriftClass::Presence)
    );
    assert_eq!(
        (drift.observed.as_str(), drift.expected.as_str()),
        ("none", "1.30.3 of revision default")
    );
}

#[test]
fn sidecar_unexpected() {
    let mesh = istiod().mesh_with(vec![]);
    let pod = born_of(&sidecar(&mesh, &pods(&json!({}), &json!({}))));
    let nothing = crate::mesh::testing::expect(&mesh, &json!({}), &pods(&json!({}), &json!({})));
    let comparison = compare(&nothing, &observe(&live_pod(&pod)));
    let [drift] = comparison.drifts.as_slice() else {
        panic!("{comparison:?}");
    };
    assert_eq!(
        (drift.code, drift.class),
        (DriftCode::SidecarUnexpected, DriftClass::Presence)
    );
    assert_eq!(drift.expected, "none");
    assert_eq!(comparison.reasons[0].code, ReasonCode::WouldLoseSidecar);
}

#[test]
fn revision_differs() {
    let template = pods(&json!({}), &json!({}));
    let new = sidecar(&istiod().mesh_with(vec![]), &template);
    let mut pod = born_of(&new);
    pod["metadata"]["annotations"]["sidecar.istio.io/status"] = json!("{\"revision\":\"old\"}");
    let Observation::Sidecar(observed) = observe(&live_pod(&pod)) else {
        panic!("no sidecar");
    };
    let found = drifts(&new, &observed);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].code, found[0].class),
        (DriftCode::RevisionDiffers, DriftClass::Revision)
    );
    assert_eq!(
        (found[0].observed.as_str(), found[0].expected.as_str()),
        ("old", "default")
    );
}

#[test]
fn proxy_version_differs() {
    check(
        &istiod(),
        &Istiod::new("1.30.4"),
        (DriftCode::ProxyVersionDiffers, DriftClass::Version),
        ("1.30.3", "1.30.4"),
    );
}

#[test]
fn proxy_variant_differs() {
    check(
        &istiod(),
        &istiod().value("/global/variant", json!("distroless")),
        (DriftCode::ProxyVariantDiffers, DriftClass::Variant),
        ("default", "distroless"),
    );
}

#[test]
fn proxy_registry_differs() {
    check(
        &istiod(),
        &istiod().value("/global/hub", json!("registry.istio.io/release")),
        (DriftCode::ProxyRegistryDiffers, DriftClass::Registry),
        ("docker.io/istio", "registry.istio.io/release"),
    );
}

#[test]
fn proxy_image_differs() {
    check(
        &istiod().value("/global/tag", json!("blue")),
        &istiod().value("/global/tag", json!("green")),
        (DriftCode::ProxyImageDiffers, DriftClass::Version),
        (
            "docker.io/istio/proxyv2:blue",
            "docker.io/istio/proxyv2:green",
        ),
    );
}

#[test]
fn native_sidecar_differs() {
    check(
        &istiod().env("ENABLE_NATIVE_SIDECARS", "false"),
        &istiod(),
        (DriftCode::NativeSidecarDiffers, DriftClass::Shape),
        ("regular", "native"),
    );
}

#[test]
fn init_container_differs() {
    check(
        &istiod(),
        &istiod().value("/pilot/cni/enabled", json!(true)),
        (DriftCode::InitContainerDiffers, DriftClass::Shape),
        ("istio-init", "istio-validation"),
    );
    check(
        &istiod(),
        &istiod().value("/global/proxy_init/image", json!("corp.example/init:2")),
        (DriftCode::InitContainerDiffers, DriftClass::Shape),
        (
            "istio-init docker.io/istio/proxyv2:1.30.3",
            "istio-init corp.example/init:2",
        ),
    );
}

#[test]
fn proxy_config_differs() {
    let config = (DriftCode::ProxyConfigDiffers, DriftClass::Config);
    let with = |mesh: &str| istiod().mesh(mesh);
    check(
        &with("defaultConfig: {concurrency: 2, statNameLength: 200}"),
        &with("defaultConfig: {concurrency: 4, statNameLength: 200}"),
        config,
        (r#"{"concurrency":2}"#, r#"{"concurrency":4}"#),
    );
    check(
        &istiod(),
        &with("trustDomain: corp"),
        config,
        (
            r#"{"ISTIO_META_MESH_ID":"cluster.local","TRUST_DOMAIN":"cluster.local"}"#,
            r#"{"ISTIO_META_MESH_ID":"corp","TRUST_DOMAIN":"corp"}"#,
        ),
    );
    check(
        &istiod(),
        &istiod().value("/global/meshID", json!("m1")),
        config,
        (
            r#"{"ISTIO_META_MESH_ID":"cluster.local"}"#,
            r#"{"ISTIO_META_MESH_ID":"m1"}"#,
        ),
    );
    check(
        &istiod(),
        &istiod().value("/global/network", json!("n1")),
        config,
        ("{}", r#"{"ISTIO_META_NETWORK":"n1"}"#),
    );
    check(
        &istiod(),
        &istiod().value("/global/multiCluster/clusterName", json!("east")),
        config,
        (
            r#"{"ISTIO_META_CLUSTER_ID":"Kubernetes"}"#,
            r#"{"ISTIO_META_CLUSTER_ID":"east"}"#,
        ),
    );
    check(
        &istiod(),
        &with("proxyListenPort: 16001\nproxyInboundListenPort: 16006"),
        config,
        (
            r#"{"proxyInboundListenPort":15006,"proxyListenPort":15001}"#,
            r#"{"proxyInboundListenPort":16006,"proxyListenPort":16001}"#,
        ),
    );
    // A compatibility profile shows up by what it puts into the proxies' environment.
    check(
        &istiod(),
        &with("defaultConfig: {proxyMetadata: {ISTIO_DELTA_XDS: 'false'}}"),
        config,
        ("{}", r#"{"proxyMetadata":{"ISTIO_DELTA_XDS":"false"}}"#),
    );
}

#[test]
fn prometheus_merge_differs() {
    check(
        &istiod(),
        &istiod().mesh("enablePrometheusMerge: false"),
        (DriftCode::PrometheusMergeDiffers, DriftClass::Config),
        ("merged", "not merged"),
    );
}

#[test]
fn proxy_resources_differ() {
    check(
        &istiod(),
        &istiod().value("/global/proxy/resources/requests/cpu", json!("0.2")),
        (DriftCode::ProxyResourcesDiffer, DriftClass::Resources),
        (
            "requests cpu=100m memory=134217728, limits cpu=2 memory=1073741824",
            "requests cpu=200m memory=134217728, limits cpu=2 memory=1073741824",
        ),
    );
}

#[test]
fn metrics_that_a_pod_keeps_to_itself_are_no_drift() {
    let off = istiod().mesh("enablePrometheusMerge: false");
    for own in [
        json!({"prometheus.istio.io/merge-metrics": "false"}),
        json!({"prometheus.io/scrape": "false"}),
    ] {
        assert_eq!(between(&istiod(), &off, own), []);
    }
}

#[test]
fn trusted_proxies_mean_something_to_gateways_alone() {
    let after = istiod().mesh("defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}");
    assert_eq!(between(&istiod(), &after, json!({})), []);
    let gateway = json!({"inject.istio.io/templates": "gateway"});
    let found = between(&istiod(), &after, gateway);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].expected,
        r#"{"gatewayTopology":{"numTrustedProxies":2}}"#
    );
}

#[test]
fn configuration_is_compared_within_a_minor_alone() {
    let before = istiod().mesh("defaultConfig: {concurrency: 2}");
    let after =
        Istiod::new("1.31.0").mesh("defaultConfig: {concurrency: 4}\nenablePrometheusMerge: false");
    let codes: Vec<_> = between(&before, &after, json!({}))
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, [DriftCode::ProxyVersionDiffers]);
}

#[test]
fn resource_annotations_drop_every_default() {
    let after = istiod().value("/global/proxy/resources/requests/cpu", json!("0.2"));
    let own = json!({"sidecar.istio.io/proxyMemory": "1Gi"});
    assert_eq!(between(&istiod(), &after, own), []);
}

#[test]
fn resources_of_the_users_own_container_are_the_users() {
    let own = template(&json!({
        "spec": {"containers": [{"name": "istio-proxy", "image": "auto", "resources": {"limits": {"cpu": "3"}}}]},
    }));
    let sidecar = sidecar(&istiod().mesh_with(vec![]), &own);
    assert_eq!(sidecar.resources.limits["cpu"], "3");
    assert_eq!(sidecar.resources.limits["memory"], "1073741824");
}

#[test]
fn every_template_has_its_shape() {
    let mesh = istiod().mesh_with(vec![]);
    let of = |name: &str| {
        sidecar(
            &mesh,
            &pods(&json!({}), &json!({"inject.istio.io/templates": name})),
        )
    };
    let (gateway, agent, simple) = (of("gateway"), of("grpc-agent"), of("grpc-simple"));
    assert_eq!(
        (gateway.kind, gateway.native, gateway.init),
        (ProxyKind::Gateway, Some(false), None)
    );
    assert_eq!(gateway.resources, crate::manifest::Resources::default());
    assert_eq!(
        (agent.kind, agent.native),
        (ProxyKind::GrpcAgent, Some(false))
    );
    assert_eq!(
        (simple.kind, simple.image.as_str()),
        (ProxyKind::Proxyless, "")
    );
    // Of a proxyless pod the revision alone can be compared.
    let pod = json!({
        "metadata": {"name": "pod", "namespace": "shop", "annotations": {
            "sidecar.istio.io/status": "{\"revision\":\"old\",\"initContainers\":[\"grpc-bootstrap-init\"]}",
            "prometheus.io/path": "/stats/prometheus"}},
        "spec": {"containers": [{"name": "app"}]},
    });
    let Observation::Sidecar(observed) = observe(&live_pod(&pod)) else {
        panic!("no sidecar");
    };
    let codes: Vec<_> = drifts(&simple, &observed)
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, [DriftCode::RevisionDiffers]);
}

#[test]
fn a_proxy_that_other_templates_would_add_or_drop_is_a_matter_of_presence() {
    let mesh = istiod().mesh_with(vec![]);
    let of = |name: &str| {
        sidecar(
            &mesh,
            &pods(&json!({}), &json!({"inject.istio.io/templates": name})),
        )
    };
    let differ = |expected: &ExpectedSidecar, made_by: &ExpectedSidecar| {
        let Observation::Sidecar(mut observed) = observe(&live_pod(&born_of(made_by))) else {
            panic!("no sidecar");
        };
        if made_by.image.is_empty() {
            observed.image = None;
            observed.native = false;
        }
        let found = drifts(expected, &observed);
        found
            .iter()
            .map(|drift| (drift.code, drift.class))
            .collect::<Vec<_>>()
    };
    let (proxy, none) = (of("sidecar"), of("grpc-simple"));
    assert_eq!(
        differ(&proxy, &none),
        [(DriftCode::SidecarMissing, DriftClass::Presence)]
    );
    assert_eq!(
        differ(&none, &proxy),
        [(DriftCode::SidecarUnexpected, DriftClass::Presence)]
    );
}

#[test]
fn what_could_not_be_computed_is_not_compared() {
    let made_by = sidecar(&istiod().mesh_with(vec![]), &pods(&json!({}), &json!({})));
    let Observation::Sidecar(observed) = observe(&live_pod(&born_of(&made_by))) else {
        panic!("no sidecar");
    };
    let other = istiod()
        .value("/pilot/cni/enabled", json!(true))
        .value("/global/proxy/resources/requests/cpu", json!("1"))
        .mesh("enablePrometheusMerge: false\ndefaultConfig: {concurrency: 4}");
    let mut expected = sidecar(&other.mesh_with(vec![]), &pods(&json!({}), &json!({})));
    for (class, codes) in [
        (DriftClass::Resources, 3),
        (DriftClass::Config, 1),
        (DriftClass::Shape, 0),
    ] {
        expected
            .limits
            .push((class, "of a custom template".to_owned()));
        assert_eq!(drifts(&expected, &observed).len(), codes, "{class}");
    }
}

#[test]
fn no_interception_needs_no_init_container() {
    let mesh = istiod().mesh_with(vec![]);
    let own = json!({"sidecar.istio.io/interceptionMode": "NONE"});
    assert_eq!(sidecar(&mesh, &pods(&json!({}), &own)).init, None);
}

#[test]
fn downgrade() {
    let mesh = istiod().mesh_with(vec![]);
    let expected = sidecar(&mesh, &pods(&json!({}), &json!({})));
    let mut newer = born_of(&expected);
    let init = newer["spec"]["initContainers"]
        .as_array_mut()
        .expect("containers");
    for container in init {
        container["image"] = json!("docker.io/istio/proxyv2:1.31.0");
    }
    let comparison = compare(
        &Expectation::Sidecar(Box::new(expected)),
        &observe(&live_pod(&newer)),
    );
    assert_eq!(comparison.reasons[0].code, ReasonCode::Downgrade);
    assert_eq!(comparison.drifts[0].code, DriftCode::ProxyVersionDiffers);
}

#[test]
fn custom_proxy_image() {
    let own = pods(
        &json!({}),
        &json!({"sidecar.istio.io/proxyImage": "corp.example/p:1"}),
    );
    let expected = sidecar(&istiod().mesh_with(vec![]), &own);
    let pod = observe(&live_pod(&born_of(&expected)));
    let comparison = compare(&Expectation::Sidecar(Box::new(expected)), &pod);
    assert_eq!(comparison.drifts, []);
    assert_eq!(comparison.reasons[0].code, ReasonCode::CustomProxyImage);
}

#[test]
fn a_status_that_is_no_json_makes_the_pod_unknown() {
    let mut pod = born_of(&sidecar(
        &istiod().mesh_with(vec![]),
        &pods(&json!({}), &json!({})),
    ));
    pod["metadata"]["annotations"]["sidecar.istio.io/status"] = json!("{revision");
    let Observation::Unknown(reason) = observe(&live_pod(&pod)) else {
        panic!("it was read");
    };
    assert!(reason.message.contains("shop/pod"), "{}", reason.message);
}

#[test]
fn a_proxy_config_that_is_no_json_is_not_compared() {
    let expected = sidecar(&istiod().mesh_with(vec![]), &pods(&json!({}), &json!({})));
    let mut pod = born_of(&expected);
    for container in pod["spec"]["initContainers"]
        .as_array_mut()
        .expect("containers")
    {
        if container["name"] == "istio-proxy" {
            container["env"] = json!([{"name": "PROXY_CONFIG", "value": "{"}]);
        }
    }
    let Observation::Sidecar(observed) = observe(&live_pod(&pod)) else {
        panic!("no sidecar");
    };
    assert!(observed.unreadable.is_some());
    assert_eq!(drifts(&expected, &observed), []);
}
