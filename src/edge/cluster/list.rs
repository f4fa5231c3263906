//! Lists: the pages of one kind, whatever the API server does in between.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_io::AsyncRead;
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use tokio::runtime::Runtime;

use super::Progress;
use super::retry::{Pause, TRIES};
use crate::snapshot::{Collector, Kind, Page, SnapshotError};

/// How often a list is begun again after its continue token expired.
const RESTARTS: u32 = 3;

/// A request to the API server failed for good.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The server refused it.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The server could not be reached, or is none.
    #[error("the API server cannot be talked to")]
    Server(#[source] kube::Error),
    /// Its certificate is not that of the cluster that the kubeconfig means.
    #[error("the API server's certificate is not to be trusted: {0}")]
    Untrusted(rustls::CertificateError),
    /// The answer broke off or is no list.
    #[error("the API server's answer cannot be read")]
    Answer(#[source] SnapshotError),
    /// The list expired again and again before its last page.
    #[error("the list expired before its end, {RESTARTS} times")]
    Expired,
}

/// What became of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every object was listed, or the kind is not served.
    Whole,
    /// The kind may not be listed; the server's words.
    Denied(String),
}

/// A client that waits.
pub(super) struct Api {
    pub(super) runtime: Arc<Runtime>,
    pub(super) client: Client,
}

/// What takes in the pages of lists.
pub(super) trait Pages {
    /// Objects of one page.
    const LIMIT: u32;

    /// Takes in a page of a list in an API version; the page may be given again after a fault.
    fn page(
        &mut self,
        kind: &'static Kind,
        version: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<Page, SnapshotError>;

    /// Forgets what there is of a kind: its list is begun again.
    fn discard(&mut self, kind: &'static Kind);

    /// Does what is to be done with a whole page before the next one is asked for.
    fn end_page(&mut self, _pause: &mut Pause, _progress: &mut dyn FnMut(Progress)) {}
}

impl Pages for Collector {
    const LIMIT: u32 = 500;

    fn page(
        &mut self,
        kind: &'static Kind,
        _version: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<Page, SnapshotError> {
        Self::page(self, kind, body)
    }

    fn discard(&mut self, kind: &'static Kind) {
        Self::discard(self, kind);
    }
}

/// API groups and their versions, the preferred one first.
#[derive(Debug)]
pub(super) struct Groups(HashMap<String, Vec<String>>);

impl Groups {
    /// The versions of a group; none where it is not served.
    pub(super) fn versions(&self, group: &str) -> &[String] {
        self.0.get(group).map_or(&[], Vec::as_slice)
    }
}

/// Where a page is asked for.
struct Place<'p> {
    kind: &'static Kind,
    version: &'p str,
    next: Option<String>,
}

impl Place<'_> {
    /// The path of the list: `/api/v1/pods`, `/apis/apps/v1/deployments`.
    fn path(&self) -> String {
        let Kind { group, plural, .. } = self.kind;
        match *group {
            "" => format!("/api/{}/{plural}", self.version),
            group => format!("/apis/{group}/{}/{plural}", self.version),
        }
    }
}

/// Why a page could not be had.
enum Failure {
    /// Worth another try, after as long as the server asks for.
    Passing(ListError, Duration),
    /// The continue token expired.
    Expired,
    Denied(String),
    NotServed,
    Final(ListError),
}

impl Api {
    pub(super) fn new(runtime: Runtime, client: Client) -> Self {
        Self {
            runtime: Arc::new(runtime),
            client,
        }
    }

    /// The API groups that are served.
    pub(super) fn groups(&self, pause: &mut Pause) -> Result<Groups, ListError> {
        let mut tries = 0;
        let listed = loop {
            tries += 1;
            let error = match self.runtime.block_on(self.client.list_api_groups()) {
                Ok(groups) => break groups,
                Err(error) => error,
            };
            match failure(error) {
                Failure::Passing(_, asked) if tries < TRIES => pause.after(tries, asked),
                Failure::Passing(error, _) | Failure::Final(error) => return Err(error),
                Failure::Denied(message) => return Err(ListError::Refused { code: 403, message }),
                Failure::Expired | Failure::NotServed => return Err(not_an_api_server()),
            }
        };
        let mut groups = HashMap::from([(String::new(), vec!["v1".to_owned()])]);
        for group in listed.groups {
            let preferred = group.preferred_version.map(|version| version.version);
            let others = group.versions.into_iter().map(|version| version.version);
            let mut versions: Vec<String> = preferred.iter().cloned().collect();
            versions.extend(others.filter(|version| Some(version) != preferred.as_ref()));
            groups.insert(group.name, versions);
        }
        Ok(Groups(groups))
    }

    /// Lists a kind, in the first of the versions that has it.
    pub(super) fn list(
        &self,
        kind: &'static Kind,
        versions: &[String],
        pages: &mut impl Pages,
        pause: &mut Pause,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Outcome, ListError> {
        for version in versions {
            let mut listing = Listing {
                api: self,
                place: Place {
                    kind,
                    version,
                    next: None,
                },
                objects: 0,
                restarts: 0,
            };
            if let Some(outcome) = listing.run(pages, pause, progress)? {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Whole)
    }

    fn page<P: Pages>(&self, place: &Place<'_>, pages: &mut P) -> Result<Page, Failure> {
        let mut params = ListParams::default().limit(P::LIMIT);
        if let Some(next) = &place.next {
            params = params.continue_token(next);
        }
        let request = Request::new(place.path()).list(&params);
        let request = request
            .map_err(|error| Failure::Final(ListError::Server(kube::Error::BuildRequest(error))))?;
        let stream = self.client.request_stream(request);
        let stream = self.runtime.block_on(stream).map_err(failure)?;
        let body = Body {
            runtime: Arc::clone(&self.runtime),
            stream: Box::pin(stream),
        };
        let page = pages.page(place.kind, place.version, Box::new(body));
        // A body that breaks off is worth another try, and so is one that a proxy cut.
        page.map_err(|error| Failure::Passing(ListError::Answer(error), Duration::ZERO))
    }
}

/// A list under way.
struct Listing<'l> {
    api: &'l Api,
    place: Place<'l>,
    objects: usize,
    restarts: u32,
}

impl Listing<'_> {
    /// Lists to the end; none where this version does not have the kind.
    fn run(
        &mut self,
        pages: &mut impl Pages,
        pause: &mut Pause,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<Outcome>, ListError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.api.page(&self.place, pages) {
                Ok(page) => {
                    tries = 0;
                    self.objects += page.objects;
                    progress(Progress {
                        what: self.place.kind.plural,
                        done: self.objects,
                    });
                    pages.end_page(pause, progress);
                    if page.next.is_none() {
                        return Ok(Some(Outcome::Whole));
                    }
                    self.place.next = page.next;
                }
                Err(Failure::Passing(_, asked)) if tries < TRIES => pause.after(tries, asked),
                Err(Failure::Expired) if self.restarts < RESTARTS => {
                    pages.discard(self.place.kind);
                    self.restarts += 1;
                    self.place.next = None;
                    self.objects = 0;
                    tries = 0;
                }
                Err(Failure::Expired) => return Err(ListError::Expired),
                Err(Failure::Denied(message)) => return Ok(Some(Outcome::Denied(message))),
                Err(Failure::NotServed) => return Ok(None),
                Err(Failure::Passing(error, _) | Failure::Final(error)) => return Err(error),
            }
        }
    }
}

/// What an error of the client means for a list.
fn failure(error: kube::Error) -> Failure {
    let status = match error {
        kube::Error::Api(status) => status,
        kube::Error::HyperError(_) | kube::Error::Service(_) => {
            return match certificate_fault(&error) {
                // No certificate gets better by waiting.
                Some(fault) => Failure::Final(ListError::Untrusted(fault)),
                None => Failure::Passing(ListError::Server(error), Duration::ZERO),
            };
        }
        _ => return Failure::Final(ListError::Server(error)),
    };
    let asked = status.details.map_or(0, |it| it.retry_after_seconds);
    let (code, message) = (status.code, status.message);
    match code {
        403 => Failure::Denied(message),
        // A resource that cannot be listed answers 405.
        404 | 405 => Failure::NotServed,
        410 => Failure::Expired,
        429 | 500..=599 => {
            let asked = Duration::from_secs(asked.into());
            Failure::Passing(ListError::Refused { code, message }, asked)
        }
        _ => Failure::Final(ListError::Refused { code, message }),
    }
}

/// What is wrong with the server's certificate, where that is the cause of an error.
fn certificate_fault(error: &kube::Error) -> Option<rustls::CertificateError> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(fault)) = error.downcast_ref() {
            return Some(fault.clone());
        }
        // What an I/O error wraps is not its source.
        cause = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn not_an_api_server() -> ListError {
    let message = "there are no API groups here, so it is no API server".to_owned();
    ListError::Refused { code: 404, message }
}

/// The body of a response, as it arrives.
struct Body {
    runtime: Arc<Runtime>,
    stream: Pin<Box<dyn AsyncRead + Send>>,
}

impl Read for Body {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Self { runtime, stream } = self;
        runtime.block_on(poll_fn(|context| stream.as_mut().poll_read(context, out)))
    }
}
