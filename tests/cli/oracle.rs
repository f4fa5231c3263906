//! `--oracle` and `--verify-oracle`: what a dry run gives is recorded, preferred, and held against
//! what meshroll computes.

use serde_json::{Value, json};

use crate::api_server::{items, listed, write_kubeconfig};
use crate::common::{Repository, fixture, project};
use crate::stand_in::{Answer, Asked, StandIn};

const LIVE: [&str; 4] = [
    "--kubeconfig",
    "kubeconfig",
    "--now",
    "2026-11-20T09:00:00Z",
];

fn repository() -> Repository {
    Repository::of(&project().join("fixtures/example/manifests"))
}

/// The example's cluster, whose istiod injects a version of the proxy.
fn cluster(repository: &Repository, version: &'static str) -> StandIn {
    let items = items(&fixture("example/snapshot.json"));
    let server = StandIn::new(move |asked| match asked.method.as_str() {
        "POST" => inject(asked, &items, version),
        _ => listed(asked, &items),
    });
    let cluster = json!({"server": server.url});
    write_kubeconfig(repository, &cluster, &json!({"token": "very-secret-token"}));
    server
}

/// Gives a pod the sidecar that the workload's pods have, as a native one of this version.
fn inject(asked: &Asked, items: &[Value], version: &str) -> Answer {
    let mut pod: Value = serde_json::from_str(&asked.body).expect("JSON");
    let namespace = pod["metadata"]["namespace"].clone();
    let prefix = pod["metadata"]["generateName"].as_str();
    let prefix = prefix.expect("a prefix").to_owned();
    let workload = prefix
        .trim_end_matches('-')
        .split("-0000")
        .next()
        .expect("a name");
    let is_like_it = |item: &&Value| {
        let name = item["metadata"]["name"].as_str().unwrap_or_default();
        item["kind"] == "Pod"
            && item["metadata"]["namespace"] == namespace
            && name.starts_with(workload)
    };
    let like = items.iter().find(is_like_it);
    pod["metadata"]["name"] = json!(format!("{prefix}x7z2q"));
    let Some(like) = like else {
        return Answer::Json(pod.to_string());
    };
    let native = &pod["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"];
    let is_regular = native == "false";
    pod["metadata"]["annotations"] = like["metadata"]["annotations"].clone();
    pod["spec"]["initContainers"] = like["spec"]["initContainers"].clone();
    pod["spec"]["containers"] = like["spec"]["containers"].clone();
    let is_proxy = |container: &Value| container["name"] == "istio-proxy";
    let containers = pod["spec"]["containers"]
        .as_array_mut()
        .expect("containers");
    // A gateway has no container beside its proxy.
    let is_regular = is_regular || containers.len() == 1;
    if let Some(index) = containers.iter().position(is_proxy).filter(|_| !is_regular) {
        let proxy = containers.remove(index);
        let init = pod["spec"]["initContainers"].as_array_mut();
        init.expect("init containers").push(proxy);
    }
    let text = pod
        .to_string()
        .replace("istio/proxyv2:1.26.4", &format!("istio/proxyv2:{version}"));
    Answer::Json(text)
}

/// The diagnostics of a plan with one of the oracle's codes, as `code: message`.
fn said(plan: &Value) -> Vec<String> {
    let diagnostics = plan["diagnostics"].as_array().expect("diagnostics").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    diagnostics
        .map(|it| format!("{}: {}", text(&it["code"]), text(&it["message"])))
        .filter(|it| it.starts_with("oracle-"))
        .collect()
}

fn plan(repository: &Repository, arguments: &[&str]) -> Value {
    let arguments = [&["plan", "-o", "json"], arguments].concat();
    let json = repository.meshroll(&arguments).succeed();
    serde_json::from_str(&json).expect("JSON")
}

#[test]
fn the_model_is_verified_against_a_live_cluster_and_against_its_recording() {
    let repository = repository();
    let server = cluster(&repository, "1.27.3");
    let arguments = [&["plan", "--verify-oracle"], &LIVE[..]].concat();
    let outcome = repository.meshroll(&arguments).run();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("the model agrees with all of 13 dry runs"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stdout.contains("shop"),
        "the plan is printed as well"
    );
    let asked = server.asked();
    let posted: Vec<&Asked> = asked.iter().filter(|it| it.method == "POST").collect();
    assert_eq!(posted.len(), 13);
    assert!(posted.iter().all(|it| it.query.contains("dryRun=All")));
    let record = [
        "snapshot",
        "--oracle",
        "--kubeconfig",
        "kubeconfig",
        "-o",
        "live.json.zst",
    ];
    repository.meshroll(&record).succeed();
    let recorded = [
        "--snapshot",
        "live.json.zst",
        "--now",
        "2026-11-20T09:00:00Z",
    ];
    let verified = [&["plan", "--verify-oracle"], &recorded[..]].concat();
    let outcome = repository.meshroll(&verified).run();
    assert!(
        outcome.stderr.contains("agrees with all of 13"),
        "{}",
        outcome.stderr
    );
    // Stamps and verdicts are those of a plan without dry runs.
    let raw = fixture("example/snapshot.json");
    let without = ["--snapshot", &raw, "--now", "2026-11-20T09:00:00Z"];
    assert_eq!(
        plan(&repository, &recorded)["workloads"],
        plan(&repository, &without)["workloads"]
    );
}

#[test]
fn a_plan_goes_by_the_dry_run_and_says_where_the_model_differs() {
    let repository = repository();
    let _server = cluster(&repository, "1.27.9");
    let plan = plan(&repository, &[&["--oracle"], &LIVE[..]].concat());
    let said = said(&plan);
    assert!(
        said.contains(&"oracle-disagrees: Deployment shop/cart: the model and the dry run of its next pod differ: proxy-version-differs (model: 1.27.3, dry run: 1.27.9)".to_owned()),
        "{said:#?}"
    );
    let workloads = plan["workloads"].as_array().expect("workloads");
    let cart = workloads
        .iter()
        .find(|it| it["name"] == "cart")
        .expect("cart");
    assert_eq!(cart["verdict"], "restart");
    let drifts = cart["drifts"].as_array().expect("drifts");
    let version = drifts
        .iter()
        .find(|it| it["code"] == "proxy-version-differs");
    assert_eq!(version.expect("a drift")["expected"], "1.27.9");
    let stamp = cart["stamp"]["expected"].as_str().expect("a stamp");
    assert!(stamp.starts_with("1.27.9/default/"), "{stamp}");
    let verify = [&["plan", "--verify-oracle"], &LIVE[..]].concat();
    let outcome = repository.meshroll(&verify).run();
    assert_eq!(outcome.status, 1, "{}", outcome.stderr);
    let wrong = outcome.stderr.matches("warning[oracle-disagrees]").count();
    assert!(
        outcome
            .stderr
            .contains(&format!("the model disagrees with {wrong} of 13 dry runs")),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("very-secret-token"));
}

#[test]
fn who_may_not_create_pods_plans_by_the_model() {
    let repository = repository();
    let objects = items(&fixture("example/snapshot.json"));
    let server = StandIn::new(move |asked| match asked.method.as_str() {
        "POST" => Answer::Refusal(403, "pods is forbidden: User \"me\" cannot create", false),
        _ => listed(asked, &objects),
    });
    write_kubeconfig(&repository, &json!({"server": server.url}), &json!({}));
    let with = plan(&repository, &[&["--oracle"], &LIVE[..]].concat());
    let without = plan(&repository, &LIVE);
    assert_eq!(with["workloads"], without["workloads"]);
    let said = said(&with);
    let shop = "oracle-unanswered: dry runs of pods of namespace shop tell nothing: 403: pods is forbidden: User \"me\" cannot create";
    assert_eq!(said.iter().filter(|it| *it == shop).count(), 1, "{said:#?}");
    let verify = [&["plan", "--verify-oracle"], &LIVE[..]].concat();
    let refused = repository.meshroll(&verify).fail(1);
    assert!(
        refused.contains("there is no dry run to hold the model against"),
        "{refused}"
    );
}

#[test]
fn dry_runs_that_nobody_can_make_are_not_passed_over() {
    let repository = repository();
    let raw = fixture("example/snapshot.json");
    let plan = plan(
        &repository,
        &[
            "--oracle",
            "--snapshot",
            &raw,
            "--now",
            "2026-11-20T09:00:00Z",
        ],
    );
    let said = said(&plan);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(
        said[0].contains("the recording holds no dry runs"),
        "{said:#?}"
    );
    let usage = ["snapshot", "--oracle", "--from", &raw];
    let refused = repository.meshroll(&usage).fail(64);
    assert!(
        refused.contains("--oracle asks a live cluster"),
        "{refused}"
    );
    let none = ["plan", "--verify-oracle", "--snapshot", &raw];
    let refused = repository.meshroll(&none).fail(1);
    assert!(refused.contains("meshroll snapshot --oracle"), "{refused}");
    let both = [
        "plan",
        "--verify-oracle",
        "--assume-applied",
        "--snapshot",
        &raw,
    ];
    let refused = repository.meshroll(&both).fail(64);
    assert!(refused.contains("cannot be used with"), "{refused}");
}

#[test]
fn an_explanation_is_by_the_dry_run_too() {
    let repository = repository();
    let _server = cluster(&repository, "1.27.9");
    let arguments = [&["explain", "shop/deployment/cart", "--oracle"], &LIVE[..]].concat();
    let text = repository.meshroll(&arguments).succeed();
    assert!(
        text.contains("expected: docker.io/istio/proxyv2:1.27.9 of revision default\n  dry run: docker.io/istio/proxyv2:1.27.9"),
        "{text}"
    );
}

#[test]
fn a_template_that_git_changes_is_planned_by_the_model() {
    let repository = repository();
    let _server = cluster(&repository, "1.27.9");
    let record = [
        "snapshot",
        "--oracle",
        "--kubeconfig",
        "kubeconfig",
        "-o",
        "live.json",
    ];
    repository.meshroll(&record).succeed();
    let recorded = ["--snapshot", "live.json", "--now", "2026-11-20T09:00:00Z"];
    let stamp = |plan: &Value| {
        let workloads = plan["workloads"].as_array().expect("workloads");
        let cart = workloads.iter().find(|it| it["name"] == "cart");
        let stamp = &cart.expect("cart")["stamp"]["expected"];
        stamp.as_str().expect("a stamp").to_owned()
    };
    assert!(stamp(&plan(&repository, &recorded)).starts_with("1.27.9/"));
    let file = "shop/cart.yaml";
    let text = repository.read(file).replace(":2.4.1", ":2.4.2");
    repository.write(file, &text);
    assert!(
        stamp(&plan(&repository, &recorded)).starts_with("1.27.9/"),
        "an image of the application's changes nothing of the sidecar"
    );
    let (before, after) = (
        "        app: cart\n",
        "        app: cart\n        tier: front\n",
    );
    assert!(text.contains(before), "{text}");
    repository.write(file, &text.replace(before, after));
    let plan = plan(&repository, &recorded);
    assert!(stamp(&plan).starts_with("1.27.3/"));
    let said = said(&plan);
    assert!(
        said.contains(&"oracle-unanswered: the dry run of the next pod of Deployment shop/cart was made from another template; the plan goes by the model".to_owned()),
        "{said:#?}"
    );
}

/// The example's cluster without some of its objects, with an answer for every dry run.
fn answering(
    repository: &Repository,
    keeps: fn(&Value) -> bool,
    reply: fn(&Asked) -> Answer,
) -> StandIn {
    let mut items = items(&fixture("example/snapshot.json"));
    items.retain(keeps);
    let server = StandIn::new(move |asked| match asked.method.as_str() {
        "POST" => reply(asked),
        _ => listed(asked, &items),
    });
    let cluster = json!({"server": server.url});
    write_kubeconfig(repository, &cluster, &json!({"token": "very-secret-token"}));
    server
}

fn verdict<'p>(plan: &'p Value, name: &str) -> (&'p str, &'p str) {
    let workloads = plan["workloads"].as_array().expect("workloads");
    let found = workloads.iter().find(|one| one["name"] == name);
    let found = found.expect("the workload");
    let code = found["reasons"][0]["code"].as_str().unwrap_or_default();
    (found["verdict"].as_str().expect("a verdict"), code)
}

#[test]
fn what_a_dry_run_refuses_is_not_restarted() {
    let repository = repository();
    let _server = answering(&repository, |_| true, |_| Answer::Status(422));
    let plan = plan(&repository, &[&LIVE[..], &["--oracle"]].concat());
    assert_eq!(verdict(&plan, "cart"), ("blocked", "would-be-rejected"));
    assert_eq!(plan["summary"]["restart"], 0);
}

#[test]
fn a_pod_without_a_sidecar_explains_nothing_that_is_unknown() {
    let repository = repository();
    repository.write(
        "meshroll.yaml",
        "restartOn: [revision, version, config, presence]\n",
    );
    repository.commit("presence counts");
    // The injector's configuration is out of reach, and the injector may be down.
    let keeps = |item: &Value| {
        item["kind"] != "ConfigMap" || item["metadata"]["name"] != "istio-sidecar-injector"
    };
    let bare = |asked: &Asked| {
        let mut pod: Value = serde_json::from_str(&asked.body).expect("JSON");
        pod["metadata"]["name"] = json!("it-x7z2q");
        Answer::Json(pod.to_string())
    };
    let _server = answering(&repository, keeps, bare);
    let plan = plan(&repository, &[&LIVE[..], &["--oracle"]].concat());
    assert_eq!(plan["summary"]["restart"], 0);
    assert_eq!(verdict(&plan, "cart").0, "unknown");
}
