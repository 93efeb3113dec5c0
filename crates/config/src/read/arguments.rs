//! A program and its arguments, of a command and of a check that runs one.

use super::fields::{Fields, Sink, wrong_type};
use crate::text::Node;

/// A program and its arguments.
pub(crate) fn arguments(command: &Fields<'_>, key: &str, out: &mut Sink) -> Vec<String> {
    if let Some(scalar) = command.node(key).and_then(Node::scalar).filter(|scalar| !scalar.is_null()) {
        let quoted = serde_json::Value::from(scalar.text().trim());
        let help = format!(
            "no shell is involved unless it is named: write `{key}: [sh, -c, {quoted}]`, or each argument as an item"
        );
        command.wrong_type(key, "a list of the program and its arguments", Some(help), out);
        return Vec::new();
    }
    // Arguments may be empty, so they are not read as `texts`.
    let mut argv = Vec::new();
    for item in command.items(key, out) {
        match item.scalar() {
            Some(scalar) if !scalar.is_null() => argv.push(scalar.text().to_owned()),
            _ => wrong_type(item, &format!("an item of `{key}`"), "text", None, out),
        }
    }
    command.report_empty_list(key, out);
    argv
}
