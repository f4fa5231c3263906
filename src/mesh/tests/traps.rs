//! The traps of `spec/istio.md` §11, one test each.

use serde_json::{Value, json};

use crate::manifest::{PodTemplate, StringMap};
use crate::mesh::testing::{
    Istiod, cluster, expect, live_pod, mesh, node, pods, sidecar, string_map, template,
};
use crate::mesh::{
    Absence, DriftCode, Expectation, ExpectedSidecar, Match, Mesh, Observation, Standing, compare,
    holds_a_sidecar, observe, observe_in,
};
use crate::reason::ReasonCode;

fn plain() -> PodTemplate {
    pods(&json!({}), &json!({}))
}

/// The sidecar that a template gets in a namespace with these labels.
#[track_caller]
fn given(mesh: &Mesh, namespace: &Value, template: &PodTemplate) -> ExpectedSidecar {
    match expect(mesh, namespace, template) {
        Expectation::Sidecar(sidecar) => *sidecar,
        other => panic!("{other:?}"),
    }
}

/// Why a template gets no sidecar, and the label that nobody serves.
#[track_caller]
fn none(mesh: &Mesh, namespace: &Value, template: &PodTemplate) -> (Absence, Option<String>) {
    match expect(mesh, namespace, template) {
        Expectation::None {
            absence, unserved, ..
        } => (absence, unserved),
        other => panic!("{other:?}"),
    }
}

/// An injected pod: revision, image, and where the proxy stands.
fn injected(revision: &str, image: &str, is_native: bool) -> Value {
    let proxy = json!({"name": "istio-proxy", "image": image, "args": ["proxy", "sidecar"],
        "env": [{"name": "PROXY_CONFIG", "value": "{}\n"}]});
    let (init, regular, listed) = if is_native {
        (vec![proxy], vec![], json!(null))
    } else {
        (vec![], vec![proxy], json!(["istio-proxy"]))
    };
    let status =
        json!({"initContainers": ["istio-init"], "containers": listed, "revision": revision});
    json!({
        "metadata": {"name": "pod", "namespace": "shop", "annotations": {"sidecar.istio.io/status": status.to_string()}},
        "spec": {"containers": regular, "initContainers": init},
    })
}

/// The codes of the drifts between an expectation and a pod.
fn codes(expectation: &Expectation, pod: &Value) -> Vec<DriftCode> {
    let comparison = compare(expectation, &observe(&live_pod(pod)));
    comparison.drifts.iter().map(|drift| drift.code).collect()
}

#[test]
fn trap_01_a_tag_moves_and_its_namespaces_expect_the_new_revision() {
    let (a, b) = (
        Istiod::new("1.29.2").revision("a"),
        Istiod::new("1.30.3").revision("b"),
    );
    let mesh_with_tag_on = |target: &Istiod| {
        let mut objects = a.installed();
        objects.extend(b.installed());
        objects.push(target.tag("prod"));
        mesh(objects)
    };
    let namespace = json!({"istio.io/rev": "prod"});
    let before = given(&mesh_with_tag_on(&a), &namespace, &plain());
    let after = given(&mesh_with_tag_on(&b), &namespace, &plain());
    assert_eq!(
        (before.revision.as_str(), after.revision.as_str()),
        ("a", "b")
    );
    assert_eq!(after.tag.as_deref(), Some("prod"));
    assert_eq!(mesh_with_tag_on(&b).revisions[1].tags, ["prod"]);
}

#[test]
fn trap_02_a_label_that_names_no_revision_gives_no_sidecar() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let unserved = Some("istio.io/rev=gone".to_owned());
    let namespace = json!({"istio.io/rev": "gone"});
    assert_eq!(
        none(&mesh, &namespace, &plain()),
        (Absence::Unserved, unserved.clone())
    );
    let pod = pods(&json!({"istio.io/rev": "gone"}), &json!({}));
    assert_eq!(none(&mesh, &json!({}), &pod), (Absence::Unserved, unserved));
}

#[test]
fn trap_03_the_injection_label_outweighs_the_revision_label() {
    let mut objects = Istiod::new("1.30.3").installed();
    objects.extend(Istiod::new("1.30.3").revision("a").installed());
    let namespace = json!({"istio-injection": "enabled", "istio.io/rev": "a"});
    assert_eq!(
        given(&mesh(objects), &namespace, &plain()).revision,
        "default"
    );
}

#[test]
fn trap_04_the_namespaces_revision_outweighs_the_pods() {
    let mut objects = Istiod::new("1.30.3").revision("a").installed();
    objects.extend(Istiod::new("1.30.3").revision("b").installed());
    let pod = pods(&json!({"istio.io/rev": "b"}), &json!({}));
    assert_eq!(
        given(&mesh(objects), &json!({"istio.io/rev": "a"}), &pod).revision,
        "a"
    );
}

#[test]
fn trap_05_a_pods_revision_label_is_enough_in_an_unlabelled_namespace() {
    let mesh = Istiod::new("1.30.3").revision("a").mesh_with(vec![]);
    let pod = pods(&json!({"istio.io/rev": "a"}), &json!({}));
    assert_eq!(given(&mesh, &json!({}), &pod).revision, "a");
}

#[test]
fn trap_06_the_annotation_alone_selects_nothing() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let pod = pods(&json!({}), &json!({"sidecar.istio.io/inject": "true"}));
    assert_eq!(none(&mesh, &json!({}), &pod), (Absence::NotAsked, None));
}

#[test]
fn trap_07_the_label_outweighs_the_annotation() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let namespace = json!({"istio-injection": "enabled"});
    let word = |label: &str, annotation: &str| {
        pods(
            &json!({"sidecar.istio.io/inject": label}),
            &json!({"sidecar.istio.io/inject": annotation}),
        )
    };
    given(&mesh, &namespace, &word("true", "false"));
    assert_eq!(
        none(&mesh, &namespace, &word("false", "true")),
        (Absence::OptedOut, None)
    );
}

#[test]
fn trap_08_yes_and_off_change_their_meaning_at_1_27() {
    let namespace = json!({"istio-injection": "enabled"});
    let off = pods(&json!({}), &json!({"sidecar.istio.io/inject": "off"}));
    let old = Istiod::new("1.26.8").mesh_with(vec![]);
    assert_eq!(none(&old, &namespace, &off), (Absence::OptedOut, None));
    given(&Istiod::new("1.27.3").mesh_with(vec![]), &namespace, &off);
}

#[test]
fn trap_09_a_deactivated_configuration_matches_nothing() {
    let default = Istiod::new("1.30.3");
    let canary = Istiod::new("1.31.0").revision("canary");
    let mut deactivated = default.webhooks();
    let never = json!({"matchLabels": {"istio.io/deactivated": "never-match"}});
    for entry in deactivated["webhooks"].as_array_mut().expect("entries") {
        entry["namespaceSelector"] = never.clone();
        entry["objectSelector"] = never.clone();
    }
    let mut objects = default.objects();
    objects.extend(canary.installed());
    objects.extend([deactivated, canary.tag("default")]);
    let given = given(
        &mesh(objects),
        &json!({"istio-injection": "enabled"}),
        &plain(),
    );
    assert_eq!(
        (given.revision.as_str(), given.tag.as_deref()),
        ("canary", Some("default"))
    );
    assert_eq!(given.overlap, Vec::<String>::new());
}

#[test]
fn trap_10_the_last_configuration_by_name_wins_an_overlap() {
    let default = Istiod::new("1.30.3");
    let canary = Istiod::new("1.31.0").revision("canary");
    let namespace = json!({"istio-injection": "enabled"});
    let with = |name: &str| {
        let mut overlapping = canary.tag("default");
        overlapping["metadata"]["name"] = json!(name);
        let mut objects = default.installed();
        objects.extend(canary.objects());
        objects.push(overlapping);
        given(&mesh(objects), &namespace, &plain())
    };
    let first = with("istio-revision-tag-default");
    assert_eq!(first.revision, "default");
    let tag = "istio-revision-tag-default/namespace.sidecar-injector.istio.io";
    assert_eq!(first.overlap, [tag]);
    let last = with("zz");
    assert_eq!(last.revision, "canary");
    assert_eq!(last.overlap.len(), 1);
    let pod = observe(&live_pod(&injected("canary", &last.image, true)));
    let comparison = compare(&Expectation::Sidecar(Box::new(last)), &pod);
    assert_eq!(comparison.reasons[0].code, ReasonCode::InjectorsOverlap);
}

#[test]
fn trap_11_a_proxy_image_without_a_slash_is_ignored_and_one_with_a_slash_is_verbatim() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let image = |annotations: Value| {
        let sidecar = sidecar(&mesh, &pods(&json!({}), &annotations));
        (sidecar.image, sidecar.custom_image)
    };
    let stock = ("docker.io/istio/proxyv2:1.30.3".to_owned(), false);
    assert_eq!(image(json!({"sidecar.istio.io/proxyImage": "mine"})), stock);
    assert_eq!(
        image(json!({"sidecar.istio.io/proxyImageType": "debug"})).0,
        "docker.io/istio/proxyv2:1.30.3-debug"
    );
    assert_eq!(
        image(json!({
            "sidecar.istio.io/proxyImage": "corp.example/mine:1",
            "sidecar.istio.io/proxyImageType": "debug",
        })),
        ("corp.example/mine:1".to_owned(), true)
    );
}

#[test]
fn trap_12_auto_asks_for_the_computed_image_and_anything_else_pins_it() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let image = |image: &str| {
        let own =
            template(&json!({"spec": {"containers": [{"name": "istio-proxy", "image": image}]}}));
        let sidecar = sidecar(&mesh, &own);
        (sidecar.image, sidecar.custom_image)
    };
    assert_eq!(
        image("auto"),
        ("docker.io/istio/proxyv2:1.30.3".to_owned(), false)
    );
    assert_eq!(
        image(""),
        ("docker.io/istio/proxyv2:1.30.3".to_owned(), false)
    );
    assert_eq!(
        image("corp.example/p:1"),
        ("corp.example/p:1".to_owned(), true)
    );
}

#[test]
fn trap_13_a_numeric_tag_is_a_float() {
    let mesh = Istiod::new("1.30.3")
        .value("/global/tag", json!(1.20))
        .mesh_with(vec![]);
    assert_eq!(
        sidecar(&mesh, &plain()).image,
        "docker.io/istio/proxyv2:1.2"
    );
}

#[test]
fn trap_14_the_config_map_decides_and_not_istiods_own_image() {
    let mesh = Istiod::new("1.30.3")
        .value("/global/tag", json!("1.30.1"))
        .mesh_with(vec![]);
    let sidecar = sidecar(&mesh, &plain());
    assert_eq!(sidecar.version.as_deref(), Some("1.30.1"));
    assert_eq!(mesh.revisions[0].version.as_deref(), Some("1.30.1"));
    assert_eq!(
        mesh.revisions[0].control_plane_version.as_deref(),
        Some("1.30.3")
    );
}

#[test]
fn trap_15_another_registry_is_no_other_version() {
    let mesh = Istiod::new("1.30.3")
        .value("/global/hub", json!("registry.istio.io/release"))
        .mesh_with(vec![]);
    let expected = Expectation::Sidecar(Box::new(sidecar(&mesh, &plain())));
    let pod = injected("default", "docker.io/istio/proxyv2:1.30.3", true);
    let codes = codes(&expected, &pod);
    assert!(codes.contains(&DriftCode::ProxyRegistryDiffers));
    assert!(!codes.contains(&DriftCode::ProxyVersionDiffers));
}

#[test]
fn trap_16_a_digest_is_compared_as_a_string_and_its_version_is_istiods() {
    let image = "registry.redhat.io/openshift-service-mesh/istio-proxyv2-rhel9@sha256:0f2c";
    let mesh = Istiod::new("1.26.8")
        .value("/global/proxy/image", json!(image))
        .mesh_with(vec![]);
    let sidecar = sidecar(&mesh, &plain());
    assert_eq!(sidecar.image, image);
    assert_eq!(sidecar.version.as_deref(), Some("1.26.8"));
    let expected = Expectation::Sidecar(Box::new(sidecar));
    let images = [DriftCode::ProxyImageDiffers, DriftCode::ProxyVersionDiffers];
    let of_image = |image: &str| {
        let mut codes = codes(&expected, &injected("default", image, false));
        codes.retain(|code| images.contains(code));
        codes
    };
    assert_eq!(of_image(image), []);
    assert_eq!(
        of_image(&image.replace("0f2c", "ffff")),
        [DriftCode::ProxyImageDiffers]
    );
}

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
