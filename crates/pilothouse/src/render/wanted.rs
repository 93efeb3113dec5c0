//! A release's chart, files and values, resolved and rendered, with everything that is wrong with them. Nothing here
//! reads the state of the release; the cluster is asked only which version and kinds it serves.

use crate::context::release_context::Context;
use crate::context::rendering::Rendering;
use crate::context::session::Target;
use crate::error::PhaseError;
use crate::phases::chart::HelmChart;
use crate::steps::built_in::steps_of;
use pilothouse_core::{
    ChartInfo, ChartSource, Class, Finding, HelmAction, KubeVersionFrom, Payload, Phase, Redactor, SetValue,
    ValueSource, VersionConstraint, check_namespace, check_release_name, code, error_chain, kube_version_fits,
};
use pilothouse_helm::{
    ChartError, ChartShelf, Fetch, HelmClient, ResolvedChart, TemplateRequest, TemplateUse, Values,
    resolve_chart_shared,
};
use serde_json::Value;
use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A release's chart as it is going to be deployed.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// The chart; `None` when it cannot be resolved, which is among the findings.
    pub(crate) chart: Option<Arc<ResolvedChart>>,
    /// Everything it renders, hooks and definitions included; empty when it cannot be rendered.
    pub(crate) rendering: Rendering,
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
}

impl Prepared {
    /// The chart, or why there is none.
    pub(crate) fn chart(&self) -> Result<&ResolvedChart, PhaseError> {
        self.chart.as_deref().ok_or_else(|| PhaseError::Refused(self.findings.clone()))
    }

    /// Whether it defines new kinds, in `crds/` folders or in templates.
    pub(crate) fn brings_kinds(&self) -> bool {
        self.rendering.brings_kinds()
    }

    fn wrong(&mut self, code: &str, subject: impl Display, message: impl Display) {
        self.findings.push(Finding::new(Class::BadInput, code, subject, message));
    }
}

/// What preparing needs besides the release itself.
pub(crate) struct Place<'a> {
    pub(crate) helm: &'a dyn HelmClient,
    pub(crate) chart_cache: &'a Path,
    pub(crate) shelf: &'a ChartShelf,
    pub(crate) redactor: &'a Redactor,
    pub(crate) cancel: &'a CancellationToken,
}

impl Place<'_> {
    fn text(&self, error: &(dyn Error + 'static)) -> String {
        self.redactor.redact(&error_chain(error).join(": "))
    }
}

/// What is wrong with the input of a release, before anything is asked of the cluster's state.
pub(crate) async fn input_findings<C: HelmChart + ?Sized>(chart: &C, ctx: &Context) -> Vec<Finding> {
    let info = chart.chart_info();
    let mut findings = name_findings(info);
    match info.action {
        HelmAction::Deploy => findings.extend(ctx.prepared(&Payload::default()).await.findings.clone()),
        // Uninstalling needs no chart; steps that name the chart's definitions resolve it when they are asked.
        HelmAction::Destroy | HelmAction::Skip => {}
    }
    findings.extend(step_input_findings(chart).await);
    findings
}

/// What is wrong with what the steps were given.
pub(crate) async fn step_input_findings<C: HelmChart + ?Sized>(chart: &C) -> Vec<Finding> {
    let mut findings = Vec::new();
    for phase in Phase::ALL {
        for step in steps_of(chart, phase) {
            findings.extend(step.check_input().await);
        }
    }
    findings
}

/// What is wrong with the names of a release.
pub(crate) fn name_findings(info: &ChartInfo) -> Vec<Finding> {
    let checks = [check_release_name(&info.name), check_namespace(info.namespace.as_str())];
    let wrong = checks.into_iter().filter_map(Result::err);
    wrong.map(|error| Finding::new(Class::BadInput, code::RELEASE_NAME_INVALID, info.key(), error)).collect()
}

/// The secrets known of a release, besides those known anyway.
pub(crate) fn redactor_of(known: &Redactor, info: &ChartInfo) -> Redactor {
    let mut redactor = known.clone();
    for value in &info.values {
        if let ValueSource::Sensitive(secret) = &value.value {
            redactor.add(secret.expose());
        }
    }
    redactor
}

/// Resolves and renders, for a cluster if there is one. Values that come from the payload and are not there yet are
/// left out of this rendering.
pub(crate) async fn prepare(
    place: &Place<'_>,
    info: &ChartInfo,
    payload: &Payload,
    target: Option<Result<&Target, String>>,
) -> Prepared {
    let mut prepared = Prepared::default();
    if let ChartSource::Repo { url, .. } | ChartSource::Oci(url) = &info.chart.source
        && place.redactor.redact(url) != *url
    {
        let message =
            "its URL holds credentials, which the process list would show: put them into helm's own configuration";
        prepared.wrong(code::CHART_INVALID, place.redactor.redact(&info.chart.to_string()), message);
        return prepared;
    }
    for path in &info.values_files {
        if let Some(message) = unreadable(path).await {
            prepared.wrong(code::FILE_NOT_READABLE, path.display(), message);
        }
    }
    if let Some(text) = &info.chart.version
        && let Err(error) = VersionConstraint::parse(text)
    {
        prepared.wrong(code::VERSION_INVALID, &info.chart, error);
        return prepared;
    }
    let Place { helm, chart_cache, shelf, cancel, .. } = *place;
    match resolve_chart_shared(&info.chart, helm, chart_cache, shelf, Fetch::Always, cancel).await {
        Ok(chart) => prepared.chart = Some(chart),
        Err(error) => {
            let code = match &error {
                ChartError::NotFound { .. } | ChartError::Fetch { .. } => code::CHART_NOT_FOUND,
                ChartError::Version { .. } => code::VERSION_INVALID,
                _ => code::CHART_INVALID,
            };
            prepared.wrong(code, &info.chart, place.text(&error));
        }
    }
    match target {
        Some(Err(why)) => prepared.wrong(code::API_UNREACHABLE, "cluster", why),
        Some(Ok(target)) => render(place, info, &mut prepared, payload, Some(target)).await,
        None => render(place, info, &mut prepared, payload, None).await,
    }
    prepared
}

async fn render(
    place: &Place<'_>,
    info: &ChartInfo,
    prepared: &mut Prepared,
    payload: &Payload,
    target: Option<&Target>,
) {
    let Some(chart) = prepared.chart.clone().filter(|_| prepared.findings.is_empty()) else { return };
    let subject = format!("{} {}", chart.metadata.name, chart.metadata.version);
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        let message = format!("dependencies are missing in charts/: {}", missing.join(", "));
        return prepared.wrong(code::CHART_DEPENDENCY_MISSING, &subject, message);
    }
    if let (Some(constraint), Some(target)) = (&chart.metadata.kube_version, target)
        && !kube_version_fits(constraint, &target.kube_version, KubeVersionFrom::Cluster)
    {
        let message = format!("it requires Kubernetes {constraint}, the cluster is {}", target.kube_version);
        return prepared.wrong(code::KUBE_VERSION_UNSUPPORTED, &subject, message);
    }
    let values = match Values::of(&known(info, payload), payload) {
        Ok(values) => values,
        Err(error) => return prepared.wrong(code::VALUES_INVALID, &subject, place.text(&error)),
    };
    let timeout = Duration::from_secs(info.timeout_in_seconds);
    let request = TemplateRequest {
        kube_version: target.map(|target| target.kube_version.clone()),
        api_versions: target.map(|target| target.api_versions.clone()).unwrap_or_default(),
        ..TemplateRequest::new(info.key(), chart.path.clone(), values, timeout)
    };
    match place.helm.template(&request, place.cancel).await {
        Ok(text) => match Rendering::new(&text) {
            Ok(rendering) => prepared.rendering = rendering,
            Err(error) => prepared.wrong(code::CHART_TEMPLATE_FAILED, &subject, place.text(&error)),
        },
        // A chart may well require the value that is not known yet; it is rendered again when it is.
        Err(_) if values_are_missing(info, payload) && !place.cancel.is_cancelled() => {}
        Err(error) => {
            let code = if error.is_values_schema() { code::VALUES_INVALID } else { code::CHART_TEMPLATE_FAILED };
            prepared.wrong(code, &subject, place.text(&error));
        }
    }
}

/// Renders a chart once more, as an install or as an upgrade of what is deployed, with what the cluster holds where it
/// looks for that.
///
/// # Errors
/// When helm cannot render it.
pub(crate) async fn render_again(
    ctx: &Context,
    chart: &ResolvedChart,
    uses: &TemplateUse,
    is_upgrade: bool,
) -> Result<Rendering, PhaseError> {
    let info = ctx.info();
    let target = ctx.session().target().await?;
    let request = TemplateRequest {
        kube_version: Some(target.kube_version.clone()),
        api_versions: target.api_versions.clone(),
        is_upgrade,
        lookup: uses.lookup,
        ..TemplateRequest::new(info.key(), chart.path.clone(), Values::of(info, &Payload::default())?, ctx.timeout())
    };
    let text = ctx.helm().template(&request, ctx.cancel()).await?;
    let name = || format!("what {} renders", chart.metadata.name);
    Rendering::new(&text).map_err(|error| PhaseError::Yaml { name: name(), message: error.to_string() })
}

fn values_are_missing(info: &ChartInfo, payload: &Payload) -> bool {
    payload_values(info, payload).iter().any(Value::is_null)
}

/// The values that come from the payload, in order; null where an entry is not there yet.
pub(crate) fn payload_values(info: &ChartInfo, payload: &Payload) -> Vec<Value> {
    let entries = info.values.iter().filter_map(|value| match &value.value {
        ValueSource::Payload(key) => Some(payload.value(key).cloned().unwrap_or_default()),
        ValueSource::Auto(_) | ValueSource::String(_) | ValueSource::Json(_) | ValueSource::Sensitive(_) => None,
    });
    entries.collect()
}

/// The info without the values that come from a payload entry that is not there yet.
fn known(info: &ChartInfo, payload: &Payload) -> ChartInfo {
    let known = |value: &&SetValue| match &value.value {
        ValueSource::Payload(key) => payload.value(key).is_some(),
        ValueSource::Auto(_) | ValueSource::String(_) | ValueSource::Json(_) | ValueSource::Sensitive(_) => true,
    };
    ChartInfo { values: info.values.iter().filter(known).cloned().collect(), ..info.clone() }
}

/// Why a file cannot be read, if so.
async fn unreadable(path: &Path) -> Option<String> {
    match tokio::fs::metadata(path).await {
        Ok(found) if found.is_dir() => return Some("it is a folder, not a file".to_owned()),
        Ok(_) => {}
        Err(error) => return Some(error.to_string()),
    }
    tokio::fs::File::open(path).await.err().map(|error| error.to_string())
}
