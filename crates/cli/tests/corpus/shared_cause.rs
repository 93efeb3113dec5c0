//! Twelve releases suffer from one missing pull secret: it is told once, with twelve names.

use pilothouse_plane::{Fault, FaultKind};

/// What the registry says to pods without credentials.
const DENIED: &str = "failed to pull and unpack image \"registry.example.com/shop/web:1\": failed to resolve reference \
                      \"registry.example.com/shop/web:1\": pull access denied, repository does not exist or may require \
                      authorization: server message: insufficient_scope: authorization failed";

pub(crate) fn faults() -> Vec<Fault> {
    vec![Fault::by_image("registry.example.com/shop/", FaultKind::ImagePullError { message: DENIED.to_owned() })]
}
