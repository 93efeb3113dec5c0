//! Single settings of values.

use super::context::{Context, Unset};
use super::documents::{refuse_lost_digits, tell_floats, tell_floats_in_text, warn_of_other_readings};
use super::fields::{Fields, Sink};
use crate::keys::SET_VALUE;
use crate::text::{Content, Node, Problem, Scalar, parse};
use pilothouse_core::{Sensitive, SetValue, ValueSource, is_secret_name};
use pilothouse_yaml::Meaning;

/// How a value is understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Auto,
    String,
    Json,
}

/// Reads `values` of a release.
pub(crate) fn read_values(release: &Fields<'_>, context: &Context<'_>, out: &mut Sink) -> Vec<SetValue> {
    let mut values = Vec::new();
    for (index, node) in release.items("values", out).iter().enumerate() {
        // Masked before anything is reported, also when the flag itself is wrong.
        let sensitive = node.get("sensitive").is_some_and(|flag| !matches!(flag.meaning(), Some(Meaning::Bool(false))));
        if let Some(value) = node.get("value").filter(|_| sensitive) {
            out.masked.push(value.span);
        }
        let what = format!("item {} of `values`", index + 1);
        let Some(fields) = Fields::open(node, &SET_VALUE, what, out) else { continue };
        let key = fields.text("key", out).unwrap_or_default().to_owned();
        check_key(&fields, &key, out);
        let source = read_source(&fields, sensitive, context, out);
        if let (Some(ValueSource::Json(_)), Some(value)) = (&source, fields.node("value")) {
            tell_floats(value, is_secret_key(&key), out);
        }
        if let Some(value) = source {
            values.push(SetValue { key, value });
        }
    }
    values
}

fn is_secret_key(key: &str) -> bool {
    key.split(['.', '[']).any(is_secret_name)
}

fn read_source(fields: &Fields<'_>, sensitive: bool, context: &Context<'_>, out: &mut Sink) -> Option<ValueSource> {
    let types = [("auto", Type::Auto), ("string", Type::String), ("json", Type::Json)];
    let kind = fields.choice("type", &types, out);
    fields.flag("sensitive", out);
    if let Some(node) = fields.node("type").filter(|_| sensitive && kind.is_some_and(|kind| kind != Type::String)) {
        out.push(
            Problem::error("CONFLICTING_KEYS", node.span, "a sensitive value is always a string")
                .label("not with `sensitive`")
                .help("leave `type` out"),
        );
    }
    if let Some(payload_key) = fields.text("from_payload", out) {
        for (key, why) in
            [("sensitive", "secrets do not travel in the payload"), ("type", "a payload entry has its type")]
        {
            if let Some(span) = fields.key_span(key).filter(|_| key == "type" || sensitive) {
                out.push(
                    Problem::error("CONFLICTING_KEYS", span, format!("`{key}` cannot go with `from_payload`"))
                        .label(why),
                );
            }
        }
        return Some(ValueSource::Payload(payload_key.to_owned()));
    }
    if fields.node("from_env").is_some() {
        let text = context.variable(fields, Unset::LeftOutOfValues, out)?.to_owned();
        return if sensitive {
            Some(secret(text))
        } else {
            typed_text(fields, "from_env", kind.unwrap_or(Type::Auto), text, out)
        };
    }
    read_value(fields, kind, sensitive, out)
}

fn read_value(fields: &Fields<'_>, kind: Option<Type>, sensitive: bool, out: &mut Sink) -> Option<ValueSource> {
    let node = fields.node("value")?;
    let text = match &node.content {
        Content::Scalar(scalar) if !scalar.is_null() => Some(scalar),
        Content::Scalar(_) | Content::List(_) | Content::Mapping(_) => None,
    };
    if sensitive || matches!(kind, Some(Type::Auto | Type::String)) {
        let Some(scalar) = text else {
            fields.wrong_type("value", "text", Some("lists and mappings are `type: json`".to_owned()), out);
            return None;
        };
        let text = scalar.text().to_owned();
        return if sensitive { Some(secret(text)) } else { typed_text(fields, "value", kind?, text, out) };
    }
    if let Some(scalar) = text.filter(|scalar| *scalar.meaning() == Meaning::Text) {
        return typed_text(fields, "value", kind.unwrap_or(Type::Auto), scalar.text().to_owned(), out);
    }
    warn_of_other_readings(node, out);
    Some(ValueSource::Json(node.to_json()))
}

fn secret(text: String) -> ValueSource {
    ValueSource::Sensitive(Sensitive::new(text))
}

fn typed_text(fields: &Fields<'_>, name: &str, kind: Type, text: String, out: &mut Sink) -> Option<ValueSource> {
    match kind {
        Type::Auto => Some(ValueSource::Auto(text)),
        Type::String => Some(ValueSource::String(text)),
        Type::Json => match serde_json::from_str(&text) {
            Ok(value) => {
                // JSON is YAML too, and knows where things stand then.
                let read = parse(&text).map(|parsed| parsed.documents).unwrap_or_default();
                let span = fields.node(name)?.span;
                refuse_lost_digits(&text, &read, span, out);
                let key = fields.node("key").and_then(Node::scalar).map_or("", Scalar::text);
                tell_floats_in_text(&text, &read, span, is_secret_key(key), out);
                Some(ValueSource::Json(value))
            }
            Err(error) => {
                let span = fields.node(name)?.span;
                out.push(
                    Problem::error("JSON_INVALID", span, format!("this text is not JSON: {error}"))
                        .label("not JSON")
                        .help("text in JSON has double quotes of its own: '\"text\"'; or give the value as plain YAML"),
                );
                None
            }
        },
    }
}

/// The shape of Helm's `--set` paths (`pkg/strvals`): names with dots between them, each with any number of `[n]`.
fn check_key(fields: &Fields<'_>, key: &str, out: &mut Sink) {
    let Some(node) = fields.node("key").filter(|_| !key.is_empty()) else { return };
    if let Err(why) = path_shape(key) {
        out.push(
            Problem::error("VALUE_KEY_INVALID", node.span, format!("`{key}` is not a path of a value: {why}"))
                .label("not a path")
                .help("for example `image.tag`, `hosts[0].name`, `annotations.example\\.com/a`"),
        );
    }
}

fn path_shape(key: &str) -> Result<(), &'static str> {
    let mut chars = key.chars();
    let mut name = String::new();
    let mut after_index = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped) => name.push(escaped),
                None => return Err("it ends with a backslash"),
            },
            '.' if name.is_empty() && !after_index => return Err("there is nothing before a dot"),
            '.' => {
                name.clear();
                after_index = false;
            }
            '[' => {
                let index: String = chars.by_ref().take_while(|c| *c != ']').collect();
                if index.is_empty() || !index.chars().all(|c| c.is_ascii_digit()) {
                    return Err("an index must be a number in brackets");
                }
                after_index = true;
            }
            ']' => return Err("a bracket is closed that was not opened"),
            '=' | ',' => return Err("`=` and `,` must be escaped with a backslash"),
            _ if after_index => return Err("after an index comes a dot"),
            _ => name.push(c),
        }
    }
    if name.is_empty() && !after_index { Err("it ends with a dot") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::path_shape;
    use rstest::rstest;

    #[rstest]
    #[case("image.tag", Ok(()))]
    #[case("hosts[0]", Ok(()))]
    #[case("hosts[0][1].name", Ok(()))]
    #[case("annotations.example\\.com/a", Ok(()))]
    #[case("a..b", Err("there is nothing before a dot"))]
    #[case(".a", Err("there is nothing before a dot"))]
    #[case("a.", Err("it ends with a dot"))]
    #[case("a\\", Err("it ends with a backslash"))]
    #[case("a[x]", Err("an index must be a number in brackets"))]
    #[case("a[0]b", Err("after an index comes a dot"))]
    #[case("a]", Err("a bracket is closed that was not opened"))]
    #[case("a=1", Err("`=` and `,` must be escaped with a backslash"))]
    fn paths(#[case] key: &str, #[case] expected: Result<(), &'static str>) {
        assert_eq!(path_shape(key), expected);
    }
}
