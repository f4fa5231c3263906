//! Commits that GitHub makes: they are verified, and need no push.
//!
//! `createCommitOnBranch` adds to a branch that exists, so the commit is made on a branch of its
//! own, and then one `updateRefs` moves the wave's branch to it and takes the helper away. A pull
//! request never sees its branch without a commit, which would close it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Action, Client};
use crate::edge::forge::{ForgeCommit, ForgeError};

const ACTION: Action = ("making the commit", "contents: write");
/// No commit: a ref that must not exist, or that goes away.
const ZERO: &str = "0000000000000000000000000000000000000000";

const REPOSITORY: &str =
    "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id } }";
const UPDATE_REFS: &str =
    "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }";
const CREATE_COMMIT: &str = "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }";

/// Makes the commit, and moves the branch to it if it still stands where it is expected to.
pub(super) fn create(
    client: &Client,
    owner: &str,
    name: &str,
    commit: ForgeCommit<'_>,
) -> Result<String, ForgeError> {
    let variables = json!({ "owner": owner, "name": name });
    let found = client.query(
        ACTION,
        &json!({ "query": REPOSITORY, "variables": variables }),
    )?;
    let repository = text(&found, "/repository/id")?;
    let helper = format!("{}.{}", commit.branch, commit.draft);
    let refs = Refs { client, repository };
    refs.update(&[json!({ "name": full(&helper), "beforeOid": ZERO, "afterOid": commit.base })])?;
    let made = on_branch(client, &format!("{owner}/{name}"), &helper, commit).and_then(|made| {
        let branch = json!({
            "name": full(commit.branch), "afterOid": made, "force": true,
            "beforeOid": commit.expected.unwrap_or(ZERO),
        });
        let gone = json!({ "name": full(&helper), "beforeOid": made, "afterOid": ZERO });
        refs.update(&[branch, gone]).map(|()| made)
    });
    if made.is_err() {
        // The first error is the one to tell.
        let _ = refs.update(&[json!({ "name": full(&helper), "afterOid": ZERO })]);
    }
    made
}

fn on_branch(
    client: &Client,
    repository: &str,
    branch: &str,
    commit: ForgeCommit<'_>,
) -> Result<String, ForgeError> {
    let (headline, body) = commit
        .message
        .split_once("\n\n")
        .unwrap_or((commit.message, ""));
    let additions: Vec<Value> = commit
        .files
        .iter()
        .map(|file| json!({ "path": file.path, "contents": STANDARD.encode(&file.bytes) }))
        .collect();
    let input = json!({
        "branch": { "repositoryNameWithOwner": repository, "branchName": branch },
        "expectedHeadOid": commit.base,
        "message": { "headline": headline, "body": body },
        "fileChanges": { "additions": additions },
    });
    let query = json!({ "query": CREATE_COMMIT, "variables": { "input": input } });
    let made = client.query(ACTION, &query)?;
    text(&made, "/createCommitOnBranch/commit/oid")
}

/// Refs of a repository.
struct Refs<'a> {
    client: &'a Client,
    repository: String,
}

impl Refs<'_> {
    /// Moves refs, all or none.
    fn update(&self, updates: &[Value]) -> Result<(), ForgeError> {
        let input = json!({ "repositoryId": self.repository, "refUpdates": updates });
        let query = json!({ "query": UPDATE_REFS, "variables": { "input": input } });
        self.client.query(ACTION, &query).map(|_| ())
    }
}

fn full(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn text(answer: &Value, pointer: &str) -> Result<String, ForgeError> {
    let text = answer.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| ForgeError::Refused {
        action: ACTION.0,
        status: 200,
        message: format!("the answer has no {pointer}"),
    })
}
