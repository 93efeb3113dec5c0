//! A release's chart, files and values, resolved and rendered, with everything that is wrong with them. Nothing here
//! reads the state of the release; the cluster is asked only which version and kinds it serves.

use crate::context::Context;
use crate::context::RenderedAs;
use crate::context::Rendering;
use crate::context::Session;
use crate::context::Steps;
use crate::context::Target;
use crate::context::Wanted;
use crate::context::is_of_rendering;
use crate::digest;
use crate::render::hook_order::too_early;
use crate::render::objects::{doubtful, unusable};
use pilothouse_core::{
    ChartInfo, ChartSource, Class, CrdFacts, CrdPolicy, Finding, KubeVersionFrom, Payload, Redactor, SetValue,
    ValueSource, VersionConstraint, check_namespace, check_release_name, code, crd_facts, error_chain,
    kube_version_fits, suffix_that_counts,
};
use pilothouse_helm::Origin;
use pilothouse_helm::{
    ChartError, ChartShelf, Fetch, HelmClient, Kind, ResolvedChart, TemplateRequest, TemplateUse, Values, classify,
    has_more_documents, resolve_chart_shared,
};
use pilothouse_process::{MAX_DOCUMENT, read_file_text};
use serde_json::Value;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What preparing needs besides the release itself.
pub(crate) struct RenderTools<'a> {
    pub(crate) helm: &'a dyn HelmClient,
    pub(crate) chart_cache: &'a Path,
    pub(crate) shelf: &'a ChartShelf,
    pub(crate) redactor: &'a Redactor,
    pub(crate) cancel: &'a CancellationToken,
}

impl RenderTools<'_> {
    fn text(&self, error: &(dyn Error + 'static)) -> String {
        self.redactor.redact(&error_chain(error).join(": "))
    }
}

/// What is wrong with the input of a release, before anything is asked of the cluster's state.
pub(crate) async fn input_findings(steps: &Steps, ctx: &Context, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = name_findings(ctx.info());
    findings.extend(wanted.findings.clone());
    findings.extend(steps.input_findings().await);
    findings
}

/// What is wrong with the names of a release.
pub(crate) fn name_findings(info: &ChartInfo) -> Vec<Finding> {
    let checks = [check_release_name(&info.name), check_namespace(info.namespace.as_str())];
    let wrong = checks.into_iter().filter_map(Result::err);
    wrong.map(|error| Finding::new(Class::BadInput, code::RELEASE_NAME_INVALID, info.key(), error)).collect()
}

/// Resolves and renders, for a cluster if there is one. Values that come from the payload and are not there yet are
/// left out of this rendering. Only a chart that asks how it is rendered is rendered `rendered_as`.
pub(crate) async fn prepare_wanted(
    tools: &RenderTools<'_>,
    info: &ChartInfo,
    payload: &Payload,
    target: Option<Result<&Target, String>>,
    rendered_as: RenderedAs,
) -> Wanted {
    let values_files = digest::of_files(&info.values_files).await;
    let mut wanted = Wanted { values_files, payload: payload.clone(), ..Wanted::default() };
    if let ChartSource::Repo { url, .. } | ChartSource::Oci(url) = &info.chart.source
        && tools.redactor.redact(url) != *url
    {
        let message =
            "its URL holds credentials, which the process list would show: put them into helm's own configuration";
        wanted.wrong(code::CHART_INVALID, tools.redactor.redact(&info.chart.to_string()), message);
        return wanted;
    }
    for path in &info.values_files {
        match read_file_text(path, MAX_DOCUMENT).await {
            Err(message) => wanted.wrong(code::FILE_NOT_READABLE, path.display(), message),
            Ok(text) if tools.helm.version().major < 4 && has_more_documents(&text) => {
                let file = path.display();
                let warning = format!("{file} holds more than one YAML document: helm 3 reads the first one only");
                wanted.warnings.push(warning);
            }
            Ok(_) => {}
        }
    }
    if let Some(text) = &info.chart.version
        && let Err(error) = VersionConstraint::parse(text)
    {
        wanted.wrong(code::VERSION_INVALID, &info.chart, error);
        return wanted;
    }
    let RenderTools { helm, chart_cache, shelf, cancel, .. } = *tools;
    match resolve_chart_shared(&info.chart, helm, chart_cache, shelf, Fetch::Always, cancel).await {
        Ok(chart) => {
            let name = &chart.metadata.name;
            let stale = chart.stale_dependencies().iter();
            wanted
                .warnings
                .extend(stale.map(|stale| format!("chart {name}: {stale} (`helm dependency update` mends it)")));
            let uses = templates_of(info, &chart, payload).await;
            wanted.rendered_as = rendered_as.as_asked(&uses);
            wanted.uses = uses;
            wanted.chart = Some(chart);
        }
        Err(error) => {
            let code = match &error {
                ChartError::NotFound { .. } | ChartError::Fetch { .. } => code::CHART_NOT_FOUND,
                ChartError::AccessDenied { .. } => code::CHART_ACCESS_DENIED,
                ChartError::Version { .. } => code::VERSION_INVALID,
                _ => code::CHART_INVALID,
            };
            wanted.wrong(code, &info.chart, tools.text(&error));
        }
    }
    match target {
        Some(Err(why)) => wanted.wrong(code::API_UNREACHABLE, "cluster", why),
        Some(Ok(target)) => render(tools, info, &mut wanted, payload, Some(target)).await,
        None => render(tools, info, &mut wanted, payload, None).await,
    }
    wanted
}

async fn render(
    tools: &RenderTools<'_>,
    info: &ChartInfo,
    wanted: &mut Wanted,
    payload: &Payload,
    target: Option<&Target>,
) {
    let Some(chart) = wanted.chart.clone().filter(|_| wanted.findings.is_empty()) else { return };
    let subject = format!("{} {}", chart.metadata.name, chart.metadata.version);
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        let message = format!("dependencies are missing in charts/: {}", missing.join(", "));
        return wanted.wrong(code::CHART_DEPENDENCY_MISSING, &subject, message);
    }
    if let (Some(constraint), Some(target)) = (&chart.metadata.kube_version, target)
        && !kube_version_fits(constraint, &target.kube_version, KubeVersionFrom::Cluster)
    {
        let message = format!("it requires Kubernetes {constraint}, the cluster is {}", target.kube_version);
        let message = match suffix_that_counts(constraint, &target.kube_version) {
            Some(suffix) => format!(
                "{message}: helm takes the suffix {suffix} for a pre-release, which a constraint allows only if it says so itself, as in `>=1.27.0-0`"
            ),
            None => message,
        };
        return wanted.wrong(code::KUBE_VERSION_UNSUPPORTED, &subject, message);
    }
    let values = match Values::of(&known(info, payload), payload) {
        Ok(values) => values,
        Err(error) => return wanted.wrong(code::VALUES_INVALID, &subject, tools.text(&error)),
    };
    let timeout = Duration::from_secs(info.timeout_in_seconds);
    wanted.serves = Arc::new(target.cloned().unwrap_or_default());
    let request = TemplateRequest {
        skip_schema_validation: info.skip_schema_validation,
        kube_version: target.map(|target| target.kube_version.clone()),
        api_versions: target.map(|target| target.api_versions.clone()).unwrap_or_default(),
        is_upgrade: wanted.rendered_as.upgrade.is_some(),
        revision: wanted.rendered_as.revision(),
        lookup: wanted.rendered_as.looks_up,
        ..TemplateRequest::new(info.key(), chart.path.clone(), values, timeout)
    };
    match tools.helm.template(&request, tools.cancel).await {
        Ok(text) => match Rendering::new(&text) {
            Ok(rendering) => {
                let docs = rendering.docs();
                for line in doubtful(&docs).into_iter().chain(too_early(&docs)) {
                    let line = tools.redactor.redact(&line);
                    if !wanted.warnings.contains(&line) {
                        wanted.warnings.push(line);
                    }
                }
                // A value that is not known yet may be just what is missing; it is rendered again when it is.
                if !values_are_missing(info, payload) {
                    for (doc, why, is_reached) in unusable(&rendering.docs(), info.crds) {
                        let (source, why) = (doc.source.as_deref().unwrap_or(&subject), tools.redactor.redact(&why));
                        if is_reached {
                            wanted.wrong(code::OBJECT_INVALID, source, why);
                        } else {
                            wanted.warnings.push(format!("{source}: {why}; helm is going to fail on it"));
                        }
                    }
                }
                wanted.rendering = rendering;
            }
            Err(error) => wanted.wrong(code::CHART_TEMPLATE_FAILED, &subject, tools.text(&error)),
        },
        // A chart may well require the value that is not known yet; it is rendered again when it is.
        Err(_) if values_are_missing(info, payload) && !tools.cancel.is_cancelled() => {}
        Err(error) => {
            let code = match error.unusable_schema() {
                Some(why) => {
                    return wanted.wrong(code::CHART_SCHEMA_UNUSABLE, &subject, tools.redactor.redact(&why));
                }
                None if error.is_values_schema() => code::VALUES_INVALID,
                None => code::CHART_TEMPLATE_FAILED,
            };
            wanted.wrong(code, &subject, tools.text(&error));
        }
    }
}

/// Whether a value comes from a payload entry that is not there yet.
pub(crate) fn values_are_missing(info: &ChartInfo, payload: &Payload) -> bool {
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

/// Makes what is wanted, where a part of a release's way begins, for all that follows on it: resolves the chart, checks versions and
/// schema, renders. What is wrong is in its `findings`. What was made before stays as it is
/// while the cluster serves the same (an earlier release may have brought kinds) and the payload holds the same values.
///
/// The definitions in the chart's `crds/` are there before helm renders it: a chart that asks for kinds is rendered once more with
/// them.
pub(crate) async fn make_wanted(ctx: &Context, payload: &Payload) -> Arc<Wanted> {
    let upgrade = ctx.cache().await.wanted.expected;
    make_wanted_as(ctx, payload, upgrade).await
}

/// As [`make_wanted`]; what is made now is rendered as an upgrade to this revision or as an install, if the chart asks for it. What was
/// made for another revision does not stay, where the chart asks for that.
pub(crate) async fn make_wanted_as(ctx: &Context, payload: &Payload, upgrade: Option<u32>) -> Arc<Wanted> {
    let session = ctx.session();
    let served = session.target().await.map_err(|error| ctx.error_text(&error));
    let values = payload_values(ctx.info(), payload);
    let cache = &mut *ctx.cache().await;
    let kept = &mut cache.wanted;
    let coming = kept.coming.clone();
    let target = served.map(|served| if coming.is_empty() { served } else { Arc::new(served.with(&coming)) });
    let is_made = kept.target.as_ref() == Some(&target) && kept.is_of_revision(upgrade);
    if is_made && payload_values(ctx.info(), &kept.payload) == values {
        return kept.clone();
    }
    let tools = RenderTools {
        helm: ctx.helm(),
        chart_cache: &session.chart_cache,
        shelf: &session.shelf,
        redactor: ctx.redactor(),
        cancel: ctx.cancel(),
    };
    let known = target.as_deref().map_err(Clone::clone);
    // Helm 4 takes what is served from the cluster alone when it looks something up.
    let is_blind = tools.helm.version().major >= 4;
    // What is looked up decides what is made and lost: it is looked up as helm is going to, for an install as for an upgrade.
    let rendered_as = RenderedAs { upgrade, looks_up: coming.is_empty() || !is_blind };
    let mut wanted = prepare_wanted(&tools, ctx.info(), payload, Some(known), rendered_as).await;
    wanted.looks_up_later = wanted.uses.lookup && is_blind && !coming.is_empty();
    if let Ok(target) = &target
        && is_blind
        && wanted.rendered_as.looks_up
        && wanted.findings.iter().any(|finding| says_not_served(&finding.message))
    {
        // A kind of its own, which it brings itself.
        let looked_up = wanted.clone();
        wanted.findings.clear();
        wanted.rendered_as.looks_up = false;
        render(&tools, ctx.info(), &mut wanted, payload, Some(target)).await;
        if wanted.findings.is_empty() {
            wanted.looks_up_later = true;
        } else {
            wanted = looked_up;
        }
    }
    wanted.uses.lookup &= !wanted.looks_up_later;
    if let Ok(target) = &target
        && wanted.uses.capabilities
        && wanted.defines_kinds()
        && !(is_blind && wanted.rendered_as.looks_up)
    {
        let own = served_before_helm(ctx.info(), &wanted, target);
        if own != **target {
            wanted.findings.retain(|finding| !is_of_rendering(finding));
            render(&tools, ctx.info(), &mut wanted, payload, Some(&own)).await;
        }
    }
    let Wanted { steps, expected, taken, .. } = &**kept;
    let (steps, expected, taken, made_at) = (steps.clone(), *expected, taken.clone(), Some(Instant::now()));
    *kept = Arc::new(Wanted { target: Some(target), coming, taken, made_at, steps, expected, ..wanted });
    cache.rendered.clear();
    kept.clone()
}

/// Whether helm says that a kind is not served.
fn says_not_served(message: &str) -> bool {
    classify(message) == Kind::NoMatchesForKind
}

/// What is served once the definitions in the chart's `crds/` are brought.
fn served_before_helm(info: &ChartInfo, wanted: &Wanted, target: &Target) -> Target {
    let docs = wanted.rendering.docs();
    let own = docs.iter().filter(|doc| matches!(doc.origin, Origin::Crd)).filter_map(|doc| crd_facts(&doc.object));
    target.with(&own.filter(|own| is_brought(info, own, target)).collect::<Vec<_>>())
}

/// Whether a definition of a `crds/` folder is brought to a cluster, by the release's policy.
pub(crate) fn is_brought(info: &ChartInfo, definition: &CrdFacts, target: &Target) -> bool {
    match info.crds {
        CrdPolicy::Skip => false,
        CrdPolicy::Create => !target.has_kind(&definition.group, &definition.kind),
        CrdPolicy::Upgrade => true,
    }
}

/// What is wanted, as it was made last; made now where it was not yet.
pub(crate) async fn wanted(ctx: &Context) -> Arc<Wanted> {
    let wanted = ctx.cache().await.wanted.clone();
    if wanted.target.is_some() { wanted } else { make_wanted(ctx, &wanted.payload).await }
}

/// The chart, if it can be had without helm and without changing anything.
pub(crate) async fn chart_without_helm(ctx: &Context) -> Option<Arc<ResolvedChart>> {
    let Session { chart_cache, shelf, .. } = ctx.session();
    resolve_chart_shared(&ctx.info().chart, ctx.helm(), chart_cache, shelf, Fetch::Never, ctx.cancel()).await.ok()
}

/// What the chart's templates depend on, with the release's values.
pub(crate) async fn templates_of(info: &ChartInfo, chart: &ResolvedChart, payload: &Payload) -> TemplateUse {
    let mut texts = Vec::new();
    for file in &info.values_files {
        // One that cannot be read is told by whoever reads it for its values.
        texts.push(read_file_text(file, MAX_DOCUMENT).await.unwrap_or_default());
    }
    texts.extend(info.yaml_files_content.iter().map(|document| document.content.clone()));
    texts.extend(info.values.iter().map(|value| match &value.value {
        ValueSource::Auto(text) | ValueSource::String(text) => text.clone(),
        ValueSource::Json(value) => value.to_string(),
        ValueSource::Sensitive(secret) => secret.expose().clone(),
        // As long as a value that an earlier phase makes is not known, nothing is told from this.
        ValueSource::Payload(key) => payload.value(key).map(ToString::to_string).unwrap_or_default(),
    }));
    chart.templates.with_values(texts.iter().map(String::as_str))
}
