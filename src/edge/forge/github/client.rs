//! Requests: headers, retries, and what the answers mean.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Request, Response};
use ureq::tls::{RootCerts, TlsConfig};

use crate::edge::forge::ForgeError;

/// A request is tried this often in all.
const TRIES: u32 = 4;
/// Longer waits are left to the user.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// No answer that meshroll reads is longer.
const LARGEST_ANSWER: u64 = 16 * 1024 * 1024;
/// More of GitHub's own words than this help nobody.
const MESSAGE_LIMIT: usize = 1_000;

/// What is being done, and the permission that it takes.
pub(super) type Action = (&'static str, &'static str);

/// GitHub's API with a token.
pub(super) struct Client {
    agent: Agent,
    api: String,
    authorization: String,
    /// The wait before the second try, where GitHub names none; longer each time.
    retry_delay: Duration,
}

impl Client {
    pub(super) fn new(api: String, token: &str, retry_delay: Duration) -> Result<Self, ForgeError> {
        let local = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
        let is_local = local.iter().any(|prefix| api.starts_with(prefix));
        if !api.starts_with("https://") && !is_local {
            return Err(ForgeError::Insecure { url: api });
        }
        let certificates = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!is_local)
            // A redirect could carry the token elsewhere; a renamed repository is said instead.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .user_agent(concat!("meshroll/", env!("CARGO_PKG_VERSION")))
            .tls_config(certificates)
            .build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            api,
            authorization: format!("Bearer {token}"),
            retry_delay,
        })
    }

    pub(super) fn get<T: DeserializeOwned>(
        &self,
        action: Action,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, ForgeError> {
        let query: Vec<String> = query
            .iter()
            .map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let url = format!("{}{path}?{}", self.api, query.join("&"));
        let body = self.ask("GET", action, &url, None)?;
        self.read(action, &body)
    }

    pub(super) fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        action: Action,
        path: &str,
        body: &Value,
    ) -> Result<T, ForgeError> {
        let url = format!("{}{path}", self.api);
        let answer = self.ask(method, action, &url, Some(body))?;
        self.read(action, &answer)
    }

    pub(super) fn delete(&self, action: Action, path: &str) -> Result<(), ForgeError> {
        let url = format!("{}{path}", self.api);
        self.ask("DELETE", action, &url, None).map(|_| ())
    }

    /// Sends a GraphQL query; gives its `data`.
    pub(super) fn query(&self, action: Action, body: &Value) -> Result<Value, ForgeError> {
        // GitHub Enterprise Server has its GraphQL beside REST: /api/graphql, /api/v3.
        let root = self.api.strip_suffix("/v3").unwrap_or(&self.api);
        let answer = self.ask("POST", action, &format!("{root}/graphql"), Some(body))?;
        let mut answer: Value = self.read(action, &answer)?;
        let errors = answer.get("errors").and_then(Value::as_array);
        if let Some(errors) = errors.filter(|errors| !errors.is_empty()) {
            return Err(graphql_error(action, errors));
        }
        Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
    }

    fn ask(
        &self,
        method: &str,
        action: Action,
        url: &str,
        body: Option<&Value>,
    ) -> Result<String, ForgeError> {
        let mut tries = 1;
        loop {
            let failed = match self.try_once(method, url, body) {
                Ok((response, text)) => match judge(action, &response, &text) {
                    Ok(()) => return Ok(text),
                    Err(failed) => failed,
                },
                Err(error) => Failed {
                    error: self.unreachable(action.0, &error),
                    // Whether the request arrived is unknown: only what changes nothing, or the
                    // same thing again, is repeated.
                    wait: (method != "POST").then_some(Wait::Ours),
                },
            };
            let wait = failed.wait.map(|wait| match wait {
                Wait::Ours => self.retry_delay.saturating_mul(1 << tries),
                Wait::Asked(wait) => wait,
            });
            match wait.filter(|wait| *wait <= LONGEST_WAIT && tries < TRIES) {
                Some(wait) => {
                    tracing::warn!(error = %failed.error, ?wait, "trying again");
                    std::thread::sleep(wait);
                    tries += 1;
                }
                None => return Err(failed.error),
            }
        }
    }

    fn try_once(
        &self,
        method: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<(Response<()>, String), ureq::Error> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .header("authorization", &self.authorization);
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string())?)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        let (parts, mut body) = response.into_parts();
        let text = body
            .with_config()
            .limit(LARGEST_ANSWER)
            .lossy_utf8(true)
            .read_to_string()?;
        Ok((Response::from_parts(parts, ()), text))
    }

    fn read<T: DeserializeOwned>(&self, action: Action, text: &str) -> Result<T, ForgeError> {
        serde_json::from_str(text).map_err(|error| self.unreachable(action.0, &error))
    }

    fn unreachable(&self, action: &'static str, error: &dyn std::error::Error) -> ForgeError {
        let host = self.api.split("://").nth(1).unwrap_or(&self.api);
        ForgeError::Unreachable {
            action,
            host: host.split('/').next().unwrap_or(host).to_owned(),
            message: shortened(&error.to_string()),
        }
    }
}

/// A failed try: why, and when another one makes sense, if it does.
struct Failed {
    error: ForgeError,
    wait: Option<Wait>,
}

/// How long to wait.
enum Wait {
    /// As GitHub asks.
    Asked(Duration),
    /// As we do by ourselves.
    Ours,
}

/// What an answer's status means.
fn judge((action, permission): Action, response: &Response<()>, text: &str) -> Result<(), Failed> {
    let status = response.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(());
    }
    let message = said(text);
    let header = |name: &str| -> Option<u64> {
        let value = response.headers().get(name)?.to_str().ok()?;
        value.trim().parse().ok()
    };
    let retry_after = header("retry-after");
    let is_exhausted = header("x-ratelimit-remaining") == Some(0);
    let is_limited = status == 429
        || (status == 403 && (retry_after.is_some() || is_exhausted))
        || (status == 403 && message.to_ascii_lowercase().contains("rate limit"));
    let final_error = |error| Err(Failed { error, wait: None });
    if is_limited {
        let until_reset = header("x-ratelimit-reset").zip(header_date(response));
        let until_reset = until_reset.map(|(reset, now)| reset.saturating_sub(now));
        let seconds = retry_after
            .or(until_reset.filter(|_| is_exhausted))
            .unwrap_or(LONGEST_WAIT.as_secs());
        let error = ForgeError::RateLimited {
            action,
            seconds,
            message,
        };
        return Err(Failed {
            error,
            wait: Some(Wait::Asked(Duration::from_secs(seconds))),
        });
    }
    match status {
        401 => final_error(ForgeError::Unauthorized { action, message }),
        403 => final_error(ForgeError::Forbidden {
            action,
            permission,
            message,
        }),
        301 | 302 | 307 | 308 => {
            let message = "the repository or the API has moved: name it anew".to_owned();
            final_error(ForgeError::NotFound { action, message })
        }
        404 | 410 => final_error(ForgeError::NotFound { action, message }),
        status => Err(Failed {
            error: ForgeError::Refused {
                action,
                status,
                message,
            },
            wait: (status >= 500).then(|| match retry_after {
                Some(seconds) => Wait::Asked(Duration::from_secs(seconds)),
                None => Wait::Ours,
            }),
        }),
    }
}

/// The server's own time, in seconds: the clock here may go wrong.
fn header_date(response: &Response<()>) -> Option<u64> {
    let date = response.headers().get("date")?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    u64::try_from(date.timestamp().as_second()).ok()
}

/// GitHub's message with the details of each error.
fn said(text: &str) -> String {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(message) = answer.get("message").and_then(Value::as_str) else {
        return shortened(text.trim());
    };
    let details = answer.get("errors").and_then(Value::as_array);
    let detail = |error: &Value| {
        let part = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
        let fallback = || Some(format!("{} {}", part("field")?, part("code")?));
        error
            .as_str()
            .map(str::to_owned)
            .or_else(|| part("message"))
            .or_else(fallback)
    };
    let details: Vec<String> = details.into_iter().flatten().filter_map(detail).collect();
    match details.as_slice() {
        [] => shortened(message),
        details => shortened(&format!("{message}: {}", details.join("; "))),
    }
}

fn graphql_error((action, permission): Action, errors: &[Value]) -> ForgeError {
    let text = |error: &Value, key: &str| {
        let text = error.get(key).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let messages: Vec<String> = errors.iter().map(|error| text(error, "message")).collect();
    let message = shortened(&messages.join("; "));
    let kinds: Vec<String> = errors.iter().map(|error| text(error, "type")).collect();
    let has = |kind: &str| kinds.iter().any(|one| one == kind);
    if has("STALE_DATA") || has("CONFLICT") {
        ForgeError::Raced { action, message }
    } else if has("FORBIDDEN") {
        ForgeError::Forbidden {
            action,
            permission,
            message,
        }
    } else if has("NOT_FOUND") {
        ForgeError::NotFound { action, message }
    } else if has("RATE_LIMITED") {
        ForgeError::RateLimited {
            action,
            seconds: LONGEST_WAIT.as_secs(),
            message,
        }
    } else {
        ForgeError::Refused {
            action,
            status: 200,
            message,
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MESSAGE_LIMIT).collect()
}
