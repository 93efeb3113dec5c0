//! One release.

use super::context::Context;
use super::documents::read_yaml_files;
use super::expression;
use super::fields::{Fields, Sink};
use super::needs::read_needs;
use super::on_failure::read_on_failure;
use super::steps::read_steps;
use super::values::read_values;
use crate::keys::{CHART, DRIFT_IGNORE_EACH, RELEASE};
use crate::text::{Node, Problem, ReleasePlaces};
use pilothouse_core::{
    BeforeDestructive, ChartInfo, ChartRef, CrdPolicy, DriftIgnore, DriftPolicy, FailFast, HelmAction, InvalidName,
    Namespace, Need, Phase, ReleaseSpec, VersionConstraint, check_namespace, check_release_name, code,
};
use pilothouse_yaml::Meaning;
use pilothouse_yaml::Span;
use semver::Version;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A release and what of its text is still needed.
pub(crate) struct ReadRelease {
    pub(crate) spec: ReleaseSpec,
    pub(crate) places: ReleasePlaces,
    /// As in `spec`, with their places.
    pub(crate) needs: Vec<(Need, Span)>,
}

/// The phases that take steps.
const PHASES: [Phase; 5] =
    [Phase::CheckPrerequisites, Phase::PreExec, Phase::OnDeployFailure, Phase::PostExec, Phase::Validate];

/// Reads one of `releases`; `number` counts from 1.
pub(crate) fn read_release(
    node: &Node,
    number: usize,
    defaults: &ChartInfo,
    context: &Context<'_>,
    out: &mut Sink,
) -> Option<ReadRelease> {
    let name_node = node.get("name").and_then(Node::scalar).filter(|name| !name.is_null());
    let what = name_node.map_or_else(|| format!("release {number}"), |name| format!("release `{}`", name.text()));
    let fields = Fields::open(node, &RELEASE, what, out)?;

    let mut info = defaults.clone();
    let name = fields.text("name", out).unwrap_or_default();
    name.clone_into(&mut info.name);
    if let Some(node) = fields.node("name").filter(|_| !name.is_empty()) {
        report_name(check_release_name(name), node.span, out);
    }
    read_common(&fields, &mut info, out);
    let chart_places = read_chart(&fields, &mut info, context, out);
    let actions = [("deploy", HelmAction::Deploy), ("destroy", HelmAction::Destroy), ("skip", HelmAction::Skip)];
    info.action = fields.choice("action", &actions, out).unwrap_or(info.action);
    if read_enabled(&fields, &info, context, out) == Some(false) {
        info.action = HelmAction::Skip;
    }

    let values_files = fields.texts("values_files", out);
    info.values_files = values_files.iter().map(|(path, _)| context.folder.join(path)).collect();
    info.yaml_files_content = read_yaml_files(&fields, out);
    info.values = read_values(&fields, context, out);
    info.last_breaking_version_requiring_restart = read_breaking_version(&fields, out);

    let needs = read_needs(&fields, out);
    info.needs = needs.iter().map(|(need, _)| need.clone()).collect();
    for (consent, _) in fields.consents("consent", out) {
        info.add_consent(consent);
    }

    let mut steps = BTreeMap::new();
    for phase in PHASES {
        let of_phase = read_steps(&fields, phase, context, out);
        if !of_phase.is_empty() {
            steps.insert(phase, of_phase);
        }
    }

    let unset = std::mem::take(&mut out.unset);
    out.left_out.extend(unset.into_iter().map(|variable| (info.key(), variable)));

    let start = Span { len: 1, ..node.span };
    let (chart, version) = chart_places;
    let places = ReleasePlaces {
        name: fields.node("name").map_or(start, |node| node.span),
        chart: chart.unwrap_or(start),
        version,
        values_files: values_files.iter().map(|(_, span)| *span).collect(),
    };
    Some(ReadRelease { spec: ReleaseSpec { info, steps }, places, needs })
}

/// Reads one of `drift_ignore`; `number` counts from 1.
fn read_drift_ignore(node: &Node, number: usize, out: &mut Sink) -> Option<DriftIgnore> {
    let fields = Fields::open(node, &DRIFT_IGNORE_EACH, format!("ignored drift {number}"), out)?;
    let (kind, field) = (fields.text("kind", out), fields.text("field", out));
    Some(DriftIgnore { kind: kind?.to_owned(), field: field?.to_owned() })
}

/// Reads what `defaults` and a release have in common; what is not given stays.
pub(crate) fn read_common(fields: &Fields<'_>, info: &mut ChartInfo, out: &mut Sink) {
    if let Some(namespace) = fields.text("namespace", out) {
        if let Some(node) = fields.node("namespace") {
            report_name(check_namespace(namespace), node.span, out);
        }
        info.namespace = Namespace::from(namespace);
    }
    let crds = [("skip", CrdPolicy::Skip), ("create", CrdPolicy::Create), ("upgrade", CrdPolicy::Upgrade)];
    info.crds = fields.choice("crds", &crds, out).unwrap_or(info.crds);
    read_on_failure(fields, &mut info.on_failure, out);
    let fail_fast = [("certain", FailFast::Certain), ("never", FailFast::Never)];
    info.fail_fast = fields.choice("fail_fast", &fail_fast, out).unwrap_or(info.fail_fast);
    let drift = [("report", DriftPolicy::Report), ("correct", DriftPolicy::Correct), ("ignore", DriftPolicy::Ignore)];
    info.drift = fields.choice("drift", &drift, out).unwrap_or(info.drift);
    for (index, node) in fields.items("drift_ignore", out).iter().enumerate() {
        info.drift_ignore.extend(read_drift_ignore(node, index + 1, out));
    }
    let before = [("proceed", BeforeDestructive::Proceed), ("backup", BeforeDestructive::Backup)];
    info.before_destructive = fields.choice("before_destructive", &before, out).unwrap_or(info.before_destructive);
    info.take_over = fields.flag("take_over", out).unwrap_or(info.take_over);
    info.create_namespace = fields.flag("create_namespace", out).unwrap_or(info.create_namespace);
    info.timeout_in_seconds = fields.seconds("timeout_in_seconds", out).unwrap_or(info.timeout_in_seconds);
    info.wait = fields.flag("wait", out).unwrap_or(info.wait);
    info.force_upgrade = fields.flag("force_upgrade", out).unwrap_or(info.force_upgrade);
    info.skip_schema_validation = fields.flag("skip_schema_validation", out).unwrap_or(info.skip_schema_validation);
    info.dry_run = fields.flag("dry_run", out).unwrap_or(info.dry_run);
    info.skip_if_already_installed =
        fields.flag("skip_if_already_installed", out).unwrap_or(info.skip_if_already_installed);
    info.recreate_pods = fields.flag("recreate_pods", out).unwrap_or(info.recreate_pods);
    info.max_history = fields.count("max_history", out).unwrap_or(info.max_history);
    info.labels.extend(fields.text_map("labels", out));
}

pub(crate) fn report_name(checked: Result<(), InvalidName>, span: Span, out: &mut Sink) {
    if let Err(error) = checked {
        let code = match error {
            InvalidName::Namespace { .. } => "NAMESPACE_INVALID",
            InvalidName::ReleaseLength { .. } | InvalidName::ReleaseCharacters { .. } => code::RELEASE_NAME_INVALID,
            InvalidName::ObjectForm { .. } => "OBJECT_INVALID",
        };
        out.push(Problem::error(code, span, error.to_string()).label("not a valid name"));
    }
}

/// Whether the release takes part, when `enabled` is given and could be evaluated.
fn read_enabled(release: &Fields<'_>, info: &ChartInfo, context: &Context<'_>, out: &mut Sink) -> Option<bool> {
    let node = release.node("enabled")?;
    match node.meaning() {
        Some(Meaning::Bool(enabled)) => Some(*enabled),
        Some(Meaning::Text) => {
            let source = release.text("enabled", out)?;
            match expression::holds(source, context.env, info) {
                Ok(holds) => Some(holds),
                Err(error) => {
                    let message = format!("the expression cannot be used: {}", error.message);
                    out.push(
                        Problem::error("EXPRESSION_INVALID", node.span, message)
                            .label("this expression")
                            .maybe_help(error.help),
                    );
                    None
                }
            }
        }
        _ => {
            release.wrong_type("enabled", "true, false or an expression", None, out);
            None
        }
    }
}

fn read_breaking_version(release: &Fields<'_>, out: &mut Sink) -> Option<Version> {
    const KEY: &str = "last_breaking_version_requiring_restart";
    let text = release.words(KEY, out)?;
    match Version::parse(text) {
        Ok(version) => Some(version),
        Err(error) => {
            let span = release.node(KEY)?.span;
            out.push(
                Problem::error(code::VERSION_INVALID, span, format!("`{text}` is not a version: {error}"))
                    .label("not a version")
                    .help("a version has three numbers, for example `19.0.0`"),
            );
            None
        }
    }
}

/// Reads `chart`; gives the places of the chart and of its version.
fn read_chart(
    release: &Fields<'_>,
    info: &mut ChartInfo,
    context: &Context<'_>,
    out: &mut Sink,
) -> (Option<Span>, Option<Span>) {
    let Some(node) = release.node("chart") else { return (None, None) };
    if node.scalar().is_some() {
        let forms = "write `{ path: charts/web }`, `{ repo: https://charts.example.com, name: web }` or `{ oci: oci://registry.example.com/charts/web }`";
        release.wrong_type("chart", "a mapping", Some(forms.to_owned()), out);
        return (Some(node.span), None);
    }
    let Some(chart) = Fields::open(node, &CHART, "`chart`".to_owned(), out) else { return (None, None) };
    let repo = chart.text("repo", out);
    let name = chart.text("name", out);
    let path = chart.text("path", out);
    let oci = chart.text("oci", out);
    for (key, url) in [("repo", repo), ("oci", oci)] {
        if let (Some(url), Some(node)) = (url, chart.node(key))
            && has_user_info(url)
        {
            out.masked.push(node.span);
            out.push(
                Problem::error("CREDENTIALS", node.span, format!("`{key}` of `chart` holds a user or password"))
                    .label("anyone who may list processes would see it while helm runs")
                    .help(match key {
                        "repo" => "leave it out here and give it to helm: `helm repo add` keeps it in helm's repository configuration",
                        _ => "leave it out here and give it to helm: `helm registry login` keeps it in helm's registry configuration",
                    }),
            );
        }
    }
    if let Some(url) = repo {
        check_repo(&chart, url, out);
        if chart.node("name").is_none() {
            out.push(
                Problem::error("MISSING_KEY", chart.key_span("repo").unwrap_or(chart.span), "`chart` has no `name`")
                    .label("a repository has many charts")
                    .help("for example `name: cert-manager`"),
            );
        }
    } else if let (Some(span), None) = (chart.key_span("name"), chart.node("repo")) {
        out.push(
            Problem::error("CONFLICTING_KEYS", span, "`name` of `chart` is only for charts of a repository")
                .label("not with `path` or `oci`")
                .help("the name of the release stands beside `chart`, not in it"),
        );
    }
    if let (Some(oci), Some(node)) = (oci, chart.node("oci"))
        && (!oci.starts_with("oci://") || oci.len() == "oci://".len())
        && !has_user_info(oci)
    {
        out.push(
            Problem::error("CHART_REFERENCE", node.span, format!("`{oci}` is not a chart in a registry"))
                .label("does not begin with `oci://`")
                .help("for example `oci: oci://ghcr.io/stefanprodan/charts/podinfo`"),
        );
    }
    info.chart = match (repo, path, oci) {
        (Some(repo), _, _) => ChartRef::repo(repo, name.unwrap_or_default()),
        (None, Some(path), _) => ChartRef::path(context.folder.join(path)),
        (None, None, Some(oci)) => ChartRef::oci(oci),
        (None, None, None) => ChartRef::path(PathBuf::new()),
    };
    let version = chart.words("version", out);
    if let (Some(version), Some(node)) = (version, chart.node("version")) {
        if let Err(why) = check_constraint(version) {
            out.push(
                Problem::error(code::VERSION_INVALID, node.span, why)
                    .label("not a version or constraint")
                    .help("for example `1.2.3`, `~1.20`, `^2.1`, `\">=1.2 <2\"`"),
            );
        }
        info.chart.version = Some(version.to_owned());
    }
    (Some(node.span), chart.node("version").map(|node| node.span))
}

fn check_repo(chart: &Fields<'_>, url: &str, out: &mut Sink) {
    let Some(node) = chart.node("repo") else { return };
    let has_host = |scheme: &str| url.strip_prefix(scheme).is_some_and(|rest| !rest.trim_matches('/').is_empty());
    // The text is shown, so not when it holds a password.
    if !has_host("https://") && !has_host("http://") && !has_user_info(url) {
        let help = if url.starts_with("oci://") {
            "a chart in a registry is given as `oci: oci://host/path/chart`"
        } else {
            "for example `repo: https://charts.jetstack.io`"
        };
        out.push(
            Problem::error("CHART_REFERENCE", node.span, format!("`{url}` is not the URL of a chart repository"))
                .label("does not begin with `https://` or `http://`")
                .help(help),
        );
    }
}

/// Whether a URL, even a badly written one, has a user or password before its host.
fn has_user_info(url: &str) -> bool {
    let rest = url.split_once(":/").map_or(url, |(_, rest)| rest.trim_start_matches('/'));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // What stands in the place of the port and is none is the begin of a password with such a character in it.
    let odd_port = || authority.split_once(':').is_some_and(|(_, port)| port.chars().any(|c| !c.is_ascii_digit()));
    authority.contains('@') || (rest.contains('@') && odd_port())
}

/// Whether Helm would understand this version constraint.
fn check_constraint(text: &str) -> Result<(), String> {
    VersionConstraint::parse(text).map(|_| ()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://user:pass@host", true)]
    #[case("https://token@host/charts", true)]
    #[case("https://user:@host", true)]
    #[case("oci://user:pass@host:5000/charts/web", true)]
    #[case("user:pass@host/charts", true)]
    #[case("https:/user:pass@host", true)]
    #[case("https://user:pa/ss@host", true)]
    #[case("https://user:1#2@host", true)]
    #[case("https://host:8443/charts/@team/web", false)]
    #[case("https://host/charts?mail=a@b", false)]
    #[case("oci://host:5000/charts/web@sha256:0123", false)]
    #[case("oci://host/charts/web:1.2.3@sha256:0123", false)]
    #[case("https://[::1]:8443/charts", false)]
    fn user_and_password_in_a_url(#[case] url: &str, #[case] expected: bool) {
        assert_eq!(has_user_info(url), expected);
    }
}
