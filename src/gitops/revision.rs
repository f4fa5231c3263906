//! Revisions: what a `targetRevision` or `ref` follows.
//!
//! Source: `spec/gitops.md` §1.2 and §2.2.

/// What a revision follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// A branch: every commit on it arrives.
    Branch,
    /// One tag.
    Tag,
    /// The newest tag of a version range.
    Tags,
    /// One commit.
    Commit,
}

/// What a revision of Argo CD follows. A name alone may be a branch or a tag; one that reads like a
/// version is taken for a tag, since that is what people write it for.
pub(super) fn follows(revision: &str) -> Follows {
    if revision.is_empty() || revision == "HEAD" || revision.starts_with("refs/heads/") {
        return Follows::Branch;
    }
    if revision.starts_with("refs/tags/") || is_version(revision) {
        return Follows::Tag;
    }
    let is_hex = revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_short = revision.len() >= 7 && revision.bytes().any(|byte| byte.is_ascii_digit());
    if is_hex && (revision.len() == 40 || revision.len() < 40 && is_short) {
        return Follows::Commit;
    }
    if is_range(revision) {
        return Follows::Tags;
    }
    Follows::Branch
}

/// `v1.2.3`, with or without the `v` and a pre-release.
fn is_version(text: &str) -> bool {
    let bare = text.strip_prefix('v').unwrap_or(text);
    let core = bare.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number)
}

/// A version range: an operator, or a wildcard in place of a number.
fn is_range(text: &str) -> bool {
    let starts = text.starts_with(['^', '~', '>', '<', '=', '*']);
    let parts: Vec<&str> = text.split('.').collect();
    let is_wild = |part: &&str| matches!(*part, "*" | "x" | "X");
    let is_number = |part: &&str| part.trim_start_matches('v').parse::<u64>().is_ok();
    let wild = parts.len() > 1
        && parts.iter().any(is_wild)
        && parts.iter().all(|part| is_wild(part) || is_number(part));
    starts || wild
}

#[cfg(test)]
mod tests {
    use super::{Follows, follows};

    #[test]
    fn branches_are_followed_and_the_rest_is_pinned() {
        let check =
            |revision: &str, expected| assert_eq!(follows(revision), expected, "{revision}");
        for branch in [
            "",
            "HEAD",
            "main",
            "release-1.2",
            "refs/heads/v1.2.3",
            "env/prod",
            "deadbeef-fix",
            "feedface",
        ] {
            check(branch, Follows::Branch);
        }
        for tag in ["v1.2.3", "1.2.3-rc.1", "refs/tags/main"] {
            check(tag, Follows::Tag);
        }
        for range in ["1.2.*", "^1.0", ">=1.2 <2", "v1.x", "*"] {
            check(range, Follows::Tags);
        }
        check("37ee0097", Follows::Commit);
        check("186fb3b2186fb3b2186fb3b2186fb3b2186fb3b2", Follows::Commit);
    }
}
