//! The stages of a plane, read from the YAML files beside this one.

use serde_json::Value;

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

impl StageSet {
    /// The stages as kwok's configuration objects.
    pub(crate) fn objects(&self) -> Result<Vec<Value>, StageError> {
        let mut all = Vec::new();
        if self.standard {
            for (origin, text) in STANDARD {
                all.extend(parse(origin, &text.replace("ANY_FAULT", "'false'"))?);
            }
        }
        for (index, text) in self.extra.iter().enumerate() {
            all.extend(parse(&format!("extra stage {}", index + 1), text)?);
        }
        Ok(all)
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
