//! Digests as they are kept and shown: under a key, so that nobody finds out by trying what they are made of, and with the
//! number of their form: `2:KEY:HMAC`, where `KEY` tells one key from another.

use hmac::{Hmac, KeyInit, Mac};
use pilothouse_core::{DigestKey, EventKind, ReleaseProgress, hex};
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The form of what digests are made of now.
const FORM: u32 = 2;
/// The form before, and the only one that was kept without a key.
const FORMER: u32 = 1;

/// How many characters tell one key from another.
const KEY_ID: usize = 8;

/// A key that nobody can guess.
pub(crate) fn fresh_key() -> DigestKey {
    let mut bytes = [0; 32];
    let (first, second) = bytes.split_at_mut(16);
    first.copy_from_slice(Uuid::new_v4().as_bytes());
    second.copy_from_slice(Uuid::new_v4().as_bytes());
    DigestKey::new(bytes)
}

/// A digest under a key, in hex.
pub(crate) fn keyed(key: &DigestKey, digest: &str) -> String {
    mac(key.expose(), digest)
}

/// The HMAC-SHA256 of a text, in hex.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(crate) fn mac(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key of any length");
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// A digest as it is kept.
pub(crate) fn kept(key: &DigestKey, digest: &str) -> String {
    in_form(FORM, key, digest)
}

fn in_form(form: u32, key: &DigestKey, digest: &str) -> String {
    let id = &keyed(key, "id")[..KEY_ID];
    format!("{form}:{id}:{}", keyed(key, digest))
}

/// Whether a digest is kept under no key, as all were at first. What a step written in Rust gave counts as it is.
fn is_open(kept: &str) -> bool {
    let parts: Vec<&str> = kept.split(':').collect();
    let is_closed = matches!(parts[..], [form, key, _] if form.parse::<u32>().is_ok() && key.len() == KEY_ID);
    !kept.is_empty() && !is_closed
}

/// Puts the digests of a journal of the form before under the key, where they are not yet.
pub(crate) fn close(progress: &mut ReleaseProgress, key: &DigestKey) {
    of_release(progress, &|digest| *digest = closed(digest, key));
}

/// A digest that was kept, put under the key where it was under none.
pub(crate) fn closed(kept: &str, key: &DigestKey) -> String {
    if is_open(kept) { in_form(FORMER, key, kept) } else { kept.to_owned() }
}

/// Leaves out of what an event tells what was kept under no key: it is shown to whoever may not know what it is made of. And what
/// steps hand on to later ones: that is the journal's business, and may be somebody's secret.
pub(crate) fn hide(event: &mut EventKind) {
    match event {
        EventKind::StepStarted { digest, .. } | EventKind::HelmStarted { digest, .. } => hide_open(digest),
        EventKind::Checked { baseline_of: Some(digest), .. } => hide_open(digest),
        EventKind::StepFinished { output: Some(output), .. } => hide_output(output),
        EventKind::RunResumed { releases, .. } => releases.iter_mut().for_each(hide_in),
        _ => {}
    }
}

/// The same of how far a release has come.
pub(crate) fn hide_in(progress: &mut ReleaseProgress) {
    of_release(progress, &hide_open);
    let steps = progress.phases.iter_mut().flat_map(|phase| &mut phase.steps);
    steps.for_each(|step| hide_output(&mut step.output));
}

fn hide_output(output: &mut BTreeMap<String, Value>) {
    for value in output.values_mut() {
        *value = Value::from("***");
    }
}

fn hide_open(digest: &mut String) {
    if is_open(digest) {
        digest.clear();
    }
}

/// Changes every digest of a release.
fn of_release(progress: &mut ReleaseProgress, change: &dyn Fn(&mut String)) {
    for phase in &mut progress.phases {
        phase.steps.iter_mut().for_each(|step| change(&mut step.digest));
        phase.helm.iter_mut().for_each(|helm| change(&mut helm.digest));
    }
    let baselines = std::mem::take(&mut progress.baselines).into_iter().map(|(mut digest, verdict)| {
        change(&mut digest);
        (digest, verdict)
    });
    progress.baselines = baselines.collect();
}

/// Whether there are such digests of the form before.
pub(crate) fn has_former(progress: &ReleaseProgress) -> bool {
    let is_former = |digest: &String| digest.starts_with(&format!("{FORMER}:"));
    let steps = progress.phases.iter().flat_map(|phase| &phase.steps).map(|step| &step.digest);
    steps.chain(progress.baselines.keys()).any(is_former)
}

/// What something is given now, as digests to be kept and to compare kept ones with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    now: String,
    former: Vec<String>,
}

impl Given {
    /// By its digest, and by those it may have been kept as in the form before.
    pub(crate) fn new(key: &DigestKey, digest: &str, former: &[String]) -> Self {
        let former = former.iter().map(|digest| in_form(FORMER, key, digest)).collect();
        Self { now: kept(key, digest), former }
    }

    /// The digest to be kept.
    pub(crate) fn digest(&self) -> &str {
        &self.now
    }

    /// Whether the kept digest is of the same.
    pub(crate) fn is(&self, kept: &str) -> bool {
        self.now == kept || self.former.iter().any(|former| former == kept)
    }

    /// Whether a kept digest that is not of the same proves that something else was given. One of another form, or under
    /// another key, does not.
    pub(crate) fn can_tell(&self, kept: &str) -> bool {
        let origin = |digest: &str| digest.rsplit_once(':').map(|(origin, _)| origin.to_owned());
        origin(&self.now) == origin(kept)
    }

    /// As if this text were the digest, for tables.
    #[cfg(test)]
    pub(crate) fn plain(digest: &str) -> Self {
        Self { now: digest.to_owned(), former: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const PLAIN: &str = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9";

    fn key(n: u8) -> DigestKey {
        DigestKey::new([n; 32])
    }

    #[test]
    fn a_digest_is_the_hmac_of_what_was_given() {
        let expected = "1f601867f0023c03a0378f6b7a72fd3e8d0598438a64c911ae6aebb861d76d83";
        assert_eq!(keyed(&key(7), PLAIN), expected);
        assert_ne!(keyed(&key(8), PLAIN), expected);
        assert_ne!(fresh_key(), fresh_key());
        assert_eq!(format!("{:?}", key(7)), "***");
    }

    /// What was kept, whether it is of the same, and whether it could tell that it is not.
    #[rstest]
    #[case::now(kept(&key(1), "a"), true, true)]
    #[case::another(kept(&key(1), "b"), false, true)]
    #[case::another_key(kept(&key(2), "a"), false, false)]
    #[case::the_form_before(closed("then", &key(1)), true, false)]
    #[case::another_of_the_form_before(closed("b", &key(1)), false, false)]
    #[case::under_no_key("a".to_owned(), false, false)]
    fn comparisons(#[case] digest: String, #[case] same: bool, #[case] can_tell: bool) {
        let given = Given::new(&key(1), "a", &["then".to_owned()]);
        assert_eq!((given.is(&digest), given.can_tell(&digest)), (same, can_tell));
    }

    #[test]
    fn what_is_under_a_key_stays_as_it_is() {
        for digest in [kept(&key(1), "a"), closed("a", &key(1)), String::new()] {
            assert_eq!(closed(&digest, &key(2)), digest);
        }
    }
}
