//! Text: line endings, lines, and how keys and values are spelled.

use granit_parser::ScalarStyle;
use memchr::{memchr, memrchr};

use super::text_edit::Replacement;
use crate::manifest::scalar;

/// How new keys are quoted: as the keys beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyStyle {
    /// Not at all.
    Plain,
    /// With `'`.
    Single,
    /// With `"`, as in JSON.
    Double,
}

impl KeyStyle {
    /// The style of an existing key.
    pub(crate) fn of(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::SingleQuoted => Self::Single,
            ScalarStyle::DoubleQuoted => Self::Double,
            _ => Self::Plain,
        }
    }

    /// A key in this style; double-quoted where a plain one would not be a string.
    pub(crate) fn key(self, key: &str) -> String {
        match self {
            Self::Plain if scalar::is_plain_string(key) => key.to_owned(),
            Self::Single if is_printable(key) => single_quoted(key),
            _ => double_quoted(key),
        }
    }
}

/// A value in the style of the one that it replaces, where it stays a string.
pub(crate) fn value_like(value: &str, style: ScalarStyle) -> String {
    match style {
        ScalarStyle::Plain if scalar::is_plain_string(value) => value.to_owned(),
        ScalarStyle::SingleQuoted if is_printable(value) => single_quoted(value),
        _ => double_quoted(value),
    }
}

/// A string in double quotes, valid as YAML and as JSON.
pub(crate) fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if needs_escape(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(needs_escape)
}

/// Controls and line separators, which YAML does not take as they are or folds.
fn needs_escape(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The offset after the line that holds this offset; none on a last line without an end.
pub(crate) fn line_end(bytes: &[u8], offset: usize) -> Option<usize> {
    memchr(b'\n', bytes.get(offset..)?).map(|newline| offset + newline + 1)
}

/// The offset at which the line starts that holds this offset.
pub(crate) fn line_start(bytes: &[u8], offset: usize) -> usize {
    memrchr(b'\n', bytes.get(..offset).unwrap_or_default()).map_or(0, |newline| newline + 1)
}

/// The line ending of the line that holds this offset; on a last line without an end, that of the
/// file's first line.
pub(crate) fn line_ending(bytes: &[u8], offset: usize) -> &'static str {
    let end = line_end(bytes, offset).or_else(|| line_end(bytes, 0));
    match end.and_then(|end| bytes.get(..end)) {
        Some(lines) if lines.ends_with(b"\r\n") => "\r\n",
        _ => "\n",
    }
}

/// Inserts lines after the line that holds this offset, with its own line ending; a file that does
/// not end with one still does not.
pub(crate) fn insert_after_line(bytes: &[u8], offset: usize, lines: &[String]) -> Replacement {
    let ending = line_ending(bytes, offset);
    match line_end(bytes, offset) {
        Some(end) => insert_lines(end, lines, ending),
        None => Replacement {
            range: bytes.len()..bytes.len(),
            text: lines
                .iter()
                .flat_map(|line| [ending, line.as_str()])
                .collect(),
        },
    }
}

/// Inserts whole lines at the start of a line.
pub(crate) fn insert_lines(offset: usize, lines: &[String], ending: &str) -> Replacement {
    Replacement {
        range: offset..offset,
        text: lines
            .iter()
            .flat_map(|line| [line.as_str(), ending])
            .collect(),
    }
}

/// An insertion.
pub(crate) fn insert(offset: usize, text: impl Into<String>) -> Replacement {
    Replacement {
        range: offset..offset,
        text: text.into(),
    }
}

/// The first offset from here that is no space or tab.
pub(crate) fn skip_blanks(bytes: &[u8], offset: usize) -> usize {
    let rest = bytes.get(offset..).unwrap_or_default();
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    offset + blanks.count()
}

/// Whether lines hold nothing but blanks and comments.
pub(crate) fn is_comments(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').all(|line| {
        let line = line.trim_ascii_start();
        line.is_empty() || line.starts_with(b"#")
    })
}

#[cfg(test)]
mod tests {
    use granit_parser::ScalarStyle;

    use super::{KeyStyle, double_quoted, value_like};

    #[test]
    fn values_keep_their_style_where_they_stay_strings() {
        for (value, style, expected) in [
            ("1.2/x/1.abcdef", ScalarStyle::Plain, "1.2/x/1.abcdef"),
            (
                "1.2/x/1.abcdef",
                ScalarStyle::SingleQuoted,
                "'1.2/x/1.abcdef'",
            ),
            ("1.2/x/1.abcdef", ScalarStyle::Literal, "\"1.2/x/1.abcdef\""),
            (
                "2026-11-20T09:00:00Z",
                ScalarStyle::Plain,
                "\"2026-11-20T09:00:00Z\"",
            ),
            ("-/x/1.abcdef", ScalarStyle::Plain, "\"-/x/1.abcdef\""),
            ("it's", ScalarStyle::SingleQuoted, "'it''s'"),
            ("a\nb", ScalarStyle::SingleQuoted, "\"a\\u000ab\""),
            ("true", ScalarStyle::Plain, "\"true\""),
        ] {
            assert_eq!(value_like(value, style), expected);
        }
    }

    #[test]
    fn keys_are_quoted_like_their_neighbours_and_where_they_must_be() {
        let key = "kubectl.kubernetes.io/restartedAt";
        assert_eq!(KeyStyle::Plain.key(key), key);
        assert_eq!(KeyStyle::Single.key(key), format!("'{key}'"));
        assert_eq!(KeyStyle::Double.key(key), format!("\"{key}\""));
        assert_eq!(KeyStyle::Plain.key("yes"), "\"yes\"");
    }

    #[test]
    fn escapes_are_those_of_json() {
        let text = "a\"\\\u{1}\u{2028}é\u{1F600}";
        let quoted = double_quoted(text);
        assert_eq!(quoted, "\"a\\\"\\\\\\u0001\\u2028é\u{1F600}\"");
        assert_eq!(
            serde_json::from_str::<String>(&quoted).ok().as_deref(),
            Some(text)
        );
    }
}
