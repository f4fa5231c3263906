//! The unified diff of the edits, as `git apply` takes it.

use similar::TextDiff;

use super::escape::for_terminal;
use crate::edit::FileEdit;
use crate::manifest::ManifestSet;

/// The diff of every edited file, in order of path.
///
/// File contents stay byte for byte, so that the diff applies; in colour, for a person's eyes,
/// control characters become visible.
pub(super) fn render(manifests: &ManifestSet, edits: &[FileEdit], color: bool) -> String {
    edits
        .iter()
        .filter_map(|edit| file(manifests, edit, color))
        .collect()
}

fn file(manifests: &ManifestSet, edit: &FileEdit, color: bool) -> Option<String> {
    let position = manifests
        .files
        .binary_search_by(|file| file.path.as_str().cmp(&edit.path))
        .ok()?;
    let old = &manifests.files[position].bytes;
    let new = edit.edit.apply(old).ok()?;
    let (old, new) = (
        std::str::from_utf8(old).ok()?,
        std::str::from_utf8(&new).ok()?,
    );
    let (old_name, new_name) = (name("a/", &edit.path), name("b/", &edit.path));
    let diff = TextDiff::from_lines(old, new);
    let unified = diff
        .unified_diff()
        .context_radius(3)
        .header(&old_name, &new_name)
        .to_string();
    let header = format!("diff --git {old_name} {new_name}\n");
    let text = format!("{header}{unified}");
    Some(if color { colored(&text) } else { text })
}

/// The name as git writes it: quoted, with octal escapes, where it holds anything unusual.
fn name(prefix: &str, path: &str) -> String {
    let unusual = |byte: u8| !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\';
    let path = format!("{prefix}{path}");
    if !path.bytes().any(unusual) {
        return path;
    }
    let mut quoted = String::from("\"");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            byte if unusual(byte) => quoted.push_str(&format!("\\{byte:03o}")),
            byte => quoted.push(char::from(byte)),
        }
    }
    quoted.push('"');
    quoted
}

fn colored(text: &str) -> String {
    let line = |line: &str| {
        let shown = for_terminal(line.trim_end_matches('\n'));
        match line.as_bytes().first() {
            _ if line.starts_with("+++")
                || line.starts_with("---")
                || line.starts_with("diff ") =>
            {
                format!("\u{1b}[1m{shown}\u{1b}[0m\n")
            }
            Some(b'+') => format!("\u{1b}[32m{shown}\u{1b}[0m\n"),
            Some(b'-') => format!("\u{1b}[31m{shown}\u{1b}[0m\n"),
            Some(b'@') => format!("\u{1b}[36m{shown}\u{1b}[0m\n"),
            _ => format!("{shown}\n"),
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn unusual_names_are_quoted_as_git_quotes_them() {
        assert_eq!(name("a/", "apps/cart.yaml"), "a/apps/cart.yaml");
        assert_eq!(
            name("a/", "größe\n.yaml"),
            "\"a/gr\\303\\266\\303\\237e\\012.yaml\""
        );
    }
}
