//! Traps 17 to 35: what pods say, what surrounds the injector, and what cannot be told.

use serde_json::{Value, json};

use super::{given, injected, none, plain};
use crate::manifest::{PodTemplate, StringMap};
use crate::mesh::testing::{
    Istiod, cluster, expect, live_pod, mesh, node, pods, sidecar, string_map, template,
};
use crate::mesh::{
    Absence, DriftCode, Expectation, Match, Mesh, Observation, Standing, compare, holds_a_sidecar,
    observe, observe_in,
};
use crate::reason::ReasonCode;

#[test]
fn trap_17_a_native_sidecar_is_an_init_container() {
    let pod = live_pod(&injected("default", "docker.io/istio/proxyv2:1.30.3", true));
    let Observation::Sidecar(observed) = observe(&pod) else {
        panic!("no sidecar");
    };
    assert!(observed.native);
    assert_eq!(observed.version.as_deref(), Some("1.30.3"));
}

#[test]
fn trap_18_old_pods_tell_their_revision_by_label_or_not_at_all() {
    let observed = |labels: Value, annotations: Value| {
        let pod = json!({
            "metadata": {"name": "pod", "namespace": "shop", "labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "istio-proxy", "image": "istio/proxyv2:1.9.5"}]},
        });
        match observe(&live_pod(&pod)) {
            Observation::Sidecar(observed) | Observation::Static(observed) => observed.revision,
            other => panic!("{other:?}"),
        }
    };
    let old = json!({"sidecar.istio.io/status": "{\"version\":\"0f2c\",\"containers\":[\"istio-proxy\"]}"});
    assert_eq!(
        observed(json!({"istio.io/rev": "1-9-5"}), old.clone()).as_deref(),
        Some("1-9-5")
    );
    assert_eq!(observed(json!({}), old), None);
    // Without a status the label is a wish.
    assert_eq!(observed(json!({"istio.io/rev": "1-9-5"}), json!({})), None);
    // Since 1.18 the label may be a tag: the annotation and the status are the record.
    let new = json!({"istio.io/rev": "a", "sidecar.istio.io/status": "{\"revision\":\"a\"}"});
    assert_eq!(
        observed(json!({"istio.io/rev": "prod"}), new).as_deref(),
        Some("a")
    );
    let annotated = json!({"istio.io/rev": "a", "sidecar.istio.io/status": "{\"containers\":[]}"});
    assert_eq!(
        observed(json!({"istio.io/rev": "prod"}), annotated).as_deref(),
        Some("a")
    );
}

#[test]
fn trap_19_new_kubelets_turn_sidecars_native() {
    let shape = |kubelets: &[&str]| {
        let mut objects = Istiod::new("1.27.3").installed();
        objects.extend(kubelets.iter().map(|kubelet| node(kubelet)));
        sidecar(&mesh(objects), &plain()).native
    };
    assert_eq!(shape(&["v1.33.0", "v1.32.4"]), Some(false));
    assert_eq!(shape(&["v1.33.0", "v1.34.1"]), Some(true));
    let without_nodes = Mesh::from_snapshot(&cluster(Istiod::new("1.27.3").installed()));
    let unknown = sidecar(&without_nodes.0, &plain());
    assert_eq!(unknown.native, None);
    assert_eq!(unknown.limits.len(), 1);
    assert_eq!(without_nodes.1.len(), 1);
}

#[test]
fn trap_20_the_nodes_network_and_system_namespaces() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let labels = string_map(&json!({"istio-injection": "enabled"}));
    let judge = |namespace: &str, template: &PodTemplate| {
        let none = StringMap::new();
        matches!(
            mesh.expect(namespace, Some(&labels), template, &none),
            Expectation::None {
                absence: Absence::OptedOut,
                ..
            }
        )
    };
    let host = template(&json!({"spec": {"hostNetwork": true, "containers": [{"name": "app"}]}}));
    assert!(judge("shop", &host));
    assert!(judge("kube-system", &plain()));
    assert!(!judge("istio-system", &plain()));
}

#[test]
fn trap_21_gateways_of_the_gateway_api_are_istiods_own() {
    let mut pod = injected("default", "docker.io/istio/proxyv2:1.30.3", false);
    pod["metadata"]["labels"] = json!({"gateway.networking.k8s.io/gateway-name": "public"});
    assert_eq!(observe(&live_pod(&pod)), Observation::GatewayApi);
    let waypoint = json!({
        "metadata": {"name": "waypoint", "namespace": "shop",
            "labels": {"gateway.istio.io/managed": "istio.io-mesh-controller", "sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{"name": "istio-proxy", "image": "istio/proxyv2:1.30.3"}]},
    });
    let comparison = compare(
        &Expectation::None {
            why: String::new(),
            unserved: None,
            absence: Absence::OptedOut,
        },
        &observe(&live_pod(&waypoint)),
    );
    assert_eq!(comparison.standing, Standing::Foreign);
    assert_eq!(comparison.reasons[0].code, ReasonCode::GatewayApiManaged);
}

#[test]
fn trap_22_ztunnels_container_is_called_like_a_sidecars() {
    for (label, value) in [("app", "ztunnel"), ("k8s-app", "istio-cni-node")] {
        let pod = json!({
            "metadata": {"name": "pod", "namespace": "istio-system", "labels": {label: value}},
            "spec": {"containers": [{"name": "istio-proxy", "image": "istio/ztunnel:1.30.3"}]},
        });
        assert!(
            matches!(observe(&live_pod(&pod)), Observation::Other { .. }),
            "{label}"
        );
    }
    let old = json!({
        "metadata": {"name": "pod", "namespace": "istio-system"},
        "spec": {"containers": [{"name": "istio-proxy", "image": "istio/proxyv2:1.14.0", "args": ["proxy", "router"]}]},
    });
    assert!(matches!(
        observe(&live_pod(&old)),
        Observation::Other { .. }
    ));
}

#[test]
fn trap_23_a_sidecar_in_the_manifest_is_static_where_no_injector_selects_it() {
    let pod = injected("default", "docker.io/istio/proxyv2:1.29.0", false);
    let written = template(&pod);
    assert!(holds_a_sidecar(&written) && !holds_a_sidecar(&plain()));
    let observation = observe_in(&live_pod(&pod), Some(&written));
    assert!(matches!(observation, Observation::Static(_)));
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let unselected = compare(&expect(&mesh, &json!({}), &written), &observation);
    assert_eq!(unselected.reasons[0].code, ReasonCode::StaticSidecar);
    assert_eq!(unselected.drifts, []);
    // Where an injector selects the pods it strips what kube-inject wrote, its image too.
    let selected = expect(&mesh, &json!({"istio-injection": "enabled"}), &written);
    let codes: Vec<_> = compare(&selected, &observation)
        .drifts
        .iter()
        .map(|d| d.code)
        .collect();
    assert!(codes.contains(&DriftCode::ProxyVersionDiffers));
}

#[test]
fn trap_24_what_counts_as_a_pod_is_not_decided_here() {
    // Which pods count is the business of the rollout stage; a finished pod is read like any other.
    let mut pod = injected("default", "docker.io/istio/proxyv2:1.30.3", true);
    pod["status"] = json!({"phase": "Succeeded"});
    assert!(matches!(observe(&live_pod(&pod)), Observation::Sidecar(_)));
}

#[test]
fn trap_25_a_control_plane_outside_of_the_cluster_cannot_be_resolved() {
    let istiod = Istiod::new("1.30.3");
    let mut webhooks = istiod.webhooks();
    for entry in webhooks["webhooks"].as_array_mut().expect("entries") {
        entry["clientConfig"] = json!({"url": "https://istiod.example/inject", "caBundle": "Y2E="});
    }
    let mut objects = istiod.objects();
    objects.push(webhooks);
    let mesh = mesh(objects);
    let expectation = expect(&mesh, &json!({"istio-injection": "enabled"}), &plain());
    assert!(
        matches!(&expectation, Expectation::Unknown(reason) if reason.code == ReasonCode::InjectorUnresolvable),
        "{expectation:?}"
    );
    assert_eq!(mesh.revisions.len(), 1);
    assert!(!mesh.revisions[0].settled);
    assert_eq!(
        mesh.revisions[0].reasons[0].code,
        ReasonCode::InjectorUnresolvable
    );
}

#[test]
fn trap_26_an_image_that_is_rewritten_after_injection_stays_a_drift_with_both_strings() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let expected = sidecar(&mesh, &plain());
    assert!(
        expected.settled_at.is_some(),
        "the loop guard needs the time of settling"
    );
    let rewritten = "mirror.example/istio/proxyv2:1.30.3@sha256:0f2c";
    let pod = injected("default", rewritten, true);
    let comparison = compare(
        &Expectation::Sidecar(Box::new(expected)),
        &observe(&live_pod(&pod)),
    );
    let image = comparison
        .drifts
        .iter()
        .find(|drift| drift.code == DriftCode::ProxyImageDiffers);
    let image = image.expect("a drift");
    assert_eq!(image.observed, rewritten);
    assert_eq!(image.expected, "docker.io/istio/proxyv2:1.30.3");
}

#[test]
fn trap_27_a_control_plane_in_the_middle_of_its_rollout_has_not_settled() {
    let reasons = |change: fn(&mut Vec<Value>)| {
        let mut objects = Istiod::new("1.30.3").installed();
        change(&mut objects);
        let revision = mesh(objects).revisions.remove(0);
        assert_eq!(revision.settled, revision.reasons.is_empty());
        revision
            .reasons
            .iter()
            .map(|reason| reason.code)
            .collect::<Vec<_>>()
    };
    let (not_settled, mixed) = (
        ReasonCode::ControlPlaneNotSettled,
        ReasonCode::ControlPlaneMixedVersions,
    );
    assert_eq!(reasons(|_| {}), []);
    assert_eq!(
        reasons(|o| o[0]["status"]["updatedReplicas"] = json!(0)),
        [not_settled]
    );
    assert_eq!(
        reasons(|o| o[0]["status"]["availableReplicas"] = json!(0)),
        [not_settled]
    );
    assert_eq!(
        reasons(|o| o[0]["metadata"]["generation"] = json!(2)),
        [not_settled]
    );
    assert_eq!(
        reasons(|o| o[0]["spec"]["replicas"] = json!(0)),
        [not_settled]
    );
    assert_eq!(
        reasons(|o| o[2]["spec"]["containers"][0]["image"] = json!("docker.io/istio/pilot:1.29.0")),
        [mixed]
    );
    // A pod that does not serve decides nothing.
    assert_eq!(
        reasons(|o| {
            let mut starting = o[2].clone();
            starting["metadata"]["name"] = json!("starting");
            starting["spec"]["containers"][0]["image"] = json!("docker.io/istio/pilot:1.29.0");
            starting["status"]["conditions"][0]["status"] = json!("False");
            o.push(starting);
        }),
        []
    );
    assert_eq!(
        reasons(|o| o[4]["metadata"]["labels"]["app.kubernetes.io/version"] = json!("1.29.0")),
        [mixed]
    );
    assert_eq!(
        reasons(|o| o[6]["webhooks"][0]["clientConfig"]["caBundle"] = json!("")),
        [not_settled]
    );
    assert_eq!(
        reasons(|o| o[4]["metadata"]["name"] = json!("gone")),
        [ReasonCode::InjectorUnresolvable]
    );
}

#[test]
fn trap_28_a_reserved_port_or_a_bad_annotation_would_break_the_restart() {
    let mesh = Istiod::new("1.31.0").mesh_with(vec![]);
    let namespace = json!({"istio-injection": "enabled"});
    for (annotations, field) in [
        (json!({"prometheus.io/port": "15090"}), "prometheus.io/port"),
        (
            json!({"sidecar.istio.io/interceptionMode": "x"}),
            "sidecar.istio.io/interceptionMode",
        ),
        (
            json!({"inject.istio.io/templates": "nope"}),
            "inject.istio.io/templates",
        ),
        (
            json!({"proxy.istio.io/config": "- a"}),
            "proxy.istio.io/config",
        ),
    ] {
        let expectation = expect(&mesh, &namespace, &pods(&json!({}), &annotations));
        let Expectation::Rejected(reason) = &expectation else {
            panic!("{expectation:?}");
        };
        assert_eq!(reason.code, ReasonCode::WouldBeRejected);
        assert!(reason.message.contains(field), "{}", reason.message);
        let comparison = compare(&expectation, &Observation::None);
        assert_eq!(comparison.standing, Standing::Refused);
    }
}

#[test]
fn trap_29_the_init_containers_image_is_its_own_since_1_31() {
    let init = |template: &str| {
        let templates = json!({"sidecar": crate::mesh::testing::SIDECAR.replacen("{{ .ProxyImage }}", template, 1)});
        let mesh = Istiod::new("1.31.0")
            .config("templates", templates)
            .mesh("defaultConfig: {image: {imageType: debug}}")
            .mesh_with(vec![]);
        let sidecar = sidecar(&mesh, &plain());
        assert_eq!(sidecar.image, "docker.io/istio/proxyv2:1.31.0-debug");
        sidecar.init.expect("an init container").1
    };
    assert_eq!(
        init("{{ .ProxyImage }}"),
        "docker.io/istio/proxyv2:1.31.0-debug"
    );
    assert_eq!(
        init("{{ .ProxyInitImage }}"),
        "docker.io/istio/proxyv2:1.31.0"
    );
}

#[test]
fn trap_30_a_migration_to_ambient_is_an_intent_and_no_upgrade() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let namespace = json!({"istio.io/dataplane-mode": "ambient"});
    let expectation = expect(&mesh, &namespace, &plain());
    let pod = injected("default", "docker.io/istio/proxyv2:1.29.0", true);
    let comparison = compare(&expectation, &observe(&live_pod(&pod)));
    assert_eq!(comparison.drifts[0].code, DriftCode::SidecarUnexpected);
    assert_eq!(comparison.drifts.len(), 1);
    let codes: Vec<_> = comparison
        .reasons
        .iter()
        .map(|reason| reason.code)
        .collect();
    assert_eq!(codes, [ReasonCode::WouldLoseSidecar]);
    // The ambient label alone changes nothing about sidecars.
    let both = json!({"istio.io/dataplane-mode": "ambient", "istio-injection": "enabled"});
    given(&mesh, &both, &plain());
}

#[test]
fn trap_31_a_namespace_from_git_has_no_name_label() {
    let istiod = Istiod::new("1.30.3");
    let named =
        json!([{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop"]}]);
    let mut objects = istiod.objects();
    objects.push(istiod.configuration("custom", None, vec![istiod.entry("a.", named, json!([]))]));
    given(&mesh(objects), &json!({}), &plain());
}

#[test]
fn trap_32_configurations_are_known_by_their_webhooks_and_not_by_their_names() {
    let mut istiod = Istiod::new("1.30.3");
    istiod.namespace = "mesh".to_owned();
    let mut webhooks = istiod.webhooks();
    webhooks["metadata"]["name"] = json!("istio-sidecar-injector-mesh");
    let mut objects = istiod.objects();
    objects.push(webhooks);
    let sidecar = given(
        &mesh(objects),
        &json!({"istio-injection": "enabled"}),
        &plain(),
    );
    assert_eq!(sidecar.control_plane, "mesh");
}

#[test]
fn trap_33_a_proxy_config_changes_the_image_of_some_pods() {
    let resource = |name: &str, created: &str, selector: Value, image: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
            "spec": {"selector": selector, "image": {"imageType": image}},
        })
    };
    let mesh = Istiod::new("1.30.3").mesh_with(vec![
        resource("younger", "2026-02-01T00:00:00Z", json!(null), "x"),
        resource("older", "2026-01-01T00:00:00Z", json!(null), "debug"),
        resource(
            "some",
            "2026-03-01T00:00:00Z",
            json!({"matchLabels": {"app": "a"}}),
            "distroless",
        ),
    ]);
    let image = |app: &str, annotations: Value| {
        sidecar(&mesh, &pods(&json!({"app": app}), &annotations)).image
    };
    let tag = |image: &str| format!("docker.io/istio/proxyv2:{image}");
    assert_eq!(image("b", json!({})), tag("1.30.3-debug"));
    assert_eq!(image("a", json!({})), tag("1.30.3-distroless"));
    // The annotation outweighs the namespace's object and not the workload's.
    let own = json!({"proxy.istio.io/config": "{image: {imageType: own}}"});
    assert_eq!(image("b", own.clone()), tag("1.30.3-own"));
    assert_eq!(image("a", own), tag("1.30.3-distroless"));
}

#[test]
fn trap_34_selectors_of_the_injector_itself() {
    let never = json!([{"matchExpressions": [{"key": "batch", "operator": "Exists"}]}]);
    let mesh = Istiod::new("1.30.3")
        .config("neverInjectSelector", never)
        .mesh_with(vec![]);
    let namespace = json!({"istio-injection": "enabled"});
    let batch = pods(&json!({"batch": ""}), &json!({}));
    assert_eq!(none(&mesh, &namespace, &batch), (Absence::OptedOut, None));
    given(&mesh, &namespace, &plain());
}

#[test]
fn trap_35_custom_templates_defaults_and_aliases() {
    let stock = crate::mesh::testing::SIDECAR;
    let own_image = stock.replace(
        "{{ .ProxyImage }}",
        "corp.example/proxy:{{ .Values.global.tag }}",
    );
    let extra = "spec:\n  containers:\n  - name: istio-proxy\n    env: []\n";
    let templates = json!({"sidecar": stock, "own": own_image, "extra": extra});
    let istiod = Istiod::new("1.30.3")
        .config("templates", templates)
        .config("aliases", json!({"both": ["sidecar", "extra"]}));
    let mesh = istiod.mesh_with(vec![]);
    let named = |name: &str| pods(&json!({}), &json!({"inject.istio.io/templates": name}));
    let both = sidecar(&mesh, &named("both"));
    assert_eq!(both.templates, ["sidecar", "extra"]);
    assert_eq!(both.image, "docker.io/istio/proxyv2:1.30.3");
    assert_eq!(
        both.limits.len(),
        3,
        "what the extra template does to the proxy is not followed"
    );
    let namespace = json!({"istio-injection": "enabled"});
    let own = expect(&mesh, &namespace, &named("own"));
    assert!(matches!(own, Expectation::Unknown(_)), "{own:?}");
    let default = istiod
        .clone()
        .config("defaultTemplates", json!(["own"]))
        .mesh_with(vec![]);
    assert!(matches!(
        expect(&default, &namespace, &plain()),
        Expectation::Unknown(_)
    ));
    // Pods that it injected since it settled tell what the template makes.
    let mut witness = injected("default", "corp.example/proxy:1.30.3", true);
    witness["apiVersion"] = json!("v1");
    witness["kind"] = json!("Pod");
    witness["metadata"]["annotations"]["inject.istio.io/templates"] = json!("own");
    witness["metadata"]["creationTimestamp"] = json!("2026-11-20T11:00:00Z");
    let told = istiod.mesh_with(vec![witness.clone()]);
    assert_eq!(
        sidecar(&told, &named("own")).image,
        "corp.example/proxy:1.30.3"
    );
    let mut pinned = witness.clone();
    pinned["metadata"]["name"] = json!("pinned");
    pinned["metadata"]["annotations"]["sidecar.istio.io/proxyImage"] = json!("corp.example/own:1");
    pinned["spec"]["initContainers"][0]["image"] = json!("corp.example/own:1");
    let still_told = istiod.mesh_with(vec![witness.clone(), pinned.clone()]);
    assert_eq!(
        sidecar(&still_told, &named("own")).image,
        "corp.example/proxy:1.30.3"
    );
    pinned["metadata"]["annotations"]["sidecar.istio.io/proxyImage"].take();
    let annotations = pinned["metadata"]["annotations"]
        .as_object_mut()
        .expect("annotations");
    annotations.remove("sidecar.istio.io/proxyImage");
    let disagreed = expect(
        &istiod.mesh_with(vec![witness.clone(), pinned]),
        &namespace,
        &named("own"),
    );
    assert!(matches!(disagreed, Expectation::Unknown(_)));
    witness["metadata"]["creationTimestamp"] = json!("2026-11-20T09:00:00Z");
    let too_old = expect(&istiod.mesh_with(vec![witness]), &namespace, &named("own"));
    assert!(matches!(too_old, Expectation::Unknown(_)));
}

#[test]
fn what_cannot_be_evaluated_is_unknown_and_the_rest_goes_on() {
    let istiod = Istiod::new("1.30.3");
    let namespace = json!({"istio-injection": "enabled"});
    let changed = |change: fn(&mut Value)| {
        let mut webhooks = istiod.webhooks();
        for entry in webhooks["webhooks"].as_array_mut().expect("entries") {
            change(entry);
        }
        let mut objects = istiod.objects();
        objects.push(webhooks);
        let explanation = mesh(objects).explain(
            "shop",
            Some(&string_map(&namespace)),
            &plain(),
            &StringMap::new(),
        );
        (
            matches!(explanation.expectation, Expectation::Unknown(_)),
            explanation
                .webhooks
                .iter()
                .any(|one| matches!(one.outcome, Match::Undecided(_))),
        )
    };
    assert_eq!(changed(|_| {}), (false, false));
    assert_eq!(
        changed(|entry| entry["matchConditions"] = json!([{"name": "a", "expression": "true"}])),
        (true, true)
    );
    assert_eq!(changed(|entry| entry["rules"] = json!([])), (true, true));
    assert_eq!(
        changed(|entry| entry["namespaceSelector"] = json!("all")),
        (true, true)
    );
    let labels = |entry: &mut Value| entry["objectSelector"] = json!({"matchLabels": {"a": 1}});
    assert_eq!(changed(labels), (true, true));
    // A webhook for other requests is no injector of pods.
    assert_eq!(
        changed(|entry| entry["rules"][0]["operations"] = json!(["UPDATE"])),
        (false, false)
    );
}
