//! From helm's words to causes. Helm exits with 1 for everything, so its text is all there is of what it says.

use super::admission::{self, Tries};
use super::draft::{Draft, merged};
use super::evidence::{HelmEvidence, Want};
use super::helm_objects::{self, may_be_read};
use super::helm_words;
use super::line::Line;
use super::namespace;
use super::read::{between, kubectl_name, one_line, quoted, seconds_since, time};
use super::webhooks::{self, Around};
use crate::groups::is_built_in;
use jiff::Timestamp;
use pilothouse_core::{Cause, HelmOwner, ObjectRef, ReleaseKey, helm_owner};
use serde_json::Value;

/// What should be read besides, so that helm's words are understood. Asked again until it wants nothing more.
pub fn helm_wanted(evidence: &HelmEvidence) -> Vec<Want> {
    let around = around(evidence);
    let mut wants = webhooks::wanted(&evidence.text, around);
    if let Some(name) = terminating_namespace(evidence) {
        wants.push(namespace::wanted(&name));
    }
    for part in helm_words::parts(&evidence.text) {
        let exists = part.contains("already exists") || part.contains("cannot be imported");
        let object = about(part, evidence).filter(|object| exists && may_be_read(object));
        wants.extend(object.map(Want::Object));
    }
    let mut new: Vec<Want> = Vec::new();
    for want in wants {
        if !evidence.read.contains(&want) && !new.contains(&want) {
            new.push(want);
        }
    }
    new
}

/// Why helm has failed, as far as its words tell; never empty. What is not understood has the code `UNKNOWN`.
pub fn helm_causes(evidence: &HelmEvidence, now: Timestamp) -> Vec<Cause> {
    let mut told: Vec<(Option<ObjectRef>, Draft)> = Vec::new();
    for part in helm_words::parts(&evidence.text) {
        let object = about(part, evidence);
        let read = Part {
            text: part,
            said: one_line(part),
            lower: part.to_lowercase(),
            object: object.as_ref(),
            evidence,
            now,
        };
        told.push((object.clone(), read.understand()));
    }
    // Of several parts, those that are understood count.
    if told.iter().any(|(_, draft)| draft.line != Line::Unknown) {
        told.retain(|(_, draft)| draft.line != Line::Unknown);
    }
    let lines: Vec<String> = helm_words::shown_lines(&evidence.text);
    let mut causes: Vec<Cause> = Vec::new();
    for (object, draft) in told {
        let draft = merged(vec![draft]).remove(0).weighed_for_helm(&evidence.releases);
        let draft = draft.all_seen(lines.iter().map(|line| format!("helm: {line}")));
        let cause = draft.cause(object, None, &evidence.redactor);
        if !causes
            .iter()
            .any(|known| known.code == cause.code && known.root == cause.root && known.object == cause.object)
        {
            causes.push(cause);
        }
    }
    causes
}

fn around(evidence: &HelmEvidence) -> Around<'_> {
    Around { objects: &evidence.around, read: &evidence.read, unanswered: &evidence.unanswered }
}

/// The object a part of helm's text is about.
fn about(part: &str, evidence: &HelmEvidence) -> Option<ObjectRef> {
    let gated = webhooks::gated(part, around(evidence));
    helm_objects::about(part, &evidence.release, &evidence.objects, &gated)
}

fn terminating_namespace(evidence: &HelmEvidence) -> Option<String> {
    let said = one_line(&evidence.text);
    if !said.contains("being terminated") {
        return None;
    }
    let named = between(&said, "unable to create new content in namespace ", " because it is being terminated");
    Some(named.unwrap_or(&evidence.release.namespace).to_owned())
}

/// One part of helm's text being understood.
struct Part<'a> {
    text: &'a str,
    /// On one line.
    said: String,
    lower: String,
    object: Option<&'a ObjectRef>,
    evidence: &'a HelmEvidence,
    now: Timestamp,
}

impl Part<'_> {
    fn has(&self, sign: &str) -> bool {
        self.lower.contains(sign)
    }

    fn any(&self, signs: &[&str]) -> bool {
        signs.iter().any(|sign| self.has(sign))
    }

    fn release(&self) -> &ReleaseKey {
        &self.evidence.release
    }

    /// What is to blame where nothing else is: the object, or the release.
    fn root(&self) -> String {
        self.object.map_or_else(|| format!("release {}", self.release()), ToString::to_string)
    }

    fn draft(&self, line: Line, why: impl Into<String>) -> Draft {
        Draft::new(line, self.root(), why)
    }

    /// The order matters: what quotes other texts comes first, and a hook that was refused says less than who refused it.
    fn understand(&self) -> Draft {
        self.lock()
            .or_else(|| self.ownership())
            .or_else(|| self.connection())
            .or_else(|| self.chart())
            .or_else(|| self.not_decoded())
            .or_else(|| self.template_or_values())
            .or_else(|| self.too_large())
            .or_else(|| self.refusal())
            .or_else(|| self.leftover())
            .or_else(|| self.not_served())
            .or_else(|| self.field_conflict())
            .or_else(|| self.immutable())
            .or_else(|| self.hook())
            .or_else(|| self.invalid())
            .unwrap_or_else(|| self.unknown())
    }

    fn lock(&self) -> Option<Draft> {
        let root = format!("release {}", self.release());
        let ReleaseKey { namespace, name } = self.release();
        let history = format!("helm history -n {namespace} {name}");
        if self.has("another operation (install/upgrade/rollback) is in progress")
            || self.has("release: already exists")
        {
            let Some(lock) = &self.evidence.lock else {
                let why = "another operation of helm is in progress on the release, or was killed";
                return Some(Draft::new(Line::ReleaseLocked, root, why).next(history));
            };
            let since = lock.since.map(|since| format!(" since {since}")).unwrap_or_default();
            let holder = lock.holder.as_ref().map(|holder| format!(", by {holder}")).unwrap_or_default();
            let record = format!("revision {} is {}{since}{holder}", lock.revision, lock.status);
            let why = format!("another operation of helm is in progress: {record}");
            return Some(Draft::new(Line::ReleaseLocked, root, why).next(history));
        }
        if self.has("has no deployed releases") {
            let why = "helm has records of the release, but none that it could upgrade: an uninstall or first install was interrupted";
            return Some(
                Draft::new(Line::ReleaseStaleLock, root, why)
                    .next(history)
                    .next("once that operation has certainly ended, run again with --consent lock: what was begun is brought to its end first")
                    .next(format!("helm uninstall -n {namespace} {name}")),
            );
        }
        None
    }

    fn ownership(&self) -> Option<Draft> {
        if !self.has("invalid ownership metadata") && !self.has("cannot be owned") {
            return None;
        }
        let value = |key: &str| {
            let (_, rest) = self.said.split_once(&format!("key \"{key}\" must equal "))?;
            quoted(rest, "current value is ")
        };
        let release = value("meta.helm.sh/release-name").map(str::to_owned);
        let namespace = value("meta.helm.sh/release-namespace").map(str::to_owned);
        let live = self.live().map(helm_owner);
        let owner = match (release, namespace, live) {
            (Some(name), namespace, _) => {
                let namespace = namespace.unwrap_or_else(|| self.release().namespace.clone());
                format!("it belongs to release {namespace}/{name}")
            }
            (None, _, Some(HelmOwner::Release(owner))) => format!("it belongs to release {owner}"),
            (None, _, Some(HelmOwner::Nobody { managed_by: Some(tool) })) => format!("it is managed by {tool}"),
            (None, Some(namespace), _) => format!("it belongs to a release in namespace {namespace}"),
            (None, None, _) => "it belongs to no release".to_owned(),
        };
        let what = self.root();
        let age = self.age();
        Some(self.draft(Line::OwnershipConflict, format!("{what} exists already{age}, and {owner}")).next(format!(
            "rename it in the values; or hand it over with a step `adopt` in pre_exec; or delete it: kubectl delete {}",
            self.kubectl_name()
        )))
    }

    /// The object as it is on the cluster, if it was read.
    fn live(&self) -> Option<&Value> {
        let object = self.object?;
        let around = self.evidence.around.iter().map(AsRef::as_ref);
        around
            .into_iter()
            .find(|one: &&Value| pilothouse_core::object_ref(one).is_some_and(|one| one.same_object(object)))
    }

    /// ` (made 3 h ago)`, where the object was read.
    fn age(&self) -> String {
        let Some(made) = self.live().and_then(|live| time(live, "/metadata/creationTimestamp")) else {
            return String::new();
        };
        let seconds = seconds_since(Some(made), self.now);
        let age = match seconds {
            0..120 => format!("{seconds} s"),
            120..7200 => format!("{} min", seconds / 60),
            7200..172_800 => format!("{} h", seconds / 3600),
            _ => format!("{} days", seconds / 86_400),
        };
        format!(" (made {age} ago)")
    }

    fn kubectl_name(&self) -> String {
        self.object.map_or_else(|| "KIND NAME".to_owned(), kubectl_name)
    }

    fn connection(&self) -> Option<Draft> {
        let of_webhook = self.any(&["failed calling webhook", "conversion webhook for "]);
        let credentials = self.any(&["asked for the client to provide credentials", "must be logged in to the server"]);
        if of_webhook || !(credentials || helm_words::api_unreachable(&self.lower)) {
            return None;
        }
        let why = if credentials { "the API server refuses the credentials" } else { "the API server does not answer" };
        let end = self.said.split_once("nreachable: ").map_or(self.said.as_str(), |(_, end)| end);
        let draft =
            Draft::new(Line::ApiUnreachable, "API server", format!("{why}: {end}")).next("kubectl cluster-info");
        Some(if credentials { draft.next("log in again, or correct the context") } else { draft })
    }

    fn chart(&self) -> Option<Draft> {
        let root = format!("chart of release {}", self.release());
        if let Some((_, rest)) = self.said.split_once("chart requires kubeVersion: ") {
            return Some(
                Draft::new(Line::KubeVersionUnsupported, root, format!("the chart requires Kubernetes {rest}"))
                    .next("take a version of the chart that supports this cluster, or upgrade the cluster"),
            );
        }
        if let Some((_, missing)) = self.said.split_once("missing in charts/ directory: ") {
            return Some(
                Draft::new(Line::ChartDependencyMissing, root, format!("the chart lacks its dependencies {missing}"))
                    .next("helm dependency build CHART"),
            );
        }
        let version =
            self.any(&["no chart version found for", "could not locate a version matching", "improper constraint"]);
        let missing = self.any(&[
            "looks like \"",
            "chart.yaml file is missing",
            "not a valid chart repository",
            "repo not found",
            "failed to download",
            "chart metadata is missing",
            "does not appear to be a gzipped archive",
            "chart must contain a chart.yaml",
            "failed to perform \"fetchreference\"",
        ]);
        let not_found = self.has("not found") && (self.has("chart \"") || self.has("path \"") || self.has("repo "));
        if missing && helm_words::chart_unreachable(&self.lower) {
            let why = format!("the chart cannot be had: {}", self.said);
            return Some(
                Draft::new(Line::ChartUnreachable, root, why)
                    .next("check that the chart's repository or registry can be reached from here"),
            );
        }
        (version || missing || not_found).then(|| {
            Draft::new(Line::ChartNotFound, root, format!("the chart is not there: {}", self.said))
                .next("correct chart and version in the stack file; helm search repo CHART --versions")
        })
    }

    /// An object whose fields are of other types than the API has them, which is not the fault of how values are written.
    fn not_decoded(&self) -> Option<Draft> {
        self.has("cannot be handled as a").then(|| {
            let end = self.said.rsplit_once("* ").map_or(self.said.as_str(), |(_, end)| end);
            self.draft(Line::ObjectInvalid, format!("{} is not accepted: {end}", self.root()))
                .next("correct the values, or the chart's template")
        })
    }

    fn template_or_values(&self) -> Option<Draft> {
        let root = format!("values of release {}", self.release());
        if let Some((_, problems)) = self.text.split_once("values don't meet the specifications of the schema(s)") {
            let problems = problems.split_once(':').map_or(problems, |(_, problems)| problems);
            let problems: Vec<&str> = problems.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let why = format!("the values do not fit the chart's schema: {}", problems.join("; "));
            return Some(Draft::new(Line::ValuesInvalid, root, why).next("correct the values; helm show values CHART"));
        }
        let template = self.any(&[
            "execution error at (",
            "parse error at (",
            "error calling ",
            "<{{",
            "yaml parse error on ",
            "error parsing",
        ]) || (self.has("template: ") && self.has("executing"));
        if template {
            let template =
                between(&self.said, "error at (", ")").or_else(|| between(&self.said, "template: ", ": executing"));
            let place = template.map(|place| format!(" at {place}")).unwrap_or_default();
            return Some(
                Draft::new(
                    Line::TemplateFailed,
                    format!("templates of release {}", self.release()),
                    format!("a template fails{place}: {}", self.said),
                )
                .next("pilothouse render, with the same values"),
            );
        }
        let values = self.any(&["failed parsing --set", "cannot unmarshal"])
            || (self.has("failed to parse") && self.any(&["yaml", "json"]));
        values.then(|| {
            Draft::new(Line::ValuesInvalid, root, format!("the values cannot be read: {}", self.said))
                .next("pilothouse lint")
        })
    }

    fn too_large(&self) -> Option<Draft> {
        let record = self.any(&["sh.helm.release.v1.", "failed to create:", "failed to update:"]);
        let large = self.any(&["too long", "too large", "must have at most 1048576", "request entity too large"]);
        (record && large).then(|| {
            Draft::new(
                Line::ReleaseTooLarge,
                format!("release {}", self.release()),
                "helm's record of the release does not fit into a Secret (1 MiB)",
            )
            .next("take large files out of the chart, or split it")
        })
    }

    /// What the API server or its admission refuses.
    fn refusal(&self) -> Option<Draft> {
        let around = around(self.evidence);
        let tries = Tries { count: 1, seconds: 0, over: true };
        let namespace = self.object.and_then(|object| object.namespace.as_deref()).unwrap_or(&self.release().namespace);
        let draft = admission::refusal(self.text, namespace, tries, around)?;
        if draft.line == Line::NamespaceTerminating {
            let read =
                terminating_namespace(self.evidence).and_then(|name| namespace::of_name(&self.evidence.around, &name));
            return read.or(Some(draft));
        }
        Some(draft)
    }

    fn leftover(&self) -> Option<Draft> {
        if !self.has("already exists") {
            return None;
        }
        let (what, age) = (self.root(), self.age());
        if self.has("hook") || self.event().is_some() {
            let why = format!(
                "{what} exists already{age}: a hook of an earlier operation has left it, and the chart does not delete it before"
            );
            return Some(
                self.draft(Line::HookLeftover, why)
                    .next(format!("kubectl delete {}", self.kubectl_name()))
                    .next("have the chart's hook deleted first: helm.sh/hook-delete-policy: before-hook-creation"),
            );
        }
        Some(
            self.draft(
                Line::OwnershipConflict,
                format!("{what} exists already{age}, and the release does not have it"),
            )
            .next(format!("kubectl get {} -o yaml: who has made it?", self.kubectl_name())),
        )
    }

    fn not_served(&self) -> Option<Draft> {
        let removed = self.has("contains removed kubernetes api(s)");
        let unknown =
            self.any(&["no matches for kind", "resource mapping not found", "ensure crds are installed first"]);
        if !removed && !unknown {
            return None;
        }
        let kind = quoted(&self.said, "no matches for kind ").unwrap_or_default();
        let version = quoted(&self.said, "in version ").unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let api = if kind.is_empty() { "a kind of the release".to_owned() } else { format!("{kind} of {version}") };
        let mut draft =
            Draft::new(Line::ApiNotServed, format!("API {version}"), format!("the cluster does not serve {api}"));
        if removed || is_built_in(group) {
            draft.why += ": Kubernetes has removed it";
            if removed {
                draft.why += ", and the release's record still has objects of it";
                draft = draft.next("helm mapkubeapis rewrites the record");
            }
            return Some(draft.next("take a version of the chart that supports this cluster"));
        }
        if let Some(bringer) = helm_words::bringer(group) {
            return Some(draft.next(format!("install {bringer} first, and have this release need it")));
        }
        Some(draft.next(format!("install what brings the definitions of {group} first, and have this release need it")))
    }

    fn field_conflict(&self) -> Option<Draft> {
        if self.any(&["field not declared in schema", "duplicate entries for key"]) {
            return Some(self.draft(Line::ObjectInvalid, format!("{} is not accepted: {}", self.root(), self.said)));
        }
        if !self.has("conflict") || !self.any(&["apply failed with", "conflict occurred while applying"]) {
            return None;
        }
        let (managers, fields) = helm_words::conflicts(self.text);
        let managers = managers.join(", ");
        let why = format!("{} belongs to {managers} in the fields {}", self.root(), fields.join(", "));
        Some(
            Draft::new(Line::FieldConflict, format!("fields of {} held by {managers}", self.root()), why)
                .next("leave these fields out of the chart's values, or take them back with `drift: correct`")
                .next(format!("kubectl get {} -o yaml --show-managed-fields", self.kubectl_name())),
        )
    }

    fn immutable(&self) -> Option<Draft> {
        let forbidden = self.has("forbidden: updates to") && self.has("are forbidden");
        if !self.has("field is immutable")
            && !forbidden
            && !self.any(&["cannot change roleref", "is immutable after creation", "field is immutable when"])
        {
            return None;
        }
        let (_, invalid) = self.said.split_once(" is invalid: ").unwrap_or(("", &self.said));
        let field = invalid.split(':').next().unwrap_or_default().trim_start_matches('[');
        let keep = match self.object.map(|object| object.kind.as_str()) {
            Some("Deployment" | "StatefulSet" | "DaemonSet") => " --cascade=orphan",
            _ => "",
        };
        let why = format!("{}: {field} must not change once the object exists: {invalid}", self.root());
        Some(
            self.draft(Line::ImmutableField, why)
                .next("undo the change in the chart or its values")
                .next(format!("or have it made anew: kubectl delete {}{keep}, then run again", self.kubectl_name())),
        )
    }

    /// The event of a hook that failed.
    fn event(&self) -> Option<&'static str> {
        helm_words::hook_event(&self.lower)
    }

    fn hook(&self) -> Option<Draft> {
        let event = self.event()?;
        let end = self.said.rsplit_once("* ").map_or(self.said.as_str(), |(_, end)| end);
        let timeout = self.any(&["timed out waiting for the condition", "context deadline exceeded"]);
        let why = if timeout {
            format!("the {event} hook did not end in time: {end}")
        } else {
            format!("the {event} hook failed: {end}")
        };
        let draft = self.draft(Line::HookFailed, why);
        Some(match self.object {
            Some(object) if object.kind == "Job" => {
                let namespace = object.namespace.as_deref().unwrap_or(&self.release().namespace);
                draft.next(format!("kubectl logs -n {namespace} job/{} --all-containers", object.name))
            }
            _ => draft.next(format!("kubectl get jobs,pods -n {}", self.release().namespace)),
        })
    }

    fn invalid(&self) -> Option<Draft> {
        let (_, problem) = self.said.split_once(" is invalid: ")?;
        Some(
            self.draft(Line::ObjectInvalid, format!("{} is not accepted: {problem}", self.root()))
                .next("correct the values, or the chart's template"),
        )
    }

    fn unknown(&self) -> Draft {
        let last = self.said.rsplit_once("FAILED: ").map_or(self.said.as_str(), |(_, end)| end);
        let why =
            if last.is_empty() { "helm failed and said nothing".to_owned() } else { format!("helm says: {last}") };
        let ReleaseKey { namespace, name } = self.release();
        self.draft(Line::Unknown, why).next(format!("helm status -n {namespace} {name}"))
    }
}
