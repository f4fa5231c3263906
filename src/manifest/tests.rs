//! Reading whole files, shape by shape.

use super::{Body, ManifestSet, RawFile, Screen, parse};
use crate::diagnostic::{Diagnostic, DiagnosticCode};

fn read_files(files: &[(&str, &str)]) -> (ManifestSet, Vec<Diagnostic>) {
    let files = files
        .iter()
        .map(|(path, text)| RawFile {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    parse(files, &Screen::new())
}

fn read(text: &str) -> (ManifestSet, Vec<Diagnostic>) {
    read_files(&[("a.yaml", text)])
}

/// The objects of a file: `document[.item]:line group/kind namespace/name`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (set, diagnostics) = read(text);
    let found: Vec<_> = set
        .files
        .iter()
        .flat_map(|file| &file.objects)
        .map(|object| {
            let item = object.item.map_or(String::new(), |item| format!(".{item}"));
            let reference = &object.reference;
            format!(
                "{}{item}:{} {}/{} {}/{}",
                object.document.index,
                object.line,
                reference.group,
                reference.kind,
                reference.namespace,
                reference.name
            )
        })
        .collect();
    assert_eq!(found, expected, "{text}\n{diagnostics:?}");
}

#[track_caller]
fn check_diagnostic(text: &str, code: DiagnosticCode, line: usize) {
    let (_, diagnostics) = read(text);
    let found: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| {
            let line = diagnostic.location.as_ref().and_then(|place| place.line);
            (diagnostic.code, line)
        })
        .collect();
    assert_eq!(found, [(code, Some(line))], "{text}\n{diagnostics:?}");
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
  labels: {app: cart}
spec:
  replicas: 2
  template:
    metadata:
      labels: {app: cart}
    spec:
      containers:
      - name: cart
        image: cart:1
";

#[test]
fn a_workload_is_read_with_its_template() {
    let (set, diagnostics) = read(DEPLOYMENT);
    assert_eq!(diagnostics, []);
    let object = &set.files[0].objects[0];
    assert_eq!(object.api_version, "apps/v1");
    assert_eq!(object.labels["app"], "cart");
    let workload = object.workload().expect("a workload");
    assert_eq!(workload.template_path, ["spec", "template"]);
    assert_eq!(workload.template.metadata.labels["app"], "cart");
    assert_eq!(
        workload.template.spec.containers[0].image.as_deref(),
        Some("cart:1")
    );
    assert_eq!(workload.spec, serde_json::json!({"replicas": 2}));
    assert!(!workload.is_patch && !workload.rendered);
}

#[test]
fn documents_lists_and_json_are_read_alike() {
    check(DEPLOYMENT, &["0:1 apps/Deployment shop/cart"]);
    check(
        &format!("# licence\n---\n{DEPLOYMENT}---\nkind: Service\n---\n{DEPLOYMENT}"),
        &[
            "0:3 apps/Deployment shop/cart",
            "2:21 apps/Deployment shop/cart",
        ],
    );
    check(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n- apiVersion: v1\n  \
         kind: Namespace\n  metadata: {name: shop}\n",
        &["0.1:6 /Namespace /shop"],
    );
    check(
        r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}]}"#,
        &["0.0:1 /Pod /p"],
    );
    check(
        "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: web}\n",
        &["0.0:4 apps/Deployment /web"],
    );
}

#[test]
fn text_inside_block_scalars_is_never_an_object() {
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a.yaml: |\n    apiVersion: apps/v1\n    \
         kind: Deployment\n    metadata: {name: web}\n",
        &[],
    );
}

#[test]
fn documents_after_three_dots_never_reach_the_cluster() {
    check(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n...\napiVersion: v1\nkind: \
         Namespace\nmetadata: {name: b}\n",
        &["0:1 /Namespace /a"],
    );
}

#[test]
fn identity_is_read_as_kubernetes_reads_it() {
    check(
        "\"kind\": 'Deployment'\napiVersion: \"apps\\u002Fv1\"\nmetadata:\n  name: \"0123\"\n",
        &["0:1 apps/Deployment /0123"],
    );
    check(
        "kind: Service\nkind: Namespace\napiVersion: v1\nmetadata: {name: a, name: b}\n",
        &["0:1 /Namespace /b"],
    );
    check(
        "x: &m {name: web, namespace: shop}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  <<: \
         *m\n  namespace: other\n",
        &["0:1 apps/Deployment other/web"],
    );
}

#[test]
fn merged_mappings_give_way_to_the_keys_beside_them_and_to_earlier_ones() {
    let (set, _) = read(
        "x: &x {a: x, b: x, c: x}\ny: &y {a: other, d: other}\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  \
         labels:\n    b: own\n    <<: [*x, *y]\n    c: own\n",
    );
    let labels = &set.files[0].objects[0].labels;
    let labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(labels, ["a=x", "b=own", "c=own", "d=other"]);
}

#[test]
fn booleans_as_label_keys_and_values_read_as_go_yaml_reads_them() {
    let (set, diagnostics) = read(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    y: \"1\"\n    inject: \
         yes\n    quoted: \"yes\"\n",
    );
    let labels = &set.files[0].objects[0].labels;
    assert_eq!(labels["true"], "1");
    assert_eq!(labels["inject"], "true");
    assert_eq!(labels["quoted"], "yes");
    assert_eq!(diagnostics[0].code, DiagnosticCode::ManifestInvalid);
    assert!(diagnostics[0].message.contains("metadata.labels.inject"));
}

#[test]
fn patches_without_containers_are_told_apart() {
    let (set, _) =
        read("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n");
    assert!(
        set.files[0].objects[0]
            .workload()
            .expect("workload")
            .is_patch
    );
}

#[test]
fn special_workloads_have_their_own_template_paths() {
    let path = |text: &str| {
        let (set, _) = read(text);
        let workload = set.files[0].objects[0].workload().expect("a workload");
        (workload.template_path.join("."), workload.is_patch)
    };
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec:\n  jobTemplate:\n    spec:\n      \
                template:\n        spec:\n          containers: [{name: a}]\n";
    assert_eq!(
        path(cron),
        ("spec.jobTemplate.spec.template".to_owned(), false)
    );
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a}]\n";
    assert_eq!(path(pod), (String::new(), false));
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nspec:\n  \
                   workloadRef: {kind: Deployment, name: a}\n";
    assert_eq!(path(rollout), (String::new(), false));
}

#[test]
fn a_kustomization_file_needs_no_kind() {
    let (set, diagnostics) = read_files(&[
        (
            "b/kustomization.yaml",
            "namespace: shop\nresources: [a.yaml]\n",
        ),
        ("a/kustomization.yaml", "# nothing here\n"),
    ]);
    assert_eq!(diagnostics, []);
    let object = &set.files[0].objects[0];
    assert_eq!(object.reference.group, "kustomize.config.k8s.io");
    assert_eq!(object.reference.kind, "Kustomization");
    let Body::Configuration(value) = &object.body else {
        panic!("configuration");
    };
    assert_eq!(value["namespace"], "shop");
    assert_eq!(set.files.len(), 1);
}

#[test]
fn manifest_unparsable() {
    let broken =
        format!("{DEPLOYMENT}---\napiVersion: v1\nkind: Pod\nmetadata: [\n---\n{DEPLOYMENT}");
    let (set, diagnostics) = read(&broken);
    assert_eq!(set.files[0].objects.len(), 2, "{diagnostics:?}");
    check_diagnostic(&broken, DiagnosticCode::ManifestUnparsable, 19);
    let quoted = "apiVersion: v1\nkind: Pod\nmetadata: [\nx: \"{{ y }}\" # {{ z }}\n";
    let (_, diagnostics) = read(quoted);
    assert_eq!(diagnostics[0].code, DiagnosticCode::ManifestUnparsable);
    let (set, diagnostics) = read("kind of a Job: [\n");
    assert!(set.files.is_empty() && diagnostics.is_empty());
}

#[test]
fn text_that_is_not_utf8_is_unparsable() {
    let mut bytes = DEPLOYMENT.as_bytes().to_vec();
    bytes.extend(b"# caf\xE9\n");
    let wide: Vec<u8> = DEPLOYMENT
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (bytes, line) in [(bytes, Some(16)), (wide, None)] {
        let path = "a.yaml".to_owned();
        let (set, diagnostics) = parse(vec![RawFile { path, bytes }], &Screen::new());
        assert!(set.files.is_empty());
        assert_eq!(diagnostics[0].code, DiagnosticCode::ManifestUnparsable);
        assert_eq!(
            diagnostics[0]
                .location
                .as_ref()
                .and_then(|place| place.line),
            line
        );
    }
}

#[test]
fn manifest_templated() {
    for text in [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}-web\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: ${env}-web\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: \"{{ x }}-web\"\n",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x-web\nspec:\n  replicas: {{ x }}\n",
        "{{- if x }}\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x-web\n{{- end }}\n",
    ] {
        check_diagnostic(text, DiagnosticCode::ManifestTemplated, 1);
        let (set, _) = read(text);
        assert!(set.files.is_empty());
        let template = &set.templates[0];
        let reference = super::ObjectRef::new("apps", "Deployment", "shop", "x-web");
        assert!(template.can_make(&reference), "{template:?}");
    }
}

#[test]
fn substitutions_outside_the_identity_are_left_alone() {
    check(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: ${REPLICAS}\n",
        &["0:1 apps/Deployment /web"],
    );
    check(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: web\n  annotations: {a: \"{{ x }}\"}\n",
        &["0:1 /Namespace /web"],
    );
}

#[test]
fn manifest_skipped() {
    let (set, diagnostics) =
        read("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n");
    assert!(set.files.is_empty());
    assert_eq!(diagnostics[0].code, DiagnosticCode::ManifestSkipped);
}

#[test]
fn manifest_invalid() {
    check_diagnostic(
        "apiVersion: apps/v1\nkind: Deployment\nspec: {}\n",
        DiagnosticCode::ManifestInvalid,
        1,
    );
    check_diagnostic(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nspec:\n  ? [x]\n  : y\n",
        DiagnosticCode::ManifestInvalid,
        5,
    );
}

#[test]
fn an_object_with_a_generated_name_is_nobodys_manifest() {
    let (set, diagnostics) =
        read("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: migrate-}\n");
    assert!(set.files.is_empty());
    assert_eq!(diagnostics, []);
}

#[test]
fn alias_bombs_are_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text.push_str("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n");
    let (set, diagnostics) = read(&text);
    assert!(set.files.is_empty());
    assert_eq!(diagnostics[0].code, DiagnosticCode::ManifestInvalid);
    let endless = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nx: &x [*x]\n";
    let (set, diagnostics) = read(endless);
    assert!(set.files.is_empty(), "{diagnostics:?}");
}

#[test]
fn many_documents_are_read() {
    let text = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".repeat(12_000);
    let (set, diagnostics) = read(&text);
    assert_eq!(set.files[0].objects.len(), 12_000);
    assert_eq!(set.files[0].objects[11_999].line, 4 * 11_999 + 2);
    assert_eq!(diagnostics, []);
}

#[test]
fn rendered_documents_are_told_by_their_comments() {
    let rendered = |text: &str| -> Vec<bool> {
        let (set, _) = read(text);
        let objects = set.files.iter().flat_map(|file| &file.objects);
        objects
            .filter_map(|object| object.workload())
            .map(|workload| workload.rendered)
            .collect()
    };
    assert_eq!(
        rendered(&format!("---\n# Source: web/a.yaml\n{DEPLOYMENT}")),
        [true]
    );
    assert_eq!(
        rendered(&format!(
            "--- # x\n# Source: web/a.yaml\n{DEPLOYMENT}---\n{DEPLOYMENT}"
        )),
        [true, false]
    );
    assert_eq!(
        rendered(&format!(
            "# Code generated. DO NOT EDIT.\n{DEPLOYMENT}---\n{DEPLOYMENT}"
        )),
        [true, true]
    );
    assert_eq!(rendered(&format!("{DEPLOYMENT}# Source: b\n")), [false]);
}

#[test]
fn files_come_sorted_by_path() {
    let (set, _) = read_files(&[("b.yaml", DEPLOYMENT), ("a.yaml", DEPLOYMENT)]);
    let paths: Vec<_> = set.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a.yaml", "b.yaml"]);
}

#[test]
fn what_a_cluster_said_of_itself_is_no_manifest() {
    let list = |metadata: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a{metadata}}}, \
             spec: {{template: {{spec: {{containers: [{{name: a}}]}}}}}}}}\n"
        )
    };
    let count = |text: &str| {
        let file = RawFile {
            path: "a.yaml".to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        let set = parse(vec![file], &Screen::new()).0;
        set.files
            .iter()
            .map(|file| file.objects.len())
            .sum::<usize>()
    };
    assert_eq!(count(&list("")), 1);
    assert_eq!(
        count(&list(", uid: f805eafd-b2af-483e-abb2-e940651bbf89")),
        0
    );
}
