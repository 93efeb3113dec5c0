//! The stages of a plane, read from the YAML files beside this one.

use super::breakage;
use super::fault::{Fault, FaultKind};
use serde_json::Value;
use std::path::PathBuf;

const STANDARD: [(&str, &str); 4] = [
    ("node.yaml", include_str!("node.yaml")),
    ("pod.yaml", include_str!("pod.yaml")),
    ("volume.yaml", include_str!("volume.yaml")),
    ("network.yaml", include_str!("network.yaml")),
];

/// Which stages kwok is given.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSet {
    /// The plane's own: nodes and pods become ready, Jobs' pods and bare pods complete, claims get volumes,
    /// LoadBalancer Services and Ingresses get addresses.
    pub standard: bool,
    /// More stages, as YAML documents of `apiVersion: kwok.x-k8s.io/v1alpha1`, `kind: Stage`.
    pub extra: Vec<String>,
}

impl Default for StageSet {
    fn default() -> Self {
        Self { standard: true, extra: Vec::new() }
    }
}

/// A stage is not usable.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// It is no YAML.
    #[error("stages of {origin} are not YAML: {problem}")]
    Syntax {
        /// The file, or which of the extra stages.
        origin: String,
        /// Where and what.
        problem: String,
    },
    /// A document is something else.
    #[error("a document in {origin} is not a Stage of kwok.x-k8s.io/v1alpha1 with a name")]
    NotAStage {
        /// The file, or which of the extra stages.
        origin: String,
    },
}

/// All stages as kwok's configuration objects. `logs(index)` is the file with the log of a fault, if it has one.
pub(crate) fn objects(
    set: &StageSet,
    faults: &[Fault],
    logs: impl Fn(usize) -> Option<PathBuf>,
) -> Result<Vec<Value>, StageError> {
    let mut all = Vec::new();
    if set.standard {
        for (origin, text) in STANDARD {
            let mut stages = parse(origin, text)?;
            exclude(&mut stages, faults);
            all.append(&mut stages);
        }
    }
    let mut before = Vec::new();
    for (index, fault) in faults.iter().enumerate() {
        all.extend(breakage::stages(fault, index, &before, logs(index).as_deref()));
        before.push(fault.jq());
    }
    for (index, text) in set.extra.iter().enumerate() {
        all.extend(parse(&format!("extra stage {}", index + 1), text)?);
    }
    Ok(all)
}

/// Replaces the words `ANY_FAULT` and `LASTING_FAULT` by the expression they stand for: pods that any fault is meant
/// for, and those whose fault does not go away by itself.
fn exclude(stages: &mut [Value], faults: &[Fault]) {
    let any = |test: &dyn Fn(&Fault) -> bool| {
        let parts: Vec<String> = faults.iter().filter(|fault| test(fault)).map(|f| format!("({})", f.jq())).collect();
        if parts.is_empty() { "false".to_owned() } else { parts.join(" or ") }
    };
    let (all, lasting) = (any(&|_| true), any(&|fault| !matches!(fault.kind, FaultKind::SlowStart { .. })));
    for stage in stages {
        let Some(expressions) = stage["spec"]["selector"]["matchExpressions"].as_array_mut() else { continue };
        for expression in expressions {
            let key = &mut expression["jq"]["key"];
            if key == "ANY_FAULT" {
                *key = Value::from(all.clone());
            } else if key == "LASTING_FAULT" {
                *key = Value::from(lasting.clone());
            }
        }
    }
}

/// Reads YAML documents that must all be stages.
fn parse(origin: &str, text: &str) -> Result<Vec<Value>, StageError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| StageError::Syntax { origin: origin.to_owned(), problem: error.to_string() })?;
    for document in &documents {
        let is_stage = document["apiVersion"] == "kwok.x-k8s.io/v1alpha1"
            && document["kind"] == "Stage"
            && document["metadata"]["name"].is_string();
        if !is_stage {
            return Err(StageError::NotAStage { origin: origin.to_owned() });
        }
    }
    Ok(documents)
}
