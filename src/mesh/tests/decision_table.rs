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

/// Label values that a column of a row stands for.
fn column(text: &'static str) -> Vec<Option<&'static str>> {
    match text {
        "any revision" => vec![None, Some("a"), Some("default"), Some("prod"), Some("gone")],
        "any word" => vec![None, Some("true"), Some(""), Some("junk"), Some("false")],
        "not false" => vec![None, Some("true"), Some(""), Some("junk")],
        "any injection" => vec![None, Some("enabled"), Some("disabled")],
        list => {
            let value = |one: &'static str| match one {
                "absent" => None,
                "empty" => Some(""),
                value => Some(value),
            };
            list.split(", ").map(value).collect()
        }
    }
}

/// Rows of the table: `istio-injection | istio.io/rev | pod inject | pod istio.io/rev | injected`.
#[track_caller]
fn check(mesh: &Mesh, rows: &'static [&'static str]) {
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [injection, revision, inject, own, expected] = cells.as_slice() else {
            panic!("{row}");
        };
        let expected = Some(*expected).filter(|expected| *expected != "none");
        for namespace in pairs(injection, revision) {
            for pod in pairs(inject, own) {
                let found = injected(mesh, namespace, pod);
                assert_eq!(found.as_deref(), expected, "{row}: {namespace:?} {pod:?}");
            }
        }
    }
}

/// Every combination of two columns.
fn pairs(
    one: &'static str,
    two: &'static str,
) -> Vec<(Option<&'static str>, Option<&'static str>)> {
    let two = column(two);
    let pairs = column(one).into_iter();
    pairs
        .flat_map(|one| two.iter().map(move |two| (one, *two)))
        .collect()
}

#[test]
fn every_row_of_the_decision_table() {
    check(
        &cluster(false),
        &[
            "enabled         | any revision  | not false           | any revision | default",
            "disabled, empty | any revision  | any word            | any revision | none",
            "absent          | a, prod       | not false           | any revision | a",
            "absent          | default       | not false           | any revision | default",
            "absent          | gone, empty   | any word            | any revision | none",
            "absent          | absent        | not false           | a, prod      | a",
            "absent          | absent        | not false           | default      | default",
            "absent          | absent        | any word            | gone, empty  | none",
            "absent          | absent        | true                | absent       | default",
            "absent          | absent        | absent, junk, empty | absent       | none",
            "any injection   | any revision  | false               | any revision | none",
        ],
    );
}

#[test]
fn namespaces_by_default_injects_what_says_nothing() {
    check(
        &cluster(true),
        &[
            "absent   | absent | absent      | absent | default",
            "absent   | absent | junk, false | absent | none",
            "disabled | absent | absent      | absent | none",
            "absent   | gone   | absent      | absent | none",
            "absent   | absent | absent      | gone   | none",
        ],
    );
}

#[test]
fn a_correct_install_never_calls_two_injectors() {
    let mesh = cluster(true);
    for namespace in pairs("absent, enabled, disabled, empty", "any revision") {
        for pod in pairs("any word", "any revision") {
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
