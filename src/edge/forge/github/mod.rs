//! GitHub: its REST API for pull requests, comments and statuses, its GraphQL API for commits.
//!
//! Requests and answers follow docs.github.com/rest and docs.github.com/graphql, API version
//! 2022-11-28. What GitHub says is untrusted and bounded.

mod address;
mod client;
mod commit;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

pub use address::GithubAddress;
use client::Client;

use super::{Comment, Forge, ForgeCommit, ForgeError, NewPullRequest};
use crate::publish::{PullRequest, PullRequestContent, PullRequestState, Status};

/// Nobody writes more comments than this on a pull request of a bot's.
const MOST_PAGES: usize = 20;
const PAGE: usize = 100;

/// A repository on GitHub.
pub struct Github {
    client: Client,
    owner: String,
    name: String,
}

#[derive(Deserialize)]
struct RawPullRequest {
    number: u64,
    html_url: String,
    state: String,
    merged_at: Option<String>,
    title: String,
    body: Option<String>,
}

impl From<RawPullRequest> for PullRequest {
    fn from(raw: RawPullRequest) -> Self {
        let state = match (raw.state.as_str(), raw.merged_at) {
            (_, Some(_)) => PullRequestState::Merged,
            ("open", None) => PullRequestState::Open,
            _ => PullRequestState::Closed,
        };
        Self {
            number: raw.number,
            url: raw.html_url,
            state,
            title: raw.title,
            body: raw.body.unwrap_or_default(),
        }
    }
}

/// REST does not say whose a comment is in a way that every token may ask: GraphQL does.
const COMMENTS: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { repository(owner: $owner, name: $name) { pullRequest(number: $number) { comments(first: 100, after: $after) { nodes { url body viewerDidAuthor } pageInfo { hasNextPage endCursor } } } } }";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawComments {
    nodes: Vec<RawComment>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawComment {
    url: String,
    body: String,
    viewer_did_author: bool,
}

/// The latest status of every context of a commit.
#[derive(Deserialize)]
struct CombinedStatus {
    statuses: Vec<RawStatus>,
}

#[derive(Deserialize)]
struct RawStatus {
    context: String,
    state: String,
    description: Option<String>,
}

impl Github {
    /// A repository, asked with the token of the environment: `MESHROLL_GITHUB_TOKEN`, and where the
    /// address is github.com's or was named, `GITHUB_TOKEN` or `GH_TOKEN`, which belong to no other
    /// host; `retry_delay` is the wait before a second try.
    ///
    /// # Errors
    ///
    /// When there is no token, or it would be sent in clear text.
    pub fn connect(address: GithubAddress, retry_delay: Duration) -> Result<Self, ForgeError> {
        let variables: &[&str] = match address.is_guessed {
            true => &["MESHROLL_GITHUB_TOKEN"],
            false => &["MESHROLL_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"],
        };
        let token = variables
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|token| !token.is_empty());
        let token = token.ok_or_else(|| ForgeError::NoToken {
            api: address.api.clone(),
        })?;
        Ok(Self {
            client: Client::new(address.api, &token, retry_delay)?,
            owner: address.owner,
            name: address.name,
        })
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{}/{rest}", self.owner, self.name)
    }
}

impl Forge for Github {
    fn pull_requests(&self, head: &str, base: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let query = [
            ("head", format!("{}:{head}", self.owner)),
            ("base", base.to_owned()),
            ("state", "all".to_owned()),
            ("sort", "created".to_owned()),
            ("direction", "desc".to_owned()),
            ("per_page", PAGE.to_string()),
        ];
        let action = ("looking for the pull request", "pull-requests: read");
        let found: Vec<RawPullRequest> = self.client.get(action, &self.path("pulls"), &query)?;
        Ok(found.into_iter().map(PullRequest::from).collect())
    }

    fn open(&self, new: NewPullRequest<'_>) -> Result<PullRequest, ForgeError> {
        let body = json!({
            "title": new.content.title, "body": new.content.body,
            "head": new.head, "base": new.base, "draft": new.draft,
        });
        let action = ("opening the pull request", "pull-requests: write");
        let opened: Result<RawPullRequest, _> =
            self.client.send("POST", action, &self.path("pulls"), &body);
        match opened {
            Ok(raw) => Ok(PullRequest::from(raw)),
            // Another run opened it between the look and the opening.
            Err(ForgeError::Refused {
                action,
                status: 422,
                message,
            }) if message.contains("already exists") => Err(ForgeError::Raced { action, message }),
            Err(error) => Err(error),
        }
    }

    fn update(&self, number: u64, content: &PullRequestContent) -> Result<(), ForgeError> {
        let body = json!({ "title": content.title, "body": content.body });
        let action = ("updating the pull request", "pull-requests: write");
        let path = self.path(&format!("pulls/{number}"));
        self.client
            .send("PATCH", action, &path, &body)
            .map(|_: RawPullRequest| ())
    }

    fn close(&self, number: u64) -> Result<(), ForgeError> {
        let action = ("closing the pull request", "pull-requests: write");
        let path = self.path(&format!("pulls/{number}"));
        let body = json!({ "state": "closed" });
        self.client
            .send("PATCH", action, &path, &body)
            .map(|_: RawPullRequest| ())
    }

    fn label(&self, number: u64, labels: &[String]) -> Result<(), ForgeError> {
        let action = ("labelling the pull request", "issues: write");
        let path = self.path(&format!("issues/{number}/labels"));
        let body = json!({ "labels": labels });
        self.client
            .send("POST", action, &path, &body)
            .map(|_: Value| ())
    }

    fn comment(&self, number: u64, marker: &str) -> Result<Option<Comment>, ForgeError> {
        let action = ("reading the comments", "pull-requests: read");
        let mut after = Value::Null;
        for _ in 0..MOST_PAGES {
            let variables = json!({
                "owner": self.owner, "name": self.name, "number": number, "after": after,
            });
            let query = json!({ "query": COMMENTS, "variables": variables });
            let answer = self.client.query(action, &query)?;
            let found = answer.pointer("/repository/pullRequest/comments");
            let comments: RawComments = self.client.decode(action, found)?;
            let ours = comments.nodes.into_iter().find_map(|raw| {
                let is_ours = raw.viewer_did_author && raw.body.starts_with(marker);
                // The id is in the URL: GraphQL's own number for it is too small for new ones.
                let (_, id) = raw.url.rsplit_once("#issuecomment-")?;
                let (id, body) = (id.parse().ok()?, raw.body);
                is_ours.then_some(Comment { id, body })
            });
            if ours.is_some() || !comments.page_info.has_next_page {
                return Ok(ours);
            }
            after = json!(comments.page_info.end_cursor);
        }
        Ok(None)
    }

    fn write_comment(&self, number: u64, old: Option<u64>, body: &str) -> Result<(), ForgeError> {
        let action = ("writing the comment", "pull-requests: write");
        let body = json!({ "body": body });
        let (method, path) = match old {
            Some(id) => ("PATCH", self.path(&format!("issues/comments/{id}"))),
            None => ("POST", self.path(&format!("issues/{number}/comments"))),
        };
        self.client
            .send(method, action, &path, &body)
            .map(|_: Value| ())
    }

    fn delete_comment(&self, id: u64) -> Result<(), ForgeError> {
        let action = ("deleting the comment", "pull-requests: write");
        self.client
            .delete(action, &self.path(&format!("issues/comments/{id}")))
    }

    fn set_status(&self, commit: &str, context: &str, status: &Status) -> Result<(), ForgeError> {
        let state = if status.is_open { "success" } else { "pending" };
        let action = ("setting the commit status", "statuses: write");
        let query = [("per_page", PAGE.to_string())];
        let path = self.path(&format!("commits/{commit}/status"));
        let present: CombinedStatus = self.client.get(action, &path, &query)?;
        let says_it = |one: &RawStatus| {
            one.context == context
                && one.state == state
                && one.description.as_deref() == Some(&status.description)
        };
        // GitHub takes no more than 1,000 statuses of one commit and context.
        if present.statuses.iter().any(says_it) {
            return Ok(());
        }
        let body = json!({ "state": state, "context": context, "description": status.description });
        let path = self.path(&format!("statuses/{commit}"));
        self.client
            .send("POST", action, &path, &body)
            .map(|_: Value| ())
    }

    fn commit(&self, commit: ForgeCommit<'_>) -> Result<String, ForgeError> {
        commit::create(&self.client, &self.owner, &self.name, commit)
    }
}
