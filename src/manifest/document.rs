//! Documents: a document's text becomes its tree, with the one repair that Kubernetes makes too.

use super::tree::{Origin, Tree, TreeError, TreeErrorKind};

/// How often one document is repaired and read again.
const REPAIR_LIMIT: usize = 256;

/// How many bytes may be read again for repairs, so that a hostile document stays linear.
const REPAIR_BYTES: usize = 64 * 1024 * 1024;

/// Reads the tree of a document's text.
///
/// A quoted scalar that goes on at the column of its key is fine for go-yaml and an error for the
/// parser. The line break before the continuation is then overwritten with spaces in a copy: every
/// byte offset stays, and so does the structure; such a value keeps its indentation as spaces
/// (`spec/yaml.md` §1.2).
///
/// # Errors
///
/// When the text is no YAML, or deeper or larger than is read.
pub(crate) fn read(text: &str, origin: Origin) -> Result<Tree<'_>, TreeError> {
    let mut error = match Tree::parse(text, origin) {
        Err(error) if error.kind == TreeErrorKind::QuotedIndentation => error,
        result => return result,
    };
    let original = error.clone();
    let mut copy = text.to_owned();
    let mut bytes_left = REPAIR_BYTES;
    for _ in 0..REPAIR_LIMIT {
        bytes_left = match bytes_left.checked_sub(copy.len()) {
            Some(bytes_left) => bytes_left,
            None => break,
        };
        let Some(joined) = join_lines(&copy, error.offset - origin.offset) else {
            break;
        };
        copy = joined;
        match Tree::parse(&copy, origin) {
            Ok(tree) => return Ok(tree.repaired(text, origin)),
            Err(next) if next.kind == TreeErrorKind::QuotedIndentation => error = next,
            Err(_) => break,
        }
    }
    Err(original)
}

/// The text with the line break before this offset overwritten with spaces.
fn join_lines(text: &str, offset: usize) -> Option<String> {
    let before = text.get(..offset)?;
    let newline = before.rfind(['\n', '\r'])?;
    let start = match before[..newline].ends_with('\r') {
        true => newline - 1,
        false => newline,
    };
    let mut joined = text.to_owned();
    joined.replace_range(start..=newline, &" ".repeat(newline + 1 - start));
    Some(joined)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::manifest::tree::{DEPTH_LIMIT, NODE_LIMIT, Origin, TreeErrorKind};

    const ORIGIN: Origin = Origin { offset: 7, line: 3 };

    #[test]
    fn quoted_scalars_may_go_on_at_the_column_of_their_key() {
        for text in [
            "a:\n  b: 'x\n  y'\n  c: \"p\n  q\"\n",
            "a:\r\n  b: 'x\r\n  y'\r\n  c: 1\r\n",
        ] {
            let tree = read(text, ORIGIN).expect("go-yaml reads it");
            let root = tree.root().expect("a document");
            let inner = tree.get(root, "a").expect("a");
            let last = tree.get(inner, "c").expect("c");
            let first = tree.text(tree.get(inner, "b").expect("b"));
            assert!(first.is_some_and(|text| text.starts_with("x ") && text.ends_with(" y")));
            // Offsets point into the text as it was.
            let key = tree.entries(inner)[1].0;
            assert_eq!(&text[tree.node(key).span.start - 7..][..1], "c");
            assert!(tree.node(last).line > 5);
        }
    }

    #[test]
    fn errors_have_their_place_in_the_file() {
        let error = read("a: 1\nb: [\n", ORIGIN).expect_err("broken");
        assert_eq!(error.kind, TreeErrorKind::Syntax);
        assert!(error.line >= 4, "{error:?}");
        assert!(!error.message.is_empty());
    }

    #[test]
    fn depth_is_bounded() {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let fits = format!("{}1{}", open.repeat(200), close.repeat(200));
            assert!(read(&fits, ORIGIN).is_ok());
            let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
            assert!(read(&deep, ORIGIN).is_err());
        }
        let block = "- ".repeat(100_000);
        assert!(read(&block, ORIGIN).is_err());
        let mixed = format!("{}{}{}", "- ".repeat(200), "[".repeat(200), "]".repeat(200));
        let error = read(&mixed, ORIGIN).expect_err("too deep");
        assert_eq!(error.kind, TreeErrorKind::Limit);
        assert!(error.message.contains(&DEPTH_LIMIT.to_string()));
    }

    #[test]
    fn size_is_bounded() {
        let wide = format!("[{}]", "a,".repeat(NODE_LIMIT));
        let error = read(&wide, ORIGIN).expect_err("too large");
        assert_eq!(error.kind, TreeErrorKind::Limit);
    }
}
