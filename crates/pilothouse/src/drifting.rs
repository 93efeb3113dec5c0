//! A closer look at objects that may not be as they were deployed, and remembering how they are.

use crate::compare;
use crate::context::Context;
use crate::crds;
use crate::deploy_records;
use crate::error::PhaseError;
use crate::live;
use crate::stored::{self, NotServed};
use jiff::Timestamp;
use pilothouse_core::{
    AppliedObject, CrdPolicy, DEPLOY_RECORD_FORMAT, DeployRecord, Drift, InputDigests, LiveSeen, ObjectRef, Phase,
    RevisionMeta, object_ref,
};
use pilothouse_kube::{Detail, read_all};
