//! What an expression of a rule sees of an object: only what it asks for is made ready for it.

use crate::conventions::fields::member;
use cel::common::ast::{EntryExpr, Expr};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;
use cel::{Context, Env, IdedExpr};
use pilothouse_expression::ExpressionError;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

/// The functions of CEL; making them takes longer than most evaluations.
static FUNCTIONS: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The variables of a rule: the whole object, its three parts, and its conditions by type.
pub(super) const VARIABLES: [&str; 5] = ["object", "metadata", "spec", "status", "conditions"];

/// What an expression asks for, of each variable.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeMap<&'static str, Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Fields(BTreeSet<String>),
}

/// The functions a rule may call.
const FUNCTIONS_BY_NAME: [&str; 22] = [
    "bool",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "uint",
];

impl Asked {
    /// What an expression asks for.
    ///
    /// # Errors
    /// When it names a variable or a function that is not there.
    pub(super) fn of(expression: &IdedExpr) -> Result<Self, ExpressionError> {
        let mut asked = Self::default();
        asked.look_at(expression, &mut Vec::new())?;
        Ok(asked)
    }

    /// `bound` are the variables of the loops around `expression`.
    fn look_at<'e>(&mut self, expression: &'e IdedExpr, bound: &mut Vec<&'e str>) -> Result<(), ExpressionError> {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.ask(name, None, bound),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) => self.ask(name, Some(&select.field), bound),
                _ => self.look_at(&select.operand, bound),
            },
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                if name.starts_with(char::is_alphabetic) && !FUNCTIONS_BY_NAME.contains(&name) {
                    return Err(ExpressionError::new(format!("there is no function `{name}`")));
                }
                let mut parts = call.target.as_deref().into_iter().chain(&call.args);
                parts.try_for_each(|part| self.look_at(part, bound))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.look_at(element, bound)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| self.look_at_entry(&entry.expr, bound)),
            Expr::Struct(made) => made.entries.iter().try_for_each(|entry| self.look_at_entry(&entry.expr, bound)),
            Expr::Comprehension(each) => {
                self.look_at(&each.iter_range, bound)?;
                let outer = bound.len();
                bound.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
                bound.extend(each.iter_var2.as_deref());
                let parts = [&each.accu_init, &each.loop_cond, &each.loop_step, &each.result];
                let looked = parts.into_iter().try_for_each(|part| self.look_at(part, bound));
                bound.truncate(outer);
                looked
            }
        }
    }

    fn look_at_entry<'e>(&mut self, entry: &'e EntryExpr, bound: &mut Vec<&'e str>) -> Result<(), ExpressionError> {
        match entry {
            EntryExpr::StructField(field) => self.look_at(&field.value, bound),
            EntryExpr::MapEntry(entry) => {
                self.look_at(&entry.key, bound)?;
                self.look_at(&entry.value, bound)
            }
        }
    }

    fn ask(&mut self, name: &str, field: Option<&str>, bound: &[&str]) -> Result<(), ExpressionError> {
        if bound.contains(&name) {
            return Ok(());
        }
        let Some(variable) = VARIABLES.into_iter().find(|variable| *variable == name) else {
            return Err(ExpressionError::new(format!("there is no variable `{name}`"))
                .help("it knows `object`, `metadata`, `spec`, `status` and `conditions`; text stands in quotes"));
        };
        match field {
            None => {
                self.0.insert(variable, Part::Whole);
            }
            Some(field) => {
                if let Part::Fields(fields) = self.0.entry(variable).or_insert_with(|| Part::Fields(BTreeSet::new())) {
                    fields.insert(field.to_owned());
                }
            }
        }
        Ok(())
    }

    /// The variables with what was asked for of them.
    pub(super) fn context<'p, 'v>(&self, object: &'v Value) -> Context<'p, 'v> {
        let mut context = Context::with_env(FUNCTIONS.clone());
        for (variable, part) in &self.0 {
            let value: Box<dyn Val + 'v> = match *variable {
                "object" => Box::new(map_or_empty(Some(object), part)),
                "conditions" => Box::new(conditions(object, part)),
                name => Box::new(map_or_empty(object.get(name), part)),
            };
            context.add_variable_as_val(*variable, value);
        }
        context
    }
}

impl Part {
    fn has(&self, field: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Fields(fields) => fields.contains(field),
        }
    }
}

/// The conditions of the status by their types, the first of each.
fn conditions<'v>(object: &'v Value, part: &Part) -> CelMap<'v> {
    let all = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let asked = all.filter(|condition| part.has(member(condition, "type")));
    let mut by_type: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::new();
    for condition in asked {
        by_type.entry(key(member(condition, "type"))).or_insert_with(|| Box::new(one_condition(condition)));
    }
    CelMap::from(by_type)
}

/// A condition, with its status as text also where its controller writes a boolean.
fn one_condition(condition: &Value) -> CelMap<'_> {
    let entries = condition.as_object().into_iter().flatten().map(|(field, value)| {
        let value: Box<dyn Val + '_> = match (field.as_str(), value) {
            ("status", Value::Bool(flag)) => Box::new(CelString::from(if *flag { "True" } else { "False" })),
            _ => any(value),
        };
        (key(field), value)
    });
    CelMap::from(entries.collect::<HashMap<_, _>>())
}

fn map_or_empty<'v>(from: Option<&'v Value>, part: &Part) -> CelMap<'v> {
    from.and_then(Value::as_object).map_or_else(CelMap::default, |from| map(from, part))
}

fn map<'v>(from: &'v Map<String, Value>, part: &Part) -> CelMap<'v> {
    let entries = from.iter().filter(|(field, _)| part.has(field));
    CelMap::from(entries.map(|(field, value)| (key(field), any(value))).collect::<HashMap<_, _>>())
}

fn key(field: &str) -> CelMapKey<'_> {
    CelMapKey::from(field)
}

fn any(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or_default())),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(any).collect::<Vec<_>>())),
        Value::Object(inner) => Box::new(map(inner, &Part::Whole)),
    }
}
