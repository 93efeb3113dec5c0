//! The graph of a stack as text, Mermaid, DOT and JSON. Arrows go from what comes first to what waits for it.

use pilothouse_core::{HelmAction, ReleaseGraph, Until, Wait};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A listing in an order in which the releases could run: each with its action and what it waits for.
pub(crate) fn text(stack: &str, graph: &ReleaseGraph) -> String {
    let waits = graph.waits();
    let count = if graph.len() == 1 { "1 release".to_owned() } else { format!("{} releases", graph.len()) };
    let width = (0..graph.len()).map(|node| graph.key(node).to_string().len()).max().unwrap_or(0);
    let mut out = format!("{stack}  {count}\n");
    for node in graph.order() {
        let _ = write!(out, "\n{:width$}  {}", graph.key(node).to_string(), graph.action(node));
        for wait in &waits[node] {
            let _ = write!(out, "\n  waits until {} is {}", graph.key(wait.on), stage(graph, *wait));
        }
    }
    out
}

/// A flowchart for Mermaid.
pub(crate) fn mermaid(graph: &ReleaseGraph) -> String {
    let mut out = "flowchart TD".to_owned();
    for node in 0..graph.len() {
        let name = mermaid_text(&graph.key(node).to_string());
        let _ = write!(out, "\n  n{node}[\"{name}<br/>{}\"]", graph.action(node));
    }
    for (node, wait) in edges(graph) {
        let _ = write!(out, "\n  n{} -->|{}| n{node}", wait.on, stage(graph, wait));
    }
    out
}

/// A digraph for Graphviz.
pub(crate) fn dot(stack: &str, graph: &ReleaseGraph) -> String {
    let mut out = format!("digraph {} {{\n  node [shape=box];", dot_text(stack));
    for node in 0..graph.len() {
        let label = dot_text(&format!("{}\n{}", graph.key(node), graph.action(node)));
        let _ = write!(out, "\n  n{node} [label={label}];");
    }
    for (node, wait) in edges(graph) {
        let _ = write!(out, "\n  n{} -> n{node} [label={}];", wait.on, dot_text(stage(graph, wait)));
    }
    out.push_str("\n}");
    out
}

/// `{"stack", "nodes": [{"release", "action"}], "edges": [{"release", "waits_for", "until"}]}`.
pub(crate) fn json(stack: &str, graph: &ReleaseGraph) -> Value {
    let node = |node| json!({"release": graph.key(node), "action": graph.action(node)});
    let edge = |(node, wait): (usize, Wait)| json!({"release": graph.key(node), "waits_for": graph.key(wait.on), "until": wait.until});
    json!({
        "stack": stack,
        "nodes": (0..graph.len()).map(node).collect::<Vec<_>>(),
        "edges": edges(graph).map(edge).collect::<Vec<_>>(),
    })
}

/// Each release with each of those it waits for.
fn edges(graph: &ReleaseGraph) -> impl Iterator<Item = (usize, Wait)> {
    let waits = graph.waits().into_iter().enumerate();
    waits.flat_map(|(node, waits)| waits.into_iter().map(move |wait| (node, wait)))
}

/// How far the release waited for must have come, in a word.
fn stage(graph: &ReleaseGraph, wait: Wait) -> &'static str {
    match (graph.action(wait.on), wait.until) {
        (HelmAction::Deploy, Until::Deployed) => "deployed",
        (HelmAction::Deploy, Until::Validated) => "validated",
        (HelmAction::Destroy, _) => "gone",
        (HelmAction::Skip, _) => "skipped",
    }
}

/// Text between the double quotes of a Mermaid label: what has a meaning there becomes a character code.
fn mermaid_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || "\"#&<>`\\".contains(c) {
            let _ = write!(out, "#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// A quoted string of DOT. A line break is written as the escape that centres lines, and a backslash, with which all
/// escapes begin, as two.
fn dot_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{GraphNode, Need, ReleaseKey};
    use rstest::rstest;

    fn graph() -> ReleaseGraph {
        let node = |namespace: &str, name: &str, action| (ReleaseKey::new(namespace, name), action);
        let given = [
            (node("shop", "web", HelmAction::Deploy), vec![Need::new("db").deployed(), Need::new("cache")]),
            (node("data", "db", HelmAction::Deploy), vec![]),
            (node("shop", "cache", HelmAction::Skip), vec![]),
            (node("shop", "old-web", HelmAction::Destroy), vec![Need::new("db"), Need::new("old-db")]),
            (node("data", "old-db", HelmAction::Destroy), vec![]),
        ];
        let nodes = given.iter().map(|((key, action), needs)| GraphNode { key: key.clone(), action: *action, needs });
        ReleaseGraph::new(nodes).unwrap()
    }

    #[test]
    fn as_text() {
        insta::assert_snapshot!(text("demo", &graph()), @r"
        demo  5 releases

        shop/cache    skip
        shop/old-web  destroy
        data/db       deploy
          waits until shop/old-web is gone
        shop/web      deploy
          waits until data/db is deployed
          waits until shop/cache is skipped
        data/old-db   destroy
          waits until shop/old-web is gone
        ");
    }

    #[test]
    fn as_mermaid() {
        insta::assert_snapshot!(mermaid(&graph()), @r#"
        flowchart TD
          n0["shop/web<br/>deploy"]
          n1["data/db<br/>deploy"]
          n2["shop/cache<br/>skip"]
          n3["shop/old-web<br/>destroy"]
          n4["data/old-db<br/>destroy"]
          n1 -->|deployed| n0
          n2 -->|skipped| n0
          n3 -->|gone| n1
          n3 -->|gone| n4
        "#);
    }

    #[test]
    fn as_dot() {
        insta::assert_snapshot!(dot("demo", &graph()), @r#"
        digraph "demo" {
          node [shape=box];
          n0 [label="shop/web\ndeploy"];
          n1 [label="data/db\ndeploy"];
          n2 [label="shop/cache\nskip"];
          n3 [label="shop/old-web\ndestroy"];
          n4 [label="data/old-db\ndestroy"];
          n1 -> n0 [label="deployed"];
          n2 -> n0 [label="skipped"];
          n3 -> n1 [label="gone"];
          n3 -> n4 [label="gone"];
        }
        "#);
    }

    #[test]
    fn as_json() {
        let expected = json!({
            "stack": "demo",
            "nodes": [
                {"release": {"namespace": "shop", "name": "web"}, "action": "deploy"},
                {"release": {"namespace": "data", "name": "db"}, "action": "deploy"},
            ],
            "edges": [{
                "release": {"namespace": "shop", "name": "web"},
                "waits_for": {"namespace": "data", "name": "db"},
                "until": "deployed",
            }],
        });
        assert_eq!(json("demo", &graph().subset(&[true, true, false, false, false])), expected);
    }

    #[test]
    fn nothing_is_drawn_too() {
        let empty = graph().subset(&[false; 5]);
        assert_eq!(text("demo", &empty), "demo  0 releases\n");
        assert_eq!(mermaid(&empty), "flowchart TD");
        assert_eq!(dot("demo", &empty), "digraph \"demo\" {\n  node [shape=box];\n}");
    }

    /// What Graphviz reads from a quoted string and then from the escapes of a label.
    fn read_by_dot(quoted: &str) -> String {
        let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap();
        let (mut out, mut chars) = (String::new(), inner.chars());
        while let Some(c) = chars.next() {
            assert!(c != '"' && c != '\n', "the string ends before its end: {quoted}");
            out.push(match c {
                '\\' => match chars.next().unwrap() {
                    'n' => '\n',
                    escaped => {
                        assert!("\\\"".contains(escaped), "an escape that means something else: {quoted}");
                        escaped
                    }
                },
                c => c,
            });
        }
        out
    }

    #[rstest]
    #[case("data/db", "\"data/db\"")]
    #[case("a\"; evil [label=\"", "\"a\\\"; evil [label=\\\"\"")]
    #[case("ends in \\", "\"ends in \\\\\"")]
    #[case("\\N\\\"", "\"\\\\N\\\\\\\"\"")]
    #[case("two\nlines ü", "\"two\\nlines ü\"")]
    fn any_text_can_be_quoted_for_dot(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(dot_text(text), expected);
        assert_eq!(read_by_dot(&dot_text(text)), text);
    }

    #[rstest]
    #[case("data/db", "data/db")]
    #[case("a\"] --> b[\"", "a#34;] --#62; b[#34;")]
    #[case("<b>#quot;</b>\n", "#60;b#62;#35;quot;#60;/b#62;#10;")]
    fn any_text_can_be_a_mermaid_label(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(mermaid_text(text), expected);
    }
}
