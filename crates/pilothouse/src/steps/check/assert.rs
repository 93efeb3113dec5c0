//! `assert`: an expression about live objects.

use crate::context::Context;
use crate::steps::check::evidence;
use pilothouse_core::{AssertCheck, AssertOf, ObjectRef, Quantity, object_ref};
use pilothouse_expression::Expression;
use pilothouse_kube::ListQuery;
use pilothouse_probe::ProbeResult;
use serde_json::Value;

/// How many objects are told one by one.
const SHOWN: usize = 5;

/// The objects, in few words.
pub(super) fn of(of: &AssertOf) -> String {
    match of {
        AssertOf::Object(object) => object.to_string(),
        AssertOf::Several { kind, namespace, labels, quantity } => {
            let quantity = match quantity {
                Quantity::All => "all",
                Quantity::Any => "any",
            };
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!(" {key}={value}")).collect();
            let namespace = namespace.as_ref().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
            format!("{quantity} {kind}{namespace}{}", labels.concat())
        }
    }
}

pub(super) async fn look(ctx: &Context, check: &AssertCheck) -> ProbeResult {
    let asked = vec![format!("{}: {}", of(&check.of), check.that)];
    let expression = match Expression::parse(&check.that, &["object"]) {
        Ok(expression) => expression,
        Err(error) => {
            return ProbeResult::unknown(format!("the expression cannot be used: {}", error.message)).asked(asked);
        }
    };
    match objects(ctx, &check.of).await {
        Ok((objects, quantity)) => judge(&expression, &objects, quantity).asked(asked),
        Err(look) => look.asked(asked),
    }
}

async fn objects(ctx: &Context, of: &AssertOf) -> Result<(Vec<Value>, Quantity), ProbeResult> {
    let failed = |error| evidence::cluster(ctx, &error);
    let namespace = ctx.release().namespace;
    match of {
        AssertOf::Object(object) => {
            let object = ctx.cluster().resolve(object, &namespace).await.map_err(failed)?;
            match ctx.cluster().get(&object).await.map_err(failed)? {
                Some(found) => Ok((vec![found], Quantity::All)),
                None => Err(ProbeResult::unknown(format!("{object} does not exist"))),
            }
        }
        AssertOf::Several { kind, namespace: given, labels, quantity } => {
            let any =
                ObjectRef { api_version: None, kind: kind.clone(), namespace: given.clone(), name: "any".to_owned() };
            let resolved = ctx.cluster().resolve(&any, &namespace).await.map_err(failed)?;
            let terms: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let query = ListQuery {
                api_version: resolved.api_version.unwrap_or_default(),
                kind: resolved.kind,
                namespace: resolved.namespace,
                label_selector: Some(terms.join(",")).filter(|terms| !terms.is_empty()),
                page: None,
            };
            Ok((ctx.cluster().list(&query).await.map_err(failed)?, *quantity))
        }
    }
}

fn judge(expression: &Expression, objects: &[Value], quantity: Quantity) -> ProbeResult {
    if objects.is_empty() {
        return ProbeResult::nobody("there is no such object");
    }
    let mut held = Vec::new();
    let mut not_held = Vec::new();
    let mut untold = Vec::new();
    for object in objects {
        match expression.holds(&[object]) {
            Ok(true) => held.push(object),
            Ok(false) => not_held.push(object),
            Err(error) => untold.push((object, error.message)),
        }
    }
    let told = |objects: &[&Value]| {
        let mut lines: Vec<String> = objects.iter().take(SHOWN).flat_map(|object| shown(expression, object)).collect();
        if objects.len() > SHOWN {
            lines.push(format!("(and {} more objects)", objects.len() - SHOWN));
        }
        lines
    };
    let count = objects.len();
    match quantity {
        Quantity::Any if !held.is_empty() => {
            ProbeResult::held(format!("it holds for {} of {count}", held.len())).got(told(&held))
        }
        Quantity::Any | Quantity::All if !not_held.is_empty() && (quantity == Quantity::All || untold.is_empty()) => {
            let why = if count == 1 {
                "it does not hold".to_owned()
            } else {
                format!("it does not hold for {} of {count}", not_held.len())
            };
            ProbeResult::not_held(why).got(told(&not_held))
        }
        Quantity::Any | Quantity::All => match untold.first() {
            Some((object, why)) => {
                ProbeResult::unknown(format!("whether it holds for {} cannot be told: {why}", name(object)))
                    .got(told(&[object]))
            }
            None => {
                ProbeResult::held(if count == 1 { "it holds".to_owned() } else { format!("it holds for all {count}") })
                    .got(told(&held))
            }
        },
    }
}

fn name(object: &Value) -> String {
    object_ref(object).map(|object| object.to_string()).unwrap_or_default()
}

/// What is shown of the metadata of a Secret: annotations may repeat all it holds.
const OF_A_SECRET: [&str; 7] =
    ["name", "namespace", "labels", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"];

/// What the expression reads of an object. Nothing of what a Secret holds.
fn shown(expression: &Expression, object: &Value) -> Vec<String> {
    let mut lines = vec![name(object)];
    let secret = object["kind"] == "Secret";
    for path in expression.paths() {
        let fields = path.get(1..).unwrap_or_default();
        let fields_text: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
        let harmless = match fields_text.as_slice() {
            ["type", ..] => true,
            ["metadata", field, ..] => OF_A_SECRET.contains(field),
            _ => false,
        };
        let holds_secrets = secret && !harmless;
        let value = fields.iter().try_fold(object, |value, field| value.get(field));
        let value = match value {
            Some(_) if holds_secrets => "***".to_owned(),
            Some(value) => value.to_string(),
            None => "(not there)".to_owned(),
        };
        lines.push(format!("  {} = {value}", path.join(".")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::CheckVerdict as V;
    use rstest::rstest;
    use serde_json::json;

    fn pod(name: &str, phase: Option<&str>) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a"}, "status": {"phase": phase}})
    }

    #[rstest]
    #[case::none(&[], Quantity::All, V::NotHeld)]
    #[case::all(&["Running", "Running"], Quantity::All, V::Held)]
    #[case::not_all(&["Running", "Failed"], Quantity::All, V::NotHeld)]
    #[case::any(&["Running", "Failed"], Quantity::Any, V::Held)]
    #[case::not_any(&["Failed", "Failed"], Quantity::Any, V::NotHeld)]
    fn quantities(#[case] phases: &[&str], #[case] quantity: Quantity, #[case] expected: V) {
        let expression = Expression::parse("object.status.phase == 'Running'", &["object"]).unwrap();
        let objects: Vec<Value> = phases.iter().map(|phase| pod("p", Some(phase))).collect();
        assert_eq!(judge(&expression, &objects, quantity).verdict, expected);
    }

    #[test]
    fn a_field_that_is_not_there_cannot_be_told() {
        let expression = Expression::parse("object.status.replicas > 1", &["object"]).unwrap();
        let look = judge(&expression, &[pod("p", Some("Running"))], Quantity::All);
        let why = "whether it holds for Pod a/p cannot be told: there is no `replicas`";
        let got = vec!["Pod a/p".to_owned(), "  object.status.replicas = (not there)".to_owned()];
        assert_eq!(look, ProbeResult::unknown(why).got(got));
    }

    #[test]
    fn what_a_secret_holds_is_not_shown() {
        let expression = Expression::parse("object.data.key == 'a' || object.type == 'b'", &["object"]).unwrap();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "a"},
            "type": "Opaque", "data": {"key": "aHVudGVyMjI="}});
        let expected = ["Secret a/s", "  object.data.key = ***", "  object.type = \"Opaque\""];
        assert_eq!(shown(&expression, &secret), expected);
    }
}
