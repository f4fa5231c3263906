//! The reader: one file becomes its objects, templates and diagnostics.

use super::object::{self, Source};
use super::stream::{self, Chunk};
use super::tree::{Content, Origin, Tree, TreeError};
use super::{Document, ManifestFile, RawFile, Screen, Template, document, file, kind, template};
use crate::diagnostic::{Diagnostic, DiagnosticCode, Location};

/// What one file holds.
#[derive(Debug)]
pub(crate) struct ReadFile {
    /// The file with its objects of interest.
    pub(crate) file: ManifestFile,
    /// Its documents that are templates of workloads.
    pub(crate) templates: Vec<Template>,
    /// What is wrong with it.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads a file; nothing in it can fail the others.
pub(crate) fn read(raw: RawFile, screen: &Screen) -> ReadFile {
    let mut read = ReadFile {
        file: ManifestFile {
            path: raw.path,
            bytes: raw.bytes,
            objects: Vec::new(),
        },
        templates: Vec::new(),
        diagnostics: Vec::new(),
    };
    if let Some(diagnostic) = unreadable(&read.file) {
        read.diagnostics.push(diagnostic);
        return read;
    }
    let named =
        kind::is_kustomization_file(&read.file.path) || kind::is_source_override(&read.file.path);
    let chunks = stream::split(&read.file.bytes);
    let generated = chunks
        .first()
        .is_some_and(|first| says_generated(head(&read.file.bytes, first)));
    let mut templated = None;
    for chunk in &chunks {
        let text = &read.file.bytes[chunk.span.clone()];
        if named || screen.passes(text) {
            let found = read_document(&read.file, chunk, generated, screen);
            read.file.objects.extend(found.objects);
            read.templates.extend(found.template);
            read.diagnostics.extend(found.diagnostics);
            if found.is_template {
                templated = templated.or(Some(chunk.line));
            }
        }
    }
    if let Some(line) = templated {
        read.diagnostics.push(templated_file(&read.file.path, line));
    }
    read
}

/// Reads the tree of a chunk of a file.
///
/// # Errors
///
/// When it is not UTF-8, no YAML, or deeper or larger than is read.
pub(crate) fn tree_of<'a>(bytes: &'a [u8], chunk: &Chunk) -> Result<Tree<'a>, TreeError> {
    let origin = Origin {
        offset: chunk.span.start,
        line: chunk.line,
    };
    let text = bytes.get(chunk.span.clone()).unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) => document::read(text, origin),
        Err(error) => Err(not_utf8(text, error.valid_up_to(), origin)),
    }
}

/// What one document holds.
#[derive(Default)]
struct ReadDocument {
    objects: Vec<super::Object>,
    template: Option<Template>,
    is_template: bool,
    diagnostics: Vec<Diagnostic>,
}

fn read_document(
    file: &ManifestFile,
    chunk: &Chunk,
    generated: bool,
    screen: &Screen,
) -> ReadDocument {
    let bytes = &file.bytes[chunk.span.clone()];
    let has_braces = memchr::memmem::find(bytes, b"{{").is_some();
    let tree = match tree_of(&file.bytes, chunk) {
        Ok(tree) => tree,
        Err(_) if has_braces && template::breaks_yaml(bytes) => return a_template(file, chunk),
        Err(error) => {
            return ReadDocument {
                diagnostics: unparsable(&file.path, bytes, error).into_iter().collect(),
                ..ReadDocument::default()
            };
        }
    };
    // `{{ x }}` parses as a mapping whose key is a mapping, which no manifest has.
    if has_braces && has_complex_key(&tree) {
        return a_template(file, chunk);
    }
    let document = Document {
        index: chunk.index,
        span: chunk.span.clone(),
    };
    let found = object::read(&Source {
        path: &file.path,
        document: &document,
        tree: &tree,
        rendered: generated || says_rendered(head(&file.bytes, chunk)),
        screen,
    });
    let mut read = match found.templated {
        true => a_template(file, chunk),
        false => ReadDocument::default(),
    };
    read.objects = found.objects;
    read.diagnostics.extend(found.diagnostics);
    read
}

fn a_template(file: &ManifestFile, chunk: &Chunk) -> ReadDocument {
    let text = String::from_utf8_lossy(&file.bytes[chunk.span.clone()]);
    ReadDocument {
        template: template::recognise(&file.path, &text, chunk),
        is_template: true,
        ..ReadDocument::default()
    }
}

fn has_complex_key(tree: &Tree<'_>) -> bool {
    tree.nodes().any(|node| match &node.content {
        Content::Mapping { entries, .. } => entries.iter().any(|(key, _)| {
            let key = tree.resolve(*key);
            tree.text(key).is_none()
        }),
        _ => false,
    })
}

/// The comments before a document: from the end of the previous one to its own first line.
fn head<'b>(bytes: &'b [u8], chunk: &Chunk) -> impl Iterator<Item = &'b [u8]> {
    let before = bytes.get(chunk.head..).unwrap_or_default();
    before
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_prefix(stream::BYTE_ORDER_MARK).unwrap_or(line))
        .map(|line| line.strip_prefix(b"---").unwrap_or(line))
        .map(<[u8]>::trim_ascii)
        .take_while(|line| line.is_empty() || line.starts_with(b"#"))
}

/// Whether comments say that the document was rendered: Helm writes `# Source:` before each.
fn says_rendered<'b>(mut head: impl Iterator<Item = &'b [u8]>) -> bool {
    head.any(|line| line.starts_with(b"# Source: ") || is_generated_mark(line))
}

/// Whether comments say that the whole file was generated.
fn says_generated<'b>(mut head: impl Iterator<Item = &'b [u8]>) -> bool {
    head.any(is_generated_mark)
}

fn is_generated_mark(line: &[u8]) -> bool {
    let line = line.to_ascii_uppercase();
    memchr::memmem::find(&line, b"DO NOT EDIT").is_some()
}

/// Why nothing of a file is read.
fn unreadable(file: &ManifestFile) -> Option<Diagnostic> {
    let (code, message, hint) = match file.bytes.as_slice() {
        bytes if file::is_lfs_pointer(bytes) => {
            return Some(
                Diagnostic::info(
                    DiagnosticCode::ManifestSkipped,
                    "a Git LFS pointer: its content is not in the repository",
                )
                .at(Location::file(&*file.path)),
            );
        }
        bytes if file::is_utf16(bytes) => (
            DiagnosticCode::ManifestUnparsable,
            "the file is not UTF-8 (it looks like UTF-16)",
            "save it as UTF-8",
        ),
        _ => return None,
    };
    let diagnostic = Diagnostic::error(code, message)
        .at(Location::file(&*file.path))
        .hint(hint);
    Some(diagnostic)
}

fn not_utf8(text: &[u8], valid: usize, origin: Origin) -> TreeError {
    let before = &text[..valid];
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    TreeError {
        line: origin.line + memchr::memchr_iter(b'\n', before).count(),
        column: String::from_utf8_lossy(&before[start..]).chars().count() + 1,
        offset: origin.offset + valid,
        message: "the text is not UTF-8".to_owned(),
        kind: super::tree::TreeErrorKind::Syntax,
    }
}

/// A diagnostic for a document that looks like a manifest; anything else may be broken in peace.
fn unparsable(path: &str, bytes: &[u8], error: TreeError) -> Option<Diagnostic> {
    let has = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    let looks_like_one = has(b"apiVersion") && has(b"kind");
    if !looks_like_one && !kind::is_kustomization_file(path) {
        return None;
    }
    let location = Location {
        file: path.to_owned(),
        line: Some(error.line),
        column: Some(error.column),
    };
    let diagnostic = Diagnostic::error(DiagnosticCode::ManifestUnparsable, error.message)
        .at(location)
        .hint("nothing in this document is read or edited until it is corrected");
    Some(diagnostic)
}

fn templated_file(path: &str, line: usize) -> Diagnostic {
    Diagnostic::info(
        DiagnosticCode::ManifestTemplated,
        "a template, not a rendered manifest: nothing in it is edited",
    )
    .at(Location::line(path, line))
}
