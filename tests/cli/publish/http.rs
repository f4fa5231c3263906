//! A remote over HTTP, as a forge serves it: `git http-backend` behind a header with credentials.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{BRANCH, Remote, push};
use crate::common::Repository;

/// What the server lets in: `user:s3cr3t`, as Basic authentication has it.
const AUTHORIZATION: &str = "Authorization: Basic dXNlcjpzM2NyM3Q=";

/// Serves the repositories of a directory; ends with the process.
fn serve(root: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.expect("a connection"), &root);
        }
    });
    format!("http://{address}/remote.git")
}

fn answer(mut stream: TcpStream, root: &Path) {
    let mut reader = BufReader::new(stream.try_clone().expect("the connection"));
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        let found = lines.iter().filter_map(|line| line.split_once(": "));
        let mut found = found.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value).to_owned()
    };
    let lets_in = lines
        .iter()
        .any(|line| line.eq_ignore_ascii_case(AUTHORIZATION));
    if !lets_in {
        let refused = "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(refused.as_bytes());
        return;
    }
    let mut words = lines.first().map_or("", String::as_str).split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).expect("a body");
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "user")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("HTTP_GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("git http-backend runs");
    let mut stdin = backend.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let output = backend.wait_with_output().expect("an end").stdout;
    let _ = writer.join();
    let status = output.strip_prefix(b"Status: ").map_or("200 OK", |rest| {
        let end = rest.iter().position(|byte| *byte == b'\r').unwrap_or(0);
        std::str::from_utf8(&rest[..end]).unwrap_or("500 Broken")
    });
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n");
    let _ = stream.write_all(&output);
}

#[test]
fn the_users_own_header_lets_us_in_and_is_said_nowhere() {
    let remote = Remote::new();
    remote.git(&["config", "http.receivepack", "true"]);
    let url = serve(remote.path().parent().expect("a parent").to_owned());
    let clone: Repository = remote.clone();
    clone.git(&["remote", "set-url", "origin", &url]);
    let refused = push(&clone, &["-v", "-v"]).fail(1);
    assert!(
        refused.contains("asking the remote for its branches"),
        "{refused}"
    );
    assert!(!remote.has(BRANCH));
    // As the checkout action leaves it.
    let key = format!("http.{}/.extraheader", url.trim_end_matches("/remote.git"));
    clone.git(&["config", &key, AUTHORIZATION]);
    let outcome = push(&clone, &["-v", "-v"]).run();
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert_eq!(remote.ahead(), 1);
    let said = format!("{refused}{}{}", outcome.stdout, outcome.stderr);
    assert!(
        !said.contains("dXNlcj") && !said.contains("s3cr3t"),
        "{said}"
    );
    clone.git(&[
        "config",
        "--replace-all",
        &key,
        "Authorization: Basic d3Jvbmc=",
    ]);
    let refused = push(&clone, &["--namespace", "shop"]).fail(1);
    assert!(!refused.contains("d3Jvbmc"), "{refused}");
}
