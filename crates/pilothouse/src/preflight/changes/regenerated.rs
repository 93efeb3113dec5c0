//! Secrets whose values the chart makes anew in every rendering.

use crate::context::Context;
use crate::context::RenderedAs;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::observe::Compared;
use crate::observe::Outcome;
use crate::preflight::losses::consent::Consent;
use crate::render;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pilothouse_core::{Class, Finding, ObjectChange, ObjectRef, code};
use pilothouse_helm::{Volatile, volatile_fields};
use serde_json::Value;
use std::collections::BTreeSet;

/// What to do instead.
const REMEDY: &str = "set it by a value, or name an existing Secret";
/// Where nobody can tell beforehand.
const NOT_KNOWN: &str = "whether the chart makes Secrets anew is not known: some values come from steps";

/// The Secrets whose values would be replaced by new ones. Renders a second time, but only charts that make something up and
/// have a Secret that changes. Before an install there may be one that an uninstall has left.
pub(crate) async fn findings(
    ctx: &Context,
    wanted: &Wanted,
    compared: &[Compared],
    consent: &Consent,
    is_upgrade: bool,
) -> Vec<Finding> {
    let mut findings = unreadable(compared, consent);
    let changes = compared.iter().any(|one| is_changed_secret(one) && !consent.names(&one.object));
    if findings.is_empty() && !changes {
        return findings;
    }
    if !wanted.uses.makes_up_secrets() {
        return Vec::new();
    }
    if !changes {
        return findings;
    }
    if render::values_are_missing(ctx.info(), &wanted.payload) {
        ctx.warn(NOT_KNOWN);
        return findings;
    }
    match in_renderings(ctx, wanted, is_upgrade).await {
        Ok(volatile) => findings.extend(regenerated(compared, &volatile, consent)),
        Err(error) => {
            findings.push(Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), not_known(ctx, &error)));
        }
    }
    findings
}

/// The Secrets that a reinstall deletes and the chart makes anew: what they were set up with, a database in a claim that stays,
/// keeps the old value. Renders a second time, but only charts that make something up.
pub(super) async fn by_reinstall(ctx: &Context, wanted: &Wanted, consent: &Consent) -> Vec<Finding> {
    let blocked = |why: String| vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), why)];
    // Why they cannot be told is among the losses of the uninstall.
    let (Ok(all), Ok(deleted)) = (observe::release_objects(ctx).await, observe::deleted_by_uninstall(ctx).await) else {
        return Vec::new();
    };
    let secrets: Vec<ObjectRef> =
        all.into_iter().filter(|object| object.kind == "Secret" && !consent.names(object)).collect();
    if secrets.is_empty() || !wanted.uses.makes_up_secrets() {
        return Vec::new();
    }
    if render::values_are_missing(ctx.info(), &wanted.payload) {
        ctx.warn(NOT_KNOWN);
        return Vec::new();
    }
    // What the chart could look up is gone by then. A Secret that stays may be looked up, and is replaced otherwise.
    let looks_up = wanted.uses.lookup;
    let volatile = match without_cluster(ctx, wanted).await {
        Ok(volatile) => volatile,
        Err(error) => return blocked(not_known(ctx, &error)),
    };
    let mut findings = Vec::new();
    for secret in &secrets {
        let goes = deleted.iter().any(|object| object.same_object(secret));
        if !goes && looks_up {
            continue;
        }
        let Some(fields) = fields_of(&volatile, secret) else { continue };
        match ctx.cluster().get(secret).await {
            Ok(None) => {}
            Ok(Some(live)) => {
                let keys = replaced_keys(&live, fields);
                if !keys.is_empty() {
                    let how = if goes { "the uninstall deletes it, and the chart" } else { "the chart" };
                    let message = format!(
                        "{how} makes {} anew, while what was set up with the old one may stay: {REMEDY}",
                        keys.join(", ")
                    );
                    findings.push(Finding::new(Class::Unsafe, code::SECRET_REGENERATED, secret, message));
                }
            }
            Err(error) => {
                findings.push(Finding::new(Class::Blocked, code::UNREADABLE, secret, ctx.error_text(&error)));
            }
        }
    }
    findings
}

fn not_known(ctx: &Context, error: &PhaseError) -> String {
    ctx.redactor().redact(&format!("whether the chart makes Secrets anew is not known: {}", error.chain().join(": ")))
}

/// The Secrets of which nothing is known, not even whether they are there.
pub(super) fn unreadable(compared: &[Compared], consent: &Consent) -> Vec<Finding> {
    let finding = |one: &Compared| match &one.outcome {
        Outcome::Unreadable { why } if one.object.kind == "Secret" && !consent.names(&one.object) => {
            Some(Finding::new(Class::Blocked, code::UNREADABLE, &one.object, why))
        }
        Outcome::Unreadable { .. } | Outcome::Change(_) | Outcome::NoNamespace { .. } | Outcome::NotServed { .. } => {
            None
        }
    };
    compared.iter().filter_map(finding).collect()
}

/// What differs between two renderings of the chart as it is going to be deployed.
async fn in_renderings(ctx: &Context, wanted: &Wanted, is_upgrade: bool) -> Result<Volatile, PhaseError> {
    // Helm 4 checks ownership when it renders an install with the cluster at hand, and fails on what is about to be adopted.
    let is_upgrade = is_upgrade || wanted.uses.lookup;
    let first = render::rendered(ctx, wanted, is_upgrade, 0).await?;
    let second = render::rendered(ctx, wanted, is_upgrade, 1).await?;
    Ok(volatile_fields(&first, &second))
}

/// What differs between two renderings of the chart as an install where nothing is there.
async fn without_cluster(ctx: &Context, wanted: &Wanted) -> Result<Volatile, PhaseError> {
    let install = RenderedAs::default();
    let first = if wanted.rendered_as == install {
        wanted.rendering.docs()
    } else {
        render::render_again(ctx, wanted, install).await?.docs()
    };
    Ok(volatile_fields(&first, &render::render_again(ctx, wanted, install).await?.docs()))
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
            "the chart makes {} anew in every rendering, so helm would replace it, and whoever was given the old one keeps that: {REMEDY}",
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
    let keys: BTreeSet<String> = fields
        .iter()
        .filter_map(|field| field.strip_prefix("/data/").or_else(|| field.strip_prefix("/stringData/")))
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .collect();
    let is_there =
        |key: &String| live.get("data").and_then(|data| data.get(key)).is_some_and(|old| !renews_itself(old));
    keys.into_iter().filter(is_there).collect()
}

/// Certificates are made to be renewed with their keys, and a salted hash of one password is another each time.
fn renews_itself(old: &Value) -> bool {
    let decoded = old.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let text = decoded.trim_ascii();
    text.starts_with(b"-----BEGIN") || is_bcrypt(text)
}

/// Whether this is a hash and nothing else, as `$2a$10$` with 53 characters of salt and hash.
fn is_bcrypt(text: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    match text {
        [b'$', b'2', b'a' | b'b' | b'y', b'$', tens, ones, b'$', rest @ ..] => {
            tens.is_ascii_digit() && ones.is_ascii_digit() && rest.len() == 53 && rest.iter().all(is_sign)
        }
        _ => false,
    }
}
