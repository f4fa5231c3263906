//! A stand-in GitHub: real HTTP on the loopback, the documented requests and nothing else.
//!
//! Every request is held against docs.github.com: its headers, its required fields, its allowed
//! fields. What is not in the table is a 404, and the test fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The token that the stand-in takes.
pub(super) const TOKEN: &str = "ghs_t0ken0fatest";

/// What the stand-in knows.
#[derive(Default)]
pub(super) struct State {
    pub(super) pulls: Vec<Value>,
    /// Id, pull request, text, and whether the token's owner wrote it.
    pub(super) comments: Vec<(u64, u64, String, bool)>,
    pub(super) labels: Vec<(u64, String)>,
    pub(super) statuses: Vec<(String, Value)>,
    /// Method and path of every request.
    pub(super) log: Vec<String>,
    /// What was wrong with requests: must stay empty.
    pub(super) faults: Vec<String>,
    /// Answers in front of the real ones: part of method and path, then status, headers and body.
    pub(super) next: Vec<(&'static str, u16, &'static str, &'static str)>,
    /// Opens a pull request of the same branch first, as a run that is faster would.
    pub(super) races: bool,
    next_id: u64,
}

/// A running stand-in; it ends with the process.
pub(super) struct Hub {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Value,
}

struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.to_string(),
        }
    }
}

impl Hub {
    /// A GitHub with one repository, `acme/gitops`, whose Git is at `repository`.
    pub(super) fn new(repository: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.expect("a connection"), &shared, &repository);
            }
        });
        Self {
            url: format!("http://{address}"),
            state,
        }
    }

    /// Looks at or changes what the stand-in knows.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().expect("the state"))
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, repository: &PathBuf) {
    let Some(request) = read(&stream) else {
        return;
    };
    let mut state = state.lock().expect("the state");
    let line = format!("{} {}", request.method, request.path);
    state.log.push(line.clone());
    let planned = state.next.iter().position(|(part, ..)| line.contains(part));
    let answer = match planned {
        Some(position) => {
            let (_, status, headers, body) = state.next.remove(position);
            Answer {
                status,
                headers: headers.to_owned(),
                body: body.to_owned(),
            }
        }
        None => answer(&mut state, &request, repository),
    };
    let Answer {
        status,
        headers,
        body,
    } = answer;
    let length = body.len();
    // A client that went away has seen enough.
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Said\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

/// The documented fields of a request: those that must be there, and those that may.
type Fields = (&'static [&'static str], &'static [&'static str]);

fn check(state: &mut State, request: &Request, (required, optional): Fields) {
    let mut fault = |what: String| {
        let place = format!("{} {}", request.method, request.path);
        state.faults.push(format!("{place}: {what}"));
    };
    let header = |name: &str| {
        let found = request.headers.iter().find(|(one, _)| one == name);
        found.map_or("", |(_, value)| value.as_str()).to_owned()
    };
    for (name, expected) in [
        ("accept", "application/vnd.github+json"),
        ("x-github-api-version", "2022-11-28"),
    ] {
        if header(name) != expected {
            fault(format!("the header {name} is `{}`", header(name)));
        }
    }
    if header("user-agent").is_empty() {
        fault("GitHub refuses requests without a user agent".into());
    }
    let fields = request.body.as_object();
    let names: Vec<&str> = fields.map_or(Vec::new(), |fields| {
        fields.keys().map(String::as_str).collect()
    });
    for name in required.iter().filter(|name| !names.contains(name)) {
        fault(format!("the field {name} is missing"));
    }
    let is_known = |name: &&&str| !required.contains(name) && !optional.contains(name);
    for name in names.iter().filter(is_known) {
        fault(format!("the field {name} is not documented"));
    }
    let body = request.body.get("body").and_then(Value::as_str);
    if body.is_some_and(|body| body.encode_utf16().count() > 65_536) {
        fault("the body is too long".into());
    }
}

fn answer(state: &mut State, request: &Request, repository: &PathBuf) -> Answer {
    let authorization = format!("Bearer {TOKEN}");
    let is_known = request
        .headers
        .iter()
        .any(|(name, value)| name == "authorization" && *value == authorization);
    if !is_known {
        return Answer::json(401, &json!({ "message": "Bad credentials" }));
    }
    let path = request.path.strip_prefix("/repos/acme/gitops/");
    let parts: Vec<&str> = path.unwrap_or(&request.path).split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["pulls"]) => {
            check(state, request, (&[], &[]));
            list(state, &request.query)
        }
        ("POST", ["pulls"]) => {
            let fields: Fields = (&["head", "base"], &["title", "body", "draft"]);
            check(state, request, fields);
            open(state, &request.body)
        }
        ("PATCH", ["pulls", number]) => {
            check(state, request, (&[], &["title", "body", "state", "base"]));
            patch(state, number, &request.body)
        }
        ("POST", ["issues", number, "labels"]) => {
            check(state, request, (&["labels"], &[]));
            let number = number.parse().expect("a number");
            let labels = request.body["labels"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for label in labels {
                let label = label.as_str().expect("a label").to_owned();
                state.labels.push((number, label));
            }
            Answer::json(200, &json!([]))
        }
        (_, ["issues", ..]) => comments(state, request, &parts),
        ("GET", ["commits", commit, "status"]) => {
            check(state, request, (&[], &[]));
            let of = |(on, _): &&(String, Value)| on == commit;
            let latest = state.statuses.iter().rev().find(of);
            let latest: Vec<&Value> = latest.into_iter().map(|(_, status)| status).collect();
            Answer::json(200, &json!({ "state": "success", "statuses": latest }))
        }
        ("POST", ["statuses", commit]) => {
            let fields: Fields = (&["state"], &["target_url", "description", "context"]);
            check(state, request, fields);
            let description = request.body["description"].as_str().unwrap_or_default();
            if description.chars().count() > 140 {
                state.faults.push("the description is too long".into());
            }
            state
                .statuses
                .push(((*commit).to_owned(), request.body.clone()));
            Answer::json(201, &json!({ "id": 1 }))
        }
        ("POST", ["", "graphql"]) => graphql(state, request, repository),
        _ => {
            let line = format!("{} {}: not in the table", request.method, request.path);
            state.faults.push(line);
            Answer::json(404, &json!({ "message": "Not Found" }))
        }
    }
}

fn list(state: &State, query: &str) -> Answer {
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        let decoded = found.map_or("", |(_, value)| value);
        decoded.replace("%3A", ":").replace("%2F", "/")
    };
    let (head, base) = (parameter("head"), parameter("base"));
    let mut found: Vec<&Value> = state
        .pulls
        .iter()
        .filter(|pull| {
            pull["head"]["label"] == head.as_str() && pull["base"]["ref"] == base.as_str()
        })
        .collect();
    found.reverse();
    Answer::json(200, &json!(found))
}

fn open(state: &mut State, body: &Value) -> Answer {
    let head = format!("acme:{}", body["head"].as_str().expect("a branch"));
    let is_open = |pull: &Value| pull["state"] == "open" && pull["head"]["label"] == head.as_str();
    let races = std::mem::take(&mut state.races);
    if races || state.pulls.iter().any(is_open) {
        if races {
            new_pull(state, &head, body);
        }
        let message = format!("A pull request already exists for {head}.");
        let errors = json!([{ "resource": "PullRequest", "code": "custom", "message": message }]);
        return Answer::json(
            422,
            &json!({ "message": "Validation Failed", "errors": errors }),
        );
    }
    let pull = new_pull(state, &head, body);
    Answer::json(201, &pull)
}

fn new_pull(state: &mut State, head: &str, body: &Value) -> Value {
    let number = state.pulls.len() + 1;
    let pull = json!({
        "number": number, "state": "open", "merged_at": null, "draft": body["draft"],
        "html_url": format!("https://github.example/acme/gitops/pull/{number}"),
        "title": body["title"], "body": body["body"],
        "head": { "label": head }, "base": { "ref": body["base"] },
    });
    state.pulls.push(pull.clone());
    pull
}

fn patch(state: &mut State, number: &str, body: &Value) -> Answer {
    let number: usize = number.parse().expect("a number");
    let pull = &mut state.pulls[number - 1];
    for (key, value) in body.as_object().expect("an object") {
        pull[key] = value.clone();
    }
    Answer::json(200, pull)
}

fn comments(state: &mut State, request: &Request, parts: &[&str]) -> Answer {
    let text = || request.body["body"].as_str().expect("a text").to_owned();
    match (request.method.as_str(), parts) {
        ("POST", ["issues", number, "comments"]) => {
            check(state, request, (&["body"], &[]));
            // Ids of comments outgrew 32 bits.
            state.next_id = state.next_id.max(5_000_000_000) + 1;
            let (id, on) = (state.next_id, number.parse().expect("a number"));
            state.comments.push((id, on, text(), true));
            Answer::json(201, &json!({ "id": id, "body": text() }))
        }
        ("PATCH", ["issues", "comments", id]) => {
            check(state, request, (&["body"], &[]));
            let found = state
                .comments
                .iter_mut()
                .find(|one| one.0.to_string() == *id);
            let found = found.expect("the comment");
            found.2 = text();
            Answer::json(200, &json!({ "id": found.0, "body": found.2 }))
        }
        ("DELETE", ["issues", "comments", id]) => {
            state.comments.retain(|one| one.0.to_string() != *id);
            Answer {
                status: 204,
                headers: String::new(),
                body: String::new(),
            }
        }
        _ => Answer::json(404, &json!({ "message": "Not Found" })),
    }
}

/// `createCommitOnBranch` and `updateRefs`, carried out in the repository.
fn graphql(state: &mut State, request: &Request, repository: &PathBuf) -> Answer {
    check(state, request, (&["query"], &["variables"]));
    let query = request.body["query"].as_str().unwrap_or_default();
    let variables = &request.body["variables"];
    let input = &variables["input"];
    let done = if query.contains("updateRefs(") {
        update_refs(repository, input).map(|()| json!({ "updateRefs": {} }))
    } else if query.contains("createCommitOnBranch(") {
        create_commit(repository, input)
            .map(|oid| json!({ "createCommitOnBranch": { "commit": { "oid": oid } } }))
    } else if query.contains("viewerDidAuthor") {
        Ok(read_comments(state, variables))
    } else {
        Ok(json!({ "repository": { "id": "R_1" } }))
    };
    match done {
        Ok(data) => Answer::json(200, &json!({ "data": data })),
        Err(message) => {
            let errors = json!([{ "type": "STALE_DATA", "message": message }]);
            Answer::json(200, &json!({ "data": null, "errors": errors }))
        }
    }
}

/// The comments of a pull request, one to a page.
fn read_comments(state: &State, variables: &Value) -> Value {
    let of = |(_, on, ..): &&(u64, u64, String, bool)| variables["number"] == *on;
    let all: Vec<_> = state.comments.iter().filter(of).collect();
    let cursor = variables["after"]
        .as_str()
        .map_or(0, |text| text.parse().expect("a cursor"));
    let page = all.get(cursor).map(|(id, _, body, ours)| {
        let url = format!("https://github.example/acme/gitops/pull/7#issuecomment-{id}");
        json!({ "url": url, "body": body, "viewerDidAuthor": ours })
    });
    let next = cursor + 1;
    let info = json!({ "hasNextPage": next < all.len(), "endCursor": next.to_string() });
    let comments = json!({ "nodes": page.into_iter().collect::<Vec<_>>(), "pageInfo": info });
    json!({ "repository": { "pullRequest": { "comments": comments } } })
}

const ZERO: &str = "0000000000000000000000000000000000000000";

fn update_refs(repository: &PathBuf, input: &Value) -> Result<(), String> {
    assert_eq!(input["repositoryId"], "R_1");
    let mut script = String::from("start\n");
    for update in input["refUpdates"].as_array().expect("updates") {
        let (name, after) = (update["name"].as_str(), update["afterOid"].as_str());
        let (name, after) = (name.expect("a name"), after.expect("an id"));
        let before = update["beforeOid"].as_str().unwrap_or_default();
        script.push_str(&match after {
            ZERO => format!("delete {name} {before}").trim_end().to_owned(),
            after => format!("update {name} {after} {before}")
                .trim_end()
                .to_owned(),
        });
        script.push('\n');
    }
    script.push_str("commit\n");
    git(repository, &["update-ref", "--stdin"], &script).map(|_| ())
}

fn create_commit(repository: &PathBuf, input: &Value) -> Result<String, String> {
    let branch = input["branch"]["branchName"].as_str().expect("a branch");
    assert_eq!(input["branch"]["repositoryNameWithOwner"], "acme/gitops");
    let head = git(repository, &["rev-parse", branch], "")?;
    if input["expectedHeadOid"] != head.as_str() {
        return Err(format!(
            "Expected branch to point to another commit than {head}"
        ));
    }
    let index = repository.join("index-of-the-stand-in");
    let index = format!("GIT_INDEX_FILE={}", index.display());
    let run = |arguments: &[&str], input: &str| git_with(repository, &index, arguments, input);
    run(&["read-tree", &head], "")?;
    for file in input["fileChanges"]["additions"].as_array().expect("files") {
        let (path, contents) = (file["path"].as_str(), file["contents"].as_str());
        let decoded = Command::new("sh")
            .args(["-c", "printf %s \"$0\" | base64 -d"])
            .arg(contents.expect("base64"))
            .output()
            .expect("base64 runs");
        let text = String::from_utf8(decoded.stdout).expect("UTF-8");
        let blob = run(&["hash-object", "-w", "--stdin"], &text)?;
        let entry = format!("100644,{blob},{}", path.expect("a path"));
        run(&["update-index", "--cacheinfo", &entry], "")?;
    }
    let tree = run(&["write-tree"], "")?;
    let message = &input["message"];
    let (headline, body) = (message["headline"].as_str(), message["body"].as_str());
    let message = format!(
        "{}\n\n{}",
        headline.expect("a headline"),
        body.unwrap_or_default()
    );
    let commit = run(&["commit-tree", "-p", &head, "-F", "-", &tree], &message)?;
    run(
        &[
            "update-ref",
            &format!("refs/heads/{branch}"),
            &commit,
            &head,
        ],
        "",
    )?;
    Ok(commit)
}

fn git(repository: &PathBuf, arguments: &[&str], input: &str) -> Result<String, String> {
    git_with(repository, "LC_ALL=C", arguments, input)
}

fn git_with(
    repository: &PathBuf,
    variable: &str,
    arguments: &[&str],
    input: &str,
) -> Result<String, String> {
    let (key, value) = variable.split_once('=').expect("a variable");
    let mut child = Command::new("git")
        .arg("--git-dir")
        .arg(repository)
        .args(arguments)
        .env(key, value)
        .env("GIT_AUTHOR_NAME", "GitHub")
        .env("GIT_AUTHOR_EMAIL", "noreply@github.example")
        .env("GIT_COMMITTER_NAME", "GitHub")
        .env("GIT_COMMITTER_EMAIL", "noreply@github.example")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("git runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}
