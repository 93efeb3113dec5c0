//! A stack: the releases of one file.

use crate::chart_info::ChartInfo;
use crate::ids::Phase;
use crate::step::StepSpec;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The releases of one stack file, checked; paths in it are absolute or relative to the current folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// The folder of the file; relative paths in the file start there.
    pub folder: PathBuf,
    /// The releases in the order of the file. No two have the same key.
    pub releases: Vec<ReleaseSpec>,
}

/// One release of a stack file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseSpec {
    /// What the release is to be.
    pub info: ChartInfo,
    /// The steps of each phase, in order.
    pub steps: BTreeMap<Phase, Vec<StepSpec>>,
}
