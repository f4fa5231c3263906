//! Control planes: how an injector leads to one, and what it is then said to be.

use std::path::PathBuf;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::manifest::StringMap;
use crate::mesh::testing::{
    Istiod, cluster, expect, live_pod, mesh, pods, sidecar, string_map, template,
};
use crate::mesh::{Absence, Expectation, Mesh, compare, observe};
use crate::reason::ReasonCode;

/// The folder of real data; none where there is none.
fn root() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?).join("istio"))
}

/// The documents of a rendered install.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .filter(Value::is_object)
        .collect()
}

#[test]
fn rendered_installs_of_old_releases_become_revisions() {
    let Some(root) = root() else {
        return;
    };
    for (version, revision, native) in [
        ("1.6.11", "1-6-11", false),
        ("1.8.6", "1-8-6", false),
        ("1.10.0", "1-10-0", false),
    ] {
        let path = root.join(format!("control-planes/{version}-install.yaml"));
        let text = std::fs::read_to_string(path).expect("an install");
        let mesh = mesh(documents(&text));
        let [found] = mesh.revisions.as_slice() else {
            panic!("{:?}", mesh.revisions);
        };
        assert_eq!(
            (found.name.as_str(), found.namespace.as_str()),
            (revision, "istio-system")
        );
        assert_eq!(found.version.as_deref(), Some(version));
        assert_eq!(found.control_plane_version.as_deref(), Some(version));
        // It was rendered and never installed.
        assert!(!found.settled);
        let namespace = json!({"istio.io/rev": revision});
        let expectation = expect(&mesh, &namespace, &pods(&json!({}), &json!({})));
        let Expectation::Sidecar(sidecar) = expectation else {
            panic!("{version}: {expectation:?}");
        };
        let image = format!("gcr.io/istio-release/proxyv2:{version}");
        assert_eq!(sidecar.image, image);
        assert_eq!(sidecar.init, Some(("istio-init".to_owned(), image)));
        assert_eq!(sidecar.native, Some(native));
        let address = format!("istiod-{revision}.istio-system.svc:15012");
        assert_eq!(sidecar.config["discoveryAddress"], json!(address));
        // The zipkin address of the mesh is the built-in one of these releases.
        assert!(!sidecar.config.contains_key("tracing"));
        assert!(sidecar.limits.is_empty(), "{:?}", sidecar.limits);
    }
}

#[test]
fn the_templates_of_a_real_1_27_are_stock() {
    let Some(root) = root() else {
        return;
    };
    let bytes = std::fs::read(root.join("istiod-1.27.3.json")).expect("a control plane");
    let real: Value = serde_json::from_slice(&bytes).expect("JSON");
    let mut istiod = Istiod::new("1.27.3");
    istiod.values = serde_json::from_str(real["values"].as_str().expect("values")).expect("JSON");
    istiod.config = serde_yaml::from_str(real["config"].as_str().expect("a config")).expect("YAML");
    let mesh = istiod.mesh_with(vec![]);
    for (name, native) in [("sidecar", true), ("gateway", false), ("grpc-agent", false)] {
        let annotations = json!({"inject.istio.io/templates": name});
        let sidecar = sidecar(&mesh, &pods(&json!({}), &annotations));
        assert_eq!(sidecar.image, "docker.io/istio/proxyv2:1.27.3", "{name}");
        assert_eq!(sidecar.native, Some(native), "{name}");
        assert_eq!(sidecar.limits, [], "{name}");
    }
}

#[test]
fn what_kube_inject_writes_is_what_its_templates_say() {
    let Some(root) = root() else {
        return;
    };
    let folder = "istioctl/pkg/kubeinject/testdata";
    let inputs = root.join("injected/1.26.8-inputs").join(folder);
    let goldens = root.join("injected/1.26.8").join(folder).join("deployment");
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a file");
    for (golden, input, config, values) in [
        (
            "hello.yaml.injected",
            "hello.yaml",
            "inject-config.yaml",
            json!({"suffix": "test"}),
        ),
        (
            "hello.yaml.iop.injected",
            "hello.yaml",
            "inject-config-iop.yaml",
            json!({"tag": "testiop"}),
        ),
        (
            "hello-with-proxyconfig-anno.yaml.injected",
            "hello-with-proxyconfig-anno.yaml",
            "inject-config.yaml",
            json!({"suffix": "test"}),
        ),
    ] {
        let mut istiod = Istiod::new("1.26.8");
        istiod.config = serde_yaml::from_str(&read(inputs.join(config))).expect("YAML");
        istiod.config["policy"] = json!("enabled");
        istiod.values = json!({ "global": values });
        let pod_template = |path: PathBuf| {
            let mut documents = documents(&read(path));
            documents.retain(|document| document["kind"] == "Deployment");
            documents.remove(0)["spec"]["template"].take()
        };
        let input = template(&pod_template(inputs.join("deployment").join(input)));
        let mut written = pod_template(goldens.join(golden));
        written["metadata"]["name"] = json!("pod");
        written["metadata"]["namespace"] = json!("shop");
        let mesh = istiod.mesh_with(vec![]);
        let expected = sidecar(&mesh, &input);
        assert_eq!(
            expected.image, "docker.io/istio/proxy_debug:unittest",
            "{golden}"
        );
        let pod = observe(&live_pod(&written));
        let comparison = compare(&Expectation::Sidecar(Box::new(expected)), &pod);
        let mut codes: Vec<_> = comparison
            .drifts
            .iter()
            .map(|drift| drift.code.to_string())
            .collect();
        // These templates render neither metrics annotations nor the configuration.
        codes.retain(|code| !matches!(code.as_str(), "prometheus-merge-differs"));
        assert_eq!(codes, Vec::<String>::new(), "{golden}");
    }
}

pub(super) fn default_namespace() -> Value {
    json!({"istio-injection": "enabled"})
}

pub(super) fn plain() -> crate::manifest::PodTemplate {
    pods(&json!({}), &json!({}))
}

/// Istiod's objects after a change: Deployment, ReplicaSet, Pod, Service, two ConfigMaps, webhooks.
pub(super) fn changed(istiod: &Istiod, change: impl FnOnce(&mut Vec<Value>)) -> Mesh {
    let mut objects = istiod.installed();
    change(&mut objects);
    mesh(objects)
}

#[track_caller]
fn unknown(mesh: &Mesh, message: &str) {
    let expectation = expect(mesh, &default_namespace(), &plain());
    let Expectation::Unknown(reason) = &expectation else {
        panic!("{expectation:?}");
    };
    assert_eq!(reason.code, ReasonCode::InjectorUnresolvable);
    assert!(reason.message.contains(message), "{}", reason.message);
}

#[test]
fn injector_unresolvable() {
    let istiod = Istiod::new("1.30.3");
    let other_kind = changed(&istiod, |objects| objects[0]["kind"] = json!("StatefulSet"));
    unknown(
        &other_kind,
        "no Deployment is behind Service istio-system/istiod",
    );
    assert!(!other_kind.revisions[0].settled);
    let twice = changed(&istiod, |objects| {
        let mut second = objects[0].clone();
        second["metadata"]["name"] = json!("second");
        objects.push(second);
    });
    unknown(&twice, "more than one Deployment");
    let no_selector = changed(&istiod, |objects| objects[3]["spec"] = json!({}));
    unknown(&no_selector, "no Deployment");
    let no_config_map = changed(&istiod, |objects| {
        objects.remove(4);
    });
    unknown(
        &no_config_map,
        "ConfigMap istio-system/istio-sidecar-injector is not in the snapshot",
    );
    let bad_values = changed(&istiod, |objects| objects[4]["data"]["values"] = json!("{"));
    unknown(&bad_values, "values of ConfigMap");
    let bad_config = changed(&istiod, |objects| {
        objects[4]["data"]["config"] = json!("a: [");
    });
    unknown(&bad_config, "config of ConfigMap");
    let no_values = changed(&istiod, |objects| {
        objects[4]["data"] = json!({"config": "a: b"});
    });
    unknown(&no_values, "values of ConfigMap");
    let no_client = changed(&istiod, |objects| {
        objects[6]["webhooks"][2]["clientConfig"] = json!({"caBundle": "Y2E="});
    });
    unknown(&no_client, "no client");
}

#[test]
fn a_version_that_nothing_tells_makes_everything_unknown() {
    let mesh = changed(
        &Istiod::new("1.30.3").value("/global/tag", json!("corp")),
        |objects| {
            for index in [0, 4] {
                objects[index]["metadata"]["labels"] = json!({});
            }
            objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] =
                json!("corp/pilot:corp");
        },
    );
    unknown(&mesh, "version");
}

#[test]
fn a_service_that_is_gone_keeps_pods_from_being_created() {
    let gone = |policy: &str| {
        let mesh = changed(&Istiod::new("1.30.3"), |objects| {
            objects[3]["metadata"]["name"] = json!("istiod-other");
            for entry in objects[6]["webhooks"].as_array_mut().expect("entries") {
                entry["failurePolicy"] = json!(policy);
            }
        });
        expect(&mesh, &default_namespace(), &plain())
    };
    let Expectation::Rejected(reason) = gone("Fail") else {
        panic!("it is not refused");
    };
    assert_eq!(reason.code, ReasonCode::WouldBeRejected);
    assert!(
        reason.message.contains("istio-system/istiod"),
        "{}",
        reason.message
    );
    assert!(matches!(gone("Ignore"), Expectation::Unknown(_)));
    // Without Services in the snapshot the Deployment is found by its name.
    let unseen = changed(&Istiod::new("1.30.3"), |objects| {
        objects.remove(3);
    });
    assert!(matches!(
        expect(&unseen, &default_namespace(), &plain()),
        Expectation::Sidecar(_)
    ));
}

#[test]
fn a_deployment_of_another_namespace_is_not_behind_the_service() {
    let mesh = changed(&Istiod::new("1.30.3"), |objects| {
        let mut second = objects[0].clone();
        second["metadata"]["namespace"] = json!("elsewhere");
        objects.push(second);
    });
    assert!(matches!(
        expect(&mesh, &default_namespace(), &plain()),
        Expectation::Sidecar(_)
    ));
}

#[test]
fn an_empty_revision_is_the_default_one() {
    let mesh = changed(&Istiod::new("1.30.3"), |objects| {
        objects[0]["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("");
    });
    assert_eq!(mesh.revisions[0].name, "default");
}

#[test]
fn without_any_injector_nothing_is_expected() {
    let mesh = mesh(vec![]);
    for namespace in [default_namespace(), json!({"istio.io/rev": "a"}), json!({})] {
        let expectation = expect(&mesh, &namespace, &plain());
        let Expectation::None {
            absence, unserved, ..
        } = expectation
        else {
            panic!("{expectation:?}");
        };
        assert_eq!((absence, unserved), (Absence::NoInjector, None));
    }
}

#[test]
fn injection_without_a_default_revision_is_served_by_nobody() {
    let mesh = Istiod::new("1.30.3").revision("a").mesh_with(vec![]);
    let expectation = expect(&mesh, &default_namespace(), &plain());
    let Expectation::None { unserved, why, .. } = expectation else {
        panic!("{expectation:?}");
    };
    assert_eq!(unserved.as_deref(), Some("istio-injection=enabled"));
    assert!(why.contains("namespace shop"), "{why}");
}

#[test]
fn a_namespace_that_nobody_knows_makes_its_pods_unknown() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let expectation = mesh.expect("shop", None, &plain(), &StringMap::new());
    let Expectation::Unknown(reason) = expectation else {
        panic!("{expectation:?}");
    };
    assert_eq!(reason.code, ReasonCode::SnapshotIncomplete);
}

#[test]
fn controllers_labels_count_as_the_pods_own() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let added = string_map(&json!({"sidecar.istio.io/inject": "true"}));
    let expectation = mesh.expect("shop", Some(&StringMap::new()), &plain(), &added);
    assert!(matches!(expectation, Expectation::Sidecar(_)));
}

#[test]
fn the_path_of_the_webhook_names_cluster_and_network() {
    let mesh = changed(&Istiod::new("1.30.3"), |objects| {
        for entry in objects[6]["webhooks"].as_array_mut().expect("entries") {
            entry["clientConfig"]["service"]["path"] =
                json!("/inject/cluster/east--slash--1/net/n1");
        }
    });
    let config = sidecar(&mesh, &plain()).config;
    assert_eq!(config["ISTIO_META_CLUSTER_ID"], json!("east/1"));
    assert_eq!(config["ISTIO_META_NETWORK"], json!("n1"));
}

#[test]
fn a_shared_mesh_configuration_lies_below_the_revisions_own() {
    let shared = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "istio-shared", "namespace": "istio-system"}, "data": {"mesh": text}})
    };
    let istiod = Istiod::new("1.30.3")
        .env("SHARED_MESH_CONFIG", "istio-shared")
        .mesh("defaultConfig: {concurrency: 4}");
    let text = "defaultConfig: {concurrency: 2, statNameLength: 200}\nenablePrometheusMerge: false";
    let sidecar = sidecar(&istiod.mesh_with(vec![shared(text)]), &plain());
    assert_eq!(sidecar.config["concurrency"], json!(4));
    assert_eq!(sidecar.config["statNameLength"], json!(200));
    assert!(!sidecar.prometheus_merged);
}

#[test]
fn an_unknown_mesh_configuration_is_said_and_not_compared() {
    let mut objects = Istiod::new("1.30.3").installed();
    objects.remove(5);
    let (mesh, diagnostics) = Mesh::from_snapshot(&cluster(objects));
    assert!(
        diagnostics
            .iter()
            .any(|one| one.message.contains("istio-system/istio"))
    );
    let sidecar = sidecar(&mesh, &plain());
    assert_eq!(sidecar.image, "docker.io/istio/proxyv2:1.30.3");
    assert!(
        sidecar
            .limits
            .iter()
            .any(|(class, _)| *class == crate::config::DriftClass::Config)
    );
}

#[test]
fn an_explanation_shows_every_webhook_and_what_decided() {
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let labels = string_map(&default_namespace());
    let explanation = mesh.explain("shop", Some(&labels), &plain(), &StringMap::new());
    let outcomes: Vec<String> = explanation
        .webhooks
        .iter()
        .map(|one| {
            format!(
                "{} {:?}",
                one.webhook.split('.').next().unwrap_or_default(),
                one.outcome
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            "rev NamespaceNotSelected(\"istio.io/rev In [default]\")",
            "rev NamespaceNotSelected(\"istio-injection DoesNotExist\")",
            "namespace Called",
            "object NamespaceNotSelected(\"istio-injection DoesNotExist\")",
        ]
    );
    assert_eq!(
        explanation.injector.as_deref(),
        Some("istio-sidecar-injector/namespace.sidecar-injector.istio.io")
    );
    assert_eq!(
        explanation.config_map.as_deref(),
        Some("istio-system/istio-sidecar-injector")
    );
    let Expectation::Sidecar(sidecar) = explanation.expectation else {
        panic!("no sidecar");
    };
    let inputs: Vec<String> = sidecar
        .image_inputs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        inputs,
        [
            "values.global.hub=docker.io/istio",
            "values.global.proxy.image=proxyv2",
            "values.global.tag=1.30.3",
            "image type, from values.global.variant=",
        ]
    );
}

#[test]
fn the_sail_operator_tells_the_version_where_nothing_else_does() {
    let digest = "registry.redhat.io/openshift-service-mesh/istio-proxyv2-rhel9@sha256:0f2c";
    let istiod = Istiod::new("1.26.2").value("/global/proxy/image", json!(digest));
    let sail = json!({
        "apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "metadata": {"name": "default"},
        "spec": {"version": "v1.26.2", "namespace": "istio-system", "values": {"revision": ""}},
    });
    let mesh = changed(&istiod, |objects| {
        for index in [0, 4] {
            objects[index]["metadata"]["labels"] = json!({});
        }
        objects[4]["data"]["values"] = json!(
            istiod
                .clone()
                .value("/global/tag", json!(""))
                .values
                .to_string()
        );
        objects[0]["spec"]["template"]["spec"]["containers"][0]["image"] =
            json!("registry.redhat.io/openshift-service-mesh/istio-pilot-rhel9@sha256:0f2d");
        objects[2]["spec"] = objects[0]["spec"]["template"]["spec"].clone();
        objects.push(sail);
    });
    let sidecar = sidecar(&mesh, &plain());
    assert_eq!(
        (sidecar.image.as_str(), sidecar.version.as_deref()),
        (digest, Some("1.26.2"))
    );
    assert!(mesh.revisions[0].settled, "{:?}", mesh.revisions);
}

#[test]
fn a_gateway_that_nobody_injects_could_not_even_start() {
    let gateway = template(&json!({
        "metadata": {"annotations": {"inject.istio.io/templates": "gateway"}},
        "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]},
    }));
    let mesh = Istiod::new("1.30.3").mesh_with(vec![]);
    let Expectation::Rejected(reason) = expect(&mesh, &json!({}), &gateway) else {
        panic!("it is not refused");
    };
    assert_eq!(reason.code, ReasonCode::WouldBeRejected);
    assert!(reason.message.contains("image auto"), "{}", reason.message);
    let unserved = expect(&mesh, &json!({"istio.io/rev": "gone"}), &gateway);
    assert!(matches!(
        unserved,
        Expectation::None {
            unserved: Some(_),
            ..
        }
    ));
}

#[test]
fn vendors_selectors_are_evaluated_as_they_are() {
    // The add-on of AKS: its own namespace, revisions `asm-X-Y`, and no say for the pods' labels.
    let mut istiod = Istiod::new("1.27.7").revision("asm-1-27");
    istiod.namespace = "aks-istio-system".to_owned();
    let named = json!([{"key": "istio.io/rev", "operator": "In", "values": ["asm-1-27"]}]);
    let entry = istiod.entry("rev.namespace.", named, json!([]));
    let name = "istio-sidecar-injector-asm-1-27-aks-istio-system";
    let mut objects = istiod.objects();
    objects.push(istiod.configuration(name, None, vec![entry]));
    let mesh = mesh(objects);
    let namespace = json!({"istio.io/rev": "asm-1-27"});
    let Expectation::Sidecar(sidecar) = expect(&mesh, &namespace, &plain()) else {
        panic!("no sidecar");
    };
    assert_eq!(sidecar.control_plane, "aks-istio-system");
    let pod = pods(&json!({"istio.io/rev": "asm-1-27"}), &json!({}));
    assert!(matches!(
        expect(&mesh, &json!({}), &pod),
        Expectation::None { .. }
    ));
    // `istio-injection` is a word of its own only to Istio's own selectors.
    let both = json!({"istio.io/rev": "asm-1-27", "istio-injection": "disabled"});
    assert!(matches!(
        expect(&mesh, &both, &plain()),
        Expectation::Sidecar(_)
    ));
}

#[test]
fn a_managed_control_plane_is_never_guessed() {
    let managed = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istiod-asm-managed-rapid", "labels": {"istio.io/rev": "asm-managed-rapid"}},
        "webhooks": [{
            "name": "rev.namespace.sidecar-injector.istio.io",
            "clientConfig": {"url": "https://meshconfig.example/inject", "caBundle": "Y2E="},
            "namespaceSelector": {"matchLabels": {"istio.io/rev": "asm-managed-rapid"}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        }],
    });
    let mesh = mesh(vec![managed]);
    let namespace = json!({"istio.io/rev": "asm-managed-rapid"});
    assert!(matches!(
        expect(&mesh, &namespace, &plain()),
        Expectation::Unknown(_)
    ));
    assert_eq!(mesh.revisions[0].name, "asm-managed-rapid");
    assert!(!mesh.revisions[0].settled);
    let host = template(&json!({"spec": {"hostNetwork": true}}));
    assert!(matches!(
        expect(&mesh, &namespace, &host),
        Expectation::None { .. }
    ));
}

#[test]
fn variables_that_come_from_elsewhere_as_a_whole_leave_native_sidecars_open() {
    let native = |istiod: Istiod| {
        let mut objects = istiod.installed();
        for object in &mut objects {
            if object["kind"] == "Deployment" {
                let istiod = &mut object["spec"]["template"]["spec"]["containers"][0];
                istiod["envFrom"] = serde_json::json!([{"configMapRef": {"name": "extra"}}]);
            }
        }
        let nothing = serde_json::json!({});
        let template = pods(&nothing, &nothing);
        sidecar(&mesh(objects), &template).native
    };
    assert_eq!(native(Istiod::new("1.27.3")), None);
    let set = Istiod::new("1.27.3").env("ENABLE_NATIVE_SIDECARS", "true");
    assert_eq!(native(set), Some(true), "what is set beside it wins");
}
