//! Pull requests on a stand-in GitHub: opened, kept, updated, closed, declined.

use serde_json::{Value, json};

use super::hub::{Hub, TOKEN};
use super::{BRANCH, Remote};
use crate::common::{Repository, Tool, fixture};

/// A remote with its GitHub, and a clone.
struct Site {
    remote: Remote,
    hub: Hub,
    clone: Repository,
}

impl Site {
    fn new() -> Self {
        let remote = Remote::new();
        remote.count_pushes();
        let hub = Hub::new(remote.path());
        let clone = remote.clone();
        Self { remote, hub, clone }
    }

    fn apply(&self, arguments: &[&str]) -> Tool {
        let snapshot = fixture("example/snapshot.json");
        let mut all = vec!["apply", "--to", "pull-request", "--retry-delay", "0s"];
        all.extend(["--max-snapshot-age", "876000h", "-o", "json"]);
        all.extend(["--github-repository", "acme/gitops", "--github-api-url"]);
        all.extend([self.hub.url.as_str(), "--snapshot", &snapshot]);
        all.extend(arguments);
        self.clone.meshroll(&all).env("GITHUB_TOKEN", TOKEN)
    }

    /// Runs it, checks that GitHub understood every request, and gives what was written.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Value {
        let json = self.apply(arguments).succeed();
        self.check();
        let plan: Value = serde_json::from_str(&json).expect("JSON");
        plan["written"].clone()
    }

    #[track_caller]
    fn check(&self) {
        let faults = self.hub.with(|hub| hub.faults.clone());
        assert_eq!(faults, [""; 0]);
    }

    /// Changes `meshroll.yaml` on base.
    fn configure(&self, text: &str) {
        let other = self.remote.clone();
        other.write("meshroll.yaml", text).commit("configuration");
        other.git(&["push", "--quiet", "origin", "main"]);
    }

    fn pull(&self, number: usize) -> Value {
        self.hub.with(|hub| hub.pulls[number - 1].clone())
    }

    fn last_status(&self) -> (String, Value) {
        self.hub
            .with(|hub| hub.statuses.last().cloned().expect("a status"))
    }
}

#[test]
fn one_pull_request_is_opened_and_then_kept() {
    let site = Site::new();
    let written = site.run(&["--label", "istio,restart", "--draft"]);
    assert_eq!(written["to"], "pull-request");
    assert_eq!(written["branch"]["operation"], "created");
    let expected = json!({ "number": 1, "operation": "created",
        "url": "https://github.example/acme/gitops/pull/1" });
    assert_eq!(written["pullRequest"], expected);
    let pull = site.pull(1);
    assert_eq!(
        pull["title"],
        "meshroll: restart 6 workloads for Istio 1.27.3"
    );
    assert_eq!(
        (&pull["draft"], &pull["base"]["ref"]),
        (&json!(true), &json!("main"))
    );
    let body = pull["body"].as_str().expect("a text");
    assert!(
        body.contains("**Merging this restarts 6 workloads"),
        "{body}"
    );
    assert!(body.contains("<!-- meshroll: targets="), "{body}");
    let labels = site.hub.with(|hub| hub.labels.clone());
    assert_eq!(labels, [(1, "istio".to_owned()), (1, "restart".to_owned())]);
    let (commit, status) = site.last_status();
    assert_eq!(commit, site.remote.tip(BRANCH));
    assert_eq!(status["state"], "success");
    assert_eq!(status["context"], BRANCH);

    site.hub.with(|hub| hub.log.clear());
    let again = site.run(&["--label", "istio,restart", "--draft"]);
    assert_eq!(again["branch"]["operation"], "kept");
    assert_eq!(again["pullRequest"]["operation"], "kept");
    assert_eq!(site.remote.pushes(), 1);
    let asked = site.hub.with(|hub| hub.log.clone());
    let status = format!("GET /repos/acme/gitops/commits/{commit}/status");
    assert_eq!(
        asked,
        ["GET /repos/acme/gitops/pulls", &status],
        "nothing is written"
    );
}

#[test]
fn another_plan_updates_the_pull_request() {
    let site = Site::new();
    site.run(&[]);
    site.configure("exclude: [{namespaces: [payments], reason: frozen}]\n");
    let written = site.run(&[]);
    assert_eq!(written["branch"]["operation"], "updated");
    assert_eq!(written["pullRequest"]["operation"], "updated");
    assert_eq!(site.remote.ahead(), 1);
    let title = site.pull(1)["title"].clone();
    assert_ne!(title, "meshroll: restart 6 workloads for Istio 1.27.3");
}

#[test]
fn a_pull_request_with_nothing_left_is_closed_and_may_come_back() {
    let site = Site::new();
    site.run(&[]);
    site.configure("exclude: [{namespaces: ['*'], reason: frozen}]\n");
    let written = site.run(&[]);
    assert_eq!(written["branch"]["operation"], "deleted");
    assert_eq!(written["pullRequest"]["operation"], "closed");
    assert_eq!(site.pull(1)["state"], "closed");
    assert!(!site.remote.has(BRANCH));
    assert_eq!(site.run(&[]), json!({ "to": "nothing" }));
    site.configure("{}\n");
    let written = site.run(&[]);
    assert_eq!(
        written["pullRequest"]["number"], 2,
        "it was not a person who closed it"
    );
}

#[test]
fn what_a_person_closed_stays_closed_until_the_target_changes() {
    let site = Site::new();
    site.run(&[]);
    site.hub.with(|hub| hub.pulls[0]["state"] = json!("closed"));
    let written = site.run(&[]);
    assert_eq!(written["branch"], Value::Null);
    assert_eq!(written["pullRequest"]["operation"], "declined");
    // The same after somebody deleted the branch, and for a part of what was declined.
    site.remote.git(&["branch", "-D", BRANCH]);
    let written = site.run(&["--namespace", "shop"]);
    assert_eq!(written["pullRequest"]["operation"], "declined");
    assert!(!site.remote.has(BRANCH));
    // Another target than the one that was declined.
    site.hub.with(|hub| {
        let body = hub.pulls[0]["body"].as_str().expect("a text");
        let (above, _) = body.split_once("targets=").expect("a marker");
        hub.pulls[0]["body"] = json!(format!("{above}targets=1.000000 -->\n"));
    });
    let written = site.run(&[]);
    assert_eq!(written["pullRequest"]["operation"], "created");
    // Merged is not declined.
    site.hub.with(|hub| {
        hub.pulls[1]["state"] = json!("closed");
        hub.pulls[1]["merged_at"] = json!("2026-11-20T12:00:00Z");
    });
    let written = site.run(&[]);
    assert_eq!(written["pullRequest"]["number"], 3);
}

#[test]
fn a_hold_makes_the_commit_status_pending_and_keeps_the_edits() {
    let site = Site::new();
    site.run(&[]);
    let tip = site.remote.tip(BRANCH);
    site.configure("halt: incident 42\n");
    let written = site.run(&[]);
    assert_eq!(written["branch"]["operation"], "kept");
    assert_eq!(site.remote.tip(BRANCH), tip);
    let (commit, status) = site.last_status();
    assert_eq!((commit, &status["state"]), (tip, &json!("pending")));
    let description = status["description"].as_str().expect("a text");
    assert!(description.starts_with("6 of 6 held: "), "{description}");
    assert!(description.contains("incident 42"), "{description}");
    let body = site.pull(1)["body"].clone();
    let body = body.as_str().expect("a text");
    assert!(body.contains("6 of them are held"), "{body}");
    site.configure("{}\n");
    site.run(&[]);
    assert_eq!(site.last_status().1["state"], "success");
}

#[test]
fn a_persons_commit_is_explained_once_on_the_pull_request() {
    let site = Site::new();
    site.run(&[]);
    let person = site.remote.clone();
    person.git(&["checkout", "--quiet", BRANCH]);
    person.write("note.txt", "mine").commit("a note");
    person.git(&["push", "--quiet", "origin", BRANCH]);
    for _ in 0..2 {
        let said = site.apply(&[]).fail(1);
        assert!(
            said.contains("a commit that meshroll did not write"),
            "{said}"
        );
    }
    site.check();
    let comments = site.hub.with(|hub| hub.comments.clone());
    let [(_, 1, text, true)] = comments.as_slice() else {
        panic!("{comments:?}");
    };
    assert!(text.contains("git push --force origin"), "{text}");
    // A required check is theirs to pass, but for a halt.
    let (commit, status) = site.last_status();
    assert_eq!(
        (commit, &status["state"]),
        (site.remote.tip(BRANCH), &json!("success"))
    );
    site.configure("halt: incident 42\n");
    site.apply(&[]).fail(1);
    assert_eq!(site.last_status().1["state"], "pending");
    site.configure("{}\n");
    // Handed back by deleting the branch, which closes the pull request: that is no "no".
    site.remote.git(&["branch", "-D", BRANCH]);
    site.hub.with(|hub| hub.pulls[0]["state"] = json!("closed"));
    let written = site.run(&[]);
    assert_eq!(written["pullRequest"]["operation"], "created");
}

#[test]
fn a_pull_request_that_another_run_opens_first_is_adopted() {
    let site = Site::new();
    site.hub.with(|hub| hub.races = true);
    let written = site.run(&[]);
    assert_eq!(written["pullRequest"]["number"], 1);
    assert_eq!(written["pullRequest"]["operation"], "kept");
    assert_eq!(site.hub.with(|hub| hub.pulls.len()), 1);
}

#[test]
fn github_makes_the_commit_where_it_is_asked_to() {
    let site = Site::new();
    let written = site.run(&["--commit-with", "github-api"]);
    assert_eq!(written["branch"]["operation"], "created");
    assert_eq!(site.remote.pushes(), 0, "nothing is pushed");
    assert_eq!(site.remote.ahead(), 1);
    assert_eq!(
        site.remote.git(&["log", "-1", "--format=%an", BRANCH]),
        "GitHub"
    );
    let tip = site.remote.tip(BRANCH);
    let again = site.run(&["--commit-with", "github-api"]);
    assert_eq!(again["branch"]["operation"], "kept", "its commit is ours");
    site.configure("exclude: [{namespaces: [payments], reason: frozen}]\n");
    let less = site.run(&["--commit-with", "github-api"]);
    assert_eq!(less["branch"]["operation"], "updated");
    assert_ne!(site.remote.tip(BRANCH), tip);
    assert_eq!(site.remote.ahead(), 1);
    let branches = site
        .remote
        .git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    assert_eq!(branches, format!("main\n{BRANCH}"), "the helper is gone");
}

#[test]
fn faults_of_the_server_are_tried_again() {
    let site = Site::new();
    site.hub.with(|hub| {
        hub.next = vec![
            ("GET /repos/acme/gitops/pulls", 502, "", "<html>"),
            ("POST /repos/acme/gitops/pulls", 503, "", "{}"),
            (
                "statuses",
                429,
                "retry-after: 0\r\n",
                "{\"message\":\"slow down\"}",
            ),
            (
                "statuses",
                403,
                "retry-after: 0\r\n",
                "{\"message\":\"secondary rate limit\"}",
            ),
        ];
    });
    let written = site.run(&[]);
    assert_eq!(written["pullRequest"]["operation"], "created");
    assert_eq!(site.hub.with(|hub| hub.next.len()), 0);
}

#[test]
fn refusals_say_what_is_needed() {
    let site = Site::new();
    let with = |part, status, headers, body, expected: &[&str]| {
        site.hub
            .with(|hub| hub.next = vec![(part, status, headers, body)]);
        let said = site.apply(&[]).fail(1);
        for text in expected {
            assert!(said.contains(text), "{said}");
        }
        assert!(!said.contains(TOKEN), "{said}");
    };
    let limited = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1795244400\r\ndate: Fri, 20 Nov 2026 11:00:00 GMT\r\n";
    let exceeded = "{\"message\":\"API rate limit exceeded\"}";
    let waits = ["asks to wait for", "(rate limit)", "run again in"];
    with("GET", 403, limited, exceeded, &waits);
    let forbidden =
        "{\"message\":\"GitHub Actions is not permitted to create or approve pull requests.\"}";
    let needs = [
        "not allowed (403)",
        "`pull-requests: write`",
        "settings of repository",
    ];
    with("POST /repos/acme/gitops/pulls", 403, "", forbidden, &needs);
    with(
        "statuses",
        403,
        "",
        "{\"message\":\"Resource not accessible by integration\"}",
        &["`statuses: write`"],
    );
    with(
        "GET",
        404,
        "",
        "{\"message\":\"Not Found\"}",
        &["not found (404)", "may not see it"],
    );
    with(
        "GET",
        301,
        "location: https://evil.example/\r\n",
        "{}",
        &["has moved"],
    );
    with("GET", 200, "", "no JSON", &["no answer from 127.0.0.1"]);
    let invalid = "{\"message\":\"Validation Failed\",\"errors\":[{\"field\":\"base\",\"code\":\"invalid\"}]}";
    let invalid_said = ["refused (422): Validation Failed: base invalid"];
    site.hub.with(|hub| hub.pulls.clear());
    with(
        "POST /repos/acme/gitops/pulls",
        422,
        "",
        invalid,
        &invalid_said,
    );
    let wrong = site.apply(&[]).env("GITHUB_TOKEN", "ghs_wr0ng").fail(1);
    assert!(
        wrong.contains("the token is not accepted (401): Bad credentials"),
        "{wrong}"
    );
    assert!(!wrong.contains("ghs_wr0ng"), "{wrong}");
}

#[test]
fn without_a_token_nothing_is_pushed() {
    let site = Site::new();
    let said = site.apply(&[]).env("GITHUB_TOKEN", "").fail(1);
    assert!(
        said.contains("there is no token for http://127.0.0.1:"),
        "{said}"
    );
    assert!(!site.remote.has(BRANCH));
    let arguments = ["--github-api-url", "http://github.example"];
    let insecure = site.apply(&[]).run();
    assert_eq!(insecure.status, 0);
    let snapshot = fixture("example/snapshot.json");
    let mut all = vec!["apply", "--to", "pull-request", "--snapshot", &snapshot];
    all.extend(arguments);
    all.extend(["--github-repository", "acme/gitops"]);
    let insecure = site
        .clone
        .meshroll(&all)
        .env("GITHUB_TOKEN", TOKEN)
        .fail(64);
    assert!(insecure.contains("is not reached over https"), "{insecure}");
    let unnamed = ["apply", "--to", "pull-request", "--snapshot", &snapshot];
    let unnamed = site
        .clone
        .meshroll(&unnamed)
        .env("GITHUB_TOKEN", TOKEN)
        .fail(64);
    assert!(
        unnamed.contains("--github-repository OWNER/NAME"),
        "{unnamed}"
    );
}

#[test]
fn what_a_person_wrote_into_the_pull_request_stays() {
    let site = Site::new();
    site.run(&[]);
    site.hub.with(|hub| {
        let body = hub.pulls[0]["body"].as_str().expect("a text");
        hub.pulls[0]["body"] = json!(format!("Ticket: X-1\r\n\r\n{body}"));
        hub.pulls[0]["title"] = json!("Sidecars for November");
    });
    let written = site.run(&[]);
    assert_eq!(written["pullRequest"]["operation"], "kept");
    let written = site.run(&["--namespace", "shop", "--now", "2026-11-21T00:00:00Z"]);
    assert_eq!(
        written["branch"]["operation"], "kept",
        "a selection takes nothing out"
    );
    site.configure("exclude: [{namespaces: [payments], reason: frozen}]\n");
    site.run(&[]);
    let pull = site.pull(1);
    assert_eq!(pull["title"], "Sidecars for November");
    let body = pull["body"].as_str().expect("a text");
    assert!(
        body.starts_with("Ticket: X-1\n\n<!-- meshroll -->"),
        "{body}"
    );
    assert_eq!(body.matches("<!-- meshroll -->").count(), 1, "{body}");
    // One that a person opened from our branch is taken over, and their words stay.
    site.hub.with(|hub| {
        hub.pulls[0]["body"] = json!("Opened by hand.");
    });
    site.run(&[]);
    let body = site.pull(1)["body"].clone();
    let body = body.as_str().expect("a text");
    assert!(
        body.starts_with("Opened by hand.\n\n<!-- meshroll -->"),
        "{body}"
    );
}

#[test]
fn a_run_that_cannot_vouch_for_the_branch_takes_its_success_back() {
    let site = Site::new();
    site.run(&[]);
    assert_eq!(site.last_status().1["state"], "success");
    let snapshot = fixture("example/snapshot.json");
    let mut old = vec!["apply", "--to", "pull-request", "--snapshot", &snapshot];
    old.extend([
        "--github-repository",
        "acme/gitops",
        "--github-api-url",
        &site.hub.url,
    ]);
    site.clone.meshroll(&old).env("GITHUB_TOKEN", TOKEN).fail(1);
    let (commit, status) = site.last_status();
    assert_eq!(
        (commit, &status["state"]),
        (site.remote.tip(BRANCH), &json!("pending"))
    );
    let description = status["description"].as_str().expect("a text");
    assert!(description.contains("old"), "{description}");
    site.run(&[]);
    assert_eq!(site.last_status().1["state"], "success");
    site.configure("waves: 7\n");
    site.apply(&[]).fail(1);
    assert_eq!(
        site.last_status().1["state"],
        "pending",
        "a broken configuration vouches for nothing"
    );
}

#[test]
fn what_github_cannot_do_is_not_asked_of_it() {
    let site = Site::new();
    let signed = site
        .apply(&["--commit-with", "github-api", "--author", "A <a@b>"])
        .fail(64);
    assert!(signed.contains("GitHub signs its commits"), "{signed}");
    let snapshot = fixture("example/snapshot.json");
    let branch = [
        "apply",
        "--to",
        "branch",
        "--commit-with",
        "github-api",
        "--snapshot",
        &snapshot,
    ];
    let branch = site.clone.meshroll(&branch).fail(64);
    assert!(branch.contains("use --to pull-request"), "{branch}");
    // A token of github.com's goes to no other host.
    site.clone.git(&[
        "remote",
        "set-url",
        "origin",
        "https://git.example/acme/gitops.git",
    ]);
    let other = [
        "apply",
        "--to",
        "pull-request",
        "--base",
        "main",
        "--snapshot",
        &snapshot,
    ];
    let other = site
        .clone
        .meshroll(&other)
        .env("GITHUB_TOKEN", TOKEN)
        .fail(1);
    assert!(
        other.contains("there is no token for https://git.example/api/v3"),
        "{other}"
    );
}

#[test]
fn too_old_or_too_much_is_no_pull_request() {
    let site = Site::new();
    let old = site.apply(&["--max-snapshot-age", "1s"]);
    let old = old.run();
    assert_eq!(old.status, 64, "given twice: {}", old.stderr);
    let snapshot = fixture("example/snapshot.json");
    let arguments = ["apply", "--to", "pull-request", "--snapshot", &snapshot];
    let mut all = arguments.to_vec();
    all.extend([
        "--github-repository",
        "acme/gitops",
        "--github-api-url",
        &site.hub.url,
    ]);
    let old = site.clone.meshroll(&all).env("GITHUB_TOKEN", TOKEN).fail(1);
    assert!(old.contains("--max-snapshot-age"), "{old}");
    assert!(!site.remote.has(BRANCH));
}
