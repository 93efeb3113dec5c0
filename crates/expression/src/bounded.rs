//! What is parsed is bounded: its length, how deep it is nested, and how many loops are in each other.

use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr};
use cel::parser::PrattParser;
use cel::{IdedExpr, ParseErrors};
use thiserror::Error;

/// The most bytes of an expression.
pub const MAX_BYTES: usize = 4096;
/// How deep an expression may be nested: each level takes room on the stack.
const MAX_DEPTH: u16 = 32;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// In a sentence about the expression: `it …`, `there …`.
    pub message: String,
    /// What may help.
    pub help: Option<String>,
}

impl ExpressionError {
    /// An error without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Parses an expression in which at most `loops` loops (`all`, `exists`, `map`, `filter`) stand in each other.
///
/// # Errors
/// When it is not CEL, or beyond the bounds.
pub fn parse(source: &str, loops: usize) -> Result<IdedExpr, ExpressionError> {
    if source.len() > MAX_BYTES {
        let message = format!("it is {} bytes long, and {MAX_BYTES} is the most", source.len());
        return Err(ExpressionError::new(message));
    }
    let parser = PrattParser::new().max_recursion_depth(MAX_DEPTH);
    let expression = parser.parse(source).map_err(|errors| syntax(&errors, source))?;
    let shape = Shape::of(&expression);
    if shape.depth > usize::from(MAX_DEPTH) {
        return Err(too_deep());
    }
    if shape.loops > loops {
        let message = if loops == 1 {
            "it has a loop in a loop, which could take for ever".to_owned()
        } else {
            format!("it has more than {loops} loops in each other, which could take for ever")
        };
        return Err(ExpressionError::new(message));
    }
    Ok(expression)
}

fn too_deep() -> ExpressionError {
    ExpressionError::new(format!("it is nested more than {MAX_DEPTH} levels deep"))
}

/// The first syntax error, in the words of the parser, which quotes nothing but the expression.
fn syntax(errors: &ParseErrors, source: &str) -> ExpressionError {
    if errors.errors.iter().any(|error| error.msg.contains("recursion limit")) {
        return too_deep();
    }
    let Some(first) = errors.errors.first() else { return ExpressionError::new("it is not CEL") };
    let (line, column) = first.pos;
    let place =
        if source.contains('\n') { format!("line {line}, character {column}") } else { format!("character {column}") };
    ExpressionError::new(format!("it is not CEL: {place}: {}", first.msg.trim_start_matches("Syntax error: ")))
}

/// How deep an expression is nested, and how many loops (`all`, `exists`, `map`, `filter`) are in each other.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    depth: usize,
    loops: usize,
}

impl Shape {
    fn of(expression: &IdedExpr) -> Self {
        let inner = |parts: &mut dyn Iterator<Item = &IdedExpr>| {
            parts.map(Self::of).fold(Self::default(), |most, shape| Self {
                depth: most.depth.max(shape.depth),
                loops: most.loops.max(shape.loops),
            })
        };
        let mut shape = match &expression.expr {
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Self::default(),
            Expr::Call(call) => inner(&mut call.target.as_deref().into_iter().chain(&call.args)),
            Expr::Select(select) => Self::of(&select.operand),
            Expr::List(list) => inner(&mut list.elements.iter()),
            Expr::Map(map) => inner(&mut entry_parts(&map.entries).into_iter()),
            Expr::Struct(made) => inner(&mut entry_parts(&made.entries).into_iter()),
            Expr::Comprehension(each) => {
                let range = Self::of(&each.iter_range);
                let mut body =
                    inner(&mut [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result].into_iter());
                body.loops += 1;
                Self { depth: range.depth.max(body.depth), loops: range.loops.max(body.loops) }
            }
        };
        shape.depth += 1;
        shape
    }
}

/// The expressions inside the entries of a map.
pub(crate) fn entry_parts(entries: &[IdedEntryExpr]) -> Vec<&IdedExpr> {
    let mut all = Vec::new();
    for entry in entries {
        match &entry.expr {
            EntryExpr::StructField(field) => all.push(&field.value),
            EntryExpr::MapEntry(entry) => all.extend([&entry.key, &entry.value]),
        }
    }
    all
}
