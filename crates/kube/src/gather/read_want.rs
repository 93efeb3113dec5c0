//! Reading what the diagnosis wants to know.

use crate::client::{ClusterClient, ClusterError, ListQuery, LogQuery};
use pilothouse_core::Redactor;
use pilothouse_health::{LogTail, Want, Whereabouts};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lines of a log, from its end: what a crash says stands above its trace.
const LOG_LINES: u32 = 80;
/// Characters kept of a line of a log.
const LINE: usize = 500;

/// What was read.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Object(Option<Arc<Value>>),
    List(Arc<Vec<Arc<Value>>>),
    Keys(Whereabouts),
    Log(LogTail),
}

/// All objects of a kind in a namespace.
pub(super) fn all(api_version: &str, kind: &str, namespace: Option<&str>) -> Want {
    Want::All {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.map(str::to_owned),
        labels: None,
    }
}

/// What is wanted, for people.
pub(super) fn in_words(want: &Want) -> String {
    match want {
        Want::Object(object) | Want::Keys(object) => object.to_string(),
        Want::Log { namespace, pod, container, .. } => {
            format!("the log of container {container} of Pod {namespace}/{pod}")
        }
        Want::All { kind, namespace: Some(namespace), .. } => format!("the {kind} objects of namespace {namespace}"),
        Want::All { kind, namespace: None, .. } => format!("the {kind} objects"),
    }
}

/// Reads what is wanted.
pub(super) async fn read(client: &dyn ClusterClient, want: &Want, redactor: &Redactor) -> Result<Answer, ClusterError> {
    match want {
        Want::Object(object) => Ok(Answer::Object(client.get(object).await?.map(|mut found| {
            forget_data(&mut found);
            Arc::new(found)
        }))),
        Want::Keys(object) => Ok(Answer::Keys(match client.get(object).await? {
            Some(found) => Whereabouts::There { keys: keys(&found) },
            None => Whereabouts::Missing,
        })),
        Want::All { api_version, kind, namespace, labels } => {
            let query = ListQuery {
                api_version: api_version.clone(),
                kind: kind.clone(),
                namespace: namespace.clone(),
                label_selector: labels.clone(),
                page: None,
            };
            // These may hold megabytes of Helm's records, and secrets.
            let bare = matches!(kind.as_str(), "Secret" | "ConfigMap");
            let mut found = if bare { client.list_metadata(&query).await? } else { client.list(&query).await? };
            found.iter_mut().for_each(forget_data);
            Ok(Answer::List(Arc::new(found.into_iter().map(Arc::new).collect())))
        }
        Want::Log { namespace, pod, container, previous } => {
            let query = LogQuery {
                namespace: namespace.clone(),
                pod: pod.clone(),
                container: container.clone(),
                previous: *previous,
                lines: LOG_LINES,
            };
            let mut lines = lines_of(&client.pod_log_tail(&query).await?, redactor);
            let mut of_previous = *previous;
            if of_previous && lines.is_empty() {
                of_previous = false;
                lines = lines_of(&client.pod_log_tail(&LogQuery { previous: false, ..query }).await?, redactor);
            }
            Ok(Answer::Log(LogTail { pod: pod.clone(), container: container.clone(), previous: of_previous, lines }))
        }
    }
}

fn lines_of(text: &str, redactor: &Redactor) -> Vec<String> {
    let lines = redactor.clean(text).lines(LINE).into_iter();
    lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.trim().is_empty()).collect()
}

/// The names of the keys of an object's data.
fn keys(object: &Value) -> Vec<String> {
    let maps = ["data", "binaryData"].into_iter().filter_map(|field| object.get(field)?.as_object());
    let names: BTreeSet<&String> = maps.flat_map(|map| map.keys()).collect();
    names.into_iter().cloned().collect()
}

/// Takes away what a Secret or ConfigMap holds, and the copies of it that tools leave in annotations.
pub(super) fn forget_data(object: &mut Value) {
    if !matches!(object.get("kind").and_then(Value::as_str), Some("Secret" | "ConfigMap")) {
        return;
    }
    if let Some(fields) = object.as_object_mut() {
        for field in ["data", "binaryData", "stringData"] {
            fields.remove(field);
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
        metadata.remove("managedFields");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_secret_only_the_names_of_its_keys_are_kept() {
        let mut secret = json!({
            "kind": "Secret", "data": {"user": "YQ==", "password": "aHVudGVyMjI="}, "binaryData": {"cert": "Yg=="},
            "metadata": {"name": "creds", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter22"}},
        });
        assert_eq!(keys(&secret), ["cert", "password", "user"]);
        forget_data(&mut secret);
        assert_eq!(secret, json!({"kind": "Secret", "metadata": {"name": "creds"}}));
        let mut pod = json!({"kind": "Pod", "data": 1});
        forget_data(&mut pod);
        assert_eq!(pod, json!({"kind": "Pod", "data": 1}));
    }

    #[test]
    fn lines_of_a_log_are_bounded() {
        assert_eq!(lines_of("a  \n\n  \n b\n", &Redactor::default()), ["a", " b"]);
        assert_eq!(lines_of(&"x".repeat(1000), &Redactor::default())[0].chars().count(), LINE + 1);
    }

    #[test]
    fn a_secret_across_the_limit_is_masked() {
        let line = format!("{} postgres://user:c4n4ry@db/", "x".repeat(LINE - 20));
        assert!(!lines_of(&line, &Redactor::default())[0].contains("c4n"));
        // A known one has no form, may have what ends a form in it, and may go over several lines.
        let redactor = Redactor::new(["c4n,ary22\nsecond-c4nary"]);
        let line = format!("PASSWORD=c4n,ary22 {} c4n,ary22\nsecond-c4nary", "x".repeat(LINE - 30));
        assert!(lines_of(&line, &redactor).iter().all(|line| !line.contains("c4n") && !line.contains("ary")));
    }
}
