//! A control plane for tests that need no more than a namespace of their own.

use pilothouse_plane::{Plane, PlaneConfig};
use pilothouse_testkit::SharedPlane;

static PLANE: SharedPlane = SharedPlane::new();

pub(crate) fn plane() -> &'static Plane {
    PLANE.get(PlaneConfig::default)
}
