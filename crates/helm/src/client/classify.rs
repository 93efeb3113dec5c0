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
    /// The chart's schema cannot be used: the values were not looked at.
    SchemaUnusable {
        /// The address that cannot be loaded, if that is it.
        address: Option<String>,
        /// Why, in helm's words.
        why: String,
    },
    /// The values cannot be read: not YAML, or not a mapping.
    Values,
    /// A template cannot be rendered, or does not give YAML.
    TemplateFailed,
    /// The record of the release is larger than a Secret may be.
    TooLarge,
    /// The credentials do not allow it, or are refused.
    Forbidden,
    /// The chart's repository or registry refuses the credentials, or wants some.
    AccessDenied,
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
        return schema(text);
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
    if is_access_denied(&lower) {
        return Kind::AccessDenied;
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

/// What of the values does not fit stands in lines that begin with a dash (`- at '/a': got number, want string`), below the name of
/// the chart; what else is told there is of the schema itself.
fn schema(text: &str) -> Kind {
    const LOADING: &str = "failing loading \"";
    let lower = text.to_ascii_lowercase();
    if let Some((address, why)) = lower.find(LOADING).and_then(|at| text[at + LOADING.len()..].split_once('"')) {
        let why = why.lines().next().unwrap_or_default().trim_start_matches(':').trim();
        return Kind::SchemaUnusable { address: Some(address.to_owned()), why: why.to_owned() };
    }
    let told = text.lines().skip_while(|line| !line.to_ascii_lowercase().contains("chart(s):")).skip(2);
    match told.map(str::trim).find(|line| !line.is_empty()) {
        Some(why) if !why.starts_with('-') => Kind::SchemaUnusable { address: None, why: why.to_owned() },
        Some(_) | None => Kind::Schema,
    }
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

/// Of a chart's repository or registry: texts about the API server are told apart before.
fn is_access_denied(lower: &str) -> bool {
    const SIGNS: [&str; 9] = [
        "401 unauthorized",
        "403 forbidden",
        "407 proxy authentication required",
        "status code 401",
        "status code 403",
        "basic credential not found",
        "unauthorized: ",
        "denied: ",
        "no basic auth credentials",
    ];
    let of_a_chart = ["failed to fetch", "failed to perform", "failed to authorize", "registry", "repository", "pull"];
    SIGNS.iter().any(|sign| lower.contains(sign)) && of_a_chart.iter().any(|word| lower.contains(word))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn hook(event: &str) -> Kind {
        Kind::HookFailed { event: event.to_owned() }
    }

    /// Texts of helm 3.19 to 4.3; what can be provoked on a control plane is asserted in `tests/helm/cluster.rs`.
    #[rstest]
    #[case("UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", Kind::Locked)]
    #[case("UPGRADE FAILED: create: failed to create: release: already exists", Kind::AlreadyExistsRace)]
    #[case("UPGRADE FAILED: \"web\" has no deployed releases", Kind::NoDeployedReleases)]
    #[case("uninstall: Release not loaded: web: release: not found", Kind::NotFound)]
    #[case("release: not found", Kind::NotFound)]
    #[case("release has no 0 version", Kind::NotFound)]
    #[case(
        "Kubernetes cluster unreachable: Get \"https://127.0.0.1:1/version\": dial tcp 127.0.0.1:1: connect: connection refused",
        Kind::Unreachable
    )]
    #[case(
        "cluster reachability check failed: kubernetes cluster unreachable: Get \"https://a/version\": x509: certificate has expired",
        Kind::Unreachable
    )]
    #[case(
        "Get \"https://a:6443/api/v1/namespaces/x/secrets\": dial tcp 10.0.0.1:6443: i/o timeout",
        Kind::Unreachable
    )]
    #[case(
        "Kubernetes cluster unreachable: the server has asked for the client to provide credentials",
        Kind::Forbidden
    )]
    #[case(
        "query: failed to query with labels: secrets is forbidden: User \"nobody\" cannot list resource \"secrets\" in API group \"\" in the namespace \"a\"",
        Kind::Forbidden
    )]
    #[case("UPGRADE FAILED: Unable to continue with update: Service \"web\" in namespace \"shop\" exists and cannot be imported into the current release: invalid ownership metadata; label validation error: x", Kind::Ownership { object: "Service \"web\" in namespace \"shop\"".to_owned() })]
    #[case(
        "unable to continue with install: could not get information about the resource ClusterRole \"a\" in namespace \"\": clusterroles.rbac.authorization.k8s.io \"a\" is forbidden: User \"b\" cannot get resource",
        Kind::Forbidden
    )]
    #[case("context deadline exceeded", Kind::Deadline)]
    #[case("UPGRADE FAILED: timed out waiting for the condition", Kind::Deadline)]
    #[case("UPGRADE FAILED: pre-upgrade hooks failed: timed out waiting for the condition", hook("pre-upgrade"))]
    #[case("failed pre-install: 1 error occurred:\n\t* job a failed: BackoffLimitExceeded", hook("pre-install"))]
    #[case("warning: Hook post-delete web/templates/a.yaml failed: x", hook("post-delete"))]
    #[case(
        "UPGRADE FAILED: cannot patch \"db\" with kind StatefulSet: StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals' are forbidden",
        Kind::Immutable
    )]
    #[case(
        "UPGRADE FAILED: cannot patch \"a\" with kind Job: Job.batch \"a\" is invalid: spec.template: Invalid value: x: field is immutable",
        Kind::Immutable
    )]
    #[case(
        "UPGRADE FAILED: conflict occurred while applying object shop/web apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas",
        Kind::FieldConflict
    )]
    #[case(
        "server-side apply failed for object a/b /v1, Kind=Service: .spec.x: field not declared in schema",
        Kind::FieldNotInSchema
    )]
    #[case(
        "server-side apply failed for object a/b: .spec.containers[name=\"a\"].env: duplicate entries for key [name=\"A\"]",
        Kind::FieldNotInSchema
    )]
    #[case(
        "resource mapping not found for name: \"a\" namespace: \"\" from \"\": no matches for kind \"A\" in version \"b/v1\"\nensure CRDs are installed first",
        Kind::NoMatchesForKind
    )]
    #[case(
        "current release manifest contains removed kubernetes api(s) for this kubernetes version",
        Kind::NoMatchesForKind
    )]
    #[case("chart requires kubeVersion: >=99.0.0 which is incompatible with Kubernetes v1.36.2", Kind::KubeVersion)]
    #[case("found in Chart.yaml, but missing in charts/ directory: a, b", Kind::DependencyMissing)]
    #[case("values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- a", Kind::Schema)]
    #[case(
        "values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- at '/a': got number, want string\n",
        Kind::Schema
    )]
    #[case(
        "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\nfailing loading \"https://a.invalid/b.json\": HTTP request failed for https://a.invalid/b.json: no such host",
        Kind::SchemaUnusable { address: Some("https://a.invalid/b.json".to_owned()), why: "HTTP request failed for https://a.invalid/b.json: no such host".to_owned() }
    )]
    #[case(
        "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\njson-pointer in \"file:///values.schema.json#/definitions/none\" not found",
        Kind::SchemaUnusable { address: None, why: "json-pointer in \"file:///values.schema.json#/definitions/none\" not found".to_owned() }
    )]
    #[case(
        "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\n\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with 'https://json-schema.org/draft/2020-12/schema#'\n- at '': 'allOf' failed",
        Kind::SchemaUnusable { address: None, why: "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with 'https://json-schema.org/draft/2020-12/schema#'".to_owned() }
    )]
    #[case(
        "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\nunexpected EOF",
        Kind::SchemaUnusable { address: None, why: "unexpected EOF".to_owned() }
    )]
    #[case(
        "failed to parse a.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content",
        Kind::Values
    )]
    #[case(
        "template: web/templates/a.yaml:1:3: executing \"web/templates/a.yaml\" at <.Values.a.b>: nil pointer evaluating interface {}.b",
        Kind::TemplateFailed
    )]
    #[case(
        "YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: line 2: mapping values are not allowed",
        Kind::TemplateFailed
    )]
    #[case(
        "create: failed to create: Secret \"sh.helm.release.v1.a.v1\" is invalid: data: Too long: may not be more than 1048576 bytes",
        Kind::TooLarge
    )]
    #[case("chart \"web\" version \"~3\" not found in https://a repository", Kind::VersionNotFound)]
    #[case("chart \"web\" not found in https://a repository", Kind::ChartNotFound)]
    #[case("looks like \"https://a\" is not a valid chart repository or cannot be reached: 404", Kind::ChartNotFound)]
    #[case(
        "looks like \"https://a\" is not a valid chart repository or cannot be reached: failed to fetch https://a/index.yaml : 401 Unauthorized",
        Kind::AccessDenied
    )]
    #[case("failed to fetch https://a/web-1.0.0.tgz : 403 Forbidden", Kind::AccessDenied)]
    #[case(
        "failed to perform \"FetchReference\" on source: GET \"https://a/v2/web/manifests/1.0.0\": basic credential not found",
        Kind::AccessDenied
    )]
    #[case(
        "failed to perform \"FetchReference\" on source: GET \"https://a/v2/web/manifests/1.0.0\": response status code 401: unauthorized: authentication required",
        Kind::AccessDenied
    )]
    #[case(
        "failed to perform \"FetchReference\" on source: GET \"https://a/v2/web/manifests/1.0.0\": response status code 403: denied: denied",
        Kind::AccessDenied
    )]
    #[case(
        "looks like \"https://a\" is not a valid chart repository or cannot be reached: failed to fetch https://a/index.yaml : 404 Not Found",
        Kind::ChartNotFound
    )]
    #[case("failed to delete release: web", Kind::Other)]
    #[case("unknown flag: --server-side", Kind::Other)]
    #[case("", Kind::Other)]
    fn texts_of_helm(#[case] text: &str, #[case] kind: Kind) {
        assert_eq!(classify(text), kind);
        let same_but_object = |a: &Kind, b: &Kind| std::mem::discriminant(a) == std::mem::discriminant(b);
        assert!(same_but_object(&classify(&text.to_uppercase()), &kind), "letter case matters");
    }
}
