//! The model against the pods that dry runs gave.

use serde_json::{Value, json};

use super::drift_codes::born_of;
use crate::config::DriftClass;
use crate::manifest::PodTemplate;
use crate::mesh::testing::{Istiod, expect, live_pod, pods, sidecar};
use crate::mesh::{
    Agreement, Expectation, ExpectedSidecar, Mesh, Observation, ProxyKind, Verified, drifts,
    observe,
};
use crate::reason::{Reason, ReasonCode};

fn plain() -> PodTemplate {
    pods(&json!({}), &json!({}))
}

fn mesh() -> Mesh {
    Istiod::new("1.27.3").mesh_with(vec![])
}

fn bare() -> Value {
    json!({"metadata": {"name": "pod", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

fn verify(model: &Expectation, pod: &Value) -> Verified {
    mesh().verify(model, &live_pod(pod), &plain())
}

fn model(expected: &ExpectedSidecar) -> Expectation {
    Expectation::Sidecar(Box::new(expected.clone()))
}

fn words(verified: &Verified) -> &str {
    match &verified.agreement {
        Agreement::Disagrees(words) => words,
        other => panic!("{other:?}"),
    }
}

fn given(verified: &Verified) -> &ExpectedSidecar {
    match &verified.expectation {
        Expectation::Sidecar(sidecar) => sidecar,
        other => panic!("{other:?}"),
    }
}

/// That the pod of a dry run has no drift from what is expected because of it.
#[track_caller]
fn is_what_it_gave(verified: &Verified, pod: &Value) {
    let Observation::Sidecar(observed) = observe(&live_pod(pod)) else {
        panic!("no sidecar");
    };
    assert_eq!(drifts(given(verified), &observed), []);
}

#[test]
fn where_they_agree_the_models_words_stay() {
    let expected = sidecar(&mesh(), &plain());
    let verified = verify(&model(&expected), &born_of(&expected));
    assert_eq!(verified.agreement, Agreement::Agrees);
    assert_eq!(verified.expectation, model(&expected));
    let none = expect(&mesh(), &json!({}), &plain());
    let verified = verify(&none, &bare());
    assert_eq!(
        (verified.agreement, verified.expectation),
        (Agreement::Agrees, none)
    );
}

#[test]
fn what_the_model_could_not_compute_is_filled_in() {
    let whole = sidecar(&mesh(), &plain());
    let mut limited = whole.clone();
    limited.native = None;
    limited.init = None;
    limited.limits = vec![(DriftClass::Shape, "there are no nodes".to_owned())];
    let pod = born_of(&whole);
    let verified = verify(&model(&limited), &pod);
    assert_eq!(verified.agreement, Agreement::Agrees);
    is_what_it_gave(&verified, &pod);
    let Expectation::Sidecar(filled) = verified.expectation else {
        panic!("a sidecar");
    };
    // Filled in for the comparison, and not for the stamp.
    let everything = std::collections::BTreeSet::from([DriftClass::Version, DriftClass::Shape]);
    assert_eq!(filled.stamp(&everything), limited.stamp(&everything));
    assert_ne!(whole.stamp(&everything), limited.stamp(&everything));
    let filled = ExpectedSidecar {
        computed: None,
        ..*filled
    };
    assert_eq!(filled, whole);
}

#[test]
fn where_they_differ_the_dry_run_is_right() {
    let expected = sidecar(&mesh(), &plain());
    type Change = fn(&mut ExpectedSidecar);
    let changes: [(Change, &str); 7] = [
        (
            |it| it.revision = "canary".to_owned(),
            "revision-differs (model: default, dry run: canary)",
        ),
        (
            |it| it.image = "docker.io/istio/proxyv2:1.27.9".to_owned(),
            "proxy-version-differs (model: 1.27.3, dry run: 1.27.9)",
        ),
        (
            |it| it.image = "mirror.example.com/proxyv2:1.27.3".to_owned(),
            "proxy-registry-differs (model: docker.io/istio, dry run: mirror.example.com)",
        ),
        (
            |it| it.native = Some(false),
            "native-sidecar-differs (model: native, dry run: regular)",
        ),
        (
            |it| {
                it.config.insert("concurrency".to_owned(), json!(7));
            },
            r#"proxy-config-differs (model: {}, dry run: {"concurrency":7})"#,
        ),
        (
            |it| it.prometheus_merged = !it.prometheus_merged,
            "prometheus-merge-differs (model: merged, dry run: not merged)",
        ),
        (
            |it| {
                it.resources
                    .requests
                    .insert("cpu".to_owned(), "7".to_owned());
            },
            "proxy-resources-differ",
        ),
    ];
    for (change, expected_words) in changes {
        let mut other = expected.clone();
        change(&mut other);
        let pod = born_of(&other);
        let verified = verify(&model(&expected), &pod);
        let words = words(&verified);
        assert!(words.contains(expected_words), "{words}");
        is_what_it_gave(&verified, &pod);
    }
}

#[test]
fn trusted_proxies_are_looked_at_for_gateways_alone() {
    let expected = sidecar(&mesh(), &plain());
    for kind in [ProxyKind::Sidecar, ProxyKind::Gateway] {
        let mut other = expected.clone();
        other.kind = kind;
        other.image = "docker.io/istio/proxyv2:1.27.9".to_owned();
        let topology = json!({"numTrustedProxies": 2});
        other.config.insert("gatewayTopology".to_owned(), topology);
        let pod = born_of(&other);
        let verified = verify(&model(&expected), &pod);
        is_what_it_gave(&verified, &pod);
        let is_kept = given(&verified).config.contains_key("gatewayTopology");
        assert_eq!(is_kept, kind == ProxyKind::Gateway);
    }
}

#[test]
fn a_sidecar_that_is_there_or_not_is_a_disagreement() {
    let expected = sidecar(&mesh(), &plain());
    let verified = verify(&model(&expected), &bare());
    assert_eq!(
        words(&verified),
        "model: 1.27.3 of revision default, dry run: no sidecar"
    );
    assert!(matches!(
        verified.expectation,
        Expectation::None { unserved: None, .. }
    ));
    let none = expect(&mesh(), &json!({}), &plain());
    let pod = born_of(&expected);
    let verified = verify(&none, &pod);
    assert!(
        words(&verified).starts_with("model: no sidecar ("),
        "{verified:?}"
    );
    assert!(words(&verified).ends_with("dry run: 1.27.3 of revision default"));
    is_what_it_gave(&verified, &pod);
    let sidecar = given(&verified);
    let plane = (&*sidecar.control_plane, sidecar.settled_at);
    assert_eq!(plane, ("istio-system", expected.settled_at));
    // A stamp for it is that of the model, had it been right.
    let classes = [
        DriftClass::Presence,
        DriftClass::Revision,
        DriftClass::Version,
        DriftClass::Config,
    ];
    assert_eq!(
        sidecar.stamp(&classes.into()),
        expected.stamp(&classes.into())
    );
}

#[test]
fn a_pod_that_the_model_gives_up_on_is_told_by_the_dry_run() {
    let expected = sidecar(&mesh(), &plain());
    let reason = |code| Reason::new(code, "so it is");
    let rejected = Expectation::Rejected(reason(ReasonCode::WouldBeRejected));
    let verified = verify(&rejected, &born_of(&expected));
    assert_eq!(words(&verified), "model: no pod (so it is), dry run: a pod");
    assert_eq!(given(&verified).version, expected.version);
    let unknown = Expectation::Unknown(reason(ReasonCode::InjectorUnresolvable));
    let verified = verify(&unknown, &born_of(&expected));
    assert_eq!(verified.agreement, Agreement::Untold("so it is".to_owned()));
    assert_eq!(given(&verified).version, expected.version);
    assert!(matches!(
        verify(&unknown, &bare()).expectation,
        Expectation::None { .. }
    ));
}

#[test]
fn a_proxy_that_injection_does_not_add_tells_nothing() {
    let expected = model(&sidecar(&mesh(), &plain()));
    let mut managed = bare();
    managed["metadata"]["labels"] =
        json!({"gateway.istio.io/managed": "istio.io-gateway-controller"});
    let mut broken = bare();
    broken["metadata"]["annotations"] = json!({"sidecar.istio.io/status": "{"});
    for pod in [managed, broken] {
        let verified = verify(&expected, &pod);
        assert!(
            matches!(verified.agreement, Agreement::Untold(_)),
            "{verified:?}"
        );
        assert_eq!(verified.expectation, expected);
    }
}
