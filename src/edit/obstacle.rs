//! Obstacles: what keeps an edit from being made, and where.

use std::fmt;

use crate::reason::{Reason, ReasonCode};

/// Something that stands in the way of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// One-based line of the file.
    pub(crate) line: usize,
    /// What it is.
    pub(crate) kind: ObstacleKind,
}

/// The kinds of obstacles (`spec/yaml.md` §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ObstacleKind {
    /// An alias stands on the path: what it repeats belongs to another place too.
    Alias,
    /// What would be edited is repeated elsewhere by an alias.
    Anchor,
    /// The key may come from a merged mapping, which a new key would hide.
    MergeKey,
    /// The key stands there twice: readers differ in which one counts.
    DuplicateKey(String),
    /// A key is a mapping or a sequence, as in a template that is not rendered.
    ComplexKey,
    /// A key is written with `?`.
    ExplicitKey,
    /// A level of the path is no mapping.
    NotAMapping(String),
    /// A level of the path is missing and is not the edit's to create.
    MissingLevel(String),
    /// A value has a tag that would change what the new text means.
    Tag,
    /// The value to replace is no scalar, or one that cannot be told from what follows.
    Value(String),
    /// The object is no longer where it was read.
    Object,
    /// The document does not parse.
    Unparsable(String),
    /// The edited text could not be proven.
    Unproven(&'static str),
}

impl Obstacle {
    /// An obstacle on a line.
    pub(crate) fn new(line: usize, kind: ObstacleKind) -> Self {
        Self { line, kind }
    }

    /// The reason that a refusal carries.
    pub(crate) fn reason(&self, path: &str) -> Reason {
        let code = match self.kind {
            ObstacleKind::ComplexKey => ReasonCode::TemplatedManifest,
            _ => ReasonCode::UneditableManifest,
        };
        let line = self.line;
        Reason::new(code, format!("{path}:{line}: {}", self.kind))
    }
}

impl fmt::Display for ObstacleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias => f.write_str(
                "an alias stands where the edit belongs; write out what it repeats, or add the annotations by hand",
            ),
            Self::Anchor => f.write_str(
                "an alias repeats this part elsewhere, so that an edit would change both places; add the annotations by hand",
            ),
            Self::MergeKey => f.write_str(
                "a merge key may bring in what the edit would hide; add the annotations by hand",
            ),
            Self::DuplicateKey(key) => write!(
                f,
                "the key `{key}` stands here twice, and readers differ in which one counts; delete one of them"
            ),
            Self::ComplexKey => f.write_str(
                "a key is a mapping or a list, as in a template that is not rendered; edit what it is rendered from",
            ),
            Self::ExplicitKey => f.write_str(
                "a key is written with `?`; write it as `key: value`, or add the annotations by hand",
            ),
            Self::NotAMapping(key) => write!(f, "`{key}` is no mapping"),
            Self::MissingLevel(key) => write!(f, "`{key}` is missing"),
            Self::Tag => f.write_str("a tag says how to read the value; remove it"),
            Self::Value(key) => write!(f, "the value of `{key}` cannot be replaced; write it on one line"),
            Self::Object => f.write_str("the object is not where it was read"),
            Self::Unparsable(message) => write!(f, "the document cannot be parsed: {message}"),
            Self::Unproven(what) => write!(
                f,
                "the edit could not be proven to change nothing else ({what}); add the annotations by hand"
            ),
        }
    }
}
