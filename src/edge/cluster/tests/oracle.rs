//! Dry runs of a live cluster: what is asked, what is recorded, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{ClusterOptions, Taken, allowed, cluster, list, names, take, take_with, with};
use crate::diagnostic::DiagnosticCode;
use crate::edge::cluster::stand_in::{Answer, Asked, StandIn};
use crate::manifest::ObjectRef;
use crate::snapshot::{ClusterSnapshot, InjectionOutcome, KINDS};

const PODS: &str = "/api/v1/namespaces/shop/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

fn ask(stand_in: &StandIn) -> (Taken, Vec<Duration>) {
    let options = ClusterOptions {
        oracle: true,
        ..ClusterOptions::default()
    };
    take_with(stand_in, &options)
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"nodeName": "node-1", "containers": [
                {"name": "run", "image": "run:1", "env": [{"name": "A", "value": "hush"}]}]},
        }},
    })
}

/// The pod that was asked for, with a sidecar.
fn injected(asked: &Asked) -> Answer {
    let mut pod: Value = serde_json::from_str(&asked.body).expect("JSON");
    pod["metadata"]["name"] = json!("it-x7z2q");
    pod["metadata"]["annotations"]["sidecar.istio.io/status"] = json!("{\"revision\":\"default\"}");
    let sidecar = json!({"name": "istio-proxy", "image": "proxyv2:1.27.3"});
    let containers = pod["spec"]["containers"].as_array_mut();
    containers.expect("containers").push(sidecar);
    Answer::Json(pod.to_string())
}

/// A cluster with these Deployments, whose pods are answered by a function.
fn asked_of(
    names: &'static [&'static str],
    answer: impl Fn(&Asked) -> Answer + Send + 'static,
) -> StandIn {
    with(
        move |asked| match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", _) => Some(answer(asked)),
            ("GET", DEPLOYMENTS) => {
                let items = Vec::from_iter(names.iter().map(|name| deployment(name)));
                Some(Answer::Json(list("Deployment", "apps/v1", &items, "")))
            }
            _ => None,
        },
    )
}

/// What came of each dry run, by workload: `created`, `refused CODE`, `unanswered: …`.
fn outcomes(snapshot: &ClusterSnapshot) -> Vec<String> {
    let said = snapshot.injections.iter().map(|injection| {
        let outcome = match &injection.outcome {
            InjectionOutcome::Created(_) => "created".to_owned(),
            InjectionOutcome::Refused { code, .. } => format!("refused {code}"),
            InjectionOutcome::Unanswered { message } => format!("unanswered: {message}"),
        };
        format!("{} {outcome}", injection.workload.name)
    });
    said.collect()
}

#[test]
fn without_being_told_nobody_is_asked() {
    let stand_in = asked_of(&["cart"], injected);
    let (snapshot, _) = take(&stand_in).0.expect("a snapshot");
    assert_eq!(snapshot.injections, []);
    assert!(stand_in.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn each_workload_is_asked_about_once_and_its_sidecar_recorded() {
    let stand_in = asked_of(&["cart", "web"], injected);
    let (taken, waits) = ask(&stand_in);
    let (snapshot, diagnostics) = taken.expect("a snapshot");
    assert_eq!(outcomes(&snapshot), ["cart created", "web created"]);
    assert_eq!((diagnostics, waits), (Vec::new(), Vec::new()));
    assert_eq!(names(&snapshot), ["a", "b", "c"]);
    let posted: Vec<Asked> = stand_in
        .asked()
        .into_iter()
        .filter(|asked| asked.method != "GET")
        .collect();
    assert_eq!(posted.len(), 2);
    for asked in &posted {
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", PODS));
        let query: Vec<&str> = asked.query.split('&').filter(|it| !it.is_empty()).collect();
        assert_eq!(query, ["dryRun=All", "fieldManager=meshroll"]);
        // The question is the whole template, the recording is not.
        assert!(asked.body.contains("hush"), "{}", asked.body);
        assert!(!asked.body.contains("node-1"), "{}", asked.body);
    }
    assert!(!format!("{:?}", snapshot.injections).contains("hush"));
    let cart = ObjectRef::new("apps", "Deployment", "shop", "cart");
    let injection = snapshot.injection(&cart).expect("a result");
    let template = snapshot
        .workload(&cart)
        .and_then(|live| live.template.clone());
    assert_eq!(
        injection.template,
        crate::snapshot::template_digest(&template.expect("a template"))
    );
}

#[test]
fn many_are_asked_about_page_by_page_and_the_answers_are_sorted() {
    const NAMES: [&str; 11] = ["k", "j", "i", "h", "g", "f", "e", "d", "c", "b", "a"];
    let page = |asked: &Asked| {
        // The second page of the second listing expires once.
        match (asked.next.as_str(), asked.before) {
            ("", _) => {
                let items = Vec::from_iter(NAMES[..9].iter().map(|name| deployment(name)));
                Answer::Json(list("Deployment", "apps/v1", &items, "more"))
            }
            ("more", 1) => Answer::Status(410),
            _ => {
                let items = Vec::from_iter(NAMES[9..].iter().map(|name| deployment(name)));
                Answer::Json(list("Deployment", "apps/v1", &items, ""))
            }
        }
    };
    let stand_in = with(
        move |asked| match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", _) => Some(injected(asked)),
            ("GET", DEPLOYMENTS) => Some(page(asked)),
            _ => None,
        },
    );
    let (snapshot, _) = ask(&stand_in).0.expect("a snapshot");
    let expected: Vec<String> = NAMES
        .iter()
        .rev()
        .map(|name| format!("{name} created"))
        .collect();
    assert_eq!(outcomes(&snapshot), expected);
    let posted = stand_in.asked();
    let posted = posted.iter().filter(|asked| asked.method == "POST");
    assert_eq!(posted.count(), NAMES.len(), "nobody is asked about twice");
}

/// Answers that are no pod, what is recorded of each, and the code of what is said.
#[test]
fn what_goes_wrong_with_one_is_said_and_the_others_go_on() {
    const NAMES: &[&str] = &["cart", "web"];
    let about_cart = |asked: &Asked| asked.body.contains("\"app\":\"cart\"");
    type Wrong = fn() -> Answer;
    let (refused, unanswered) = (
        DiagnosticCode::OracleRefused,
        DiagnosticCode::OracleUnanswered,
    );
    let cases: [(Wrong, &str, DiagnosticCode); 7] = [
        (
            || Answer::Refusal(403, "pods \"it\" is forbidden: violates PodSecurity", true),
            "cart refused 403",
            refused,
        ),
        (
            || Answer::Refusal(400, "admission webhook \"p\" denied the request: no", false),
            "cart refused 400",
            refused,
        ),
        (
            || Answer::Refusal(422, "Pod \"it\" is invalid", true),
            "cart refused 422",
            refused,
        ),
        (
            || Answer::Refusal(500, "failed calling webhook \"rev.istio.io\"", false),
            "cart refused 500",
            refused,
        ),
        (
            || Answer::Refusal(409, "the object has been modified", true),
            "cart unanswered: 409: the object has been modified",
            unanswered,
        ),
        (
            || Answer::Refusal(429, "too many requests", false),
            "cart unanswered: 429: too many requests",
            unanswered,
        ),
        (
            || Answer::Json("{\"kind\":\"Pod\",\"met".to_owned()),
            "cart unanswered: the answer is no pod: the input ends too early",
            unanswered,
        ),
    ];
    for (wrong, expected, code) in cases {
        let stand_in = asked_of(NAMES, move |asked| {
            if about_cart(asked) {
                wrong()
            } else {
                injected(asked)
            }
        });
        let (snapshot, diagnostics) = ask(&stand_in).0.expect("a snapshot");
        let outcomes = outcomes(&snapshot);
        assert!(outcomes[0].starts_with(expected), "{outcomes:?}");
        assert_eq!(outcomes[1], "web created", "{expected}");
        let codes: Vec<_> = diagnostics.iter().map(|it| it.code).collect();
        assert_eq!(codes, [code], "{expected}");
        let message = &diagnostics[0].message;
        let about = if code == refused {
            "Deployment shop/cart"
        } else {
            "namespace shop"
        };
        assert!(message.contains(about), "{message}");
    }
}

#[test]
fn what_passes_is_waited_for_and_what_does_not_only_so_often() {
    let once = asked_of(&["cart"], |asked| match asked.before {
        0 => Answer::Status(429),
        1 => Answer::Silence,
        2 => Answer::Truncated("{".to_owned()),
        _ => injected(asked),
    });
    let (taken, waits) = ask(&once);
    assert_eq!(outcomes(&taken.expect("a snapshot").0), ["cart created"]);
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert!(waits[0] >= Duration::from_secs(3), "{waits:?}");
    const MANY: [&str; 72] = {
        const LETTERS: &str =
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst";
        let mut names = [""; 72];
        let mut index = 0;
        while index < 72 {
            names[index] = LETTERS.split_at(index).1;
            index += 1;
        }
        names
    };
    let never = asked_of(&MANY, |_| {
        Answer::Refusal(500, "failed calling webhook", false)
    });
    let (taken, waits) = ask(&never);
    let (snapshot, diagnostics) = taken.expect("a snapshot");
    assert_eq!(snapshot.injections.len(), MANY.len());
    assert_eq!(diagnostics.len(), MANY.len());
    assert_eq!(
        waits.len(),
        20,
        "patience is limited for all of them together"
    );
}

#[test]
fn who_may_not_ask_in_a_namespace_stops_asking_there_and_it_is_said_once() {
    let stand_in = asked_of(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], |_| {
        Answer::Refusal(403, "pods is forbidden: User \"me\" cannot create", false)
    });
    let (taken, waits) = ask(&stand_in);
    let (snapshot, diagnostics) = taken.expect("a snapshot");
    assert_eq!(snapshot.injections.len(), 10);
    assert_eq!(waits.len(), 0);
    let posted = stand_in.asked();
    let posted = posted.iter().filter(|asked| asked.method == "POST").count();
    assert_eq!(posted, 8, "one batch");
    let [diagnostic] = diagnostics.as_slice() else {
        panic!("{diagnostics:?}");
    };
    assert_eq!(diagnostic.code, DiagnosticCode::OracleUnanswered);
    assert_eq!(
        diagnostic.message,
        "dry runs of pods of namespace shop tell nothing: 403: pods is forbidden: User \"me\" cannot create"
    );
}

/// The opt-in ClusterRole, as `deploy/` ships it.
const ORACLE_ROLE: &str = include_str!("../../../../deploy/oracle.yaml");

#[test]
fn the_oracles_role_allows_the_one_request_more_that_is_made() {
    let (list, create) = ("list".to_owned(), "create".to_owned());
    let mut made: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let stand_in = asked_of(&["cart"], injected);
    ask(&stand_in).0.expect("a snapshot");
    for asked in stand_in.asked() {
        let plural = asked.path.rsplit('/').next().expect("a path").to_owned();
        let group = match asked.path.split('/').collect::<Vec<_>>().as_slice() {
            ["", "apis"] => continue,
            ["", "apis", group, ..] => (*group).to_owned(),
            _ => String::new(),
        };
        let verb = if asked.method == "POST" {
            &create
        } else {
            &list
        };
        made.entry((group, verb.clone()))
            .or_default()
            .insert(plural);
    }
    let created: BTreeMap<_, _> = made
        .iter()
        .filter(|((_, verb), _)| *verb == create)
        .collect();
    assert_eq!(created, allowed(ORACLE_ROLE).iter().collect());
    // The lists, also those of whole workloads, are those of every snapshot.
    for ((group, verb), resources) in &made {
        let is_known = |plural: &String| {
            let mut kinds = KINDS.iter();
            kinds.any(|kind| kind.group == group && kind.plural == plural)
        };
        assert!(
            verb == &create || resources.iter().all(is_known),
            "{group} {resources:?}"
        );
    }
}

#[test]
fn a_workload_that_goes_away_meanwhile_is_not_asked_about() {
    let stand_in = with(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", _) => Some(injected(asked)),
        ("GET", DEPLOYMENTS) if asked.before > 0 => Some(Answer::Json(list(
            "Deployment",
            "apps/v1",
            &[deployment("new")],
            "",
        ))),
        ("GET", DEPLOYMENTS) => Some(Answer::Json(list(
            "Deployment",
            "apps/v1",
            &[deployment("cart")],
            "",
        ))),
        _ => None,
    });
    let (snapshot, diagnostics) = ask(&stand_in).0.expect("a snapshot");
    assert_eq!((snapshot.injections, diagnostics), (Vec::new(), Vec::new()));
    // Nothing of the small cluster has a template.
    let (snapshot, _) = ask(&StandIn::new(cluster)).0.expect("a snapshot");
    assert_eq!(snapshot.injections, []);
}
