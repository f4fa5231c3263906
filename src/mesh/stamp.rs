//! The restart stamp: what a workload was restarted for, readable from Git (`design.md` §2).

use std::fmt;
use std::str::FromStr;

/// `<proxy version or ->/<revision>/<scheme digit>.<6 hex>[~N]`.
///
/// Two stamps of the same scheme name the same sidecar when their hashes are equal; stamps of
/// different schemes are compared by version and revision alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Version of the expected proxy, if it is known.
    pub version: Option<String>,
    /// Revision that injects it.
    pub revision: String,
    /// Which definition of the hash was used.
    pub scheme: u8,
    /// The first 24 bits of the expected sidecar's SHA-256, as six lower-case hex digits.
    pub hash: String,
    /// Which try this is: 1, or 2 and up after `~`.
    pub attempt: u32,
}

impl Stamp {
    /// The stamp of a restart that removes the sidecar: it has no version and no revision, and the
    /// hash is that of `{"presence":false}`.
    #[must_use]
    pub fn removal() -> Self {
        Self {
            version: None,
            revision: "none".to_owned(),
            scheme: 1,
            hash: "13b878".to_owned(),
            attempt: 1,
        }
    }

    /// Whether both name the same sidecar, whatever the attempt.
    #[must_use]
    pub fn same_target(&self, other: &Self) -> bool {
        if self.scheme == other.scheme {
            self.hash == other.hash
        } else {
            self.version == other.version && self.revision == other.revision
        }
    }

    /// Whether it marks a retry.
    #[must_use]
    pub fn is_retry(&self) -> bool {
        self.attempt > 1
    }

    /// The same target, as the next attempt.
    #[must_use]
    pub fn retry(&self) -> Self {
        Self {
            attempt: self.attempt + 1,
            ..self.clone()
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_deref().unwrap_or("-");
        write!(
            f,
            "{version}/{}/{}.{}",
            self.revision, self.scheme, self.hash
        )?;
        if self.is_retry() {
            write!(f, "~{}", self.attempt)?;
        }
        Ok(())
    }
}

/// The text is no stamp. Somebody wrote the annotation by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a restart stamp")]
pub struct StampParseError;

impl FromStr for Stamp {
    type Err = StampParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (version, rest) = text.split_once('/').ok_or(StampParseError)?;
        let (revision, fingerprint) = rest.split_once('/').ok_or(StampParseError)?;
        let (fingerprint, attempt) = match fingerprint.split_once('~') {
            Some((fingerprint, attempt)) => {
                let attempt = attempt.parse().ok().filter(|attempt| *attempt > 1);
                (fingerprint, attempt.ok_or(StampParseError)?)
            }
            None => (fingerprint, 1),
        };
        let (scheme, hash) = fingerprint.split_once('.').ok_or(StampParseError)?;
        let scheme = match scheme.as_bytes() {
            [digit @ b'0'..=b'9'] => digit - b'0',
            _ => return Err(StampParseError),
        };
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hash.len() != 6 || !hash.bytes().all(hex) || version.is_empty() || revision.is_empty() {
            return Err(StampParseError);
        }
        Ok(Self {
            version: (version != "-").then(|| version.to_owned()),
            revision: revision.to_owned(),
            scheme,
            hash: hash.to_owned(),
            attempt,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[test]
    fn a_stamp_reads_back_as_it_was_written() {
        for text in [
            "1.27.3/default/1.9f2c41",
            "-/v1-31-0/1.000000",
            "1.30.4/prod/1.abcdef~2",
        ] {
            assert_eq!(
                text.parse::<Stamp>().map(|stamp| stamp.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn what_is_no_stamp_is_refused() {
        for text in [
            "",
            "1.27.3",
            "1.27.3/default",
            "1.27.3/default/9f2c41",
            "/default/1.9f2c41",
            "1.27.3//1.9f2c41",
            "1.27.3/default/12.9f2c41",
            "1.27.3/default/1.9F2C41",
            "1.27.3/default/1.9f2c4",
            "1.27.3/default/1.9f2c41~1",
            "1.27.3/default/1.9f2c41~x",
        ] {
            assert!(text.parse::<Stamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn stamps_of_other_schemes_are_compared_by_version_and_revision() {
        let stamp = |text: &str| text.parse::<Stamp>().expect("a stamp");
        let ours = stamp("1.27.3/default/1.9f2c41");
        assert!(ours.same_target(&stamp("1.27.3/default/1.9f2c41~2")));
        assert!(!ours.same_target(&stamp("1.27.3/default/1.9f2c42")));
        assert!(ours.same_target(&stamp("1.27.3/default/2.aaaaaa")));
        assert!(!ours.same_target(&stamp("1.27.4/default/2.aaaaaa")));
        assert_eq!(ours.retry().to_string(), "1.27.3/default/1.9f2c41~2");
    }
}
