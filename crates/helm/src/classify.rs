//! What went wrong, as far as helm's text tells.
//!
//! Helm exits with 1 for everything and has no machine-readable failure, so its text is all there is (checked against
//! 3.21.4 and 4.2.4). Whatever matters must be confirmed elsewhere: from the release's record or from the cluster.

/// What went wrong in a run of helm.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The newest revision is pending: another operation is in progress, or was killed.
    Locked,
    /// Another helm wrote the next revision first.
    AlreadyExistsRace,
    /// There are records, but none that could be upgraded: an uninstall stopped half-way.
    NoDeployedReleases,
    /// There is no such release, or not this revision of it.
    NotFound,
    /// An object belongs to somebody else. Helm names only the first.
    Ownership {
        /// The object, as helm names it: `Kind "name" in namespace "namespace"`.
        object: String,
    },
    /// The API server cannot be reached.
    Unreachable,
    /// Helm's own time limit for one of its steps was reached.
    Deadline,
    /// A field that must not change would change.
    Immutable,
    /// Fields of an object belong to another field manager (server-side apply).
    FieldConflict,
    /// An object has fields its schema does not know, or entries twice (server-side apply).
    FieldNotInSchema,
    /// A hook failed.
    HookFailed {
        /// The event of the hook: `pre-install`.
        event: String,
    },
    /// The cluster does not serve a kind: a definition is missing, or an API was removed.
    NoMatchesForKind,
    /// The chart does not allow this version of Kubernetes.
    KubeVersion,
    /// Charts named as dependencies are not in the `charts/` folder.
    DependencyMissing,
    /// The values do not meet the chart's schema.
    Schema,
    /// The values cannot be read: not YAML, or not a mapping.
    Values,
    /// A template cannot be rendered, or does not give YAML.
    TemplateFailed,
    /// The record of the release is larger than a Secret may be.
    TooLarge,
    /// The credentials do not allow it, or are refused.
    Forbidden,
    /// There is no such chart, or what is there is not a chart.
    ChartNotFound,
    /// There is no such version of the chart.
    VersionNotFound,
    /// Something else.
    Other,
}

/// Tells what went wrong from the text helm printed. Letter case does not matter: helm 3 and 4 differ in it.
///
/// The order of the rules matters: a hook that failed because the cluster was not reachable is unreachable, a template
/// error may quote anything.
pub fn classify(text: &str) -> Kind {
    let lower = text.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("another operation (install/upgrade/rollback) is in progress") {
        return Kind::Locked;
    }
    if has("invalid ownership metadata") || has("cannot be owned") {
        return Kind::Ownership { object: ownership_object(text) };
    }
    if has("asked for the client to provide credentials") || has("must be logged in to the server") {
        return Kind::Forbidden;
    }
    if has("cluster unreachable") || has("cluster reachability check failed") || is_connection_refused(&lower) {
        return Kind::Unreachable;
    }
    if has("has no deployed releases") {
        return Kind::NoDeployedReleases;
    }
    if has("release: already exists") {
        return Kind::AlreadyExistsRace;
    }
    if has("release: not found") || has("release not found") || is_no_revision(&lower) {
        return Kind::NotFound;
    }
    if has("chart requires kubeversion") {
        return Kind::KubeVersion;
    }
    if has("missing in charts/ directory") {
        return Kind::DependencyMissing;
    }
    if has("values don't meet the specifications of the schema") {
        return Kind::Schema;
    }
    if is_too_large(&lower) {
        return Kind::TooLarge;
    }
    if let Some(event) = hook_event(&lower) {
        return Kind::HookFailed { event };
    }
    if has("no matches for kind")
        || has("resource mapping not found")
        || has("ensure crds are installed first")
        || has("contains removed kubernetes api(s)")
    {
        return Kind::NoMatchesForKind;
    }
    if has("conflict occurred while applying") || (has("apply failed with") && has("conflict")) {
        return Kind::FieldConflict;
    }
    if has("field not declared in schema") || has("duplicate entries for key") {
        return Kind::FieldNotInSchema;
    }
    if has("field is immutable")
        || (has("forbidden: updates to") && has("are forbidden"))
        || has("cannot change roleref")
    {
        return Kind::Immutable;
    }
    if is_template(&lower) {
        return Kind::TemplateFailed;
    }
    if is_values(&lower) {
        return Kind::Values;
    }
    if is_version_missing(&lower) {
        return Kind::VersionNotFound;
    }
    if is_chart_missing(&lower) {
        return Kind::ChartNotFound;
    }
    if has(" is forbidden: ")
        || has("is forbidden:")
        || has("unauthorized")
        || has("403 forbidden")
        || has("must be logged in")
    {
        return Kind::Forbidden;
    }
    if has("context deadline exceeded") || has("timed out waiting for the condition") || has("client rate limiter wait")
    {
        return Kind::Deadline;
    }
    Kind::Other
}

fn is_connection_refused(lower: &str) -> bool {
    // Of the API server only: a repository that cannot be reached is a chart that cannot be had.
    let api = lower.contains("/api/")
        || lower.contains("/apis/")
        || lower.contains("/version")
        || lower.contains("/openapi/");
    api && ["connection refused", "no such host", "i/o timeout", "tls handshake", "x509:", "no route to host"]
        .iter()
        .any(|sign| lower.contains(sign))
}

/// `release has no 3 version`
fn is_no_revision(lower: &str) -> bool {
    lower.split("release has no ").skip(1).any(|rest| {
        rest.split_once(' ')
            .is_some_and(|(n, rest)| n.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with("version"))
    })
}

fn is_too_large(lower: &str) -> bool {
    let record = lower.contains("sh.helm.release.v1.")
        || lower.contains("failed to create:")
        || lower.contains("failed to update:");
    record && (lower.contains("too long") || lower.contains("too large") || lower.contains("must have at most 1048576"))
}

/// The event of a failed hook: `failed pre-install:`, `post-upgrade hooks failed:`, or helm 4's `Hook post-delete`.
fn hook_event(lower: &str) -> Option<String> {
    const EVENTS: [&str; 8] = [
        "pre-install",
        "post-install",
        "pre-upgrade",
        "post-upgrade",
        "pre-delete",
        "post-delete",
        "pre-rollback",
        "post-rollback",
    ];
    let failed = |event: &&&str| {
        lower.contains(&format!("failed {event}:"))
            || lower.contains(&format!("{event} hooks failed"))
            || lower.contains(&format!("warning: hook {event} "))
    };
    EVENTS.iter().find(failed).map(|event| (*event).to_owned())
}

fn is_template(lower: &str) -> bool {
    lower.contains("execution error at (")
        || lower.contains("parse error at (")
        || lower.contains("error calling ")
        || lower.contains("<{{")
        || (lower.contains("template: ") && lower.contains("executing"))
        || lower.contains("yaml parse error on ")
        || lower.contains("unable to build kubernetes objects from release manifest: error parsing")
}

fn is_values(lower: &str) -> bool {
    lower.contains("failed to parse") && !lower.contains("chart.yaml")
        || lower.contains("cannot unmarshal") && lower.contains("map[string]interface")
        || lower.contains("failed parsing --set")
}

fn is_version_missing(lower: &str) -> bool {
    lower.contains("no chart version found for")
        || lower.contains("could not locate a version matching")
        || (lower.contains("chart \"") && lower.contains("version \"") && lower.contains("not found in"))
        || lower.contains("improper constraint")
}

fn is_chart_missing(lower: &str) -> bool {
    const SIGNS: [&str; 12] = [
        "looks like \"",
        "chart.yaml file is missing",
        "not a valid chart repository",
        "cannot be reached",
        "repo not found",
        "failed to download",
        "chart metadata is missing",
        "file does not appear to be a gzipped archive",
        "chart must contain a chart.yaml",
        "chart.metadata.name is required",
        "failed to perform \"fetchreference\"",
        "no such file or directory",
    ];
    SIGNS.iter().any(|sign| lower.contains(sign))
        || (lower.contains("chart \"") && lower.contains("not found"))
        || (lower.contains("path \"") && lower.contains("not found"))
}

/// The object in `... with install: Kind "name" in namespace "ns" exists and cannot be imported ...`.
fn ownership_object(text: &str) -> String {
    let end = [" exists and cannot be imported", " cannot be owned"].iter().find_map(|sign| text.find(sign));
    let before = end.map_or("", |end| &text[..end]);
    let object = before.rsplit_once(": ").map_or(before, |(_, object)| object);
    object.trim().to_owned()
}
