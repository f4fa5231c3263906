//! Plan JSON, version 1: the wire types, apart from the core types so that either can change
//! without the other. Additive only.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::{Assumption, BranchOperation, Report, Written, WrittenBranch};
use crate::decision::{Decision, DriftCount};
use crate::diagnostic::{Code as _, Diagnostic};
use crate::gitops::{Blocker, Delivery};
use crate::mesh::{Revision, Usage};
use crate::reason::Reason;
use crate::text::is_treacherous;
use crate::upgrade::Change;
use crate::wave::PlannedWorkload;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan<'a> {
    schema_version: u8,
    snapshot: Snapshot<'a>,
    mesh: Mesh<'a>,
    summary: BTreeMap<&'static str, usize>,
    workloads: Vec<Workload<'a>>,
    edits: Vec<Edit<'a>>,
    diagnostics: Vec<DiagnosticLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<WrittenTo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumed: Option<Assumed<'a>>,
}

/// What the plan assumes of the mesh (`--assume-applied`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Assumed<'a> {
    base: Option<&'a str>,
    touches_mesh: bool,
    changes: Vec<AssumedChange<'a>>,
}

#[derive(Serialize)]
struct AssumedChange<'a> {
    object: String,
    change: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot<'a> {
    cluster: &'a str,
    captured_at: Option<String>,
    pods: usize,
}

#[derive(Serialize)]
struct Mesh<'a> {
    revisions: Vec<RevisionLine<'a>>,
    usage: Vec<UsageLine<'a>>,
}

#[derive(Serialize)]
struct UsageLine<'a> {
    name: &'a str,
    revision: Option<&'a str>,
    tag: bool,
    proxies: usize,
    namespaces: &'a [String],
    pods: &'a [String],
}

#[derive(Serialize)]
struct RevisionLine<'a> {
    name: &'a str,
    version: Option<&'a str>,
    tags: &'a [String],
    namespace: &'a str,
    settled: bool,
    reasons: Vec<CodedMessage<'a>>,
}

#[derive(Serialize)]
struct CodedMessage<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Workload<'a> {
    api_version: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    verdict: &'static str,
    reasons: Vec<CodedMessage<'a>>,
    drifts: Vec<DriftLine<'a>>,
    pods: Pods,
    stamp: StampLine<'a>,
    source: Option<Source<'a>>,
    delivery: Option<DeliveryLine<'a>>,
    risks: Vec<CodedMessage<'a>>,
    wave: &'a str,
}

#[derive(Serialize)]
struct DriftLine<'a> {
    code: &'static str,
    class: &'static str,
    observed: &'a str,
    expected: &'a str,
    pods: usize,
}

#[derive(Serialize)]
struct Pods {
    total: usize,
    stale: usize,
}

#[derive(Serialize)]
struct StampLine<'a> {
    expected: Option<String>,
    git: Option<&'a str>,
    live: Option<&'a str>,
}

#[derive(Serialize)]
struct Source<'a> {
    file: &'a str,
    line: usize,
    document: usize,
}

#[derive(Serialize)]
struct DeliveryLine<'a> {
    engine: &'static str,
    name: &'a str,
    blockers: Vec<BlockerLine<'a>>,
}

#[derive(Serialize)]
struct BlockerLine<'a> {
    code: &'static str,
    object: &'a str,
    field: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Edit<'a> {
    file: &'a str,
    line: usize,
    object: String,
}

#[derive(Serialize)]
struct DiagnosticLine<'a> {
    code: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(tag = "to", rename_all = "kebab-case")]
enum WrittenTo<'a> {
    Worktree,
    Branch(BranchLine<'a>),
    #[serde(rename_all = "camelCase")]
    PullRequest {
        branch: Option<BranchLine<'a>>,
        pull_request: Option<PullRequestLine<'a>>,
    },
    Nothing,
}

#[derive(Serialize)]
struct BranchLine<'a> {
    branch: &'a str,
    remote: Option<&'a str>,
    commit: Option<&'a str>,
    operation: &'static str,
    changed: bool,
}

#[derive(Serialize)]
struct PullRequestLine<'a> {
    number: u64,
    url: &'a str,
    operation: &'static str,
}

/// The plan as JSON, with a final newline.
pub(super) fn render(report: Report<'_>) -> String {
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, Escaped(PrettyFormatter::new()));
    plan(report)
        .serialize(&mut serializer)
        .expect("internal: plan JSON has string keys only");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("internal: serde_json writes UTF-8")
}

/// The same as YAML.
pub(super) fn render_yaml(report: Report<'_>) -> String {
    let text =
        serde_yaml::to_string(&plan(report)).expect("internal: plan JSON has string keys only");
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        // Within double quotes this is the character; elsewhere it is what it looks like.
        match u32::from(c) {
            _ if c == '\n' || !is_treacherous(c) => safe.push(c),
            code @ 0..=0xffff => safe.push_str(&format!("\\u{code:04X}")),
            code => safe.push_str(&format!("\\U{code:08X}")),
        }
    }
    safe
}

fn plan<'a>(report: Report<'a>) -> Plan<'a> {
    let listed = report
        .plan
        .workloads
        .iter()
        .filter(|workload| report.all || workload.decision.in_mesh);
    let listed: Vec<&PlannedWorkload<'_>> = listed.collect();
    let mut summary: BTreeMap<_, _> = crate::reason::Verdict::ALL
        .iter()
        .map(|verdict| (verdict.code(), 0))
        .collect();
    for workload in &listed {
        *summary.entry(workload.decision.verdict.code()).or_default() += 1;
    }
    Plan {
        schema_version: 1,
        snapshot: Snapshot {
            cluster: report.snapshot.cluster,
            captured_at: report.snapshot.captured_at.map(|time| time.to_string()),
            pods: report.snapshot.pods,
        },
        mesh: Mesh {
            revisions: report.mesh.revisions.iter().map(revision).collect(),
            usage: report.usage.iter().map(usage).collect(),
        },
        summary,
        workloads: listed
            .iter()
            .map(|planned| workload(&planned.decision, planned.wave))
            .collect(),
        edits: report.edits.iter().flat_map(edits).collect(),
        diagnostics: report.diagnostics.iter().map(diagnostic).collect(),
        written: report.written.map(written),
        assumed: report.assumed.map(assumed),
    }
}

fn revision(revision: &Revision) -> RevisionLine<'_> {
    RevisionLine {
        name: &revision.name,
        version: revision.version.as_deref(),
        tags: &revision.tags,
        namespace: &revision.namespace,
        settled: revision.settled,
        reasons: revision.reasons.iter().map(reason).collect(),
    }
}

fn usage(usage: &Usage) -> UsageLine<'_> {
    UsageLine {
        name: &usage.name,
        revision: usage.revision.as_deref(),
        tag: usage.is_tag,
        proxies: usage.proxies,
        namespaces: &usage.namespaces,
        pods: &usage.pods,
    }
}

fn reason(reason: &Reason) -> CodedMessage<'_> {
    CodedMessage {
        code: reason.code.code(),
        message: &reason.message,
    }
}

fn workload<'a>(decision: &'a Decision<'_>, wave: &'a str) -> Workload<'a> {
    Workload {
        api_version: &decision.api_version,
        kind: &decision.reference.kind,
        namespace: &decision.reference.namespace,
        name: &decision.reference.name,
        verdict: decision.verdict.code(),
        reasons: decision.reasons.iter().map(reason).collect(),
        drifts: decision.drifts.iter().map(drift).collect(),
        pods: Pods {
            total: decision.pods.total,
            stale: decision.pods.stale,
        },
        stamp: StampLine {
            expected: decision.stamps.expected.as_ref().map(ToString::to_string),
            git: decision.stamps.git.as_deref(),
            live: decision.stamps.live.as_deref(),
        },
        source: decision.manifest.map(|(file, object)| Source {
            file: &file.path,
            line: object.line,
            document: object.document.index,
        }),
        delivery: decision.delivery.as_ref().map(delivery),
        risks: decision
            .risks
            .iter()
            .map(|risk| CodedMessage {
                code: risk.code.code(),
                message: &risk.message,
            })
            .collect(),
        wave,
    }
}

fn drift(count: &DriftCount) -> DriftLine<'_> {
    DriftLine {
        code: count.drift.code.code(),
        class: count.drift.class.code(),
        observed: &count.drift.observed,
        expected: &count.drift.expected,
        pods: count.pods,
    }
}

fn delivery<'a>(delivery: &'a Delivery) -> DeliveryLine<'a> {
    let blocker = |blocker: &'a Blocker| BlockerLine {
        code: blocker.code.code(),
        object: &blocker.object,
        field: &blocker.field,
        message: &blocker.message,
    };
    DeliveryLine {
        engine: delivery.engine.as_str(),
        name: &delivery.name,
        blockers: delivery.blockers.iter().map(blocker).collect(),
    }
}

fn edits(edit: &crate::edit::FileEdit) -> impl Iterator<Item = Edit<'_>> {
    edit.objects.iter().map(|object| Edit {
        file: &edit.path,
        line: object.line,
        object: format!(
            "{}/{}/{}",
            object.reference.kind, object.reference.namespace, object.reference.name
        ),
    })
}

fn diagnostic(diagnostic: &Diagnostic) -> DiagnosticLine<'_> {
    let location = diagnostic.location.as_ref();
    DiagnosticLine {
        code: diagnostic.code.code(),
        severity: diagnostic.severity.as_str(),
        file: location.map(|location| location.file.as_str()),
        line: location.and_then(|location| location.line),
        column: location.and_then(|location| location.column),
        message: &diagnostic.message,
        hint: diagnostic.hint.as_deref(),
    }
}

fn assumed(assumption: Assumption<'_>) -> Assumed<'_> {
    Assumed {
        base: assumption.base,
        touches_mesh: !assumption.untouched,
        changes: assumption.changes.iter().map(assumed_change).collect(),
    }
}

fn assumed_change(change: &Change) -> AssumedChange<'_> {
    let location = change.location.as_ref();
    AssumedChange {
        object: change.object.to_string(),
        change: &change.what,
        file: location.map(|location| location.file.as_str()),
        line: location.and_then(|location| location.line),
    }
}

fn written(written: &Written) -> WrittenTo<'_> {
    match written {
        Written::Worktree => WrittenTo::Worktree,
        Written::Branch(branch) => WrittenTo::Branch(branch_line(branch)),
        Written::PullRequest {
            branch,
            pull_request,
        } => WrittenTo::PullRequest {
            branch: branch.as_ref().map(branch_line),
            pull_request: pull_request.as_ref().map(|written| PullRequestLine {
                number: written.number,
                url: &written.url,
                operation: written.operation.as_str(),
            }),
        },
        Written::Nothing => WrittenTo::Nothing,
    }
}

fn branch_line(written: &WrittenBranch) -> BranchLine<'_> {
    BranchLine {
        branch: &written.branch,
        remote: written.remote.as_deref(),
        commit: written.commit.as_deref(),
        operation: written.operation.as_str(),
        changed: written.operation != BranchOperation::Kept,
    }
}

/// Writes characters that would change what a reader sees around them as `\u` sequences.
struct Escaped<F>(F);

impl<F: Formatter> Formatter for Escaped<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(position) = rest.find(is_treacherous) {
            let (plain, from) = rest.split_at(position);
            writer.write_all(plain.as_bytes())?;
            let mut chars = from.chars();
            let mut units = [0; 2];
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}
