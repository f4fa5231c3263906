//! Text: which characters change what a reader sees around them.

/// C0 and C1 controls, line and paragraph separators, bidirectional marks, zero-width characters,
/// tags, the byte order mark (`spec/threats.md` T12).
#[must_use]
pub fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text in one line, without such characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if is_treacherous(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_line_break_in_a_name_forges_nothing() {
        assert_eq!(
            one_line("a\nMeshroll-Target: x\u{1b}[31m\u{202e}"),
            "a\u{fffd}Meshroll-Target: x\u{fffd}[31m\u{fffd}"
        );
        assert_eq!(one_line("1.26.4 → 1.27.3"), "1.26.4 → 1.27.3");
    }
}
