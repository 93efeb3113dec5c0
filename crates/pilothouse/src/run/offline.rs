//! What can be done without a cluster.

use crate::context::Foresight;
use crate::context::RenderedAs;
use crate::context::Wanted;
use crate::context::redactor_of;
use crate::copy;
use crate::phases::HelmChart;
use crate::phases::steps_of;
use crate::preflight;
use crate::render;
use pilothouse_core::{ChartInfo, Class, Finding, HelmAction, Payload, Redactor, code};
use pilothouse_helm::{ChartShelf, HelmClient};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Checking and rendering without a cluster: `lookup` finds nothing, and the Kubernetes version is helm's own default.
pub struct Offline {
    /// Helm.
    pub helm: Arc<dyn HelmClient>,
    /// A folder for charts that are fetched.
    pub chart_cache: PathBuf,
}

impl Offline {
    /// Everything that is wrong with the input of a release (names, files, chart, version, values, rendering), and what only
    /// looks wrong.
    pub async fn lint(&self, chart: &dyn HelmChart, cancel: &CancellationToken) -> Foresight {
        let info = chart.chart_info();
        let mut found = Foresight::from(render::name_findings(info));
        if info.action == HelmAction::Deploy {
            let wanted = self.prepare(info, cancel).await;
            let needs_lookup = wanted.needs_lookup();
            let Wanted { findings, mut warnings, rendering, .. } = wanted;
            warnings.extend(preflight::shared_with_chart(&steps_of(chart), info, &rendering.docs()).await);
            found = found.and(if needs_lookup {
                let line = |finding: &Finding| {
                    format!(
                        "it could not be checked without a cluster, in which its templates look something up: {finding}"
                    )
                };
                Foresight { not_checked: findings.iter().map(line).collect(), warnings, ..Foresight::default() }
            } else {
                Foresight { findings, warnings, ..Foresight::default() }
            });
        }
        found.and(steps_of(chart).input_findings().await.into())
    }

    /// What helm renders for a release, as YAML documents. The data of Secrets and values marked sensitive are
    /// masked unless asked for.
    ///
    /// # Errors
    /// Everything that is wrong with the input.
    pub async fn render(
        &self,
        info: &ChartInfo,
        show_secrets: bool,
        cancel: &CancellationToken,
    ) -> Result<String, Vec<Finding>> {
        let wanted = self.prepare(info, cancel).await;
        // What helm cannot use is shown all the same: how it renders is what whoever mends it needs.
        if wanted.findings.iter().any(|finding| finding.code != code::OBJECT_INVALID) {
            return Err(wanted.findings);
        }
        let mut text = String::new();
        for doc in wanted.rendering.docs().iter() {
            let mut object = doc.object.clone();
            if !show_secrets {
                mask(&mut object);
            }
            let yaml = serde_saphyr::to_string(&object)
                .map_err(|error| vec![Finding::new(Class::BadInput, code::CHART_TEMPLATE_FAILED, info.key(), error)])?;
            let source = doc.source.as_ref().map(|source| format!("# Source: {source}\n")).unwrap_or_default();
            text.push_str("---\n");
            text.push_str(&source);
            text.push_str(yaml.trim_end());
            text.push('\n');
        }
        let redactor = if show_secrets { Redactor::default() } else { redactor_of(&Redactor::default(), info) };
        Ok(redactor.redact(&text))
    }

    /// What of a release a rehearsal cannot exercise, a line each: APIs, webhooks and controllers of programs that do not run there.
    ///
    /// # Errors
    /// Everything that is wrong with the input.
    pub async fn beyond_rehearsal(
        &self,
        info: &ChartInfo,
        cancel: &CancellationToken,
    ) -> Result<Vec<String>, Vec<Finding>> {
        let wanted = self.prepare(info, cancel).await;
        if !wanted.findings.is_empty() {
            return Err(wanted.findings);
        }
        let objects: Vec<Value> = wanted.rendering.docs().iter().map(|doc| doc.object.clone()).collect();
        Ok(copy::beyond_rehearsal(&objects))
    }

    async fn prepare(&self, info: &ChartInfo, cancel: &CancellationToken) -> Wanted {
        let redactor = redactor_of(&Redactor::default(), info);
        let tools = render::RenderTools {
            helm: self.helm.as_ref(),
            chart_cache: &self.chart_cache,
            shelf: &ChartShelf::default(),
            redactor: &redactor,
            cancel,
        };
        render::prepare_wanted(&tools, info, &Payload::default(), None, RenderedAs::default()).await
    }
}

/// Hides the values of a Secret.
fn mask(object: &mut Value) {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    for field in ["data", "stringData"] {
        if let Some(entries) = object.get_mut(field).and_then(Value::as_object_mut) {
            entries.values_mut().for_each(|value| *value = Value::from("***"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let mut secret = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "hunter2"}});
        mask(&mut secret);
        assert_eq!(secret, json!({"kind": "Secret", "data": {"a": "***"}, "stringData": {"b": "***"}}));
        let mut config = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        mask(&mut config);
        assert_eq!(config, json!({"kind": "ConfigMap", "data": {"a": "b"}}));
    }
}
