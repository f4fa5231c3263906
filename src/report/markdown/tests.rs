//! What data can and cannot do to the text.

use proptest::prelude::{ProptestConfig, Strategy as _, prop_assert, proptest};
use pulldown_cmark::{Event, Options, Parser, Tag};

use super::{Surface, render};
use crate::config::{DriftClass, Policy};
use crate::decision::{Decision, DriftCount, PodCounts, Stamps};
use crate::diagnostic::{Code as _, Diagnostic, DiagnosticCode, Location};
use crate::gitops::{Blocker, BlockerCode, Delivery, Engine};
use crate::manifest::{ManifestSet, ObjectRef};
use crate::mesh::{Drift, DriftCode, Mesh, Revision};
use crate::reason::{Reason, ReasonCode, Verdict};
use crate::report::{Assumption, Report, SnapshotSummary, Written};
use crate::rollout::{Risk, RiskCode};
use crate::upgrade::Change;
use crate::wave::{self, RestartPlan};

fn decision(name: &str, verdict: Verdict) -> Decision<'static> {
    let drift = Drift {
        code: DriftCode::ProxyVersionDiffers,
        class: DriftClass::Version,
        observed: name.to_owned(),
        expected: "1.27.3".into(),
    };
    Decision {
        reference: ObjectRef::new("apps", "Deployment", name, name),
        api_version: "apps/v1".into(),
        verdict,
        reasons: vec![Reason::new(ReasonCode::OnDelete, name)],
        drifts: vec![DriftCount { drift, pods: 1 }],
        pods: PodCounts { total: 2, stale: 1 },
        stamps: Stamps::default(),
        manifest: None,
        delivery: Some(delivery(name)),
        risks: vec![Risk {
            code: RiskCode::SingleReplica,
            message: name.to_owned(),
        }],
        restart: None,
        in_mesh: true,
    }
}

fn delivery(name: &str) -> Delivery {
    Delivery {
        engine: Engine::ArgoCd,
        name: name.to_owned(),
        blockers: vec![Blocker {
            code: BlockerCode::ManualSync,
            object: name.to_owned(),
            field: "spec.syncPolicy".into(),
            message: name.to_owned(),
        }],
        withheld: Vec::new(),
        unsynced: Vec::new(),
    }
}

fn plan(decisions: Vec<Decision<'static>>) -> RestartPlan<'static> {
    wave::schedule(decisions, &Policy::default())
}

fn revision(name: &str) -> Revision {
    Revision {
        name: name.to_owned(),
        namespace: name.to_owned(),
        version: Some(name.to_owned()),
        control_plane_version: None,
        tags: Vec::new(),
        settled: false,
        settled_at: None,
        reasons: vec![Reason::new(ReasonCode::ControlPlaneNotSettled, name)],
    }
}

/// The report of a plan, with a name in every other place that shows one.
fn text(plan: &RestartPlan<'_>, name: &str, surface: Surface) -> String {
    let mut mesh = Mesh::default();
    mesh.revisions = vec![revision(name)];
    let diagnostic = Diagnostic::warning(DiagnosticCode::NotChecked, name).at(Location {
        file: name.to_owned(),
        line: Some(3),
        column: None,
    });
    let manifests = ManifestSet::default();
    let report = Report {
        diagnostics: &[diagnostic],
        ..report(plan, name, &manifests, &mesh)
    };
    render(report, surface)
}

/// The report of a plan for a cluster of this name, and nothing else.
fn report<'a>(
    plan: &'a RestartPlan<'a>,
    cluster: &'a str,
    manifests: &'a ManifestSet,
    mesh: &'a Mesh,
) -> Report<'a> {
    Report {
        plan,
        edits: &[],
        manifests,
        mesh,
        usage: &[],
        diagnostics: &[],
        snapshot: SnapshotSummary {
            cluster,
            captured_at: None,
            pods: 2,
        },
        written: None,
        assumed: None,
        all: false,
        color: false,
    }
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// The structure of a document: everything but the text in it. Pairs of backticks in a message make
/// code of text, so where there are any, the two are one.
fn skeleton(text: &str, with_code: bool) -> Vec<String> {
    let mut skeleton: Vec<String> = Parser::new_ext(text, options())
        .map(|event| match event {
            Event::Code(_) if with_code => "code".to_owned(),
            Event::Text(_) | Event::Code(_) => "text".to_owned(),
            event => format!("{event:?}"),
        })
        .collect();
    skeleton.dedup_by(|a, b| a == "text" && b == "text");
    skeleton
}

/// How many pieces of code a document has.
fn codes(text: &str) -> usize {
    let events = Parser::new_ext(text, options());
    events
        .filter(|event| matches!(event, Event::Code(_)))
        .count()
}

/// Whether a name in every place leaves a document what it is.
fn is_text(name: &str, surface: Surface) -> bool {
    let (hostile, plain) = (of_name(name, surface), of_name("cart", surface));
    let with_code = !name.contains('`');
    skeleton(&hostile, with_code) == skeleton(&plain, with_code) && codes(&hostile) >= codes(&plain)
}

#[test]
fn a_preview_speaks_of_what_would_be_and_an_applied_change_of_what_is() {
    let plan = plan(vec![decision("cart", Verdict::Restart)]);
    let change = Change {
        object: ObjectRef::new("apps", "Deployment", "istio-system", "istiod"),
        what: "1.27.3 → 1.28.0".into(),
        location: None,
    };
    let mut mesh = Mesh::default();
    mesh.revisions = vec![Revision {
        settled: true,
        ..revision("default")
    }];
    let manifests = ManifestSet::default();
    let of = |changes: &[Change], written: Option<&Written>| {
        let assumed = Assumption {
            changes,
            base: None,
            untouched: false,
        };
        let report = Report {
            assumed: Some(assumed),
            written,
            ..report(&plan, "cart", &manifests, &mesh)
        };
        render(report, Surface::PullRequest)
    };
    let preview = of(std::slice::from_ref(&change), None);
    assert!(preview.contains("What would be restarted"), "{preview}");
    assert!(
        preview.contains("`default`: `default`, assumed\n"),
        "{preview}"
    );
    assert!(!preview.contains("To hold or exclude"), "{preview}");
    let written = of(&[change], Some(&Written::Worktree));
    assert!(written.contains("What is restarted"), "{written}");
    assert!(written.contains("To hold or exclude"), "{written}");
    assert!(
        of(&[], None).contains("`default`, settled\n"),
        "nothing is assumed"
    );
}

#[test]
fn waves_are_a_picture() {
    let decisions = ["one", "two"].map(|name| decision(name, Verdict::Restart));
    let mut plan = plan(decisions.to_vec());
    let of = |plan: &RestartPlan<'_>| text(plan, "cart", Surface::PullRequest);
    let one = "```mermaid\nflowchart LR\n  w0[\"all: 2 restart now\"]\n```\n";
    assert!(of(&plan).contains(one), "{}", of(&plan));
    plan.workloads[1].wave = "second";
    let picture = "  w0[\"all: 1 restart now\"]\n  w1[\"second: 1 restart now\"]\n  w0 --> w1\n";
    assert!(of(&plan).contains(picture), "{}", of(&plan));
}

/// Every verdict with the same name in every place.
fn of_name(name: &str, surface: Surface) -> String {
    let decisions = Verdict::ALL.iter().map(|verdict| decision(name, *verdict));
    text(&plan(decisions.collect()), name, surface)
}

#[test]
fn a_reviewer_reads_the_sections_in_order() {
    insta::assert_snapshot!(of_name("cart", Surface::PullRequest));
}

#[test]
fn hostile_names_stay_text() {
    for name in [
        "](https://evil.example) [x",
        "<img src=x>",
        "<!-- meshroll -->",
        "a\n# heading\n",
        "| a | b |",
        "`` ` ``",
        "run `kubectl get pods` | [x](y)",
        "`a` <b> `c|d`",
        "`a``b`",
        "a ` @team | <b>",
        "`\\`|`\\`",
        "\\",
        "***b***",
        "- [x] done",
        "&lt;b&gt;",
        "~~~",
        "\u{1b}[31m\u{202e}",
        "::set-output name=x::y",
    ] {
        for surface in [Surface::PullRequest, Surface::Summary] {
            assert!(
                is_text(name, surface),
                "{name:?} in\n{}",
                of_name(name, surface)
            );
        }
    }
}

/// Text that is rendered outside of code, where a forge looks for mentions and bare links.
fn prose(text: &str) -> String {
    let events = Parser::new_ext(text, options());
    let mut in_code_block = false;
    let prose = events.filter_map(|event| match event {
        Event::Start(Tag::CodeBlock(_)) => {
            in_code_block = true;
            None
        }
        Event::End(pulldown_cmark::TagEnd::CodeBlock) => {
            in_code_block = false;
            None
        }
        Event::Text(text) if !in_code_block => Some(text.into_string()),
        _ => None,
    });
    prose.collect()
}

#[test]
fn nobody_is_mentioned_and_nothing_is_linked() {
    for name in [
        "@team/leads",
        "a @team",
        "#123",
        "owner/repository#1",
        "GH-1",
    ] {
        let text = prose(&of_name(name, Surface::PullRequest));
        let follows = |sign: char| {
            text.match_indices(sign).any(|(at, _)| {
                text[at + 1..]
                    .chars()
                    .next()
                    .is_some_and(char::is_alphanumeric)
            })
        };
        assert!(!follows('@') && !follows('#'), "{text}");
        assert!(!text.contains("GH-1"), "{text}");
    }
    for name in ["https://evil.example", "www.evil.example", "a@evil.example"] {
        let text = of_name(name, Surface::PullRequest);
        let outside_code = text.split('`').step_by(2).collect::<String>();
        assert!(!outside_code.contains(name), "{outside_code}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_becomes_markup(name in "\\PC{1,12}".prop_union("[\\[\\]()<>`*_~|\\\\!#@&:./ \\n\\-+=x1]{1,16}")) {
        prop_assert!(is_text(&name, Surface::PullRequest), "{}", of_name(&name, Surface::PullRequest));
    }

    #[test]
    fn a_pull_request_is_never_too_long(count in 0_usize..1_500, letter in "[a\u{1f600}|@]") {
        let decisions = (0..count).map(|n| {
            let verdict = Verdict::ALL[n % Verdict::ALL.len()];
            decision(&format!("{}{n}", letter.repeat(40)), verdict)
        });
        let text = text(&plan(decisions.collect()), "cart", Surface::PullRequest);
        prop_assert!(text.encode_utf16().count() <= 60_000);
    }
}

#[test]
fn what_is_cut_is_said() {
    let decisions = (0..2_000).map(|n| {
        decision(
            &format!("workload-{n}-{}", "x".repeat(60)),
            Verdict::Restart,
        )
    });
    let plan = plan(decisions.collect());
    let text_of = |surface| text(&plan, "cart", surface);
    let short = text_of(Surface::PullRequest);
    assert!(short.contains("more: the summary of the run has all of it._"));
    assert!(
        short.contains("_Cut here: Waves (1), Risks (2000)"),
        "{}",
        &short[short.len() - 900..]
    );
    assert!(
        short.ends_with("reasoning.\n"),
        "how to hold stays, whatever is cut"
    );
    let long = text_of(Surface::Summary);
    assert!(long.len() <= 1_000_000);
    assert!(!long.contains("Risks (2000)"));
}
