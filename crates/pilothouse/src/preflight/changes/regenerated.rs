//! Secrets whose values the chart makes anew in every rendering.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::RenderedAs;
use crate::context::Wanted;
use crate::error::PhaseError;
use crate::observe;
use crate::preflight::losses::consent::Consent;
use crate::render;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pilothouse_core::{Class, Finding, ObjectChange, ObjectRef, ReleaseHistory, code, object_ref};
use pilothouse_helm::{RenderedDoc, TemplateUse, Volatile, volatile_fields};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What to do instead.
const REMEDY: &str = "set it by a value, or name an existing Secret";
/// Where nobody can tell beforehand.
const NOT_KNOWN: &str = "whether the chart makes Secrets anew is not known: some values come from steps";

/// What a chart makes up.
#[derive(Debug, Default)]
pub(super) struct MadeUp {
    /// What differs between two renderings.
    volatile: Volatile,
    /// The Secrets of templates that read the clock or the number of the revision: two renderings of one moment are the same.
    of_the_moment: Vec<Value>,
}

impl MadeUp {
    pub(super) fn new(volatile: Volatile, docs: &[RenderedDoc], uses: &TemplateUse) -> Self {
        let source = |doc: &&RenderedDoc| doc.source.as_deref().is_none_or(|source| uses.is_of_the_moment(source));
        let secrets = docs.iter().filter(|doc| doc.object["kind"] == "Secret");
        let of_the_moment = if uses.of_the_moment.is_empty() {
            Vec::new()
        } else {
            secrets.filter(source).map(|doc| doc.object.clone()).collect()
        };
        Self { volatile, of_the_moment }
    }

    /// The keys of a Secret that differ in every rendering.
    fn in_every_rendering(&self, object: &ObjectRef) -> BTreeSet<String> {
        let found = self.volatile.fields.iter().find(|(rendered, _)| is_rendered_as(rendered, object));
        let of_data = |field: &String| {
            let key = field.strip_prefix("/data/").or_else(|| field.strip_prefix("/stringData/"))?;
            Some(key.replace("~1", "/").replace("~0", "~"))
        };
        found.into_iter().flat_map(|(_, fields)| fields).filter_map(of_data).collect()
    }

    /// The keys of a Secret that may be made of the moment, with what they are now, as they are in `data`.
    fn of_the_moment(&self, object: &ObjectRef) -> BTreeMap<String, String> {
        let rendered = |secret: &&Value| object_ref(secret).is_some_and(|rendered| is_rendered_as(&rendered, object));
        self.of_the_moment.iter().find(rendered).map(rendered_data).unwrap_or_default()
    }

    /// What of a live Secret is replaced by what is made up: what differs in every rendering, or else may be of the moment.
    fn replaces(&self, object: &ObjectRef, live: &Value) -> Vec<String> {
        let every = replaced_keys(live, self.in_every_rendering(object));
        if !every.is_empty() {
            return every;
        }
        let is_another = |(key, now): (String, String)| (live["data"][&key] != now).then_some(key);
        replaced_keys(live, self.of_the_moment(object).into_iter().filter_map(is_another).collect())
    }
}

/// The data of a rendered Secret, as the server keeps it.
fn rendered_data(secret: &Value) -> BTreeMap<String, String> {
    let entries = |field: &str| secret.get(field).and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plain = entries("data").map(|(key, value)| (key.clone(), text(value)));
    plain.chain(entries("stringData").map(|(key, value)| (key.clone(), STANDARD.encode(text(value))))).collect()
}

/// The Secrets whose values would be replaced by new ones. Renders a second time, but only charts that make something up and
/// have a Secret that changes, or one that goes while another comes. Before an install there may be one that an uninstall has left.
pub(crate) async fn findings(
    ctx: &Context,
    wanted: &Wanted,
    compared: &[Compared],
    consent: &Consent,
    is_upgrade: bool,
) -> Vec<Finding> {
    let mut findings = unreadable(compared, consent);
    let changes = compared.iter().any(|one| is_changed_secret(one) && !consent.names(&one.object))
        || !renamed(compared, consent).is_empty();
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
        Ok(made_up) => findings.extend(regenerated(compared, &made_up, consent)),
        Err(error) => {
            findings.push(Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), not_known(ctx, &error)));
        }
    }
    findings
}

/// The Secrets that a reinstall deletes, or that an earlier revision has left and it writes over, and the chart makes anew: what they were
/// set up with, a database in a claim that stays, keeps the old value. Renders a second time, but only charts that make something up.
pub(super) async fn by_reinstall(
    ctx: &Context,
    history: &ReleaseHistory,
    wanted: &Wanted,
    compared: &[Compared],
    consent: &Consent,
) -> Vec<Finding> {
    let blocked = |why: String| vec![Finding::new(Class::Blocked, code::UNREADABLE, ctx.release(), why)];
    // Why they cannot be told is among the losses of the uninstall.
    let (Ok(all), Ok(deleted)) =
        (observe::objects_of(ctx, history.newest()).await, observe::deleted_by_uninstall(ctx, history).await)
    else {
        return Vec::new();
    };
    let docs = wanted.rendering.docs();
    let by_hooks = observe::deleted_by_reinstall_hooks(ctx, history, &docs, &deleted).await;
    let by_hooks: Vec<ObjectRef> = by_hooks.into_iter().flatten().map(|one| one.object).collect();
    let is_deleted = |secret: &ObjectRef| deleted.iter().chain(&by_hooks).any(|object| object.same_object(secret));
    let secrets: Vec<ObjectRef> = all
        .into_iter()
        .chain(by_hooks.iter().cloned())
        .chain(compared.iter().filter(|one| is_changed_secret(one)).map(|one| one.object.clone()))
        .filter(|object| object.kind == "Secret" && !consent.names(object))
        .collect();
    if secrets.is_empty() || !wanted.uses.makes_up_secrets() {
        return Vec::new();
    }
    if render::values_are_missing(ctx.info(), &wanted.payload) {
        ctx.warn(NOT_KNOWN);
        return Vec::new();
    }
    // What the chart could look up is gone by then. A Secret that stays may be looked up, and is replaced otherwise.
    let looks_up = wanted.uses.lookup;
    let made_up = match without_cluster(ctx, wanted).await {
        Ok(made_up) => made_up,
        Err(error) => return blocked(not_known(ctx, &error)),
    };
    let mut findings = Vec::new();
    for secret in &secrets {
        let goes = is_deleted(secret);
        if !goes && looks_up {
            continue;
        }
        match ctx.cluster().get(secret).await {
            Ok(None) => {}
            Ok(Some(live)) => {
                let keys = made_up.replaces(secret, &live);
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

/// What the chart makes up as it is going to be deployed.
async fn in_renderings(ctx: &Context, wanted: &Wanted, is_upgrade: bool) -> Result<MadeUp, PhaseError> {
    // Where it looks something up, as an upgrade: for that helm 4 asks nobody whose the objects are that are about to be adopted.
    let upgrade = wanted.upgrade(is_upgrade || wanted.uses.lookup);
    let first = render::rendered(ctx, wanted, upgrade, 0).await?;
    let second = render::rendered(ctx, wanted, upgrade, 1).await?;
    Ok(MadeUp::new(volatile_fields(&first, &second), &first, &wanted.uses))
}

/// What the chart makes up as an install where nothing is there.
async fn without_cluster(ctx: &Context, wanted: &Wanted) -> Result<MadeUp, PhaseError> {
    let install = RenderedAs::default();
    let first = if wanted.rendered_as == install {
        wanted.rendering.docs()
    } else {
        render::render_again(ctx, wanted, install).await?.docs()
    };
    let second = render::render_again(ctx, wanted, install).await?.docs();
    Ok(MadeUp::new(volatile_fields(&first, &second), &first, &wanted.uses))
}

fn is_changed_secret(one: &Compared) -> bool {
    // A hook makes it anew.
    let changes = matches!(one.outcome, Outcome::Change(ObjectChange::Update | ObjectChange::Adopt));
    one.object.kind == "Secret" && (changes || one.by_hook.is_some())
}

/// The Secrets that go, each with those that may take its place: in its namespace or under its name, and alike in type or a key.
fn renamed<'a>(compared: &'a [Compared], consent: &Consent) -> Vec<(&'a Compared, Vec<&'a Compared>)> {
    let secrets = |change: ObjectChange| {
        let outcome = Outcome::Change(change);
        compared.iter().filter(move |one| one.object.kind == "Secret" && one.outcome == outcome)
    };
    let type_of = |secret: &Value| secret["type"].as_str().unwrap_or("Opaque").to_owned();
    let is_like = |gone: &Value, new: &Value| {
        let keys = |secret: &Value| secret["data"].as_object().cloned().unwrap_or_default();
        type_of(gone) == type_of(new) || keys(gone).keys().any(|key| keys(new).contains_key(key))
    };
    let instead = |gone: &'a Compared| {
        let live = gone.live.as_ref()?.expose();
        let new = secrets(ObjectChange::Create).filter(|new| {
            (new.object.namespace == gone.object.namespace || new.object.name == gone.object.name)
                && new.then.as_ref().is_some_and(|then| is_like(live, then.expose()))
        });
        let new: Vec<&Compared> = new.collect();
        (!new.is_empty()).then_some((gone, new))
    };
    secrets(ObjectChange::Delete).filter(|gone| !consent.names(&gone.object)).filter_map(instead).collect()
}

/// The finding for each Secret with values that are there and would be others.
pub(super) fn regenerated(compared: &[Compared], made_up: &MadeUp, consent: &Consent) -> Vec<Finding> {
    let finding = |one: &Compared| {
        let live = one.live.as_ref()?.expose();
        let keys = made_up.replaces(&one.object, live);
        if keys.is_empty() || consent.names(&one.object) {
            return None;
        }
        let how = if made_up.in_every_rendering(&one.object).is_empty() {
            "of the time or the number of the revision"
        } else {
            "anew in every rendering"
        };
        let message = format!(
            "the chart makes {} {how}, so helm would replace it, and whoever was given the old one keeps that: {REMEDY}",
            keys.join(", ")
        );
        Some(Finding::new(Class::Unsafe, code::SECRET_REGENERATED, &one.object, message))
    };
    let elsewhere = |(gone, instead): (&Compared, Vec<&Compared>)| {
        let live = gone.live.as_ref()?.expose();
        if replaced_keys(live, live.get("data")?.as_object()?.keys().cloned().collect()).is_empty() {
            return None;
        }
        let made = |new: &Compared| {
            let keys = made_up.in_every_rendering(&new.object);
            let keys = keys.into_iter().chain(made_up.of_the_moment(&new.object).into_keys()).collect();
            let keys = replaced_keys(new.then.as_ref()?.expose(), keys);
            (!keys.is_empty()).then(|| (new.object.clone(), keys.join(", ")))
        };
        let (new, keys) = instead.into_iter().find_map(made)?;
        let message = format!(
            "helm would delete it, and {new} takes its place, in which the chart makes {keys} anew, while what was set up with the old one may stay: {REMEDY}"
        );
        Some(Finding::new(Class::Unsafe, code::SECRET_REGENERATED, &gone.object, message))
    };
    let mut findings: Vec<Finding> = compared.iter().filter(|one| is_changed_secret(one)).filter_map(finding).collect();
    findings.extend(renamed(compared, consent).into_iter().filter_map(elsewhere));
    findings
}

/// Whether this is the rendered object. What is rendered may name no namespace.
fn is_rendered_as(rendered: &ObjectRef, object: &ObjectRef) -> bool {
    rendered.kind == object.kind
        && rendered.name == object.name
        && (rendered.namespace.is_none() || rendered.namespace == object.namespace)
}

/// Those of the keys that a Secret has and that do not renew themselves.
fn replaced_keys(secret: &Value, keys: BTreeSet<String>) -> Vec<String> {
    let value = |key: &String| secret.get("data").and_then(|data| data.get(key));
    let has_certificate = keys.iter().filter_map(value).any(|old| is_certificate(&decoded(old)));
    keys.into_iter().filter(|key| value(key).is_some_and(|old| !renews_itself(old, has_certificate))).collect()
}

/// Certificates are made to be renewed with their keys, and a salted hash of one password is another each time. A key without a
/// certificate is one by which something is encrypted or signed.
fn renews_itself(old: &Value, has_certificate: bool) -> bool {
    let decoded = decoded(old);
    let text = decoded.trim_ascii();
    is_certificate(text) || (has_certificate && text.starts_with(b"-----BEGIN")) || is_bcrypt(text)
}

fn decoded(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default()
}

/// Whether there is a certificate in it, by itself or with its key.
fn is_certificate(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).contains("-----BEGIN CERTIFICATE-----")
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
