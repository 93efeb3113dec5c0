//! What a chart says about itself (`Chart.yaml`).

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What a chart says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartMetadata {
    /// `v1` or `v2`.
    #[serde(default, deserialize_with = "text")]
    pub api_version: String,
    /// The chart's name.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// The chart's version.
    #[serde(default, deserialize_with = "text")]
    pub version: String,
    /// The version of what it deploys; empty when it does not say.
    #[serde(default, deserialize_with = "text")]
    pub app_version: String,
    /// The Kubernetes versions it works with, as a constraint.
    #[serde(default, deserialize_with = "optional_text")]
    pub kube_version: Option<String>,
    /// What it is.
    #[serde(default, rename = "type")]
    pub kind: ChartKind,
    /// The charts it depends on.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub dependencies: Vec<Dependency>,
}

/// What a chart is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChartKind {
    /// It can be installed.
    #[default]
    #[serde(alias = "")]
    Application,
    /// It only helps other charts.
    Library,
    /// Something helm refuses.
    #[serde(other)]
    Unknown,
}

/// A chart that a chart depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Dependency {
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// The versions wanted.
    #[serde(default, deserialize_with = "text")]
    pub version: String,
    /// Where it comes from.
    #[serde(default, deserialize_with = "text")]
    pub repository: String,
    /// The name it goes by in the parent, when it is another.
    #[serde(default, deserialize_with = "optional_text")]
    pub alias: Option<String>,
}

/// Text, also when someone wrote `version: 1.0` without quotes: `sigs.k8s.io/yaml` makes text of it too.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(optional_text(deserializer)?.unwrap_or_default())
}

fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => Err(serde::de::Error::custom("expected text")),
    }
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Dependency>, D::Error> {
    Ok(Option::<Vec<Dependency>>::deserialize(deserializer)?.unwrap_or_default())
}
