//! The reference of the stack file for people, made from the list of its keys.

use crate::keys::{Key, Kind, MAX_SECONDS, Need, TABLES, Table};
use pilothouse_core::{ConsentTo, FailurePolicy};

const INTRODUCTION: &str = "\
# The stack file

`pilothouse.yaml` names the releases of a stack and the steps around them. It is plain YAML 1.2; Helm's own templating
stays in the charts. This page lists every key. An editor that knows the YAML language server completes and checks them
from the schema, with this line at the top of the file:

```yaml
# yaml-language-server: $schema=https://raw.githubusercontent.com/pilothouse/pilothouse/main/crates/config/schema/pilothouse.v1.schema.json
```

Everything that is wrong with a file is reported in one go, each with its line. Unknown keys are errors. Relative paths
start at the folder of the stack file, wherever the program is started. Anchors, aliases and merge keys (`<<`) work.

```yaml
version: 1
name: platform
defaults: { on_failure: rollback }
releases:
  - name: cert-manager
    namespace: cert-manager
    chart: { repo: https://charts.jetstack.io, name: cert-manager, version: ~1.20 }
    crds: upgrade
    values_files: [values/cert-manager.yaml]
    values:
      - { key: replicaCount, value: 2 }
    validate:
      - wait: { objects: [deployment/cert-manager-webhook], timeout_in_seconds: 120 }
```

This page is generated from the program's list of keys; a test keeps it so.
";

/// The reference of the stack file as Markdown: every key with its type, default, meaning and an example.
pub fn reference_markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for table in TABLES {
        page.push_str(&format_table(table));
    }
    page
}

fn format_table(table: &Table) -> String {
    let mut out = format!("\n## {}\n\n{}", title(table), table.doc);
    if !table.exactly_one.is_empty() {
        let keys: Vec<String> = table.exactly_one.iter().map(|key| format!("`{key}`")).collect();
        out = format!("{out} Exactly one of {} is given.", keys.join(", "));
    }
    out.push_str("\n\n| key | type | default | meaning | example |\n|---|---|---|---|---|\n");
    for key in table.keys {
        out.push_str(&format_key(key));
    }
    out
}

fn format_key(key: &Key) -> String {
    let default = match key.need {
        Need::Required => "**required**".to_owned(),
        Need::Default(text) if text.contains(' ') || text == "none" => text.to_owned(),
        Need::Default(text) => format!("`{text}`"),
    };
    // A bar would end the cell.
    let cell = |text: &str| text.replace('|', "\\|");
    let beside = if key.beside.is_empty() { String::new() } else { format!(", beside `{}`", cell(key.beside)) };
    format!(
        "| `{name}` | {} | {} | {} | `{name}: {}`{beside} |\n",
        cell(&kind(&key.kind)),
        cell(&default),
        cell(key.doc),
        cell(key.example),
        name = key.name,
    )
}

fn title(table: &Table) -> String {
    match table.name {
        "file" => "The file".to_owned(),
        "release" => "`releases`: a release".to_owned(),
        "need" => "`needs`: an item".to_owned(),
        "retry" => "`on_failure`: retries".to_owned(),
        "on failure" => "`on_failure`: each case".to_owned(),
        "yaml file" => "`yaml_files_content`: an item".to_owned(),
        "value" => "`values`: an item".to_owned(),
        "step" => "Steps".to_owned(),
        "adopt" | "apply" | "delete" | "wait" | "command" | "restart" => format!("Step `{}`", table.name),
        name => format!("`{name}`"),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::FormatVersion => "the number 1".to_owned(),
        Kind::Text | Kind::Words => "text".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Condition => "`true`, `false` or an expression".to_owned(),
        Kind::Seconds => format!("seconds, 1 to {MAX_SECONDS}"),
        Kind::Count => "whole number".to_owned(),
        Kind::Choice(words) => words_of(words),
        Kind::ChoiceOr(words, tables) => {
            let links: Vec<String> = tables.iter().map(|table| link(table)).collect();
            format!("{}, or a mapping: {}", words_of(words), links.join(" or "))
        }
        Kind::Retries => format!("whole number, 1 to {}", FailurePolicy::MAX_RETRIES),
        Kind::Texts | Kind::Arguments => "list of text".to_owned(),
        Kind::TextsOr(table) => format!("list of text or of mappings: {}", link(table)),
        Kind::Objects => "list of objects".to_owned(),
        Kind::Consents => format!("list of objects or {}", words_of(&ConsentTo::WORDS)),
        Kind::TextMap => "mapping of text to text".to_owned(),
        Kind::Anything => "anything".to_owned(),
        Kind::Document => "mapping, or text that holds YAML".to_owned(),
        Kind::Documents => "list of mappings, or of text that holds YAML".to_owned(),
        Kind::Mapping(table) => format!("mapping: {}", link(table)),
        Kind::List(table) => format!("list: {}", link(table)),
        Kind::Object => "object".to_owned(),
        Kind::Expression => "expression".to_owned(),
        Kind::Statuses => "status, or list of them".to_owned(),
        Kind::PrerequisiteSteps | Kind::ReadOnlySteps | Kind::Steps => "list: [steps](#steps)".to_owned(),
    }
}

fn words_of(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A link by the rule GitHub makes anchors from titles.
fn link(table: &Table) -> String {
    let title = title(table).to_lowercase();
    let anchor: String = title
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect();
    format!("[{}](#{anchor})", table.name)
}
