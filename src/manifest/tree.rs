//! The tree: one document as its author wrote it, every node with its byte span.
//!
//! Built from the parser's events without expanding anything: an alias is a node of its own, a
//! merge key is a key, so a tree is never larger than its text. Reading values out of it is
//! [`super::value`]'s task, editing is `edit`'s.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StructureStyle, Tag};

/// Deepest nesting that is read (`spec/threats.md` T9).
pub(crate) const DEPTH_LIMIT: usize = 256;

/// Most nodes of one document (`spec/threats.md` T8, T10): far above any real bundle, and what
/// bounds the memory of a file that is nothing but brackets.
pub(crate) const NODE_LIMIT: usize = 500_000;

/// A node's place in its [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(usize);

/// The tree of one document.
#[derive(Debug, Default)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    root: Option<NodeId>,
    /// The node that each anchor number names; numbers count from one.
    anchors: Vec<Option<NodeId>>,
    aliased: BTreeSet<usize>,
    redefines_anchors: bool,
    is_repaired: bool,
}

/// One node, with its place in the file.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// What it is.
    pub(crate) content: Content<'a>,
    /// Bytes of the file that it takes up. An empty scalar has an empty span at the end of its
    /// key; a block collection starts at its first child and its end means nothing; the text of a
    /// block scalar starts after its `|` or `>` line.
    pub(crate) span: Range<usize>,
    /// One-based line on which it starts.
    pub(crate) line: usize,
    /// Zero-based column, in characters, at which it starts.
    pub(crate) column: usize,
    /// Number of the anchor that it carries, zero for none.
    pub(crate) anchor: usize,
    /// Its explicit tag in full, as in `tag:yaml.org,2002:str`.
    pub(crate) tag: Option<String>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// A scalar: its text after escapes and folding, and its style.
    Scalar {
        /// The text.
        text: Cow<'a, str>,
        /// How it is quoted.
        style: ScalarStyle,
    },
    /// A mapping: keys and values in file order, duplicates kept.
    Mapping {
        /// Whether it is written in braces.
        flow: bool,
        /// Keys and values.
        entries: Vec<(NodeId, NodeId)>,
    },
    /// A sequence.
    Sequence {
        /// Whether it is written in brackets.
        flow: bool,
        /// The items.
        items: Vec<NodeId>,
    },
    /// An alias of the anchor of this number.
    Alias(usize),
}

/// Why a document has no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeError {
    /// One-based line of the file.
    pub(crate) line: usize,
    /// One-based column.
    pub(crate) column: usize,
    /// Byte of the file.
    pub(crate) offset: usize,
    /// What is wrong: lower case, no trailing period.
    pub(crate) message: String,
    /// What kind of failure it is.
    pub(crate) kind: TreeErrorKind,
}

/// The kinds of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TreeErrorKind {
    /// The text is no YAML.
    Syntax,
    /// A quoted scalar goes on at the column of its key or before it, which go-yaml accepts.
    QuotedIndentation,
    /// The document is deeper or larger than is read.
    Limit,
}

/// Where a document's text stands in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    /// Byte of the file at which the text starts.
    pub(crate) offset: usize,
    /// One-based line of the file on which it starts.
    pub(crate) line: usize,
}

impl<'a> Tree<'a> {
    /// Reads the first document of the text; the rest is never looked at, as Kubernetes ignores
    /// what follows `...` (`spec/yaml.md` §1.1).
    ///
    /// # Errors
    ///
    /// When the document is no YAML, or deeper or larger than is read.
    pub(crate) fn parse(text: &'a str, origin: Origin) -> Result<Self, TreeError> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_anchor_events: true,
            flow_nesting_limit: DEPTH_LIMIT,
            block_nesting_limit: DEPTH_LIMIT,
        };
        let mut builder = Builder::new(origin);
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| builder.syntax_error(&error))?;
            if matches!(event, Event::DocumentEnd) {
                break;
            }
            builder.event(event, &span)?;
        }
        Ok(builder.tree)
    }

    /// The outermost node; none for an empty document.
    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// The node of this number.
    pub(crate) fn node(&self, id: NodeId) -> &Node<'a> {
        // A `NodeId` is made by the builder alone, for a node that it has pushed.
        &self.nodes[id.0]
    }

    /// Every node, in file order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node<'a>> {
        self.nodes.iter()
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node that an anchor names.
    pub(crate) fn anchored(&self, anchor: usize) -> Option<NodeId> {
        self.anchors.get(anchor).copied().flatten()
    }

    /// Whether an alias repeats this node elsewhere.
    pub(crate) fn is_aliased(&self, id: NodeId) -> bool {
        let anchor = self.node(id).anchor;
        anchor != 0 && self.aliased.contains(&anchor)
    }

    /// Whether an anchor name is given to more than one node.
    pub(crate) fn redefines_anchors(&self) -> bool {
        self.redefines_anchors
    }

    /// Whether it was read from a repaired copy of its text, see [`super::document::read`].
    pub(crate) fn is_repaired(&self) -> bool {
        self.is_repaired
    }

    /// The node itself, or what it is an alias of.
    pub(crate) fn resolve(&self, id: NodeId) -> NodeId {
        match self.node(id).content {
            Content::Alias(anchor) => self.anchored(anchor).unwrap_or(id),
            _ => id,
        }
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        match &self.node(id).content {
            Content::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The items of a sequence; none for anything else.
    pub(crate) fn items(&self, id: NodeId) -> &[NodeId] {
        match &self.node(id).content {
            Content::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self, id: NodeId) -> Option<&str> {
        match &self.node(id).content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of a key that is written as this text; the last of duplicates, aliases followed.
    pub(crate) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        self.entries(id)
            .iter()
            .rev()
            .find(|(candidate, _)| self.text(*candidate) == Some(key))
            .map(|(_, value)| self.resolve(*value))
    }

    /// The tree of a repaired copy, independent of it, with the lines that its offsets have in the
    /// original text.
    pub(crate) fn repaired(self, original: &str, origin: Origin) -> Tree<'static> {
        let newlines: Vec<usize> = memchr::memchr_iter(b'\n', original.as_bytes())
            .map(|newline| newline + origin.offset)
            .collect();
        let line = |offset| origin.line + newlines.partition_point(|newline| *newline < offset);
        let relocate = |node: Node<'_>| Node {
            line: line(node.span.start),
            ..node.into_owned()
        };
        Tree {
            nodes: self.nodes.into_iter().map(relocate).collect(),
            root: self.root,
            anchors: self.anchors,
            aliased: self.aliased,
            redefines_anchors: self.redefines_anchors,
            is_repaired: true,
        }
    }
}

impl Node<'_> {
    /// Whether it is a mapping or sequence in braces or brackets.
    pub(crate) fn is_flow(&self) -> bool {
        matches!(
            self.content,
            Content::Mapping { flow: true, .. } | Content::Sequence { flow: true, .. }
        )
    }

    fn into_owned(self) -> Node<'static> {
        let content = match self.content {
            Content::Scalar { text, style } => Content::Scalar {
                text: Cow::Owned(text.into_owned()),
                style,
            },
            Content::Mapping { flow, entries } => Content::Mapping { flow, entries },
            Content::Sequence { flow, items } => Content::Sequence { flow, items },
            Content::Alias(anchor) => Content::Alias(anchor),
        };
        Node {
            content,
            span: self.span,
            line: self.line,
            column: self.column,
            anchor: self.anchor,
            tag: self.tag,
        }
    }
}

/// A collection whose end has not been seen.
struct Open {
    id: NodeId,
    /// The key that waits for its value, in a mapping.
    key: Option<NodeId>,
}

/// Builds a tree from events.
struct Builder<'a> {
    tree: Tree<'a>,
    open: Vec<Open>,
    anchor_names: BTreeSet<Cow<'a, str>>,
    origin: Origin,
}

impl<'a> Builder<'a> {
    fn new(origin: Origin) -> Self {
        Self {
            tree: Tree::default(),
            open: Vec::new(),
            anchor_names: BTreeSet::new(),
            origin,
        }
    }

    fn event(&mut self, event: Event<'a>, span: &Span) -> Result<(), TreeError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.leaf(Content::Scalar { text, style }, span, anchor, tag)
            }
            Event::Alias(anchor) => {
                self.tree.aliased.insert(anchor);
                self.leaf(Content::Alias(anchor), span, 0, None)
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                let entries = Vec::new();
                self.collection(Content::Mapping { flow, entries }, span, anchor, tag)
            }
            Event::SequenceStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                let items = Vec::new();
                self.collection(Content::Sequence { flow, items }, span, anchor, tag)
            }
            Event::Anchor(_, name) => {
                self.tree.redefines_anchors |= !self.anchor_names.insert(name);
                Ok(())
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.close(span);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn leaf(
        &mut self,
        content: Content<'a>,
        span: &Span,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
    ) -> Result<(), TreeError> {
        let id = self.push(content, span, anchor, tag)?;
        self.attach(id);
        Ok(())
    }

    fn collection(
        &mut self,
        content: Content<'a>,
        span: &Span,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
    ) -> Result<(), TreeError> {
        if self.open.len() >= DEPTH_LIMIT {
            let message = format!("nested more than {DEPTH_LIMIT} levels deep");
            return Err(self.limit(span, message));
        }
        let id = self.push(content, span, anchor, tag)?;
        self.open.push(Open { id, key: None });
        Ok(())
    }

    fn close(&mut self, span: &Span) {
        let Some(Open { id, .. }) = self.open.pop() else {
            return;
        };
        let end = self.offset(span.end.byte_offset());
        self.tree.nodes[id.0].span.end = end;
        self.attach(id);
    }

    fn push(
        &mut self,
        content: Content<'a>,
        span: &Span,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
    ) -> Result<NodeId, TreeError> {
        if self.tree.nodes.len() >= NODE_LIMIT {
            let message = format!("more than {NODE_LIMIT} values in one document");
            return Err(self.limit(span, message));
        }
        let id = NodeId(self.tree.nodes.len());
        let start = self.offset(span.start.byte_offset());
        let end = self.offset(span.end.byte_offset());
        self.tree.nodes.push(Node {
            content,
            span: start..end.max(start),
            line: self.line(span.start.line()),
            column: span.start.col(),
            anchor,
            tag: tag.map(|tag| format!("{}{}", tag.handle(), tag.suffix())),
        });
        self.name(anchor, id);
        Ok(id)
    }

    /// Remembers which node an anchor names.
    fn name(&mut self, anchor: usize, id: NodeId) {
        // The parser numbers anchors one by one, so the list grows with the text.
        if anchor == 0 || anchor > NODE_LIMIT {
            return;
        }
        if self.tree.anchors.len() <= anchor {
            self.tree.anchors.resize(anchor + 1, None);
        }
        self.tree.anchors[anchor] = Some(id);
    }

    /// Puts a finished node where it belongs.
    fn attach(&mut self, id: NodeId) {
        let Some(open) = self.open.last_mut() else {
            self.tree.root.get_or_insert(id);
            return;
        };
        match &mut self.tree.nodes[open.id.0].content {
            Content::Mapping { entries, .. } => match open.key.take() {
                None => open.key = Some(id),
                Some(key) => entries.push((key, id)),
            },
            Content::Sequence { items, .. } => items.push(id),
            Content::Scalar { .. } | Content::Alias(_) => {}
        }
    }

    fn offset(&self, byte: Option<usize>) -> usize {
        // Text input always carries byte offsets.
        self.origin.offset + byte.unwrap_or_default()
    }

    fn line(&self, line: usize) -> usize {
        self.origin.line + line.saturating_sub(1)
    }

    fn syntax_error(&self, error: &ScanError) -> TreeError {
        let kind = match error.kind() {
            granit_parser::ErrorKind::InvalidQuotedScalarIndent => TreeErrorKind::QuotedIndentation,
            _ => TreeErrorKind::Syntax,
        };
        let marker = error.marker();
        TreeError {
            line: self.line(marker.line()),
            column: marker.col() + 1,
            offset: self.offset(marker.byte_offset()),
            message: error.info(),
            kind,
        }
    }

    fn limit(&self, span: &Span, message: String) -> TreeError {
        TreeError {
            line: self.line(span.start.line()),
            column: span.start.col() + 1,
            offset: self.offset(span.start.byte_offset()),
            message,
            kind: TreeErrorKind::Limit,
        }
    }
}
