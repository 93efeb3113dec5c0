//! Expressions in the stack file: CEL, the Common Expression Language (<https://cel.dev>).
//!
//! What is evaluated is bounded before it is evaluated: its length, how deep it is nested, and that no loop is in a
//! loop. Values are never part of an error, since they may be secrets.

mod bounded;

pub use bounded::{ExpressionError, MAX_BYTES, parse};

use bounded::{entry_parts, parts};
use cel::common::ast::Expr;
use cel::{Context, ExecutionError, IdedExpr, Value};
use std::collections::HashMap;

/// An expression that was read, is bounded, and names no variable it does not see.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    names: Vec<String>,
    parsed: IdedExpr,
}

impl Expression {
    /// Reads an expression that may see the variables `names`.
    ///
    /// # Errors
    /// What is wrong with it, with the place of a syntax error.
    pub fn parse(source: &str, names: &[&str]) -> Result<Self, ExpressionError> {
        let parsed = parse(source, 1)?;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        match free_variable(&parsed, &mut names.clone()) {
            Some(unknown) => Err(undeclared(&unknown, &names)),
            None => Ok(Self { source: source.to_owned(), names, parsed }),
        }
    }

    /// Whether it holds for these values of its variables, in the order of their names. Values are never part of an
    /// error.
    ///
    /// # Errors
    /// When it cannot be evaluated, or gives neither true nor false.
    pub fn holds(&self, values: &[&serde_json::Value]) -> Result<bool, ExpressionError> {
        let mut context = Context::default();
        for (name, value) in self.names.iter().zip(values) {
            context.add_variable_from_value(name.as_str(), to_cel(value));
        }
        match context.resolve(&self.parsed) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(ExpressionError::new(format!("it gives a {}, not true or false", other.type_of()))
                .help("compare it with something, for example `env.REGION == 'eu'`")),
            Err(error) => Err(explained(&error, &self.source, &self.names)),
        }
    }

    /// The fields it reads of its variables, longest first: `["object", "status", "readyReplicas"]`, in order, each once.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        collect_paths(&self.parsed, &self.names, &mut found);
        found
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Numbers without a fraction are integers, as far as they fit.
fn to_cel(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::Int(number),
            (None, Some(number), _) => Value::UInt(number),
            (None, None, number) => Value::Float(number.unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_cel).collect::<Vec<_>>()),
        Json::Object(fields) => {
            let fields: HashMap<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect();
            Value::from(fields)
        }
    }
}

/// A variable that is neither known nor made by a loop of the expression itself.
fn free_variable(expression: &IdedExpr, known: &mut Vec<String>) -> Option<String> {
    let mut any = |parts: Vec<&IdedExpr>| parts.into_iter().find_map(|part| free_variable(part, known));
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => None,
        Expr::Ident(name) => (!known.iter().any(|other| other == name)).then(|| name.clone()),
        Expr::Call(call) => any(call.target.as_deref().into_iter().chain(&call.args).collect()),
        Expr::Select(select) => free_variable(&select.operand, known),
        Expr::List(list) => any(list.elements.iter().collect()),
        Expr::Map(map) => any(entry_parts(&map.entries)),
        Expr::Struct(made) => any(entry_parts(&made.entries)),
        Expr::Comprehension(each) => {
            let outside = any(vec![&each.iter_range, &each.accu_init]);
            let before = known.len();
            known.push(each.iter_var.clone());
            known.push(each.accu_var.clone());
            known.extend(each.iter_var2.clone());
            let inside = [&each.loop_cond, &each.loop_step, &each.result]
                .into_iter()
                .find_map(|part| free_variable(part, known));
            known.truncate(before);
            outside.or(inside)
        }
    }
}

fn collect_paths(expression: &IdedExpr, names: &[String], found: &mut Vec<Vec<String>>) {
    if let Some(path) = path(expression, names) {
        if path.len() > 1 && !found.contains(&path) {
            found.push(path);
        }
        return;
    }
    for part in parts(expression) {
        collect_paths(part, names, found);
    }
}

/// Fields of fields of a variable.
fn path(expression: &IdedExpr, names: &[String]) -> Option<Vec<String>> {
    match &expression.expr {
        Expr::Ident(name) if names.contains(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut path = path(&select.operand, names)?;
            path.push(select.field.clone());
            Some(path)
        }
        _ => None,
    }
}

fn undeclared(name: &str, names: &[String]) -> ExpressionError {
    let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    ExpressionError::new(format!("there is no variable or function `{name}`"))
        .help(format!("it knows {}; text stands in quotes", known.join(" and ")))
}

/// What went wrong in an evaluation, without the values that took part in it.
fn explained(error: &ExecutionError, source: &str, names: &[String]) -> ExpressionError {
    match error {
        // A key may have been computed from a value.
        ExecutionError::NoSuchKey(key) if source.contains(key.as_str()) => {
            ExpressionError::new(format!("there is no `{key}`")).help(asked_first(key, names))
        }
        ExecutionError::NoSuchKey(_) => ExpressionError::new("there is nothing of the name it asks for"),
        ExecutionError::UndeclaredReference(name) => undeclared(name, names),
        ExecutionError::NoSuchOverload(overload) => no_such(overload.function(), overload.argument_types()),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            no_such(operator, &[left.type_of().to_string(), right.type_of().to_string()])
        }
        ExecutionError::FunctionError { function, .. } => {
            ExpressionError::new(format!("`{function}` cannot work with what it is given"))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            ExpressionError::new("it divides by zero")
        }
        _ => ExpressionError::new("it cannot be evaluated"),
    }
}

fn asked_first(key: &str, names: &[String]) -> String {
    let of = names.first().map_or("object", String::as_str);
    format!("ask for it first, for example `has({of}.{key}) && {of}.{key} == 'a'`")
}

/// `function` is a name, or an operator with `_` for each operand.
fn no_such(function: &str, types: &[String]) -> ExpressionError {
    let shown = if function.starts_with('_') || function.ends_with('_') {
        function.replace('_', "")
    } else {
        function.to_owned()
    };
    match types.first() {
        Some(of) if shown == "." => ExpressionError::new(format!("a {of} has no fields")),
        _ => ExpressionError::new(format!("`{shown}` cannot be used with {}", types.join(" and "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn holds(source: &str) -> Result<bool, String> {
        let object = json!({"spec": {"replicas": 3, "ratio": 0.5, "big": u64::MAX, "none": null},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let expression = Expression::parse(source, &["object", "n"]).map_err(|error| error.message)?;
        expression.holds(&[&object, &json!(2.0)]).map_err(|error| error.message)
    }

    #[rstest]
    #[case("object.spec.replicas == 3 && object.spec.replicas > 2", true)]
    #[case("n > 1 && n == 2", true)]
    #[case("object.spec.ratio < 1", true)]
    #[case("object.spec.big > 0", true)]
    #[case("object.spec.none == null", true)]
    #[case("object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", true)]
    #[case("object.status.conditions.all(c, c.status == 'False')", false)]
    #[case("size(object.status.conditions) == 1", true)]
    fn values_of_json(#[case] source: &str, #[case] expected: bool) {
        assert_eq!(holds(source), Ok(expected));
    }

    #[test]
    fn what_it_reads_is_known() {
        let source = "has(object.a.b) && object.a.b.exists(x, x.y > object.c) && size(object.a.b) > 0";
        let expression = Expression::parse(source, &["object"]).unwrap();
        assert_eq!(expression.paths(), [vec!["object", "a", "b"], vec!["object", "c"]]);
    }

    #[rstest]
    #[case("c.type == 'a'", "there is no variable or function `c`")]
    #[case("object.all(c, c == d)", "there is no variable or function `d`")]
    #[case("object.status.conditions.all(c, c.x == 'a') && c == 1", "there is no variable or function `c`")]
    #[case("{'a': nope}.a == 1", "there is no variable or function `nope`")]
    fn unknown_variables_are_found_before_anything_is_evaluated(#[case] source: &str, #[case] expected: &str) {
        assert_eq!(Expression::parse(source, &["object"]).unwrap_err().message, expected);
    }
}
