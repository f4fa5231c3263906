//! Escaping: what comes from a repository or a cluster never becomes control or markup.

use crate::text::is_treacherous;

/// Text for a terminal or a log: control and bidirectional characters become visible escapes, and
/// nothing in it is a command to the runner of a GitHub workflow, which looks for `::` and `##[` at
/// the beginning of a line.
///
/// See CVE-2021-25743 (kubectl) for what happens otherwise.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    let trimmed = text.trim_start();
    let is_command = trimmed.starts_with("::") || trimmed.starts_with("##[");
    if !is_command && !text.chars().any(is_treacherous) {
        return text.to_owned();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    if is_command {
        safe.push('\\');
    }
    for c in text.chars() {
        if is_treacherous(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Text for Markdown prose and table cells: nothing in it is markup, a link, a mention or HTML.
pub(super) fn for_markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if is_treacherous(c) => safe.push('\u{fffd}'),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // Mentions and issue numbers are found in the rendered text, where an escape is gone:
            // a word joiner between the sign and the word is what stops them.
            '@' | '#' => safe.extend(['\\', c, '\u{2060}']),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' => {
                safe.extend(['\\', c]);
            }
            c => safe.push(c),
        }
    }
    // Bare links are found in the source: an entity in them is what stops those. `GH-1` is an issue
    // to GitHub, in the rendered text.
    safe.replace("://", "&#58;//")
        .replace("www.", "www&#46;")
        .replace("GH-", "GH\u{2060}-")
        .replace("gh-", "gh\u{2060}-")
}

/// A message in Markdown: what stands in it between backticks, which is mostly a command, is code.
///
/// Where a backtick has no partner, or two stand side by side, nothing in it is.
pub(super) fn message_for_markdown(message: &str) -> String {
    let is_paired = message.matches('`').count().is_multiple_of(2) && !message.contains("``");
    if !is_paired {
        return for_markdown(message);
    }
    let pieces = message.split('`').enumerate();
    pieces
        .map(|(position, piece)| match position % 2 {
            0 => for_markdown(piece),
            _ => as_code(piece),
        })
        .collect()
}

/// Text as inline code: fenced by more backticks than it holds, and unable to end a table cell.
pub(super) fn as_code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if is_treacherous(c) { '\u{fffd}' } else { c })
        .collect();
    // GitHub splits table cells before it reads code spans, so a bar needs its backslash even here.
    let text = text.replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy as _, prop_assert, prop_assert_eq, proptest};
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::{as_code, for_markdown, for_terminal, message_for_markdown};

    #[test]
    fn a_terminal_sees_escapes_as_text() {
        assert_eq!(for_terminal("cart"), "cart");
        assert_eq!(for_terminal("a\u{1b}[2J\r\nb"), "a\\u{1b}[2J\\u{d}\\u{a}b");
        assert_eq!(
            for_terminal("\u{202e}drac\u{200b}\u{9b}"),
            "\\u{202e}drac\\u{200b}\\u{9b}"
        );
        assert_eq!(for_terminal(" ::error::x"), "\\ ::error::x");
        assert_eq!(for_terminal("##[group]x"), "\\##[group]x");
        assert_eq!(for_terminal("a::b"), "a::b");
    }

    #[test]
    fn markdown_is_text() {
        assert_eq!(for_markdown("[x](y)|<b>"), "\\[x\\]\\(y\\)\\|&lt;b&gt;");
        assert!(!for_markdown("@team").contains("@team"));
        assert!(!for_markdown("https://evil.example").contains("https://"));
    }

    #[test]
    fn code_cannot_be_broken_out_of() {
        assert_eq!(as_code("cart"), "`cart`");
        assert_eq!(as_code("a`b"), "``a`b``");
        assert_eq!(as_code("``"), "``` `` ```");
        assert_eq!(as_code("a|b"), "`a\\|b`");
        assert_eq!(as_code("a\nb"), "`a\u{fffd}b`");
    }

    #[test]
    fn commands_in_a_message_are_code() {
        let check = |message: &str, expected: &str| {
            assert_eq!(message_for_markdown(message), expected, "{message}");
        };
        check("run `kubectl get`", "run `kubectl get`");
        check("`a_b`: c_d `e|f`", "`a_b`: c\\_d `e\\|f`");
        check("`a` @team `b", "\\`a\\` \\@\u{2060}team \\`b");
        check("``a`` b", "\\`\\`a\\`\\` b");
        check("`a``b`", "\\`a\\`\\`b\\`");
        check("` `", "`   `");
    }

    /// The words of a message as they are read, and whether it is anything but words.
    fn rendered(markdown: &str) -> (String, bool) {
        let (mut words, mut is_plain) = (String::new(), true);
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Text(text) | Event::Code(text) => words.push_str(&text),
                Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
                _ => is_plain = false,
            }
        }
        words.retain(|c| c != '\u{2060}' && c != ' ');
        (words, is_plain)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_message_keeps_its_words_and_is_nothing_else(
            message in "\\PC{1,16}".prop_union("[`\\[\\]()<>*_~\\\\!#@&:./ \\-+=x1]{1,24}"),
        ) {
            let (words, is_plain) = rendered(&format!("x{}x", message_for_markdown(&message)));
            let is_paired = message.matches('`').count() % 2 == 0 && !message.contains("``");
            let wanted = |c: &char| {
                *c != ' ' && *c != '\u{2060}' && !(is_paired && *c == '`')
            };
            let shown = |c: char| if super::is_treacherous(c) { '\u{fffd}' } else { c };
            let expected: String = format!("x{message}x").chars().filter(wanted).map(shown).collect();
            prop_assert!(is_plain, "{}", message_for_markdown(&message));
            prop_assert_eq!(words, expected, "{}", message_for_markdown(&message));
        }
    }
}
