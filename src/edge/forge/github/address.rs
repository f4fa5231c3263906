//! Which repository on which GitHub: as it is named, else by the remote's URL.

use crate::edge::forge::ForgeError;

/// Where a repository's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubAddress {
    /// The API's base URL, without a final slash.
    pub api: String,
    /// Owner of the repository.
    pub owner: String,
    /// Name of the repository.
    pub name: String,
}

impl GithubAddress {
    /// The address from what the user names and the URL of the remote.
    ///
    /// # Errors
    ///
    /// When neither names a repository.
    pub fn find(
        repository: Option<&str>,
        api: Option<&str>,
        remote: &str,
    ) -> Result<Self, ForgeError> {
        let of_remote = parts(remote);
        let named = repository.and_then(|name| name.split_once('/'));
        let found = match (named, &of_remote) {
            (Some((owner, name)), _) => Some((owner.to_owned(), name.to_owned())),
            (None, Some((_, owner, name))) => Some((owner.clone(), name.clone())),
            (None, None) => None,
        };
        let found = found.filter(|(owner, name)| is_name(owner) && is_name(name));
        let (owner, name) = found.ok_or_else(|| ForgeError::NoRepository {
            remote: without_credentials(remote),
        })?;
        let host = of_remote.map(|(host, ..)| host);
        let api = match (api, host.as_deref()) {
            (Some(api), _) => api.trim_end_matches('/').to_owned(),
            (None, None | Some("github.com" | "ssh.github.com")) => {
                "https://api.github.com".to_owned()
            }
            (None, Some(host)) => format!("https://{host}/api/v3"),
        };
        Ok(Self { api, owner, name })
    }
}

/// Host, owner and name of a URL: `https://host/owner/name.git`, `ssh://git@host/owner/name`,
/// `git@host:owner/name.git`.
fn parts(url: &str) -> Option<(String, String, String)> {
    let (host, path) = match url.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => {
            let (authority, path) = rest.split_once('/')?;
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            (host.split(':').next()?, path)
        }
        Some(_) => return None,
        None => {
            let (authority, path) = url.split_once(':')?;
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            (host, path)
        }
    };
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).split_once('/')?;
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), owner.to_owned(), name.to_owned()))
}

/// Names of owners and repositories are of this alphabet, so that they are safe in a path.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().all(plain) && !name.chars().all(|c| c == '.')
}

fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            format!("{scheme}://{rest}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::GithubAddress;

    #[track_caller]
    fn check(repository: Option<&str>, api: Option<&str>, remote: &str, expected: &str) {
        let found = match GithubAddress::find(repository, api, remote) {
            Ok(address) => format!("{} {}/{}", address.api, address.owner, address.name),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_remote_names_the_repository() {
        let public = "https://api.github.com acme/gitops";
        for remote in [
            "https://github.com/acme/gitops",
            "https://github.com/acme/gitops.git",
            "https://x-access-token:ghs_1@github.com/acme/gitops.git",
            "git@github.com:acme/gitops.git",
            "ssh://git@ssh.github.com:443/acme/gitops.git",
        ] {
            check(None, None, remote, public);
        }
        let enterprise = "https://git.acme.example/api/v3 acme/gitops";
        check(None, None, "git@git.acme.example:acme/gitops", enterprise);
        let named = "http://127.0.0.1:8080 a/b";
        check(
            Some("a/b"),
            Some("http://127.0.0.1:8080/"),
            "/srv/x.git",
            named,
        );
        check(Some("a/b"), None, "../x.git", "https://api.github.com a/b");
    }

    #[test]
    fn what_names_no_repository_is_said_without_credentials() {
        let refused =
            "which repository on GitHub this is cannot be told from the remote https://h/only";
        check(None, None, "https://user:secret@h/only", refused);
        let path = "which repository on GitHub this is cannot be told from the remote /srv/x.git";
        check(None, None, "/srv/x.git", path);
        for repository in ["a/b/c", "a/..", "a/b?x", "ab", "a/"] {
            check(Some(repository), None, "/srv/x.git", path);
        }
    }
}
