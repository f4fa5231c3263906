//! Checks over what real injectors produced (`istio/istio`'s own test data), where there is any.
//!
//! Each golden was made from an input under the set-up of one test; [`SETUPS`] lists those that are
//! not the usual one. No golden is skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::manifest::StringMap;
use crate::mesh::testing::{Istiod, live_pod, template};
use crate::mesh::{Expectation, Mesh, Observation, compare, observe};

/// The folder of real data; none where there is none.
fn root() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("MESHROLL_REAL_DATA")?).join("istio"))
}

/// How a golden came about where that is not by the defaults.
struct Setup {
    /// Golden without `.injected`.
    golden: &'static str,
    /// Its input.
    input: &'static str,
    cni: bool,
    native: bool,
    image: &'static str,
    network: &'static str,
    /// Mesh configuration besides the defaults.
    mesh: &'static str,
}

const fn setup(golden: &'static str, input: &'static str) -> Setup {
    Setup {
        golden,
        input,
        cni: false,
        native: false,
        image: "proxyv2",
        network: "",
        mesh: "",
    }
}

const fn cni(golden: &'static str, input: &'static str) -> Setup {
    Setup {
        cni: true,
        ..setup(golden, input)
    }
}

const fn mesh(golden: &'static str, input: &'static str, mesh: &'static str) -> Setup {
    Setup {
        mesh,
        ..setup(golden, input)
    }
}

const fn native(golden: &'static str, input: &'static str) -> Setup {
    Setup {
        native: true,
        ..setup(golden, input)
    }
}

/// Goldens with a set-up or an input of their own.
const SETUPS: [Setup; 25] = [
    cni("hello-cncf-networks.yaml", "hello.yaml"),
    cni(
        "hello-existing-cncf-networks-json.yaml",
        "hello-existing-cncf-networks-json.yaml",
    ),
    cni(
        "hello-existing-cncf-networks.yaml",
        "hello-existing-cncf-networks.yaml",
    ),
    cni(
        "hello-openshift-custom-injection.yaml",
        "hello-openshift-custom-injection.yaml",
    ),
    cni("hello-openshift-tproxy.yaml", "hello-openshift-tproxy.yaml"),
    cni("hello-openshift.yaml", "hello-openshift.yaml"),
    Setup {
        network: "network1",
        ..cni("hello.yaml.cni", "hello.yaml")
    },
    cni("proxy-override-runas.yaml.cni", "proxy-override-runas.yaml"),
    native("native-sidecar-opt-out.yaml", "native-sidecar-opt-out.yaml"),
    native("native-sidecar.yaml", "native-sidecar.yaml"),
    native(
        "proxy-override-args-native.yaml",
        "proxy-override-args.yaml",
    ),
    setup("hello-always.yaml", "hello.yaml"),
    setup("hello-image-secrets-in-values.yaml", "hello.yaml"),
    setup("hello-mount-mtls-certs.yaml", "hello.yaml"),
    setup("hello-multiple-image-secrets.yaml", "hello.yaml"),
    setup("hello-never.yaml", "hello.yaml"),
    setup(
        "hello-probes.proxyHoldsApplication.yaml",
        "hello-probes.yaml",
    ),
    setup("hello-template-in-values.yaml", "hello.yaml"),
    mesh(
        "hello-tproxy.yaml",
        "hello.yaml",
        "defaultConfig: {interceptionMode: TPROXY}",
    ),
    mesh(
        "hello-tracing-disabled.yaml",
        "hello-tracing-disabled.yaml",
        "defaultConfig: {tracing: {}}",
    ),
    mesh(
        "format-duration.yaml",
        "format-duration.yaml",
        "defaultConfig: {drainDuration: 23s}",
    ),
    setup("hello.proxyHoldsApplication.yaml", "hello.yaml"),
    mesh(
        "proxy-override-runas.yaml.tproxy",
        "proxy-override-runas.yaml",
        "defaultConfig: {interceptionMode: TPROXY}",
    ),
    setup("custom-template.yaml", "custom-template.yaml"),
    Setup {
        image: "proxyTest",
        ..setup("hello.yaml.proxyImageName", "hello.yaml")
    },
];

/// The control plane of the goldens: the real templates, the development hub.
fn istiod(root: &Path, setup: &Setup) -> Istiod {
    let bytes = std::fs::read(root.join("istiod-1.27.3.json")).expect("a control plane");
    let real: Value = serde_json::from_slice(&bytes).expect("JSON");
    let values = real["values"].as_str().expect("values");
    let config = real["config"].as_str().expect("a configuration");
    let mut istiod = Istiod::new("1.26.8").env("ENABLE_NATIVE_SIDECARS", &setup.native.to_string());
    istiod.values = serde_json::from_str(values).expect("values");
    istiod.config = serde_yaml::from_str(config).expect("a configuration");
    istiod.config["templates"]["custom"] = json!("spec:\n  containers:\n  - name: app\n");
    istiod
        .value("/global/hub", json!("gcr.io/istio-testing"))
        .value("/global/tag", json!("latest"))
        .value("/global/proxy/image", json!(setup.image))
        .value("/global/network", json!(setup.network))
        .value("/pilot/cni/enabled", json!(setup.cni))
        .mesh(setup.mesh)
}

/// The pod templates of a file, in order, lists taken apart.
fn templates(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{}", path.display()));
    let mut templates = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let document = Value::deserialize(document).expect("YAML");
        let items = match document.get("items").and_then(Value::as_array) {
            Some(items) => items.clone(),
            None => vec![document],
        };
        templates.extend(items.into_iter().filter_map(|item| {
            let path = match item["kind"].as_str()? {
                "Pod" => "",
                "CronJob" => "/spec/jobTemplate/spec/template",
                _ => "/spec/template",
            };
            let mut template = item.pointer(path)?.clone();
            // The file injector writes a CronJob's annotations into its job template.
            if item["kind"] == "CronJob" {
                template["metadata"] = item["spec"]["jobTemplate"]["metadata"].clone();
            }
            template["metadata"]["namespace"] = json!("shop");
            template["spec"].is_object().then_some(template)
        }));
    }
    templates
}

#[track_caller]
fn check(mesh: &Mesh, input: &Value, golden: &Value, name: &str) {
    let labels = StringMap::from([("istio-injection".to_owned(), "enabled".to_owned())]);
    let expectation = mesh.expect("shop", Some(&labels), &template(input), &StringMap::new());
    let mut pod = golden.clone();
    pod["metadata"]["name"] = json!("pod");
    let observation = observe(&live_pod(&pod));
    let comparison = compare(&expectation, &observation);
    assert_eq!(comparison.drifts, Vec::new(), "{name}");
    match (&expectation, &observation) {
        (Expectation::Sidecar(_), Observation::Sidecar(observed)) => {
            assert_eq!(observed.revision.as_deref(), Some("default"), "{name}");
        }
        (Expectation::None { .. }, Observation::None) => {}
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_goldens_of_the_injector_are_what_the_model_expects() {
    let Some(root) = root() else {
        return;
    };
    let folder = "pkg/kube/inject/testdata/inject";
    let inputs = root.join("injected/1.26.8-inputs").join(folder);
    let goldens = root.join("injected/1.26.8").join(folder);
    let names: BTreeSet<String> = std::fs::read_dir(&goldens)
        .expect("goldens")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .collect();
    let mut pods = 0;
    for name in &names {
        let stem = name.strip_suffix(".injected").expect("a golden");
        let usual = setup("", "");
        let known = SETUPS.iter().find(|setup| setup.golden == stem);
        let input = known.map_or(stem, |setup| setup.input);
        let mesh = istiod(&root, known.unwrap_or(&usual)).mesh_with(Vec::new());
        let inputs = templates(&inputs.join(input));
        let goldens = templates(&goldens.join(name));
        assert_eq!(inputs.len(), goldens.len(), "{name}");
        for (input, golden) in inputs.iter().zip(&goldens) {
            check(&mesh, input, golden, name);
            pods += 1;
        }
    }
    assert!(
        names.len() >= 100 && pods >= 100,
        "{} goldens, {pods} pods",
        names.len()
    );
}
