//! The oracle: the API server is asked to create each workload's next pod as a dry run, and what
//! comes back is what injection gives now (`spec/istio.md` §9).
//!
//! Workloads are listed once more, whole this time; a page's pods are asked about before the next
//! page is, so that no more than a page is in memory.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::Read;
use std::time::Duration;

use futures_io::AsyncRead as _;
use kube::Client;
use kube::api::PostParams;
use kube::core::Request;
use serde_json::Value;
use tokio::task::JoinSet;

use super::list::{Api, Groups, Pages};
use super::retry::{Pause, TRIES};
use super::{ClusterError, ClusterOptions, Progress, failed};
use crate::manifest::ObjectRef;
use crate::rollout::{DryRun, dry_runs};
use crate::snapshot::{
    ClusterSnapshot, CreateRefusal, Injection, InjectionOutcome, KINDS, Kind, Page, Role,
    SnapshotError, WholeWorkload, whole_page,
};

/// Dry runs that are under way at once.
const IN_FLIGHT: usize = 8;
/// How often the whole run waits for answers that did not come. An istiod that is down refuses
/// every pod, and waiting for each would take hours.
const PATIENCE: u32 = 20;
/// No page of whole workloads is larger.
const PAGE_LIMIT: u64 = 256 << 20;

/// No pod is larger: the API server itself takes 3 MiB.
const ANSWER_LIMIT: usize = 4 << 20;

/// Asks about the next pod of every workload of a snapshot.
///
/// # Errors
///
/// When workloads can no longer be listed. A dry run that fails is an outcome, and no error.
pub(super) fn ask(
    api: &Api,
    groups: &Groups,
    snapshot: &ClusterSnapshot,
    options: &ClusterOptions,
    pause: &mut Pause,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Injection>, ClusterError> {
    let runs = dry_runs(snapshot).into_iter();
    let mut oracle = Oracle {
        api,
        runs: runs.map(|run| (run.workload.clone(), run)).collect(),
        annotation_keys: &options.read.annotation_keys,
        questions: Vec::new(),
        answers: BTreeMap::new(),
        denied: BTreeMap::new(),
        patience: PATIENCE,
    };
    let templated = |kind: &&Kind| matches!(kind.role, Role::Workload | Role::CronWorkload);
    for kind in KINDS.iter().filter(templated) {
        if oracle.concerns(kind) {
            let versions = groups.versions(kind.group);
            api.list(kind, versions, &mut oracle, pause, progress)
                .map_err(failed(kind.resource()))?;
        }
    }
    Ok(oracle.answers.into_values().collect())
}

struct Oracle<'o> {
    api: &'o Api,
    /// The dry runs to make, by workload.
    runs: BTreeMap<ObjectRef, DryRun>,
    annotation_keys: &'o [String],
    /// Those of the page that is read.
    questions: Vec<Question>,
    answers: BTreeMap<ObjectRef, Injection>,
    /// Namespaces in which meshroll may not ask, and the server's words.
    denied: BTreeMap<String, InjectionOutcome>,
    patience: u32,
}

/// One pod to be created without effect.
#[derive(Debug, Clone)]
struct Question {
    workload: ObjectRef,
    template: String,
    generate_name: String,
    pod: Value,
}

/// What came of one request.
enum Reply {
    Said(InjectionOutcome),
    /// Meshroll may not create pods in the namespace.
    Unauthorized(InjectionOutcome),
    /// Worth another try, after as long as the server asks for; else this is the outcome.
    Passing(InjectionOutcome, Duration),
}

impl Pages for Oracle<'_> {
    const LIMIT: u32 = 50;

    fn page(
        &mut self,
        kind: &'static Kind,
        version: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<Page, SnapshotError> {
        let mut text = String::new();
        let read = body.take(PAGE_LIMIT).read_to_string(&mut text);
        read.map_err(|source| SnapshotError::Io {
            name: kind.resource(),
            source,
        })?;
        let whole = whole_page(kind, version, &text)?;
        let asked = whole.workloads.iter().filter_map(|it| self.question(it));
        self.questions = asked.collect();
        Ok(whole.page)
    }

    /// Answers stay: who was asked is not asked again.
    fn discard(&mut self, _kind: &'static Kind) {
        self.questions.clear();
    }

    fn end_page(&mut self, pause: &mut Pause, progress: &mut dyn FnMut(Progress)) {
        let mut questions = std::mem::take(&mut self.questions).into_iter().peekable();
        while questions.peek().is_some() {
            let batch = questions.by_ref().take(IN_FLIGHT).collect();
            self.settle(batch, pause);
            progress(Progress {
                what: "dry runs",
                done: self.answers.len(),
            });
        }
    }
}

impl Oracle<'_> {
    /// Whether there is a dry run of a kind's objects.
    fn concerns(&self, kind: &Kind) -> bool {
        let is_of_kind = |it: &ObjectRef| it.group == kind.group && it.kind == kind.kind;
        self.runs.keys().any(is_of_kind)
    }

    fn question(&self, whole: &WholeWorkload) -> Option<Question> {
        if self.answers.contains_key(&whole.reference) {
            return None;
        }
        let run = self.runs.get(&whole.reference)?;
        Some(Question {
            workload: run.workload.clone(),
            template: whole.template.clone(),
            generate_name: run.generate_name(),
            pod: run.pod(&whole.object)?,
        })
    }

    /// Asks until there is an outcome for each.
    fn settle(&mut self, mut open: Vec<Question>, pause: &mut Pause) {
        let mut tries = 0;
        while !open.is_empty() {
            tries += 1;
            let may_wait = tries < TRIES && self.patience > 0;
            let allowed = self.without_denied(open);
            let mut again = Vec::new();
            let mut wait = Duration::ZERO;
            for (question, reply) in self.replies(allowed) {
                match reply {
                    Reply::Passing(_, asked) if may_wait => {
                        wait = wait.max(asked);
                        again.push(question);
                    }
                    Reply::Unauthorized(outcome) => {
                        let namespace = question.workload.namespace.clone();
                        self.denied.insert(namespace, outcome.clone());
                        self.put_down(question, outcome);
                    }
                    Reply::Said(outcome) | Reply::Passing(outcome, _) => {
                        self.put_down(question, outcome);
                    }
                }
            }
            if !again.is_empty() {
                self.patience -= 1;
                pause.after(tries, wait);
            }
            open = again;
        }
    }

    /// The questions that may be asked; the others have their outcome already.
    fn without_denied(&mut self, questions: Vec<Question>) -> Vec<Question> {
        let mut allowed = Vec::new();
        for question in questions {
            match self.denied.get(&question.workload.namespace).cloned() {
                Some(outcome) => self.put_down(question, outcome),
                None => allowed.push(question),
            }
        }
        allowed
    }

    fn put_down(&mut self, question: Question, outcome: InjectionOutcome) {
        let injection = Injection {
            workload: question.workload.clone(),
            template: question.template,
            outcome,
        };
        self.answers.insert(question.workload, injection);
    }

    /// Makes requests at the same time and waits for all of them.
    fn replies(&self, questions: Vec<Question>) -> Vec<(Question, Reply)> {
        let params = PostParams {
            dry_run: true,
            field_manager: Some("meshroll".to_owned()),
        };
        let mut texts = self.api.runtime.block_on(async {
            let mut running = JoinSet::new();
            for (index, question) in questions.iter().enumerate() {
                let client = self.api.client.clone();
                let pod = question.pod.to_string().into_bytes();
                let (path, params) = (question.path(), params.clone());
                running.spawn(async move { (index, answer(&client, path, &params, pod).await) });
            }
            let mut texts = BTreeMap::new();
            while let Some(done) = running.join_next().await {
                texts.extend(done);
            }
            texts
        });
        let mut replies = Vec::with_capacity(questions.len());
        for (index, question) in questions.into_iter().enumerate() {
            let reply = match texts.remove(&index) {
                Some(text) => self.reply(&question, text),
                None => Reply::Said(InjectionOutcome::unanswered("the request broke off")),
            };
            replies.push((question, reply));
        }
        replies
    }

    fn reply(&self, question: &Question, text: Result<String, kube::Error>) -> Reply {
        match text {
            Ok(body) => {
                let keys = self.annotation_keys;
                Reply::Said(InjectionOutcome::of_pod(&question.workload, &body, keys))
            }
            Err(kube::Error::Api(status)) => {
                let details = status.details.as_ref();
                let refusal = CreateRefusal {
                    code: status.code,
                    names_pod: details.is_some_and(|details| !details.name.is_empty()),
                    message: &status.message,
                    generate_name: &question.generate_name,
                };
                let outcome = InjectionOutcome::of_refusal(refusal);
                let asked = details.map_or(0, |details| details.retry_after_seconds);
                match status.code {
                    429 | 500..=599 => Reply::Passing(outcome, Duration::from_secs(asked.into())),
                    _ if refusal.is_unauthorized() => Reply::Unauthorized(outcome),
                    _ => Reply::Said(outcome),
                }
            }
            Err(error) => {
                let outcome = InjectionOutcome::unanswered(&format!("no answer: {error}"));
                Reply::Passing(outcome, Duration::ZERO)
            }
        }
    }
}

/// The whole answer to a request, if it is no longer than a pod can be.
async fn answer(
    client: &Client,
    path: String,
    params: &PostParams,
    pod: Vec<u8>,
) -> Result<String, kube::Error> {
    let failed = |error: std::io::Error| kube::Error::Service(Box::new(error));
    let request = Request::new(path).create(params, pod);
    let request = request.map_err(kube::Error::BuildRequest)?;
    let mut stream = Box::pin(client.request_stream(request).await?);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = poll_fn(|context| stream.as_mut().poll_read(context, &mut buffer));
        let count = read.await.map_err(failed)?;
        if count == 0 {
            break;
        }
        if bytes.len() + count > ANSWER_LIMIT {
            return Err(failed(std::io::Error::other("the answer does not end")));
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).map_err(kube::Error::FromUtf8)
}

impl Question {
    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods", self.workload.namespace)
    }
}
