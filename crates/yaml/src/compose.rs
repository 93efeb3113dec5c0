//! From events to nodes.
//!
//! Aliases are copied; the size and the depth of the result are bounded, so that no text can blow up (a few lines of aliases to
//! aliases can stand for billions of nodes).

use crate::span::Span;
use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError};
use std::borrow::Cow;
use std::collections::HashMap;

/// What nodes a reader makes of what is written. Every call has the place in the text.
pub trait Schema {
    /// A node.
    type Node: Clone;
    /// Why it does not take something, where that ends the reading.
    type Refusal;

    /// A scalar.
    ///
    /// # Errors
    /// It cannot be read; nothing after it is.
    fn scalar(&mut self, written: Written<'_>, span: Span) -> Result<Self::Node, Refused<Self::Refusal>>;

    /// A list, complete.
    fn list(&mut self, items: Vec<Self::Node>, span: Span) -> Self::Node;

    /// A mapping, complete, in the order in which it is written.
    ///
    /// # Errors
    /// It cannot be read; nothing after it is.
    fn mapping(&mut self, pairs: Vec<Pair<Self::Node>>, span: Span) -> Result<Self::Node, Refused<Self::Refusal>>;

    /// A copy of a node, for an alias.
    fn alias(&mut self, copy: Self::Node, _span: Span) -> Self::Node {
        copy
    }

    /// A list or a mapping begins that has a tag.
    fn collection_tag(&mut self, _tag: &Tag, _span: Span) {}
}

/// A scalar as it is written.
#[derive(Debug)]
pub struct Written<'t> {
    /// Its text, without quotes.
    pub text: Cow<'t, str>,
    /// Whether it is neither in quotes nor a block.
    pub plain: bool,
    /// Its tag, when it has one.
    pub tag: Option<Tag>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// One of the core schema, without its prefix: `str`, `int`.
    Core(String),
    /// `!`: not plain.
    NonSpecific,
    /// Any other, as it is written.
    Other(String),
}

/// A key and its value.
#[derive(Debug)]
pub struct Pair<N> {
    /// The key.
    pub key: N,
    /// Where the key is.
    pub key_span: Span,
    /// The value.
    pub value: N,
    /// Where the value is.
    pub value_span: Span,
    /// Whether the key is a plain `<<` without a tag.
    pub is_merge: bool,
}

/// Why a schema does not take something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused<R> {
    /// Where.
    pub span: Span,
    /// Why.
    pub why: R,
}

/// How large a text may be, copies of aliases included where nothing else is said.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most nodes.
    pub nodes: usize,
    /// The most nodes that are copies.
    pub copies: usize,
    /// How deep collections may be nested.
    pub depth: usize,
}

/// Text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct YamlError<R> {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub fault: YamlFault<R>,
}

/// Why text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlFault<R> {
    /// It is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// It has too many nodes.
    #[error("it has more than {0} nodes")]
    TooLarge(usize),
    /// Its aliases stand for too many nodes.
    #[error("its aliases stand for more than {0} nodes")]
    TooManyCopies(usize),
    /// It is nested too deep.
    #[error("it is nested more than {0} levels deep")]
    TooDeep(usize),
    /// An alias refers to a node that contains it.
    #[error("an alias stands inside what it refers to")]
    AliasInItself,
    /// The schema does not take something.
    #[error("{0}")]
    Refused(R),
}

/// The root nodes of the documents of a text.
///
/// # Errors
/// The first thing that cannot be read.
pub fn compose<S: Schema>(text: &str, schema: &mut S, limits: Limits) -> Result<Vec<S::Node>, YamlError<S::Refusal>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut composer = Composer {
        schema,
        limits,
        documents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        copies: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax_error(text, &error))?;
        let span = span.byte_range().map_or_else(Span::default, |range| Span {
            offset: range.start,
            // A block text ends where the next thing begins; the space between belongs to neither.
            len: text.get(range).map_or(0, |text| text.trim_end().len()),
        });
        composer.event(event, span)?;
    }
    Ok(composer.documents)
}

/// A node that was read, with what its copies cost.
#[derive(Clone)]
struct Held<N> {
    node: N,
    span: Span,
    count: usize,
    height: usize,
    is_merge: bool,
}

/// A collection that is being read.
struct Open<N> {
    span: Span,
    anchor: usize,
    /// Keys and values by turns for a mapping.
    children: Vec<Held<N>>,
    mapping: bool,
}

struct Composer<'s, S: Schema> {
    schema: &'s mut S,
    limits: Limits,
    documents: Vec<S::Node>,
    open: Vec<Open<S::Node>>,
    anchors: HashMap<usize, Held<S::Node>>,
    nodes: usize,
    copies: usize,
}

impl<S: Schema> Composer<'_, S> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError<S::Refusal>> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let is_merge = plain && tag.is_none() && text == "<<";
                let written = Written { text, plain, tag: tag.as_deref().map(tag_of) };
                let node = self.schema.scalar(written, span).map_err(refused)?;
                self.add(Held { node, span, count: 1, height: 1, is_merge }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(false, anchor, tag.as_deref(), span),
            Event::MappingStart(_, anchor, tag) => self.begin(true, anchor, tag.as_deref(), span),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        mapping: bool,
        anchor: usize,
        tag: Option<&granit_parser::Tag>,
        span: Span,
    ) -> Result<(), YamlError<S::Refusal>> {
        if self.open.len() >= self.limits.depth {
            return Err(self.too_deep(span));
        }
        if let Some(tag) = tag {
            self.schema.collection_tag(&tag_of(tag), span);
        }
        self.open.push(Open { span, anchor, children: Vec::new(), mapping });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), YamlError<S::Refusal>> {
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(YamlError { span, fault: YamlFault::AliasInItself });
        };
        self.nodes += target.count;
        self.copies += target.count;
        if self.copies > self.limits.copies {
            return Err(YamlError { span, fault: YamlFault::TooManyCopies(self.limits.copies) });
        }
        if self.nodes > self.limits.nodes {
            return Err(self.too_large(span));
        }
        if self.open.len() + target.height > self.limits.depth {
            return Err(self.too_deep(span));
        }
        let copy = target.clone();
        let node = self.schema.alias(copy.node, span);
        self.add(Held { node, span, is_merge: false, ..copy }, 0)
    }

    fn close(&mut self, end: Span) -> Result<(), YamlError<S::Refusal>> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let last = open.children.last().map_or(open.span, |child| child.span);
        // A block collection ends with its last child; a flow collection with its bracket.
        let end = if end.len > 0 { end } else { last };
        let len = (end.offset + end.len).saturating_sub(open.span.offset);
        let span = Span { offset: open.span.offset, len: len.max(open.span.len) };
        let count = 1 + open.children.iter().map(|child| child.count).sum::<usize>();
        let height = 1 + open.children.iter().map(|child| child.height).max().unwrap_or(0);
        let node = if open.mapping {
            self.schema.mapping(pairs(open.children), span).map_err(refused)?
        } else {
            self.schema.list(open.children.into_iter().map(|child| child.node).collect(), span)
        };
        self.add(Held { node, span, count, height, is_merge: false }, open.anchor)
    }

    fn add(&mut self, held: Held<S::Node>, anchor: usize) -> Result<(), YamlError<S::Refusal>> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.too_large(held.span));
        }
        if anchor != 0 {
            self.nodes += held.count;
            self.anchors.insert(anchor, held.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(held),
            None => self.documents.push(held.node),
        }
        Ok(())
    }

    fn too_large(&self, span: Span) -> YamlError<S::Refusal> {
        YamlError { span, fault: YamlFault::TooLarge(self.limits.nodes) }
    }

    fn too_deep(&self, span: Span) -> YamlError<S::Refusal> {
        YamlError { span, fault: YamlFault::TooDeep(self.limits.depth) }
    }
}

fn pairs<N>(children: Vec<Held<N>>) -> Vec<Pair<N>> {
    let mut pairs = Vec::with_capacity(children.len() / 2);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        pairs.push(Pair {
            key: key.node,
            key_span: key.span,
            value: value.node,
            value_span: value.span,
            is_merge: key.is_merge,
        });
    }
    pairs
}

fn tag_of(tag: &granit_parser::Tag) -> Tag {
    if let Some(core) = tag.core_suffix() {
        return Tag::Core(core.to_owned());
    }
    match tag.original() {
        written if written == "!" => Tag::NonSpecific,
        written => Tag::Other(written),
    }
}

fn refused<R>(refused: Refused<R>) -> YamlError<R> {
    YamlError { span: refused.span, fault: YamlFault::Refused(refused.why) }
}

fn syntax_error<R>(text: &str, error: &ScanError) -> YamlError<R> {
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let len = text.get(at..).and_then(|rest| rest.chars().next()).filter(|c| *c != '\n').map_or(0, char::len_utf8);
    YamlError { span: Span { offset: at, len }, fault: YamlFault::Syntax(error.info().clone()) }
}
