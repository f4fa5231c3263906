//! Upgrades end to end in memory: manifests over the cluster that the scenarios share, which runs
//! 1.27.3 without a revision.

use std::io::Cursor;

use super::{Desired, Upgrade, assume_applied, check};
use crate::diagnostic::Diagnostic;
use crate::manifest::{self, ManifestSet, RawFile, Screen, StringMap};
use crate::mesh::{Expectation, Mesh};
use crate::snapshot::{self, ClusterSnapshot, Input};

const CONTROL_PLANE: &str = include_str!("../../fixtures/scenarios/control-plane.yaml");
const BUMPED_MAP: &str =
    include_str!("../../fixtures/bump/head/istio/configmap-istio-sidecar-injector.yaml");
const BUMPED_ISTIOD: &str = include_str!("../../fixtures/bump/head/istio/deployment-istiod.yaml");

/// A pod, so that there is a cluster at all, and namespaces with their labels.
fn cluster(namespaces: &[(&str, &str)]) -> ClusterSnapshot {
    let mut text = String::from(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a, namespace: a}, status: {phase: Running}}\n",
    );
    for (name, labels) in namespaces {
        text.push_str(&format!(
            "- {{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}}\n"
        ));
    }
    let input = |name: &str, text: String| Input {
        name: name.to_owned(),
        reader: Box::new(Cursor::new(text.into_bytes())),
    };
    let inputs = vec![
        input("control-plane.yaml", CONTROL_PLANE.to_owned()),
        input("cluster.yaml", text),
    ];
    snapshot::read(inputs).expect("a snapshot").0
}

fn manifests(files: &[(&str, &str)]) -> ManifestSet {
    let file = |(path, text): &(&str, &str)| RawFile {
        path: (*path).to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    let (manifests, diagnostics) =
        manifest::parse(files.iter().map(file).collect(), &Screen::new());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    manifests
}

fn wanted(files: &[(&str, &str)]) -> Desired {
    Desired::read(&manifests(files), &[])
}

struct Assumed {
    upgrade: Upgrade,
    mesh: Mesh,
    diagnostics: Vec<Diagnostic>,
}

fn assumed(cluster: &ClusterSnapshot, files: &[(&str, &str)], base: Option<&Desired>) -> Assumed {
    let desired = wanted(files);
    let (upgrade, found) = assume_applied(cluster, &desired, base);
    let (mesh, _) = Mesh::from_snapshot(&upgrade.snapshot);
    let mut diagnostics = desired.diagnostics().to_vec();
    diagnostics.extend(found);
    Assumed {
        upgrade,
        mesh,
        diagnostics,
    }
}

impl Assumed {
    fn changes(&self) -> Vec<String> {
        let changes = self.upgrade.changes.iter();
        changes
            .map(|change| format!("{}: {}", change.object, change.what))
            .collect()
    }

    fn codes(&self) -> Vec<String> {
        self.diagnostics
            .iter()
            .map(|diagnostic| diagnostic.code.to_string())
            .collect()
    }

    /// The image that a pod of a namespace would get, or why it gets none.
    fn image(&self, namespace: &str) -> String {
        let labels = &self.upgrade.snapshot.namespaces[namespace].labels;
        let template = manifest::PodTemplate::default();
        let expected = self
            .mesh
            .expect(namespace, Some(labels), &template, &StringMap::new());
        match expected {
            Expectation::Sidecar(sidecar) => sidecar.image.clone(),
            Expectation::None { .. } => "none".to_owned(),
            other => format!("{other:?}"),
        }
    }
}

const ON: &str = "istio-injection: enabled";

#[test]
fn rendered_manifests_are_the_control_plane_of_tomorrow() {
    let files = [
        ("istio/cm.yaml", BUMPED_MAP),
        ("istio/d.yaml", BUMPED_ISTIOD),
    ];
    let assumed = assumed(&cluster(&[("shop", ON)]), &files, None);
    assert_eq!(
        assumed.changes(),
        [
            "ConfigMap istio-system/istio-sidecar-injector: changed",
            "Deployment istio-system/istiod: 1.27.3 → 1.28.0"
        ]
    );
    assert_eq!(assumed.image("shop"), "docker.io/istio/proxyv2:1.28.0");
    let revision = &assumed.mesh.revisions[0];
    assert!(revision.settled, "{:?}", revision.reasons);
    assert_eq!(assumed.codes(), [""; 0]);
}

#[test]
fn what_the_cluster_runs_already_is_no_change() {
    let map = BUMPED_MAP.replace("1.28.0", "1.27.3");
    let istiod = BUMPED_ISTIOD.replace("1.28.0", "1.27.3");
    let files = [("cm.yaml", map.as_str()), ("d.yaml", istiod.as_str())];
    let cluster = cluster(&[("shop", ON)]);
    let assumed = assumed(&cluster, &files, None);
    assert_eq!(assumed.changes(), [""; 0]);
    assert_eq!(assumed.upgrade.snapshot, cluster);
}

#[test]
fn two_manifests_of_one_object_decide_nothing() {
    let files = [("a.yaml", BUMPED_ISTIOD), ("b.yaml", BUMPED_ISTIOD)];
    let assumed = assumed(&cluster(&[("shop", ON)]), &files, None);
    assert_eq!(assumed.codes(), ["assumption-incomplete"]);
    assert_eq!(assumed.changes(), [""; 0]);
}

#[test]
fn a_manifest_without_a_namespace_is_the_live_object_of_its_name() {
    let nowhere = BUMPED_ISTIOD.replace("  namespace: istio-system\n", "");
    assert_ne!(nowhere, BUMPED_ISTIOD);
    let files = [("d.yaml", nowhere.as_str())];
    let cluster = cluster(&[]);
    assert_eq!(
        assumed(&cluster, &files, None).changes(),
        ["Deployment istio-system/istiod: 1.27.3 → 1.28.0"]
    );
    let other = nowhere.replace("name: istiod\n", "name: istiod-other\n");
    let unplaced = assumed(&cluster, &[("d.yaml", other.as_str())], None);
    assert_eq!(unplaced.codes(), ["assumption-incomplete"]);
}

/// The change and the image of a namespace after one manifest, and the codes of what is said.
#[track_caller]
fn check_target(labels: &str, manifest: &str, changes: &[&str], image: &str, codes: &[&str]) {
    let assumed = assumed(
        &cluster(&[("shop", labels)]),
        &[("istio.yaml", manifest)],
        None,
    );
    assert_eq!(assumed.changes(), changes, "{manifest}");
    assert_eq!(assumed.image("shop"), image, "{manifest}");
    assert_eq!(assumed.codes(), codes, "{manifest}");
}

const BUMPED: &str = "docker.io/istio/proxyv2:1.28.0";
const NOW: &str = "docker.io/istio/proxyv2:1.27.3";
const IN_PLACE: &[&str] = &["Deployment istio-system/istiod: 1.27.3 → 1.28.0"];

#[test]
fn a_helm_release_gives_the_version() {
    let release = |chart: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: istiod, namespace: istio-system}}\nspec: {{{chart}}}\n"
        )
    };
    let assumed = ["assumed-version"];
    let chart = release("chart: {spec: {chart: istiod, version: 1.28.0}}");
    check_target(ON, &chart, IN_PLACE, BUMPED, &assumed);
    let tag = release(
        "chart: {spec: {chart: istiod, version: 1.27.3}}, values: {global: {tag: 1.28.0, hub: r.example}}",
    );
    check_target(ON, &tag, IN_PLACE, "r.example/proxyv2:1.28.0", &assumed);
    let range = release("chart: {spec: {chart: istiod, version: 1.28.x}}");
    check_target(ON, &range, &[], NOW, &["assumption-incomplete"]);
    let other = release("chart: {spec: {chart: kiali, version: 2.1.0}}");
    check_target(ON, &other, &[], NOW, &[]);
    let same = release("chart: {spec: {chart: istiod, version: 1.27.3}}");
    check_target(ON, &same, &[], NOW, &[]);
    let source = "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: charts, namespace: istio-system}\nspec: {url: oci://r.example/charts/istiod, ref: {tag: 1.28.0}}\n";
    let referring = release("chartRef: {kind: OCIRepository, name: charts}");
    let text = format!("{referring}{source}");
    check_target(ON, &text, IN_PLACE, BUMPED, &assumed);
    let elsewhere = release("chartRef: {kind: OCIRepository, name: istiod}");
    check_target(ON, &elsewhere, &[], NOW, &["assumption-incomplete"]);
}

#[test]
fn an_application_gives_the_version() {
    let application = |source: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: istiod, namespace: argocd}}\nspec: {{destination: {{namespace: istio-system}}, {source}}}\n"
        )
    };
    let assumed = ["assumed-version"];
    let one = application("source: {chart: istiod, targetRevision: 1.28.0}");
    check_target(ON, &one, IN_PLACE, BUMPED, &assumed);
    let many = application("sources: [{path: a}, {chart: istiod, targetRevision: v1.28.0}]");
    check_target(ON, &many, IN_PLACE, BUMPED, &assumed);
    let values = application(
        "source: {chart: istiod, targetRevision: 1.27.3, helm: {values: 'global: {tag: 1.28.0}'}}",
    );
    check_target(ON, &values, IN_PLACE, BUMPED, &assumed);
    let revision = application(
        "source: {chart: istiod, targetRevision: 1.28.0, helm: {parameters: [{name: revision, value: canary}]}}",
    );
    let beside = ["Deployment istio-system/istiod-canary: none → 1.28.0"];
    check_target(ON, &revision, &beside, NOW, &assumed);
    let named = "istio.io/rev: canary";
    check_target(named, &revision, &beside, BUMPED, &assumed);
}

#[test]
fn operators_give_the_version() {
    let assumed = ["assumed-version"];
    let in_place = "apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: {name: default}\nspec: {version: v1.28.0, namespace: istio-system, updateStrategy: {type: InPlace}}\n";
    check_target(ON, in_place, IN_PLACE, BUMPED, &assumed);
    let by_revision = in_place.replace("InPlace", "RevisionBased");
    let beside = ["Deployment istio-system/istiod-default-v1-28-0: none → 1.28.0"];
    check_target(ON, &by_revision, &beside, NOW, &assumed);
    let tagged = format!(
        "{by_revision}---\napiVersion: sailoperator.io/v1\nkind: IstioRevisionTag\nmetadata: {{name: prod}}\nspec: {{targetRef: {{kind: Istio, name: default}}}}\n"
    );
    let changes = [
        "MutatingWebhookConfiguration istio-revision-tag-prod: none → default-v1-28-0",
        "Deployment istio-system/istiod-default-v1-28-0: none → 1.28.0",
    ];
    let by_tag = "istio.io/rev: prod";
    check_target(by_tag, &tagged, &changes, BUMPED, &assumed);
    let operator = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: istio, namespace: istio-system}\nspec: {tag: 1.28.0}\n";
    check_target(ON, operator, IN_PLACE, BUMPED, &assumed);
    let alias = in_place.replace("v1.28.0", "v1.28-latest");
    check_target(ON, &alias, &[], NOW, &["assumption-incomplete"]);
}

const SHOP: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
const SHOP_ON: &str =
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}\n";

#[test]
fn a_label_that_git_gave_and_takes_back_is_gone() {
    let cluster = cluster(&[("shop", ON)]);
    let base = wanted(&[("ns.yaml", SHOP_ON)]);
    let with_base = assumed(&cluster, &[("ns.yaml", SHOP)], Some(&base));
    assert_eq!(
        with_base.changes(),
        ["Namespace shop: istio-injection `enabled` → none"]
    );
    assert_eq!(with_base.image("shop"), "none");
    let without_base = assumed(&cluster, &[("ns.yaml", SHOP)], None);
    assert_eq!(
        without_base.changes(),
        [""; 0],
        "somebody else may have put it there"
    );
    let new = assumed(
        &cluster,
        &[("ns.yaml", &SHOP_ON.replace("shop", "new"))],
        None,
    );
    assert_eq!(new.image("new"), NOW);
}

#[test]
fn changes_are_told_from_moves() {
    let base = wanted(&[("a.yaml", SHOP_ON), ("d.yaml", BUMPED_ISTIOD)]);
    let moved = wanted(&[("b.yaml", SHOP_ON), ("c/d.yaml", BUMPED_ISTIOD)]);
    assert_eq!(moved.changes_since(&base), [""; 0]);
    let changed = wanted(&[("a.yaml", SHOP), ("e.yaml", &SHOP.replace("shop", "new"))]);
    assert_eq!(
        changed.changes_since(&base),
        [
            "Namespace new is new",
            "Namespace shop changed",
            "Deployment istio-system/istiod is gone"
        ]
    );
}

/// The codes that are said of a way from what the cluster runs to other manifests.
#[track_caller]
fn check_way(
    namespaces: &[(&str, &str)],
    files: &[(&str, &str)],
    base: Option<&Desired>,
    codes: &[&str],
) {
    let cluster = cluster(namespaces);
    let (before, _) = Mesh::from_snapshot(&cluster);
    let assumed = assumed(&cluster, files, base);
    let found = check(&before, &assumed.mesh, &assumed.upgrade.snapshot);
    let found: Vec<String> = found.iter().map(|one| one.code.to_string()).collect();
    assert_eq!(found, codes);
}

fn istio(version: &str, strategy: &str) -> String {
    format!(
        "apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: {{name: default}}\nspec: {{version: v{version}, namespace: istio-system, updateStrategy: {{type: {strategy}}}}}\n"
    )
}

#[test]
fn in_place_goes_one_minor_up() {
    for (version, codes) in [
        ("1.27.9", &[][..]),
        ("1.28.0", &[]),
        ("1.29.0", &["upgrade-skips-minors"]),
        ("1.27.1", &["control-plane-downgrade"]),
        ("1.26.4", &["control-plane-downgrade"]),
    ] {
        let text = istio(version, "InPlace");
        check_way(&[], &[("istio.yaml", &text)], None, codes);
    }
}

#[test]
fn a_revision_of_its_own_goes_two_minors_up() {
    for (version, codes) in [
        ("1.29.0", &[][..]),
        ("1.30.0", &["upgrade-skips-minors"]),
        ("1.26.0", &[]),
    ] {
        let text = istio(version, "RevisionBased");
        check_way(&[], &[("istio.yaml", &text)], None, codes);
    }
}

#[test]
fn a_tag_that_disappears_is_said_while_namespaces_name_it() {
    let webhook = include_str!(
        "../../fixtures/bump/head/istio/mutatingwebhookconfiguration-istio-sidecar-injector.yaml"
    );
    let base = wanted(&[("webhook.yaml", webhook)]);
    let named = [("shop", "istio.io/rev: default")];
    check_way(&named, &[], Some(&base), &["revision-disappears"]);
    check_way(&[("shop", ON)], &[], Some(&base), &[]);
}

/// A deployment of the given name and labels.
fn deployment(namespace: &str, name: &str, labels: &str) -> String {
    format!(
        "- {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}}}\n"
    )
}

#[test]
fn who_runs_istio_for_others_has_rules() {
    let cluster = |text: String| {
        let text = format!(
            "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Pod, metadata: {{name: a, namespace: a}}, status: {{phase: Running}}}}\n- {{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{{ON}}}}}}}\n{text}"
        );
        let input = |text: String| Input {
            name: "cluster.yaml".to_owned(),
            reader: Box::new(Cursor::new(text.into_bytes())),
        };
        let inputs = vec![input(CONTROL_PLANE.to_owned()), input(text)];
        snapshot::read(inputs).expect("a snapshot").0
    };
    let kyma = deployment(
        "kyma-system",
        "istio-controller-manager",
        "kyma-project.io/module: istio",
    );
    let cluster = cluster(kyma);
    let (before, _) = Mesh::from_snapshot(&cluster);
    let codes = |version: &str| -> Vec<String> {
        let assumed = assumed(&cluster, &[("i.yaml", &istio(version, "InPlace"))], None);
        let found = check(&before, &assumed.mesh, &assumed.upgrade.snapshot);
        found.iter().map(|one| one.code.to_string()).collect()
    };
    assert_eq!(codes("1.28.0"), [""; 0]);
    assert_eq!(
        codes("1.29.0"),
        ["upgrade-skips-minors", "managed-mesh-rule"]
    );

    let mut aks = before.clone();
    for revision in &mut aks.revisions {
        revision.namespace = "aks-istio-system".into();
        revision.name = "asm-1-27".into();
    }
    let found = check(&aks, &aks, &cluster);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].message.contains("namespaces shop get no sidecar"),
        "{found:?}"
    );
    let mut ahead = aks.clone();
    ahead.revisions[0].name = "asm-1-29".into();
    ahead.revisions[0].control_plane_version = Some("1.29.0".into());
    let found = check(&aks, &ahead, &cluster);
    assert!(
        found
            .iter()
            .any(|one| one.message.contains("one minor at a time")),
        "{found:?}"
    );
}

#[test]
fn what_dry_runs_gave_is_forgotten_with_the_control_plane_that_gave_it() {
    let mut cluster = cluster(&[]);
    let injection = snapshot::Injection {
        workload: manifest::ObjectRef::new("apps", "Deployment", "shop", "cart"),
        template: "0123456789abcdef".to_owned(),
        outcome: snapshot::InjectionOutcome::unanswered("no"),
    };
    let said = cluster.add_injections(vec![injection]);
    assert_eq!(said.len(), 1);
    let assumed = assumed(&cluster, &[("map.yaml", BUMPED_MAP)], None);
    assert_eq!(assumed.upgrade.snapshot.injections, []);
}
