//! Commits, built straight in the object store, and the one step that moves a branch to them.

use git2::{ErrorCode, FileMode, Oid, Signature, Time};
use jiff::Timestamp;

use super::{GitError, GitRepository, failed, tree};

/// A commit to be made.
#[derive(Debug, Clone)]
pub struct NewCommit<'a> {
    /// The commit that it stands on.
    pub base: Oid,
    /// Its tree; see [`GitRepository::write_tree`].
    pub tree: Oid,
    /// The whole message.
    pub message: &'a str,
    /// Author and commit time.
    pub time: Timestamp,
    /// Whose it is.
    pub authorship: &'a Authorship,
}

/// Whose commits are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorship {
    /// The author; the named committer by default, else the one that git would write.
    pub author: Option<Person>,
    /// The committer; the one that git would write by default, else meshroll.
    pub committer: Option<Person>,
    /// Whether the committer signs off (`Signed-off-by`).
    pub sign_off: bool,
    /// Whether commits are signed; as git's `commit.gpgSign` says by default.
    pub sign: Option<bool>,
}

/// A name with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl std::str::FromStr for Person {
    type Err = String;

    /// Reads `Name <address>`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .strip_suffix('>')
            .and_then(|text| text.split_once(" <"))
            .map(|(name, email)| (name.trim(), email.trim()));
        let is_plain = |text: &str| {
            !text.is_empty() && !text.contains(['<', '>']) && !text.contains(char::is_control)
        };
        match parts {
            Some((name, email)) if is_plain(name) && is_plain(email) => Ok(Self {
                name: name.to_owned(),
                email: email.to_owned(),
            }),
            _ => Err("it is not of the form `Name <address>`".to_owned()),
        }
    }
}

/// One file on a branch of its own.
#[derive(Debug, Clone)]
pub struct Orphan<'a> {
    /// Short name of the branch.
    pub branch: &'a str,
    /// Name of the file.
    pub file: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The whole message.
    pub message: &'a str,
    /// Author and commit time.
    pub time: Timestamp,
}

impl GitRepository {
    /// Where a local branch stands, if it exists.
    ///
    /// # Errors
    ///
    /// When the branch cannot be read.
    pub fn local_branch(&self, branch: &str) -> Result<Option<Oid>, GitError> {
        let Ok(reference) = self.repository.find_reference(&full_name(branch)) else {
            return Ok(None);
        };
        let tip = reference
            .peel_to_commit()
            .map_err(failed("reading the branch"))?;
        Ok(Some(tip.id()))
    }

    /// Deletes a local branch, if it still stands where `expected` says.
    ///
    /// # Errors
    ///
    /// When the branch is checked out, moved meanwhile, or cannot be deleted.
    pub fn delete_branch(&self, branch: &str, expected: Oid) -> Result<(), GitError> {
        self.refuse_checked_out(branch)?;
        let mut reference = self
            .repository
            .find_reference(&full_name(branch))
            .map_err(failed("reading the branch"))?;
        if reference.target() != Some(expected) {
            return Err(GitError::Moved {
                branch: branch.to_owned(),
            });
        }
        reference.delete().map_err(failed("deleting the branch"))
    }

    /// Moves a local branch to a commit, if it still stands where `expected` says.
    ///
    /// # Errors
    ///
    /// When the branch is checked out, moved meanwhile, or cannot be written.
    pub fn move_to(
        &self,
        branch: &str,
        commit: Oid,
        expected: Option<Oid>,
    ) -> Result<(), GitError> {
        self.refuse_checked_out(branch)?;
        self.move_branch(branch, commit, expected)
    }

    /// Writes the tree of a commit with new contents into the object store; every path exists in
    /// the commit.
    ///
    /// # Errors
    ///
    /// When a path is below `.github`, which nobody lets a bot write, or the store cannot be written.
    pub fn write_tree(&self, base: Oid, files: &[(String, Vec<u8>)]) -> Result<Oid, GitError> {
        let is_protected = |path: &str| {
            let mut parts = path.split('/');
            parts.any(|part| {
                part.eq_ignore_ascii_case(".github") || part.eq_ignore_ascii_case(".git")
            })
        };
        if let Some((path, _)) = files.iter().find(|(path, _)| is_protected(path)) {
            return Err(GitError::Protected { path: path.clone() });
        }
        tree::write(&self.repository, base, files).map_err(failed("building the commit"))
    }

    /// Makes a commit in the object store.
    ///
    /// # Errors
    ///
    /// When the store cannot be written, or the commit not be signed.
    pub fn create_commit(&self, commit: &NewCommit<'_>) -> Result<Oid, GitError> {
        let authorship = commit.authorship;
        let sign = |person: Option<&Person>, role| {
            self.signature(commit.time, person, role)
                .map_err(failed("building the commit"))
        };
        let committer = sign(authorship.committer.as_ref(), "COMMITTER")?;
        let author = match (&authorship.author, &authorship.committer) {
            (None, Some(_)) => committer.clone(),
            (author, _) => sign(author.as_ref(), "AUTHOR")?,
        };
        let message = match authorship.sign_off {
            true => format!("{}Signed-off-by: {}\n", commit.message, shown(&committer)),
            false => commit.message.to_owned(),
        };
        if self.signs(authorship.sign) {
            return self.signed_commit(commit, &message, &author, &committer);
        }
        let build = || {
            let base = self.repository.find_commit(commit.base)?;
            let tree = self.repository.find_tree(commit.tree)?;
            self.repository
                .commit(None, &author, &committer, &message, &tree, &[&base])
        };
        build().map_err(failed("building the commit"))
    }

    /// Whether commits are signed: as asked for, else as git is configured.
    fn signs(&self, asked: Option<bool>) -> bool {
        let configured = || {
            let config = self
                .repository
                .config()
                .and_then(|mut config| config.snapshot());
            config.and_then(|config| config.get_bool("commit.gpgSign"))
        };
        asked.unwrap_or_else(|| configured().unwrap_or(false))
    }

    /// A commit that git signs with the key and the program of its configuration.
    fn signed_commit(
        &self,
        commit: &NewCommit<'_>,
        message: &str,
        author: &Signature<'_>,
        committer: &Signature<'_>,
    ) -> Result<Oid, GitError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let time = format!("@{} +0000", commit.time.as_second());
        let variables = [
            ("GIT_AUTHOR_NAME", text(author.name_bytes())),
            ("GIT_AUTHOR_EMAIL", text(author.email_bytes())),
            ("GIT_AUTHOR_DATE", time.clone()),
            ("GIT_COMMITTER_NAME", text(committer.name_bytes())),
            ("GIT_COMMITTER_EMAIL", text(committer.email_bytes())),
            ("GIT_COMMITTER_DATE", time),
        ];
        let (tree, base) = (commit.tree.to_string(), commit.base.to_string());
        let arguments = ["commit-tree", "-S", "-p", &base, "-F", "-", &tree];
        let output = self.git_with(&arguments, &variables, Some(message.as_bytes()))?;
        let id = String::from_utf8_lossy(&output.stdout);
        match Oid::from_str(id.trim()) {
            Ok(id) if output.status.success() => Ok(id),
            _ => Err(GitError::Unsigned {
                message: super::remote::message(&output),
            }),
        }
    }

    /// Puts one file on a branch of its own, as a commit without a parent; nothing where the branch
    /// holds the same bytes already.
    ///
    /// # Errors
    ///
    /// When the branch has a commit that is not ours, is checked out, moved meanwhile, or cannot be
    /// written.
    pub fn replace_orphan(
        &self,
        orphan: &Orphan<'_>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<(Oid, bool), GitError> {
        self.refuse_checked_out(orphan.branch)?;
        let reference = self
            .repository
            .find_reference(&full_name(orphan.branch))
            .ok();
        let tip = reference
            .map(|reference| reference.peel_to_commit())
            .transpose();
        let tip = tip.map_err(failed("reading the branch"))?;
        if let Some(tip) = &tip
            && !is_ours(&String::from_utf8_lossy(tip.message_bytes()))
        {
            let (branch, commit) = (orphan.branch.to_owned(), tip.id().to_string());
            let ours = None;
            return Err(GitError::ForeignBranch {
                branch,
                remote: None,
                commit,
                ours,
            });
        }
        let tree = self
            .single_file_tree(orphan)
            .map_err(failed("building the commit"))?;
        if let Some(tip) = tip.as_ref().filter(|tip| tip.tree_id() == tree) {
            return Ok((tip.id(), false));
        }
        let commit = || {
            let author = self.signature(orphan.time, None, "COMMITTER")?;
            let tree = self.repository.find_tree(tree)?;
            self.repository
                .commit(None, &author, &author, orphan.message, &tree, &[])
        };
        let id = commit().map_err(failed("building the commit"))?;
        self.move_branch(orphan.branch, id, tip.map(|tip| tip.id()))?;
        Ok((id, true))
    }

    fn single_file_tree(&self, orphan: &Orphan<'_>) -> Result<Oid, git2::Error> {
        let blob = self.repository.blob(orphan.bytes)?;
        let mut tree = self.repository.treebuilder(None)?;
        tree.insert(orphan.file, blob, FileMode::Blob.into())?;
        tree.write()
    }

    /// Moves a branch in one step, if it still stands where `expected` says.
    fn move_branch(&self, branch: &str, id: Oid, expected: Option<Oid>) -> Result<(), GitError> {
        let name = full_name(branch);
        let moved = match expected {
            Some(old) => self
                .repository
                .reference_matching(&name, id, true, old, "meshroll"),
            None => self.repository.reference(&name, id, false, "meshroll"),
        };
        match moved {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.code(),
                    ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound
                ) =>
            {
                Err(GitError::Moved {
                    branch: branch.to_owned(),
                })
            }
            Err(source) => Err(GitError::Failed {
                action: "moving the branch",
                source,
            }),
        }
    }

    /// The person's identity, else the one that git itself would write in this role, else
    /// meshroll's; at the given time, UTC.
    fn signature(
        &self,
        time: Timestamp,
        person: Option<&Person>,
        role: &str,
    ) -> Result<Signature<'static>, git2::Error> {
        let time = Time::new(time.as_second(), 0);
        let person = person.cloned().or_else(|| self.identity(role));
        let person = person.unwrap_or_else(|| Person {
            name: "meshroll".to_owned(),
            email: "noreply@meshroll.dev".to_owned(),
        });
        Signature::new(&person.name, &person.email, &time)
    }

    fn refuse_checked_out(&self, branch: &str) -> Result<(), GitError> {
        let name = full_name(branch);
        let here = self
            .repository
            .head()
            .is_ok_and(|head| head.name().is_ok_and(|head| head == name));
        let elsewhere = git2::Branch::wrap(match self.repository.find_reference(&name) {
            Ok(reference) => reference,
            Err(_) => return Ok(()),
        });
        let elsewhere = elsewhere.is_head();
        if !self.repository.is_bare() && (here || elsewhere) {
            return Err(GitError::CheckedOut {
                branch: branch.to_owned(),
            });
        }
        Ok(())
    }
}

/// `Name <address>`.
fn shown(person: &Signature<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{} <{}>",
        text(person.name_bytes()),
        text(person.email_bytes())
    )
}

pub(super) fn full_name(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
