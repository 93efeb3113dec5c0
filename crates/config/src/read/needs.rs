//! What a release needs of others.

use super::fields::{Fields, Sink, wrong_type};
use crate::keys::NEED;
use crate::text::Content;
use pilothouse_core::{Need, Until};
use pilothouse_yaml::Span;

/// Reads `needs` of a release: names, or mappings that say how far the other must have come.
pub(crate) fn read_needs(release: &Fields<'_>, out: &mut Sink) -> Vec<(Need, Span)> {
    let mut needs = Vec::new();
    for (index, item) in release.items("needs", out).iter().enumerate() {
        match &item.content {
            Content::Scalar(scalar) if !scalar.is_null() && !scalar.text().trim().is_empty() => {
                needs.push((Need::new(scalar.text()), item.span));
            }
            Content::Mapping(_) => {
                let what = format!("item {} of `needs`", index + 1);
                let Some(fields) = Fields::open(item, &NEED, what, out) else { continue };
                let name = fields.text("release", out);
                let until = [("deployed", Until::Deployed), ("validated", Until::Validated)];
                let until = fields.choice("until", &until, out).unwrap_or_default();
                if let (Some(release), Some(node)) = (name, fields.node("release")) {
                    needs.push((Need { release: release.to_owned(), until }, node.span));
                }
            }
            Content::Scalar(_) | Content::List(_) => {
                let expected = "the name of a release, or a mapping with `release` and `until`";
                wrong_type(item, "an item of `needs`", expected, None, out);
            }
        }
    }
    needs
}
