//! `pilothouse ready`

use crate::input::settings::Settings;
use crate::input::{objects, stack};
use crate::terminal::args::{self, Output};
use crate::terminal::exit::{CommandError, Exit};
use crate::terminal::printer::{self, BAD, FAINT, GOOD, WARN, paint};
use jiff::Timestamp;
use pilothouse::kubernetes::Rules;
use pilothouse_config::Unset;
use pilothouse_core::Readiness;
use pilothouse_health::Verdict;
use serde_json::{Value, json};

/// Judges objects from files, without a cluster. Their age is counted by the clock of this machine.
pub(crate) fn ready(settings: &Settings, args: &args::Ready) -> Result<Exit, CommandError> {
    let rules = match &args.stack {
        Some(path) => stack::rules(&stack::load_for(path, settings, Unset::LeftOut)?.stack)?,
        None => Rules::default(),
    };
    let mut objects: Vec<Value> = Vec::new();
    for file in &args.file {
        objects.extend(objects::read(file)?);
    }
    if objects.is_empty() {
        return Err(CommandError::input("there is no object in what was given"));
    }
    let verdicts = rules.judge_together(&objects.iter().collect::<Vec<_>>(), Timestamp::now());
    match settings.output {
        Output::Human => print(&objects, &verdicts, args.rules),
        Output::Json => {
            let all: Vec<Value> =
                objects.iter().zip(&verdicts).map(|(object, verdict)| as_json(object, verdict)).collect();
            printer::json(Output::Json, &json!({"objects": all}));
        }
        Output::Jsonl => {
            for (object, verdict) in objects.iter().zip(&verdicts) {
                printer::json_line(&as_json(object, verdict));
            }
        }
    }
    Ok(exit(&verdicts))
}

/// What has failed counts before what is not ready yet.
fn exit(verdicts: &[Verdict]) -> Exit {
    let has = |readiness: Readiness| verdicts.iter().any(|verdict| verdict.status.readiness == readiness);
    if has(Readiness::Failed) {
        Exit::Failed
    } else if verdicts.iter().any(|verdict| !verdict.status.is_ready()) {
        Exit::InProgress
    } else {
        Exit::Done
    }
}

fn print(objects: &[Value], verdicts: &[Verdict], with_rules: bool) {
    let names: Vec<String> = objects.iter().map(name).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    for (name, verdict) in names.iter().zip(verdicts) {
        let status = &verdict.status;
        let style = match status.readiness {
            Readiness::Current => GOOD,
            Readiness::Failed => BAD,
            _ => WARN,
        };
        let word = paint(style, format!("{:11}", status.readiness.to_string()));
        let message = status.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let rule = if with_rules { paint(FAINT, format!("  [{}]", verdict.rule)) } else { String::new() };
        printer::out(format!("{name:widest$}  {word}  {message}{rule}"));
    }
}

/// `kind/namespace/name`, with the group where Kubernetes' own kinds have none.
fn name(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind").to_lowercase();
    let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = if group.contains('.') { format!("{kind}.{group}") } else { kind };
    let parts = [kind.as_str(), text("/metadata/namespace"), text("/metadata/name")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn as_json(object: &Value, verdict: &Verdict) -> Value {
    let field = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    json!({
        "object": {
            "apiVersion": field("/apiVersion"),
            "kind": field("/kind"),
            "namespace": field("/metadata/namespace"),
            "name": field("/metadata/name"),
        },
        "readiness": verdict.status.readiness,
        "reason": verdict.status.reason,
        "message": verdict.status.message,
        "rule": verdict.rule,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Readiness::{Current, Failed, InProgress, NotFound, Terminating, Unknown};
    use pilothouse_core::ObjectStatus;
    use rstest::rstest;

    #[rstest]
    #[case(&[Current, Current], Exit::Done)]
    #[case(&[Current, InProgress], Exit::InProgress)]
    #[case(&[Terminating], Exit::InProgress)]
    #[case(&[NotFound], Exit::InProgress)]
    #[case(&[Unknown], Exit::InProgress)]
    #[case(&[InProgress, Failed], Exit::Failed)]
    fn exit_codes(#[case] all: &[Readiness], #[case] expected: Exit) {
        let verdict =
            |readiness: &Readiness| Verdict { status: ObjectStatus::new(*readiness, ""), rule: String::new() };
        assert_eq!(exit(&all.iter().map(verdict).collect::<Vec<_>>()), expected);
    }

    #[rstest]
    #[case(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "a", "name": "b"}}), "pod/a/b")]
    #[case(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b"}}), "deployment/b")]
    #[case(json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "b"}}), "certificate.cert-manager.io/b")]
    #[case(json!({"apiVersion": "v1", "kind": "Pod"}), "pod")]
    fn names(#[case] object: Value, #[case] expected: &str) {
        assert_eq!(name(&object), expected);
    }
}
