//! A stand-in for the API server: real HTTP or HTTPS on the loopback, answers from a function.
//!
//! The tests of the command line use it as well, from outside of the crate.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// One request, as the stand-in sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// The continue token, empty for a first page.
    pub(crate) next: String,
    /// How often the same was asked before.
    pub(crate) before: usize,
    /// The `Authorization` header, empty where there is none.
    pub(crate) authorization: String,
    /// Whether the client proved who it is with a certificate.
    pub(crate) has_certificate: bool,
    pub(crate) body: String,
}

/// What the stand-in answers.
pub(crate) enum Answer {
    Json(String),
    Status(u16),
    /// A status without the object that tells it, as load shedding and proxies answer.
    Plain(u16, &'static str),
    /// A status with words of its own; whether its details name an object.
    Refusal(u16, &'static str, bool),
    /// A whole header, and a body that ends early.
    Truncated(String),
    /// The body in pieces of one byte, without its length.
    Dripping(String),
    /// The connection is closed without a word.
    Silence,
}

/// A running stand-in; it ends with the process.
pub(crate) struct StandIn {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

/// Certificates of a test's own.
pub(crate) struct Certificates {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certificates {
    /// A new authority.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { issuer }
    }

    /// The authority's certificate, in PEM.
    pub(crate) fn authority(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a client.
    pub(crate) fn client(&self) -> Identity {
        let (certificate, key) = self.issue(&[], ExtendedKeyUsagePurpose::ClientAuth);
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn issue(
        &self,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }

    /// A server that takes certificates of its own authority from clients, and wants none.
    fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .allow_unauthenticated()
            .build()
            .expect("a verifier");
        let (certificate, key) = self.issue(&["127.0.0.1"], ExtendedKeyUsagePurpose::ServerAuth);
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .expect("a server");
        Arc::new(config)
    }
}

impl StandIn {
    /// Speaks plain HTTP.
    pub(crate) fn new(answer: impl Fn(&Asked) -> Answer + Send + 'static) -> Self {
        Self::start("http", answer, |mut stream, desk, answer| {
            desk.serve(&mut stream, false, answer);
        })
    }

    /// Speaks HTTPS, with a certificate of this authority.
    pub(crate) fn over_tls(
        certificates: &Certificates,
        answer: impl Fn(&Asked) -> Answer + Send + 'static,
    ) -> Self {
        let config = certificates.server();
        Self::start("https", answer, move |mut stream, desk, answer| {
            let mut connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            // A client that does not trust the server goes away here.
            while connection.is_handshaking() {
                if connection.complete_io(&mut stream).is_err() {
                    return;
                }
            }
            let has_certificate = connection.peer_certificates().is_some();
            let mut stream = StreamOwned::new(connection, stream);
            desk.serve(&mut stream, has_certificate, answer);
            stream.conn.send_close_notify();
            let _ = stream.conn.write_tls(&mut stream.sock);
        })
    }

    fn start(
        scheme: &str,
        answer: impl Fn(&Asked) -> Answer + Send + 'static,
        serve: impl Fn(TcpStream, &mut Desk, &dyn Fn(&Asked) -> Answer) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut desk = Desk {
            counts: BTreeMap::new(),
            log: Arc::clone(&log),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.expect("a connection"), &mut desk, &answer);
            }
        });
        Self {
            url: format!("{scheme}://{address}"),
            log,
        }
    }

    /// Everything that was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().expect("the log").clone()
    }
}

/// Where requests come in.
struct Desk {
    counts: BTreeMap<(String, String), usize>,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Desk {
    fn serve(
        &mut self,
        stream: &mut (impl Read + Write),
        has_certificate: bool,
        answer: &dyn Fn(&Asked) -> Answer,
    ) {
        let Some(mut asked) = request(stream) else {
            return;
        };
        let key = (asked.path.clone(), asked.next.clone());
        let count = self.counts.entry(key).or_default();
        asked.before = *count;
        asked.has_certificate = has_certificate;
        *count += 1;
        self.log.lock().expect("the log").push(asked.clone());
        // A client that went away has seen enough.
        let _ = respond(stream, answer(&asked));
    }
}

/// Reads a request; none where the client goes away.
fn request(stream: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameter = |pair: &str| pair.strip_prefix("continue=").map(str::to_owned);
    let mut asked = Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        next: query.split('&').find_map(parameter).unwrap_or_default(),
        ..Asked::default()
    };
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => value.trim().clone_into(&mut asked.authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

fn respond(stream: &mut impl Write, answer: Answer) -> std::io::Result<()> {
    let head = |status: u16, length: Option<usize>| {
        let length = length.map_or(String::new(), |length| {
            format!("Content-Length: {length}\r\n")
        });
        format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n"
        )
    };
    let refusal = |status: u16, message: &str, name: &str| {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
            "message": message, "reason": "",
            "details": { "retryAfterSeconds": 3, "name": name },
        });
        let body = body.to_string();
        format!("{}{body}", head(status, Some(body.len())))
    };
    match answer {
        Answer::Json(body) => write!(stream, "{}{body}", head(200, Some(body.len())))?,
        Answer::Status(status) => {
            let message = format!("said {status}");
            stream.write_all(refusal(status, &message, "").as_bytes())?;
        }
        Answer::Plain(status, text) => {
            write!(stream, "{}{text}", head(status, Some(text.len())))?;
        }
        Answer::Refusal(status, message, names_object) => {
            let name = if names_object { "it" } else { "" };
            stream.write_all(refusal(status, message, name).as_bytes())?;
        }
        Answer::Truncated(body) => write!(stream, "{}{body}", head(200, Some(body.len() + 100)))?,
        Answer::Dripping(body) => {
            write!(stream, "{}", head(200, None))?;
            for byte in body.bytes() {
                stream.write_all(&[byte])?;
                stream.flush()?;
            }
        }
        Answer::Silence => {}
    }
    stream.flush()
}
