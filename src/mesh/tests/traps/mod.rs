//! The traps of `spec/istio.md` §11, one test each: 1 to 16 here, 17 to 35 in `pods`.

mod pods;

use serde_json::{Value, json};

use crate::diagnostic::DiagnosticCode;
use crate::manifest::PodTemplate;
use crate::mesh::testing::{Istiod, cluster, expect, live_pod, mesh, pods, sidecar, template};
use crate::mesh::{Absence, DriftCode, Expectation, ExpectedSidecar, Mesh, compare, observe};
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
    let mut objects = Istiod::new("1.30.3").installed();
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "shop", "labels": namespace}}));
    let diagnostics = Mesh::from_snapshot(&cluster(objects)).1;
    assert!(
        diagnostics
            .iter()
            .any(|one| one.code == DiagnosticCode::RevisionNotServed)
    );
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
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "labels": namespace}}));
        let diagnostics = Mesh::from_snapshot(&cluster(objects.clone())).1;
        let overlaps = diagnostics
            .iter()
            .filter(|one| one.code == DiagnosticCode::InjectorsOverlap);
        assert_eq!(overlaps.count(), 1);
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
