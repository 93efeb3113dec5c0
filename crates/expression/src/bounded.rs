//! What is parsed is bounded: its length, how deep it is nested, how many loops are in each other or follow each other, and
//! that no loop makes its values longer.

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

/// Parses an expression in which at most `loops` loops (`all`, `exists`, `map`, `filter`) stand in each other, and one more
/// goes over what others make.
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
    if shape.chain > loops + 1 {
        let message =
            format!("it has more than {} loops over what the one before makes, which could take for ever", loops + 1);
        return Err(ExpressionError::new(message));
    }
    if grows(&expression, &mut Vec::new(), false) {
        let message = "it adds (`+`) in what a `map` makes, which could become too large";
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
    /// As `loops`, and a loop over what another one makes counts as if it stood in it.
    chain: usize,
}

impl Shape {
    fn of(expression: &IdedExpr) -> Self {
        let inner = |parts: &mut dyn Iterator<Item = &IdedExpr>| {
            parts.map(Self::of).fold(Self::default(), |most, shape| Self {
                depth: most.depth.max(shape.depth),
                loops: most.loops.max(shape.loops),
                chain: most.chain.max(shape.chain),
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
                Self {
                    depth: range.depth.max(body.depth),
                    loops: range.loops.max(body.loops),
                    chain: range.chain + body.chain + 1,
                }
            }
        };
        shape.depth += 1;
        shape
    }
}

/// What the parser makes of `+`, also of a loop that adds to its list.
const PLUS: &str = "_+_";

/// Whether a loop adds to its variable in what it makes: over what it made before, that doubles with each step. `variables` are
/// those of the loops around that make lists, `made` whether it is within what such a loop makes.
fn grows<'e>(expression: &'e IdedExpr, variables: &mut Vec<&'e str>, made: bool) -> bool {
    match &expression.expr {
        Expr::Call(call) if call.func_name == PLUS => {
            let own = call.args.iter().any(is_result);
            (!own && made && mentions(expression, variables))
                || call.args.iter().any(|part| grows(part, variables, made || own))
        }
        Expr::Comprehension(each) => {
            if grows(&each.iter_range, variables, made) {
                return true;
            }
            let outer = variables.len();
            variables.push(&each.iter_var);
            variables.extend(each.iter_var2.as_deref());
            let inside = [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result];
            let found = inside.into_iter().any(|part| grows(part, variables, made));
            variables.truncate(outer);
            found
        }
        _ => parts(expression).into_iter().any(|part| grows(part, variables, made)),
    }
}

/// The list a loop makes, under a name that nobody can write.
fn is_result(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name.starts_with('@'))
}

fn mentions(expression: &IdedExpr, variables: &[&str]) -> bool {
    match &expression.expr {
        Expr::Ident(name) => variables.contains(&name.as_str()),
        _ => parts(expression).into_iter().any(|part| mentions(part, variables)),
    }
}

/// The expressions an expression is made of.
pub(crate) fn parts(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => entry_parts(&map.entries),
        Expr::Struct(made) => entry_parts(&made.entries),
        Expr::Comprehension(each) => {
            vec![&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ADDS: &str = "it adds (`+`) in what a `map` makes, which could become too large";
    const CHAIN: &str = "it has more than 3 loops over what the one before makes, which could take for ever";

    #[rstest]
    #[case::doubles("size(['x'].map(a, a + a)[0]) > 0", Some(ADDS))]
    #[case::of_a_part("x.map(a, {'b': a.c + 'd'})[0].b == ''", Some(ADDS))]
    #[case::through_another_loop("x.map(a, [a].map(b, b)[0] + 'c')[0] == ''", Some(ADDS))]
    #[case::of_the_outer_variable("x.map(a, [1].map(b, a + a)[0])[0] == ''", Some(ADDS))]
    #[case::in_a_loop_over_what_it_makes("x.map(a, a + a).exists(b, b == '')", Some(ADDS))]
    #[case::chained("x.map(a, [a, a]).map(a, [a, a]).map(a, [a, a]).map(a, [a, a]) == x", Some(CHAIN))]
    #[case::chained_in_a_loop("x.all(a, a.map(b, b).map(b, b).map(b, b) == x)", Some(CHAIN))]
    #[case::two_loops("x.map(a, a.b.map(c, c.d))[0] == y", None)]
    #[case::a_loop_after_others("x.filter(a, a.b).map(a, a.c).all(a, a > 1)", None)]
    #[case::not_of_a_variable("x.map(a, 1 + 2)[0] == 3", None)]
    #[case::in_what_is_asked("x.filter(a, a.b + 1 > a.c).all(a, a.d + 1 > 2)", None)]
    #[case::outside("size(x.map(a, a)) + size(y) > 1", None)]
    fn what_could_become_too_much(#[case] source: &str, #[case] expected: Option<&str>) {
        assert_eq!(parse(source, 2).err().map(|error| error.message).as_deref(), expected);
    }

    #[test]
    fn what_doubles_with_each_step_is_refused() {
        let source = format!("size(['x']{}[0]) > 0", ".map(a,a+a+a+a+a+a+a+a)".repeat(12));
        assert!(parse(&source, 1).is_err());
    }
}
