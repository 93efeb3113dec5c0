//! The whole file: what holds for all releases, and what must fit between them.

use super::context::Context;
use super::fields::{Fields, Sink};
use super::graph::check_needs;
use super::readiness::read_rule;
use super::release::{ReadRelease, read_common, read_release, report_name};
use crate::keys::{CLUSTER, DEFAULTS, FILE};
use crate::text::{Node, Problem, ReleasePlaces};
use pilothouse_core::{ChartInfo, ClusterPin, OnReleaseFailure, ReleaseKey, SetPolicy, Stack, check_namespace};
use pilothouse_yaml::Meaning;
use std::collections::BTreeMap;

/// The only version of the format.
const FORMAT_VERSION: u64 = 1;

type ReadStack = (Stack, BTreeMap<ReleaseKey, ReleasePlaces>);

/// Reads the root of the file. What it gives is only of use when nothing was reported.
pub(crate) fn read_stack(root: &Node, context: &Context<'_>, out: &mut Sink) -> Option<ReadStack> {
    if let Some(problem) = other_version(root) {
        // What the rest means is another version's business.
        out.push(problem);
        return None;
    }
    let file = Fields::open(root, &FILE, "the file".to_owned(), out)?;
    read_version(&file, out);
    let name = file.text("name", out).unwrap_or_default();
    check_stack_name(&file, name, out);
    let policies = [("keep_going", SetPolicy::KeepGoing), ("fail_fast", SetPolicy::FailFast)];
    let failure_policy = file.choice("failure_policy", &policies, out).unwrap_or_default();
    let undoing = [("leave", OnReleaseFailure::Leave), ("rollback_needs", OnReleaseFailure::RollbackNeeds)];
    let on_release_failure = file.choice("on_release_failure", &undoing, out).unwrap_or_default();
    let state_namespace = file.text("state_namespace", out);
    if let (Some(name), Some(node)) = (state_namespace, file.node("state_namespace")) {
        report_name(check_namespace(name), node.span, out);
    }

    let cluster = file.node("cluster").map(|node| read_cluster(node, out)).unwrap_or_default();
    let mut defaults = ChartInfo::default();
    if let Some(fields) =
        file.node("defaults").and_then(|node| Fields::open(node, &DEFAULTS, "`defaults`".to_owned(), out))
    {
        read_common(&fields, &mut defaults, out);
    }
    let releases: Vec<ReadRelease> = file
        .items("releases", out)
        .iter()
        .enumerate()
        .filter_map(|(index, node)| read_release(node, index + 1, &defaults, context, out))
        .collect();
    file.report_empty_list("releases", out);
    check_needs(&releases, out);
    let rules = file.items("readiness", out).iter().enumerate();
    let readiness = rules.filter_map(|(index, node)| read_rule(node, index + 1, out)).collect();

    let places = releases.iter().map(|release| (release.spec.info.key(), release.places.clone())).collect();
    let stack = Stack {
        name: name.to_owned(),
        folder: context.folder.to_owned(),
        cluster,
        failure_policy,
        on_release_failure,
        state_namespace: state_namespace.map(str::to_owned),
        readiness,
        releases: releases.into_iter().map(|release| release.spec).collect(),
    };
    Some((stack, places))
}

fn read_cluster(node: &Node, out: &mut Sink) -> ClusterPin {
    let Some(fields) = Fields::open(node, &CLUSTER, "`cluster`".to_owned(), out) else { return ClusterPin::default() };
    let pin = ClusterPin {
        context: fields.text("context", out).map(str::to_owned),
        server: fields.text("server", out).map(str::to_owned),
        uid: fields.text("uid", out).map(str::to_owned),
    };
    if let Some(server) = fields.node("server").filter(|_| pin.server.as_deref().is_some_and(|url| !is_server(url))) {
        out.push(
            Problem::error("URL_INVALID", server.span, "this is not the URL of an API server")
                .label("not such a URL")
                .help("for example `https://api.example.com:6443`, without a user or a password"),
        );
    }
    pin
}

/// Whether this is the URL of a server, without credentials, which do not belong into a stack file.
fn is_server(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    })
}

/// A file of another version of the format.
fn other_version(root: &Node) -> Option<Problem> {
    let node = root.get("version")?;
    let Some(Meaning::Integer(number)) = node.meaning() else { return None };
    if number.as_u64() == Some(FORMAT_VERSION) {
        return None;
    }
    let newer = number.as_u64().is_some_and(|number| number > FORMAT_VERSION);
    let help = if newer {
        "this file is for a newer Pilothouse: update the program, or write `version: 1`"
    } else {
        "there is no older version: write `version: 1`"
    };
    Some(
        Problem::error(
            "FORMAT_VERSION",
            node.span,
            format!("version {number} of the stack file is not supported, only version {FORMAT_VERSION} is"),
        )
        .label("not supported")
        .help(help),
    )
}

fn read_version(file: &Fields<'_>, out: &mut Sink) {
    let number = file.node("version").and_then(Node::meaning);
    if !matches!(number, Some(Meaning::Integer(_))) {
        file.wrong_type("version", "the number 1", Some("write `version: 1`".to_owned()), out);
    }
}

/// The name is used in file names and lock names, so it is kept as simple as a release's.
fn check_stack_name(file: &Fields<'_>, name: &str, out: &mut Sink) {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = name.len() <= 63
        && name.starts_with(inner)
        && name.ends_with(inner)
        && name.chars().all(|c| inner(c) || c == '-' || c == '.');
    if let Some(node) = file.node("name").filter(|_| !name.is_empty() && !good) {
        out.push(
            Problem::error(
                "STACK_NAME_INVALID",
                node.span,
                format!(
                    "stack name `{name}` must consist of 1 to 63 lower-case letters, digits, `-` and `.`, and begin and \
                     end with a letter or digit"
                ),
            )
            .label("not a name"),
        );
    }
}
