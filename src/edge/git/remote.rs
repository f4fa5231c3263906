//! Remotes: fetch and push through the `git` executable, so that credential helpers, extra headers,
//! ssh agents and proxies work as the user set them up.
//!
//! The only place that runs it. No shell, no hook, no prompt; what a push came to is read from its
//! porcelain output and from the remote itself, never from prose (`spec/gitops.md` §4).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use git2::Oid;

use super::{GitError, GitRepository, Person};

/// Where fetched branches are kept: apart from the user's own remote-tracking branches.
const FETCHED: &str = "refs/meshroll";
/// More of git's own words than this help nobody.
const MESSAGE_LIMIT: usize = 2_000;

/// The commits of a wave's branch that are fetched into a shallow clone, besides as many as it has.
const OWN_DEPTH: usize = 50;

/// How much of a branch is fetched into a shallow clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What is new since the clone's boundary.
    Boundary,
    /// What lies behind it, too.
    Deep,
}

/// A branch of a remote to be moved.
#[derive(Debug, Clone, Copy)]
pub struct Push<'a> {
    /// Short name of the branch.
    pub branch: &'a str,
    /// Where it is to stand; none takes it away.
    pub commit: Option<Oid>,
    /// Where it must stand until then; none where it must not exist.
    pub expected: Option<Oid>,
}

impl GitRepository {
    /// What the branches of a remote stand at, those of them that exist.
    ///
    /// # Errors
    ///
    /// When the remote cannot be asked.
    pub fn remote_branches(
        &self,
        remote: &str,
        branches: &[&str],
    ) -> Result<BTreeMap<String, Oid>, GitError> {
        check_remote(remote)?;
        let mut arguments = vec!["ls-remote".to_owned(), "--".into(), remote.to_owned()];
        for branch in branches {
            check_branch(branch)?;
            arguments.push(super::commit::full_name(branch));
        }
        let output = self.git(&arguments)?;
        let text = succeeded(remote, "asking the remote for its branches", output)?;
        let branch = |line: &str| {
            let (id, name) = line.split_once('\t')?;
            let name = name.strip_prefix("refs/heads/")?;
            Some((name.to_owned(), Oid::from_str(id).ok()?))
        };
        Ok(text.lines().filter_map(branch).collect())
    }

    /// The URL of a remote as configured; what was given where no remote has that name.
    #[must_use]
    pub fn remote_url(&self, remote: &str) -> String {
        let found = self.repository.find_remote(remote).ok();
        let url = found.as_ref().and_then(|found| found.url().ok());
        url.unwrap_or(remote).to_owned()
    }

    /// The branch that a remote calls its default, if it says so.
    ///
    /// # Errors
    ///
    /// When the remote cannot be asked.
    pub fn default_branch(&self, remote: &str) -> Result<Option<String>, GitError> {
        check_remote(remote)?;
        let output = self.git(&["ls-remote", "--symref", "--", remote, "HEAD"])?;
        let text = succeeded(remote, "asking the remote for its default branch", output)?;
        let name = |line: &str| {
            let (target, _) = line.strip_prefix("ref: ")?.split_once('\t')?;
            Some(target.strip_prefix("refs/heads/")?.to_owned())
        };
        Ok(text.lines().find_map(name))
    }

    /// The short name of the branch that is checked out; none for a detached `HEAD`.
    #[must_use]
    pub fn checked_out(&self) -> Option<String> {
        let head = self.repository.find_reference("HEAD").ok()?;
        let target = head.symbolic_target().ok()??;
        Some(target.strip_prefix("refs/heads/")?.to_owned())
    }

    /// Fetches branches of a remote into refs of meshroll's own, and says where they stand now.
    ///
    /// The boundary of a shallow clone stays where it is; what lies behind it comes only for `deep`
    /// branches, as far as the clone itself reaches, so that nothing of it is cut off.
    ///
    /// # Errors
    ///
    /// When the remote cannot be reached, or has no such branch.
    pub fn fetch(&self, remote: &str, branches: &[(&str, Reach)]) -> Result<Vec<Oid>, GitError> {
        check_remote(remote)?;
        for reach in [Reach::Boundary, Reach::Deep] {
            let some: Vec<&str> = branches
                .iter()
                .filter(|(_, one)| *one == reach)
                .map(|(branch, _)| *branch)
                .collect();
            if !some.is_empty() {
                self.fetch_some(remote, &some, reach)?;
            }
        }
        let tip = |(branch, _): &(&str, Reach)| self.commit(&fetched(remote, branch));
        branches.iter().map(tip).collect()
    }

    /// Fetches more of the history of branches into a shallow clone: so many commits more than it
    /// has, or all of it.
    ///
    /// # Errors
    ///
    /// When the remote cannot be reached.
    pub fn deepen(
        &self,
        remote: &str,
        branches: &[&str],
        commits: Option<usize>,
    ) -> Result<(), GitError> {
        let how = match commits {
            Some(commits) => format!("--depth={}", self.depth() + commits),
            None => "--unshallow".to_owned(),
        };
        self.fetch_as(remote, branches, Some(how))
    }

    fn fetch_some(&self, remote: &str, branches: &[&str], reach: Reach) -> Result<(), GitError> {
        let is_deep = reach == Reach::Deep && self.repository.is_shallow();
        let depth = is_deep.then(|| format!("--depth={}", self.depth() + OWN_DEPTH));
        self.fetch_as(remote, branches, depth)
    }

    fn fetch_as(
        &self,
        remote: &str,
        branches: &[&str],
        depth: Option<String>,
    ) -> Result<(), GitError> {
        let mut arguments: Vec<String> = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(depth);
        arguments.extend(["--".to_owned(), remote.to_owned()]);
        for branch in branches {
            check_branch(branch)?;
            let (name, kept) = (super::commit::full_name(branch), fetched(remote, branch));
            arguments.push(format!("+{name}:{kept}"));
        }
        let output = self.git(&arguments)?;
        succeeded(remote, "fetching", output).map(|_| ())
    }

    /// How many commits of the present history the clone holds: no branch reaches deeper in it.
    fn depth(&self) -> usize {
        let count = || {
            let mut walk = self.repository.revwalk()?;
            walk.push_head()?;
            Ok::<_, git2::Error>(walk.count())
        };
        count().unwrap_or(0)
    }

    /// Moves a branch of a remote, if it still stands where it is expected to.
    ///
    /// # Errors
    ///
    /// [`GitError::Moved`] when it stands elsewhere by now; [`GitError::Refused`] when the remote
    /// does not let it be moved; [`GitError::Transport`] when the remote cannot be reached.
    pub fn push(&self, remote: &str, push: Push<'_>) -> Result<(), GitError> {
        check_remote(remote)?;
        check_branch(push.branch)?;
        let name = super::commit::full_name(push.branch);
        let id = |id: Option<Oid>| id.map_or_else(String::new, |id| id.to_string());
        let arguments = [
            "push".to_owned(),
            "--porcelain".into(),
            "--no-verify".into(),
            "--recurse-submodules=no".into(),
            format!("--force-with-lease={name}:{}", id(push.expected)),
            "--".into(),
            remote.to_owned(),
            format!("{}:{name}", id(push.commit)),
        ];
        let output = self.git(&arguments)?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let was_rejected = text.lines().any(|line| line.starts_with("!\t"));
        let message = message(&output);
        // Whether somebody was faster is the remote's to say.
        let stands_at = match self.remote_branches(remote, &[push.branch]) {
            Ok(branches) => branches.get(push.branch).copied(),
            Err(_) => {
                return Err(GitError::Transport {
                    action: "pushing",
                    remote: redacted(remote),
                    message,
                });
            }
        };
        if stands_at == push.commit {
            return Ok(());
        }
        let branch = push.branch.to_owned();
        if stands_at != push.expected {
            Err(GitError::Moved { branch })
        } else if was_rejected {
            Err(GitError::Refused { branch, message })
        } else {
            Err(GitError::Transport {
                action: "pushing",
                remote: redacted(remote),
                message,
            })
        }
    }

    /// Whom git itself would name as author or committer here, by its configuration and the
    /// environment; none where that names nobody.
    pub(super) fn identity(&self, role: &str) -> Option<Person> {
        let variable = format!("GIT_{role}_IDENT");
        // A name that git makes up of the machine's is nobody's.
        let arguments = ["-c", "user.useConfigOnly=true", "var", &variable];
        let output = self.git(&arguments).ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (person, _) = text.rsplit_once('>').filter(|_| output.status.success())?;
        format!("{person}>").parse().ok()
    }

    /// Runs git on this repository.
    pub(super) fn git<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output, GitError> {
        self.git_with(arguments, &[], None)
    }

    /// The same with variables and standard input.
    pub(super) fn git_with<S: AsRef<OsStr>>(
        &self,
        arguments: &[S],
        variables: &[(&str, String)],
        input: Option<&[u8]>,
    ) -> Result<Output, GitError> {
        let failed = |source| GitError::NoExecutable { source };
        let mut command = command(self.repository.path());
        // Relative URLs of remotes are meant from here.
        command.current_dir(
            self.work_tree()
                .as_deref()
                .unwrap_or(self.repository.path()),
        );
        let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
        let mut child = command
            .args(arguments)
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // A child that does not read its input says why by itself.
            let _ = stdin.write_all(input);
        }
        child.wait_with_output().map_err(failed)
    }
}

/// git on a repository: without hooks, monitors and prompts.
fn command(repository: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .arg("--git-dir")
        .arg(repository)
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(["-c", "core.fsmonitor=false"])
        .args(["-c", "maintenance.auto=false"])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE");
    command
}

/// The name of the ref that a branch of a remote is fetched into.
fn fetched(remote: &str, branch: &str) -> String {
    // A remote may be given as a URL, which is no part of a ref's name.
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let remote: String = redacted(remote)
        .chars()
        .map(|c| if known(c) { c } else { '-' })
        .collect();
    format!("{FETCHED}/{remote}/{branch}")
}

fn check_remote(remote: &str) -> Result<(), GitError> {
    // `ext::` and its like run programs.
    let is_safe = !remote.is_empty() && !remote.starts_with('-') && !remote.contains("::");
    let has_password = remote.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split('/').next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    });
    if has_password {
        return Err(GitError::Password {
            remote: redacted(remote),
        });
    }
    if is_safe {
        Ok(())
    } else {
        Err(GitError::BadName {
            name: redacted(remote),
        })
    }
}

fn check_branch(branch: &str) -> Result<(), GitError> {
    let is_valid = git2::Branch::name_is_valid(branch).unwrap_or(false);
    if is_valid && !branch.starts_with('-') {
        Ok(())
    } else {
        Err(GitError::BadName {
            name: branch.to_owned(),
        })
    }
}

/// Standard output of a git that succeeded.
fn succeeded(remote: &str, action: &'static str, output: Output) -> Result<String, GitError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(GitError::Transport {
        action,
        remote: redacted(remote),
        message: message(&output),
    })
}

/// What git said on standard error, in one line and without credentials.
pub(super) fn message(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text: String = redacted(&lines.join("; "))
        .chars()
        .take(MESSAGE_LIMIT)
        .collect();
    match text.as_str() {
        "" => format!("git ended with {}", output.status),
        _ => text,
    }
}

/// Text without what stands before the `@` of a URL.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        safe.push_str(before);
        safe.push_str("://");
        let end = after
            .find(|c: char| c == '/' || c.is_whitespace() || c == '\'' || c == '"')
            .unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        safe.push_str(host);
        rest = path;
    }
    safe.push_str(rest);
    safe
}

#[cfg(test)]
mod tests {
    use super::{check_branch, check_remote, fetched, redacted};

    #[test]
    fn credentials_are_not_repeated() {
        for (text, expected) in [
            (
                "unable to access 'https://x-access-token:ghs_1@github.com/a/b/': 403",
                "unable to access 'https://github.com/a/b/': 403",
            ),
            ("https://token@host", "https://host"),
            ("a://b@c d://e:f@g/h", "a://c d://g/h"),
            ("git@github.com:a/b", "git@github.com:a/b"),
            ("https://p@ss@host/x@y", "https://host/x@y"),
            ("no url", "no url"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn names_are_no_options_and_no_programs() {
        for remote in ["origin", "https://example.com/a.git", "../b", "git@h:a/b"] {
            assert!(check_remote(remote).is_ok(), "{remote}");
        }
        let password = "https://user:secret@host/a.git";
        for remote in ["", "--upload-pack=evil", "ext::sh -c evil", password] {
            assert!(check_remote(remote).is_err(), "{remote}");
        }
        assert!(check_branch("meshroll/prod/all").is_ok());
        for branch in ["-f", "a..b", "a b", "", "a.lock", "@{-1}"] {
            assert!(check_branch(branch).is_err(), "{branch}");
        }
    }

    #[test]
    fn a_fetched_branch_has_a_ref_of_its_own() {
        assert_eq!(fetched("origin", "main"), "refs/meshroll/origin/main");
        assert_eq!(
            fetched("https://h/a.git", "main"),
            "refs/meshroll/https---h-a-git/main"
        );
    }
}
