//! The decision table of `spec/istio.md` §1.3 over the standard webhooks.

use serde_json::{Value, json};

use crate::manifest::StringMap;
use crate::mesh::testing::{Istiod, expect, mesh, pods};
use crate::mesh::{Expectation, Match, Mesh};

/// An unrevisioned control plane (D), a revisioned one (`a`), and the tag `prod` on the latter.
fn cluster(with_auto: bool) -> Mesh {
    let default = Istiod::new("1.30.3");
    let canary = Istiod::new("1.30.4").revision("a");
    let mut objects = default.installed();
    if with_auto {
        let webhooks = objects.last_mut().expect("webhooks");
        let entries = webhooks["webhooks"].as_array_mut().expect("entries");
        entries.push(default.auto_entry());
    }
    objects.extend(canary.installed());
    objects.push(canary.tag("prod"));
    mesh(objects)
}

/// Labels from what a row says: none is absent.
fn labels(pairs: [(&str, Option<&str>); 2]) -> Value {
    let present = pairs
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    Value::Object(
        present
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect(),
    )
}

/// The revision that injects, or nothing.
fn injected(
    mesh: &Mesh,
    namespace: (Option<&str>, Option<&str>),
    pod: (Option<&str>, Option<&str>),
) -> Option<String> {
    let namespace = labels([
        ("istio-injection", namespace.0),
        ("istio.io/rev", namespace.1),
    ]);
    let pod = labels([("sidecar.istio.io/inject", pod.0), ("istio.io/rev", pod.1)]);
    match expect(mesh, &namespace, &pods(&pod, &json!({}))) {
        Expectation::Sidecar(sidecar) => Some(sidecar.revision),
        Expectation::None { .. } => None,
        other => panic!("{other:?}"),
    }
}

const ANY: [Option<&str>; 5] = [None, Some("a"), Some("default"), Some("prod"), Some("gone")];
const NOT_FALSE: [Option<&str>; 4] = [None, Some("true"), Some(""), Some("junk")];
const WORDS: [Option<&str>; 5] = [None, Some("true"), Some(""), Some("junk"), Some("false")];

#[track_caller]
fn check(
    mesh: &Mesh,
    injection: &[Option<&str>],
    revision: &[Option<&str>],
    inject: &[Option<&str>],
    pod_revision: &[Option<&str>],
    expected: Option<&str>,
) {
    for namespace in injection
        .iter()
        .flat_map(|one| revision.iter().map(move |two| (*one, *two)))
    {
        for pod in inject
            .iter()
            .flat_map(|one| pod_revision.iter().map(move |two| (*one, *two)))
        {
            assert_eq!(
                injected(mesh, namespace, pod).as_deref(),
                expected,
                "namespace {namespace:?} pod {pod:?}"
            );
        }
    }
}

#[test]
fn every_row_of_the_decision_table() {
    let mesh = cluster(false);
    let absent = [None];
    // `junk` and the empty word are a word of their own to the injector: default policy since 1.27.
    check(
        &mesh,
        &[Some("enabled")],
        &ANY,
        &NOT_FALSE,
        &ANY,
        Some("default"),
    );
    check(
        &mesh,
        &[Some("disabled"), Some("")],
        &ANY,
        &WORDS,
        &ANY,
        None,
    );
    check(
        &mesh,
        &absent,
        &[Some("a"), Some("prod")],
        &NOT_FALSE,
        &ANY,
        Some("a"),
    );
    check(
        &mesh,
        &absent,
        &[Some("default")],
        &NOT_FALSE,
        &ANY,
        Some("default"),
    );
    check(
        &mesh,
        &absent,
        &[Some("gone"), Some("")],
        &WORDS,
        &ANY,
        None,
    );
    check(
        &mesh,
        &absent,
        &absent,
        &NOT_FALSE,
        &[Some("a"), Some("prod")],
        Some("a"),
    );
    check(
        &mesh,
        &absent,
        &absent,
        &NOT_FALSE,
        &[Some("default")],
        Some("default"),
    );
    check(
        &mesh,
        &absent,
        &absent,
        &WORDS,
        &[Some("gone"), Some("")],
        None,
    );
    check(
        &mesh,
        &absent,
        &absent,
        &[Some("true")],
        &absent,
        Some("default"),
    );
    check(
        &mesh,
        &absent,
        &absent,
        &[None, Some("junk"), Some("")],
        &absent,
        None,
    );
    let all = [None, Some("enabled"), Some("disabled")];
    check(&mesh, &all, &ANY, &[Some("false")], &ANY, None);
}

#[test]
fn namespaces_by_default_injects_what_says_nothing() {
    let mesh = cluster(true);
    let absent = [None];
    check(&mesh, &absent, &absent, &absent, &absent, Some("default"));
    check(
        &mesh,
        &absent,
        &absent,
        &[Some("junk"), Some("false")],
        &absent,
        None,
    );
    check(&mesh, &[Some("disabled")], &absent, &absent, &absent, None);
    check(&mesh, &absent, &[Some("gone")], &absent, &absent, None);
    check(&mesh, &absent, &absent, &absent, &[Some("gone")], None);
}

#[test]
fn a_correct_install_never_calls_two_injectors() {
    let mesh = cluster(true);
    let injection = [None, Some("enabled"), Some("disabled"), Some("")];
    for namespace in injection
        .iter()
        .flat_map(|one| ANY.iter().map(move |two| (*one, *two)))
    {
        for pod in WORDS
            .iter()
            .flat_map(|one| ANY.iter().map(move |two| (*one, *two)))
        {
            let labelled = labels([
                ("istio-injection", namespace.0),
                ("istio.io/rev", namespace.1),
            ]);
            let pod = labels([("sidecar.istio.io/inject", pod.0), ("istio.io/rev", pod.1)]);
            let explanation = mesh.explain(
                "shop",
                Some(&crate::mesh::testing::string_map(&labelled)),
                &pods(&pod, &json!({})),
                &StringMap::new(),
            );
            let called = explanation
                .webhooks
                .iter()
                .filter(|one| one.outcome == Match::Called);
            assert!(called.count() <= 1, "{labelled} {pod}");
        }
    }
}

/// What peers get wrong (`spec/peers.md` §2.8): namespace, pod, who injects.
#[test]
fn which_revision_injects_where_peers_differ() {
    let mesh = cluster(false);
    for (namespace, pod, expected) in [
        ((Some("enabled"), None), (None, None), Some("default")),
        ((Some("enabled"), Some("a")), (None, None), Some("default")),
        ((Some("enabled"), None), (None, Some("a")), Some("default")),
        ((None, Some("a")), (None, None), Some("a")),
        ((None, Some("a")), (None, Some("default")), Some("a")),
        ((None, Some("a")), (Some("true"), None), Some("a")),
        ((Some("disabled"), Some("a")), (None, Some("a")), None),
        ((None, None), (None, Some("a")), Some("a")),
        ((None, None), (Some("true"), None), Some("default")),
        (
            (Some("enabled"), Some("a")),
            (Some("false"), Some("a")),
            None,
        ),
    ] {
        let found = injected(&mesh, namespace, pod);
        assert_eq!(found.as_deref(), expected, "{namespace:?} {pod:?}");
    }
}
