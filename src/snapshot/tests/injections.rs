//! Results of dry runs: what the API server answers, what is recorded of it, and what is said.

use serde_json::{Value, json};

use super::{input, snapshot};
use crate::diagnostic::DiagnosticCode;
use crate::manifest::{ObjectRef, PodTemplate};
use crate::snapshot::{
    CreateRefusal, Injection, InjectionOutcome, KINDS, read, record, template_digest, whole_page,
};

/// What the API server answers: an injected pod, with everything that a dry run makes up.
fn answer() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "cart-1-x7z2q", "generateName": "cart-1-", "namespace": "shop",
            "uid": "made-up", "creationTimestamp": "2026-11-20T12:00:00Z",
            "labels": {"app": "cart"},
            "annotations": {
                "sidecar.istio.io/status": "{\"revision\":\"default\"}", "vault.example.com/t": "hush",
            },
            "ownerReferences": [{"kind": "ReplicaSet", "name": "cart-1", "uid": "r", "controller": true}],
        },
        "spec": {
            "nodeName": "node-1", "serviceAccountName": "cart",
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "hush"}}],
            "containers": [
                {"name": "cart", "image": "cart:1", "env": [{"name": "PASSWORD", "value": "hush"}]},
                {"name": "istio-proxy", "image": "proxyv2:1.27.3", "env": [
                    {"name": "PROXY_CONFIG", "value": "{}"}, {"name": "TOKEN", "value": "hush"},
                ]},
            ],
            "initContainers": [{"name": "own"}, {"name": "istio-init", "image": "proxyv2:1.27.3"}],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    })
}

fn cart() -> ObjectRef {
    ObjectRef::new("apps", "Deployment", "shop", "cart")
}

fn injection(name: &str, outcome: InjectionOutcome) -> Injection {
    Injection {
        workload: ObjectRef::new("apps", "Deployment", "shop", name),
        template: "0123456789abcdef".to_owned(),
        outcome,
    }
}

const LIST: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}}]}"#;

#[test]
fn of_an_answer_the_sidecar_is_kept_and_nothing_that_chance_or_the_user_put_in() {
    let outcome = InjectionOutcome::of_pod(&cart(), &answer().to_string(), &[]);
    let InjectionOutcome::Created(pod) = &outcome else {
        panic!("{outcome:?}");
    };
    let names = |containers: &[crate::manifest::Container]| {
        let names = containers.iter().map(|container| container.name.clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&pod.spec.containers), ["istio-proxy"]);
    assert_eq!(names(&pod.spec.init_containers), ["istio-init"]);
    assert_eq!(pod.metadata.name, "cart");
    let text = format!("{pod:?}");
    for absent in ["hush", "x7z2q", "made-up", "node-1", "2026-11-20"] {
        assert!(!text.contains(absent), "{absent}: {text}");
    }
    let broken = InjectionOutcome::of_pod(&cart(), "[]", &[]);
    assert!(
        matches!(&broken, InjectionOutcome::Unanswered { message } if message.starts_with("the answer is no pod")),
        "{broken:?}"
    );
}

#[test]
fn a_recording_holds_the_results_and_is_read_as_what_it_was() {
    let mut taken = snapshot(LIST);
    let refused = InjectionOutcome::Refused {
        code: 422,
        message: "no".to_owned(),
    };
    let diagnostics = taken.add_injections(vec![
        injection("c", InjectionOutcome::unanswered("403: no")),
        injection("b", refused),
        injection(
            "cart",
            InjectionOutcome::of_pod(&cart(), &answer().to_string(), &[]),
        ),
    ]);
    let codes: Vec<_> = diagnostics.iter().map(|it| it.code).collect();
    assert_eq!(
        codes,
        [
            DiagnosticCode::OracleRefused,
            DiagnosticCode::OracleUnanswered
        ]
    );
    let mut recorded = Vec::new();
    record(&taken, &mut recorded).expect("in memory");
    let text = String::from_utf8(recorded.clone()).expect("UTF-8");
    assert!(text.contains(r#""kind":"InjectionResult""#), "{text}");
    assert!(!text.contains("hush"), "{text}");
    let (again, said) = read(vec![input("it", recorded)]).expect("a snapshot");
    assert!(diagnostics.iter().all(|it| said.contains(it)), "{said:?}");
    assert_eq!(again.injections, taken.injections);
    assert_eq!(again.injection(&cart()), taken.injections.last());
    assert_eq!(
        again.injection(&ObjectRef::new("apps", "Deployment", "shop", "d")),
        None
    );
}

#[test]
fn a_result_that_is_none_is_a_fault() {
    let result = |status: &str| {
        format!(
            r#"{{"apiVersion": "meshroll.dev/v1", "kind": "InjectionResult",
                "metadata": {{"name": "cart", "namespace": "shop"}},
                "spec": {{"workloadRef": {{"kind": "Deployment"}}}}, "status": {status}}}"#
        )
    };
    for status in ["{}", r#"{"pod": {}, "refused": {"code": 1}}"#] {
        let fault = super::fault(result(status));
        assert!(fault.contains("without one outcome"), "{fault}");
    }
}

#[test]
fn what_an_older_recording_was_told_says_nothing_of_a_newer_cluster() {
    let recording = |time: &str, name: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "List",
                "metadata": {{"annotations": {{"meshroll.dev/captured-at": "{time}"}}}},
                "items": [{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}"}}}},
                    {{"apiVersion": "meshroll.dev/v1", "kind": "InjectionResult",
                    "metadata": {{"name": "{name}", "namespace": "shop"}},
                    "spec": {{"workloadRef": {{"group": "apps", "kind": "Deployment"}}}},
                    "status": {{"unanswered": {{"message": "no"}}}}}}]}}"#
        )
    };
    let (merged, _) = read(vec![
        input("new", recording("2026-11-20T12:00:00Z", "new")),
        input("old", recording("2026-11-20T11:00:00Z", "old")),
    ])
    .expect("a snapshot");
    let names: Vec<_> = merged
        .injections
        .iter()
        .map(|it| &it.workload.name)
        .collect();
    assert_eq!(names, ["new"]);
}

/// What a refusal means: `refused CODE: …` or `unanswered: …`.
fn meaning(code: u16, names_pod: bool, message: &str) -> String {
    let refusal = CreateRefusal {
        code,
        names_pod,
        message,
        generate_name: "cart-1-",
    };
    match InjectionOutcome::of_refusal(refusal) {
        InjectionOutcome::Created(_) => "created".to_owned(),
        InjectionOutcome::Refused { code, message } => format!("refused {code}: {message}"),
        InjectionOutcome::Unanswered { message } => format!("unanswered: {message}"),
    }
}

#[test]
fn a_refusal_of_the_pod_is_told_from_one_of_the_question() {
    let denied = "pods is forbidden: User \"me\" cannot create resource \"pods\"";
    let table = [
        // Of the question: by the authorizer, by a webhook that takes no dry run, by load.
        (403, false, denied, format!("unanswered: 403: {denied}")),
        (
            400,
            false,
            "admission webhook \"a\" does not support dry run",
            "unanswered: 400: admission webhook \"a\" does not support dry run".to_owned(),
        ),
        (
            409,
            true,
            "it changed",
            "unanswered: 409: it changed".into(),
        ),
        (429, false, "slower", "unanswered: 429: slower".into()),
        (503, false, "later", "unanswered: 503: later".into()),
        (
            403,
            true,
            "pods \"cart-1-\" is forbidden: exceeded quota: all",
            "unanswered: 403: pods \"cart-1-\" is forbidden: exceeded quota: all".into(),
        ),
        // Of the pod: by admission, by a webhook, by validation, by an injector that is down.
        (
            403,
            true,
            "pods \"cart-1-x7z2q\" is forbidden: violates PodSecurity",
            "refused 403: pods \"cart-1-\" is forbidden: violates PodSecurity".into(),
        ),
        (
            403,
            false,
            "admission webhook \"policy\" denied the request: no latest",
            "refused 403: admission webhook \"policy\" denied the request: no latest".into(),
        ),
        (
            422,
            true,
            "Pod \"cart-1-ab12c\" is invalid: cart-1-more stays",
            "refused 422: Pod \"cart-1-\" is invalid: cart-1-more stays".into(),
        ),
        (
            500,
            false,
            "failed calling webhook",
            "refused 500: failed calling webhook".into(),
        ),
    ];
    for (code, names_pod, message, expected) in table {
        assert_eq!(meaning(code, names_pod, message), expected);
    }
    assert_eq!(meaning(422, true, &"x".repeat(9000)).len(), 500 + 13);
}

fn template(value: &Value) -> PodTemplate {
    serde_json::from_value(value.clone()).expect("a template")
}

#[test]
fn a_digest_covers_what_injection_looks_at_and_no_restart() {
    let base = json!({
        "metadata": {"labels": {"app": "cart"}, "annotations": {"sidecar.istio.io/inject": "true"}},
        "spec": {"containers": [{"name": "cart", "image": "cart:1"}, {"name": "istio-proxy", "image": "auto"}]},
    });
    let digest = |pointer: &str, value: Value| {
        let mut changed = base.clone();
        *changed.pointer_mut(pointer).expect("a place") = value;
        template_digest(&template(&changed))
    };
    let unchanged = template_digest(&template(&base));
    assert_eq!(unchanged.len(), 16);
    for (pointer, value) in [
        ("/metadata/labels", json!({"app": "web"})),
        (
            "/metadata/annotations",
            json!({"sidecar.istio.io/inject": "false"}),
        ),
        ("/metadata/annotations", json!({})),
        ("/spec", json!({"hostNetwork": true})),
        ("/spec/containers/1/image", json!("mine:1")),
        (
            "/spec/containers/1",
            json!({"name": "istio-proxy", "image": "auto",
            "resources": {"limits": {"cpu": "1"}}}),
        ),
    ] {
        assert_ne!(
            digest(pointer, value.clone()),
            unchanged,
            "{pointer} {value}"
        );
    }
    for (pointer, value) in [
        ("/spec/containers/0/image", json!("cart:2")),
        (
            "/metadata/annotations",
            json!({
                "sidecar.istio.io/inject": "true",
                "kubectl.kubernetes.io/restartedAt": "2026-11-20T12:00:00Z",
                "meshroll.dev/restarted-for": "1.27.3/default/1.000000",
                "ops.example.com/restartedAt": "2026-11-20T12:00:00Z",
                "example.com/build": "7",
            }),
        ),
    ] {
        assert_eq!(
            digest(pointer, value.clone()),
            unchanged,
            "{pointer} {value}"
        );
    }
}

#[test]
fn a_page_of_whole_workloads_leaves_nothing_out() {
    let kind = |name: &str| KINDS.iter().find(|kind| kind.kind == name).expect("a kind");
    let spec = json!({"template": {"spec": {"containers": [
        {"name": "cart", "env": [{"name": "A", "value": "whole"}]}]}}});
    let items = json!([
        {"metadata": {"name": "cart", "namespace": "shop"}, "spec": spec},
        {"metadata": {"name": "empty", "namespace": "shop"}, "spec": {}},
    ]);
    let page = json!({"metadata": {"continue": "more"}, "items": items});
    let page = whole_page(kind("Deployment"), "v1", &page.to_string()).expect("a page");
    assert_eq!(
        (page.page.objects, page.page.next.as_deref()),
        (2, Some("more"))
    );
    let [cart] = page.workloads.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(cart.reference, self::cart());
    assert_eq!(cart.object["spec"], spec);
    assert!(whole_page(kind("Deployment"), "v1", r#"{"items": [{"metadata""#).is_err());
    assert!(whole_page(kind("Deployment"), "v1", r#"{"items": [7]}"#).is_err());
}
