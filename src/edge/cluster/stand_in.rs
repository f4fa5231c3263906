//! A stand-in for the API server: real HTTP on the loopback, answers from a function.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// One request, as the stand-in sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    /// The continue token, empty for a first page.
    pub(super) next: String,
    /// How often the same was asked before.
    pub(super) before: usize,
}

/// What the stand-in answers.
pub(super) enum Answer {
    Json(String),
    Status(u16),
    /// A whole header, and a body that ends early.
    Truncated(String),
    /// The body in pieces of one byte, without its length.
    Dripping(String),
    /// The connection is closed without a word.
    Silence,
}

/// A running stand-in; it ends with the process.
pub(super) struct StandIn {
    pub(super) url: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    pub(super) fn new(answer: impl Fn(&Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut counts = BTreeMap::new();
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                serve(stream, &mut counts, &shared, &answer);
            }
        });
        Self {
            url: format!("http://{address}"),
            log,
        }
    }

    /// Everything that was asked, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.log.lock().expect("the log").clone()
    }
}

fn serve(
    mut stream: TcpStream,
    counts: &mut BTreeMap<(String, String), usize>,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Answer,
) {
    let mut lines = BufReader::new(stream.try_clone().expect("the connection")).lines();
    let Some(Ok(request)) = lines.next() else {
        return;
    };
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let mut words = request.split(' ').map(str::to_owned);
    let method = words.next().expect("a method");
    let target = words.next().expect("a target");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let next = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("continue="));
    let key = (path.to_owned(), next.unwrap_or_default().to_owned());
    let count = counts.entry(key.clone()).or_default();
    let asked = Asked {
        method,
        path: key.0,
        next: key.1,
        before: *count,
    };
    *count += 1;
    log.lock().expect("the log").push(asked.clone());
    // A client that went away has seen enough.
    let _ = respond(&mut stream, answer(&asked));
}

fn respond(stream: &mut TcpStream, answer: Answer) -> std::io::Result<()> {
    let head = |status: u16, length: Option<usize>| {
        let length = length.map_or(String::new(), |length| {
            format!("Content-Length: {length}\r\n")
        });
        format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n"
        )
    };
    match answer {
        Answer::Json(body) => write!(stream, "{}{body}", head(200, Some(body.len()))),
        Answer::Status(status) => {
            let body = format!(
                r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","code":{status},
                    "message":"said {status}","reason":"","details":{{"retryAfterSeconds":3}}}}"#
            );
            write!(stream, "{}{body}", head(status, Some(body.len())))
        }
        Answer::Truncated(body) => write!(stream, "{}{body}", head(200, Some(body.len() + 100))),
        Answer::Dripping(body) => {
            write!(stream, "{}", head(200, None))?;
            for byte in body.bytes() {
                stream.write_all(&[byte])?;
                stream.flush()?;
            }
            Ok(())
        }
        Answer::Silence => Ok(()),
    }
}
