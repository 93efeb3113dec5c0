//! Secrets whose values the chart makes anew in every rendering.

use crate::compare::{Compared, Outcome};
use crate::comparing;
use crate::context::Context;
use crate::safety::Consent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pilothouse_core::{Class, Finding, ObjectChange, ObjectRef, Payload, code};
use pilothouse_helm::Volatile;
use serde_json::Value;
use std::collections::BTreeSet;

/// The Secrets whose values would be replaced by new ones. Renders a second time, but only charts that make something up and
/// have a Secret that changes.
pub(super) async fn findings(ctx: &Context, compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    if !compared.iter().any(is_changed_secret) {
        return Vec::new();
    }
    let prepared = ctx.prepared(&Payload::default()).await;
    let Some(chart) = &prepared.chart else { return Vec::new() };
    let uses = ctx.templates_of(chart).await;
    if !(uses.random || uses.unreadable) {
        return Vec::new();
    }
    match comparing::volatile(ctx, &prepared, &uses).await {
        Ok(volatile) => regenerated(compared, &volatile, consent),
        Err(error) => {
            let why = ctx.redactor().redact(&error.chain().join(": "));
            ctx.warn(format!("whether the chart makes Secrets anew is not known: {why}"));
            Vec::new()
        }
    }
}

fn is_changed_secret(one: &Compared) -> bool {
    let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
    one.object.kind == "Secret" && changes
}

/// The finding for each Secret with values that are there and would be others.
pub(super) fn regenerated(compared: &[Compared], volatile: &Volatile, consent: &Consent) -> Vec<Finding> {
    let finding = |one: &Compared| {
        let live = one.live.as_ref()?.expose();
        let keys = replaced_keys(live, fields_of(volatile, &one.object)?);
        if keys.is_empty() || consent.names(&one.object) {
            return None;
        }
        let message = format!(
            "the chart makes {} anew in every rendering, so the upgrade would replace it, and whoever was given the old one keeps that: set it by a value, or name an existing Secret",
            keys.join(", ")
        );
        Some(Finding::new(Class::Unsafe, code::SECRET_REGENERATED, &one.object, message))
    };
    compared.iter().filter(|one| is_changed_secret(one)).filter_map(finding).collect()
}

/// What differs in every rendering of this object. What is rendered may name no namespace.
fn fields_of<'a>(volatile: &'a Volatile, object: &ObjectRef) -> Option<&'a BTreeSet<String>> {
    let is_it = |rendered: &ObjectRef| {
        rendered.kind == object.kind
            && rendered.name == object.name
            && (rendered.namespace.is_none() || rendered.namespace == object.namespace)
    };
    volatile.fields.iter().find(|(rendered, _)| is_it(rendered)).map(|(_, fields)| fields)
}

fn replaced_keys(live: &Value, fields: &BTreeSet<String>) -> Vec<String> {
    if live.get("type").and_then(Value::as_str) == Some("kubernetes.io/tls") {
        return Vec::new();
    }
    let keys: BTreeSet<String> = fields
        .iter()
        .filter_map(|field| field.strip_prefix("/data/").or_else(|| field.strip_prefix("/stringData/")))
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .collect();
    let is_there =
        |key: &String| live.get("data").and_then(|data| data.get(key)).is_some_and(|old| !renews_itself(key, old));
    keys.into_iter().filter(is_there).collect()
}

/// Certificates are made to be renewed, and a salted hash of one password is another each time.
fn renews_itself(key: &str, old: &Value) -> bool {
    let ends = [".crt", ".key", ".pem", "caCert", "ca-bundle"];
    let text = old.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let is_hash =
        ["$2a$", "$2b$", "$2y$"].iter().any(|sign| text.windows(sign.len()).any(|part| part == sign.as_bytes()));
    ends.iter().any(|end| key.ends_with(end)) || is_hash
}
