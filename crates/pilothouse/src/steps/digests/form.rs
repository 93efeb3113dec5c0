//! What steps of a stack file are given, in a form that stays the same wherever the stack file lies, whoever carries it out, and
//! whatever the types are called here. A digest is made of it; it never leaves the process, for secrets are in it.
//!
//! What is added to a step later is left out of the form where it has its default, so that no step seems to have changed with the
//! version of the program; what has to be there in any case is a new form.

use crate::digest;
use pilothouse_core::{
    AdoptStep, ApplyStep, AssertCheck, AssertOf, CheckKind, CheckStep, CheckTerms, CommandStep, DeleteStep, ExecCheck,
    FilePath, Header, HeaderValue, HelmTestCheck, HttpCheck, HttpExpect, JobCheck, JobSource, PrometheusCheck,
    Quantity, RestartStep, StepKind, TcpCheck, TlsTrust, WaitStep,
};
use pilothouse_process::{MAX_DOCUMENT, read_file};
use serde_json::{Value, json};

/// The digest of all that a step of a stack file is given, and of what its files hold.
pub(crate) async fn digest(kind: &StepKind) -> String {
    digest::of_step(&step(kind).await)
}

/// The digest of all that a check is given.
pub(crate) async fn digest_of_check(check: &CheckStep) -> String {
    digest::of_step(&json!({"check": of_check(check).await}))
}

async fn step(kind: &StepKind) -> Value {
    match kind {
        StepKind::Adopt(AdoptStep { objects, unowned }) => json!({"adopt": {"objects": objects, "unowned": unowned}}),
        StepKind::Apply(ApplyStep { files, manifests }) => {
            let mut held = Vec::with_capacity(files.len());
            for file in files {
                held.push(content(file).await);
            }
            json!({"apply": {"files": held, "manifests": manifests}})
        }
        StepKind::Delete(DeleteStep { objects, chart_crds, timeout_in_seconds }) => {
            json!({"delete": {"objects": objects, "chart_crds": chart_crds, "timeout": timeout_in_seconds}})
        }
        StepKind::Wait(WaitStep { objects, wait_for, timeout_in_seconds }) => {
            json!({"wait": {"objects": objects, "for": wait_for.to_string(), "timeout": timeout_in_seconds}})
        }
        StepKind::Command(CommandStep { argv, env, cwd, output_to, sensitive, repeatable, timeout_in_seconds }) => {
            let mut form = json!({"command": {
                "argv": argv, "env": env, "cwd": cwd.as_ref().map(FilePath::remembered), "output_to": output_to,
                "repeatable": repeatable, "timeout": timeout_in_seconds,
            }});
            // Left out where it has its default, so that no step seems to be another one than before.
            if *sensitive {
                form["command"]["sensitive"] = json!(true);
            }
            form
        }
        StepKind::Restart(RestartStep { objects }) => json!({"restart": {"objects": objects}}),
        StepKind::Check(check) => json!({"check": of_check(check).await}),
    }
}

/// What a file holds. That it cannot be read counts as such: whoever uses it says so.
async fn content(file: &FilePath) -> Value {
    match read_file(file, MAX_DOCUMENT).await {
        Ok(bytes) => json!({"content": digest::of(bytes)}),
        Err(error) => json!({"unreadable": error.kind().to_string()}),
    }
}

async fn of_check(CheckStep { terms, kind }: &CheckStep) -> Value {
    let CheckTerms { timeout_in_seconds, interval_in_seconds, stable_for_in_seconds, must_fail, baseline } = terms;
    json!({
        "terms": {
            "timeout": timeout_in_seconds, "interval": interval_in_seconds, "stable_for": stable_for_in_seconds,
            "must_fail": must_fail, "baseline": baseline,
        },
        kind.name(): looks_at(kind).await,
    })
}

async fn looks_at(kind: &CheckKind) -> Value {
    match kind {
        CheckKind::Http(HttpCheck { endpoint, tls, path, method, headers, body, expect }) => {
            let HttpExpect { status, body_contains, json, headers: expected } = expect;
            let status: Vec<String> = status.iter().map(ToString::to_string).collect();
            json!({
                "endpoint": endpoint.to_string(), "tls": trust(tls.as_ref()).await, "path": path, "method": method,
                "headers": of_headers(headers).await, "body": body,
                "expect": {"status": status, "body_contains": body_contains, "json": json, "headers": expected},
            })
        }
        CheckKind::Tcp(TcpCheck { endpoint }) => json!({"endpoint": endpoint.to_string()}),
        CheckKind::Exec(ExecCheck { target, container, command, exit_code, stdout_contains }) => json!({
            "target": target, "container": container, "command": command, "exit_code": exit_code,
            "stdout_contains": stdout_contains,
        }),
        CheckKind::Assert(AssertCheck { of, that }) => {
            let of = match of {
                AssertOf::Object(object) => json!({"object": object}),
                AssertOf::Several { kind, namespace, labels, quantity } => {
                    let quantity = match quantity {
                        Quantity::All => "all",
                        Quantity::Any => "any",
                    };
                    json!({"kind": kind, "namespace": namespace, "labels": labels, "quantity": quantity})
                }
            };
            json!({"of": of, "that": that})
        }
        CheckKind::Job(JobCheck { source }) => match source {
            JobSource::File(file) => json!({"file": content(file).await}),
            JobSource::Manifest(text) => json!({"manifest": text}),
            JobSource::Template(text) => json!({"template": text}),
        },
        CheckKind::HelmTest(HelmTestCheck { tests }) => json!({"tests": tests}),
        CheckKind::Prometheus(PrometheusCheck { endpoint, tls, path_prefix, headers, query, expect }) => json!({
            "endpoint": endpoint.to_string(), "tls": trust(tls.as_ref()).await, "path_prefix": path_prefix,
            "headers": of_headers(headers).await, "query": query, "expect": expect,
        }),
    }
}

async fn trust(tls: Option<&TlsTrust>) -> Value {
    let Some(TlsTrust { ca_file, skip_verify, server_name }) = tls else { return Value::Null };
    let ca = match ca_file {
        Some(file) => content(file).await,
        None => Value::Null,
    };
    json!({"ca": ca, "skip_verify": skip_verify, "server_name": server_name})
}

async fn of_headers(headers: &[Header]) -> Vec<Value> {
    let mut all = Vec::with_capacity(headers.len());
    for Header { name, value } in headers {
        let value = match value {
            HeaderValue::Plain(text) => json!({"value": text}),
            HeaderValue::Sensitive(secret) => json!({"value": secret.expose()}),
            HeaderValue::File { prefix, file } => json!({"prefix": prefix, "file": content(file).await}),
        };
        all.push(json!({"name": name, "is": value}));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Written down: another form here would run steps again that have not changed.
    #[tokio::test]
    async fn what_is_given_has_the_form_it_always_had() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "kind: ConfigMap\n").unwrap();
        let file = |given: &str| FilePath::new(folder.path(), given);
        let command = CommandStep {
            argv: vec!["migrate".to_owned()],
            env: BTreeMap::from([("MODE".to_owned(), "fast".to_owned())]),
            cwd: Some(file("./db")),
            output_to: None,
            sensitive: false,
            repeatable: false,
            timeout_in_seconds: 300,
        };
        let check = CheckStep {
            terms: CheckTerms::default(),
            kind: CheckKind::Job(JobCheck { source: JobSource::File(file("a.yaml")) }),
        };
        let steps = [
            StepKind::Command(command),
            StepKind::Apply(ApplyStep { files: vec![file("a.yaml"), file("none")], manifests: vec!["b".to_owned()] }),
            StepKind::Delete(DeleteStep { objects: Vec::new(), chart_crds: true, timeout_in_seconds: 60 }),
            StepKind::Check(Box::new(check)),
        ];
        let mut forms = Vec::new();
        for kind in &steps {
            let form = step(kind).await;
            assert_eq!(digest(kind).await, digest::of_step(&form));
            forms.push(form.to_string());
        }
        let content = "bb6c7fb1ce4b8ac8baa8f6344623dd4602cf3d6ce859f9ff859a5a43787c5987";
        let expected = [
            r#"{"command":{"argv":["migrate"],"env":{"MODE":"fast"},"cwd":"db","output_to":null,"repeatable":false,"timeout":300}}"#,
            r#"{"apply":{"files":[{"content":"CONTENT"},{"unreadable":"entity not found"}],"manifests":["b"]}}"#,
            r#"{"delete":{"objects":[],"chart_crds":true,"timeout":60}}"#,
            r#"{"check":{"terms":{"timeout":60,"interval":2,"stable_for":0,"must_fail":false,"baseline":false},"job":{"file":{"content":"CONTENT"}}}}"#,
        ];
        assert_eq!(forms, expected.map(|form| form.replace("CONTENT", content)));
        assert_eq!(digest::of_step(&json!({})), digest::of(r#"{"form":2,"step":{}}"#));
    }
}
