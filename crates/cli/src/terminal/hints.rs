//! What to do about a finding. The library says what is wrong; what to do next is the program's to say.

use crate::terminal::exit::{CommandError, Exit};
use pilothouse::RunError;
use pilothouse::state::{JournalError, PlaceError};
use pilothouse_core::{Class, Finding, NOT_OF_THIS_KUBERNETES, code};

/// A line that helps with a finding, if there is one.
pub(crate) fn hint(finding: &Finding) -> Option<String> {
    let subject = finding.subject.as_str();
    let hint = match finding.code.as_str() {
        code::CHART_INVALID if finding.message.contains(" is a link to ") => {
            "copy into the chart what the link leads to; links from one chart to another are followed where both are in one git repository"
        }
        // Made anew, it would take all custom resources with it.
        code::IMMUTABLE_FIELD if subject.starts_with("CustomResourceDefinition ") => {
            "keep the chart's version with the definition that is there, or undo the change in it; a definition of another scope or kind is another one, with another name or group"
        }
        code::API_NOT_SERVED if finding.class == Class::Unsafe => {
            "bring its definition back for a while, or consent: --consent KIND/NAMESPACE/NAME, or `consent:` in the file"
        }
        code::API_NOT_SERVED if finding.message.ends_with(NOT_OF_THIS_KUBERNETES) => {
            "take a version of the chart that supports this cluster, or correct `apiVersion` and `kind`"
        }
        code::CRD_IN_USE if finding.class == Class::Blocked => {
            "keep the version in the definition until every object is stored in another one and `status.storedVersions` of the definition does not name it any more"
        }
        code => general(code)?,
    };
    // What is to be named is named.
    let named = match finding.code.as_str() {
        code::STEP_OUTPUT_UNTRUSTED | code::STEP_UNCERTAIN => Some(("STEP", subject)),
        code::NAMESPACE_MISSING | code::NAMESPACE_TERMINATING => {
            subject.split_once('/').map(|(of, _)| ("NAMESPACE", of))
        }
        _ => None,
    };
    if let Some((word, name)) = named {
        return Some(hint.replace(word, name));
    }
    let hint = &hint.replace("KUBECTL_DELETE", &kubectl_delete(subject));
    let Some(object) = consent_to(subject) else { return Some(hint.to_owned()) };
    Some(hint.replace("KIND/NAMESPACE/NAME", &object).replace("customresourcedefinition/NAME", &object))
}

/// The command that deletes the object that a finding is about; the pods of a workload stay.
fn kubectl_delete(subject: &str) -> String {
    let object = consent_to(subject);
    let mut parts = object.iter().flat_map(|object| object.split('/'));
    let (kind, rest) = (parts.next().unwrap_or("KIND").to_lowercase(), parts.collect::<Vec<_>>());
    let (namespace, name) = match rest[..] {
        [namespace, name] => (format!(" --namespace {namespace}"), name),
        [name] => (String::new(), name),
        _ => (String::new(), "NAME"),
    };
    let has_pods = ["deployment", "statefulset", "daemonset", "replicaset"].contains(&kind.as_str());
    format!("`kubectl delete {kind} {name}{namespace}{}`", if has_pods { " --cascade=orphan" } else { "" })
}

/// How the object that a finding is about is named in consent, `Kind/namespace/name`. The subject is written as an object is,
/// `Kind namespace/name`; what a shell would not take as it stands is none.
pub(crate) fn consent_to(subject: &str) -> Option<String> {
    let (kind, name) = subject.split_once(' ')?;
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-./:_".contains(c));
    (plain(kind) && plain(name)).then(|| format!("{kind}/{name}"))
}

/// What helps with an error of the program that has a code.
pub(crate) fn of_code(code: &str) -> Option<String> {
    general(code).map(|hint| format!("{hint}; `pilothouse explain {code}` tells more"))
}

/// Why a run could not begin, with what to do about it. `state_move` is the command that moves the state of the stack.
pub(crate) fn not_begun(error: &RunError, stack: &str, state_move: &str) -> CommandError {
    let (exit, hint) = match error {
        RunError::Journal(error) => return of_journal(error, stack, state_move),
        RunError::Locked { .. } => (
            Exit::Failed,
            Some(
                "wait for it, or give it longer with --lock-timeout; a lock whose holder is dead is taken over by itself"
                    .to_owned(),
            ),
        ),
        RunError::Lock { namespace, .. } => (Exit::Failed, Some(rights(namespace))),
        RunError::NothingToResume { .. } => {
            (Exit::BadInput, Some("`pilothouse history` lists the runs of the stack".to_owned()))
        }
        RunError::Folder(_) => (Exit::BadInput, None),
        RunError::Interrupted => (Exit::Interrupted, None),
    };
    let mut error = CommandError::from_error(exit, error);
    // An API server that does not answer is what its own code says.
    error.hint = error.hint.filter(|_| error.code.is_some()).or(hint);
    error
}

/// Why what a run has left cannot be read or written, with what to do about it.
pub(crate) fn of_journal(error: &JournalError, stack: &str, state_move: &str) -> CommandError {
    let exit = match error {
        JournalError::UnknownRun { .. } | JournalError::AmbiguousRun { .. } => Exit::BadInput,
        JournalError::Place(PlaceError::Unreadable { .. } | PlaceError::Restless) => Exit::Failed,
        JournalError::Place(_) => Exit::Refused,
        JournalError::File { .. }
        | JournalError::Damaged { .. }
        | JournalError::Newer { .. }
        | JournalError::Cluster { .. }
        | JournalError::Unreadable { .. }
        | JournalError::Taken { .. }
        | JournalError::TooLarge { .. }
        | JournalError::NoDetails { .. } => Exit::Failed,
    };
    let hint = match error {
        JournalError::Place(error) => Some(of_place(error, stack, state_move)),
        _ => None,
    };
    let mut error = CommandError::from_error(exit, error);
    error.hint = hint.or(error.hint);
    error
}

/// What it takes to keep the state of a stack in a namespace.
fn rights(namespace: &str) -> String {
    format!(
        "the state of the stack is kept in namespace `{namespace}`: ask for that namespace and, in it, for get, create and \
         patch on `leases.coordination.k8s.io` and `secrets`; or write `state_namespace: NAMESPACE` into the stack file, with a \
         namespace where you have them"
    )
}

fn of_place(error: &PlaceError, stack: &str, state_move: &str) -> String {
    match error {
        PlaceError::Elsewhere { found, wanted } => format!(
            "move it: `{state_move} --from {found} --to {wanted}`; or write `state_namespace: {found}` into the stack file"
        ),
        PlaceError::Two { former, usual } => format!(
            "write into the stack file which one counts, `state_namespace: {former}` or `state_namespace: {usual}` (`pilothouse \
             history` shows the runs of the one that stands there); or delete the other: `kubectl --namespace NAMESPACE delete \
             secret/pilothouse.stack.{stack} lease/pilothouse.stack.{stack}`"
        ),
        PlaceError::Moved { from, to } => format!(
            "write `state_namespace: {to}` into the stack file; or move it back: `{state_move} --from {to} --to {from}`"
        ),
        PlaceError::Unfinished { from, to } => format!("bring it to its end: `{state_move} --from {from} --to {to}`"),
        PlaceError::Unreadable { namespace, .. } => format!(
            "ask for get on `leases.coordination.k8s.io` and `secrets` in namespace `{namespace}`; or, if nobody has run this \
             stack with its state there, write `state_namespace: pilothouse` into the stack file"
        ),
        PlaceError::Restless => "give the same command again".to_owned(),
    }
}

/// What a stack file has to say when the state was moved; `None` when it says it, or need not.
pub(crate) fn state_moved(to: &str, file_says: Option<&str>) -> Option<String> {
    let found_there = file_says.unwrap_or("pilothouse") == to;
    (!found_there)
        .then(|| format!("Write `state_namespace: {to}` into the stack file: without it the next run is refused."))
}

fn general(code: &str) -> Option<&'static str> {
    Some(match code {
        code::API_NOT_SERVED => "install what brings its definition first, and have this release need it (`needs`)",
        code::API_UNREACHABLE => "check the kubeconfig, its context and the network to the API server",
        code::CLUSTER_MISMATCH => {
            "choose the cluster with --kubeconfig and --context; the stack file says under `cluster` which it is for"
        }
        code::CHART_ACCESS_DENIED => {
            "log in as for helm: `helm repo add NAME URL --username USER`, or `helm registry login HOST`; helm's repositories.yaml and registry/config.json and docker's config.json are read"
        }
        code::CHART_DEPENDENCY_MISSING => "run `helm dependency build` in the chart's folder",
        code::CHART_INVALID => "fetch or package the chart again",
        code::CHART_NOT_FOUND => {
            "check path, repository, network, name and version; paths start at the stack file's folder"
        }
        code::CHART_SCHEMA_UNUSABLE => {
            "let this machine reach what the schema refers to, or say `skip_schema_validation: true` for this release, or package the chart again without values.schema.json"
        }
        code::CHART_TEMPLATE_FAILED => "`pilothouse render` shows the rendering without a cluster",
        code::CRD_FIELDS_REMOVED => {
            "crds: create leaves definitions of the chart's crds/ folder alone; for those among its templates save what the fields hold, then consent: --consent customresourcedefinition/NAME"
        }
        code::CRD_IN_USE => {
            "delete the custom resources first, or consent: --consent customresourcedefinition/NAME, or `consent:` in the file"
        }
        code::DATA_ATTACHED => {
            "move the data first, or consent: --consent KIND/NAMESPACE/NAME, or `consent:` in the file"
        }
        code::BACKUP_IMPOSSIBLE => {
            "back it up by a step of your own, then say `before_destructive: proceed` for this release"
        }
        code::DOWNGRADE_BREAKING => {
            "keep the deployed version, or a newer one; or destroy the release first (`action: destroy`), then install this one"
        }
        code::FILE_NOT_READABLE => "paths start at the stack file's folder",
        code::CRD_NOT_ESTABLISHED => {
            "let the deletion end (finalizers of its resources keep it), bring the definition again, then run again"
        }
        code::FIELD_CONFLICT => {
            "leave these fields out of the chart's values, or take them back: `drift: correct` for this release"
        }
        code::IMMUTABLE_FIELD => {
            "undo the change in the chart or its values; or have the object made anew: KUBECTL_DELETE, then run again"
        }
        code::KUBE_VERSION_UNSUPPORTED => "choose a version of the chart that supports this cluster",
        code::NAMESPACE_MISSING => "create it, `kubectl create namespace NAMESPACE`, or set create_namespace: true",
        code::NAMESPACE_TERMINATING => {
            "see what holds it: kubectl get namespace NAMESPACE -o yaml (status.conditions); when it is gone, run again"
        }
        code::OWNERSHIP_CONFLICT => {
            "an `adopt` step in pre_exec takes over what nobody owns, and by name what another tool or a vanished release has; another release or a controller keeps what it has"
        }
        code::RELEASE_FOREIGN => "let that tool go of it first, or say `take_over: true` for this release",
        code::RELEASE_LOCKED => "wait while it is at work; if it certainly is not any more: --consent lock",
        code::OBJECT_INVALID => "correct the values, or the chart's template; `pilothouse render` shows the object",
        code::POLICY_DENIED => "change the values so that the policy is met, or have an exception made",
        code::QUOTA_EXCEEDED => "lower replicas or resources in the values, or have the quota raised",
        code::RBAC_FORBIDDEN => {
            "have a role with this verb on this kind bound to the user; `kubectl auth can-i` tells whether it is there"
        }
        code::WEBHOOK_DENIED => "change the values as the webhook says, or ask whoever runs it",
        code::PLAN_OUTDATED => {
            "look at another plan: `pilothouse plan --out FILE` where one was saved, `pilothouse destroy --plan --out FILE` for a destroy; where it was shown and approved in the terminal, the same command shows another one"
        }
        code::ROLLBACK_IMPOSSIBLE => {
            "mend that (a larger `max_history`, the definition of the kind), or say `on_failure: { upgrade: leave }` for this release"
        }
        code::SECRET_REGENERATED => {
            "set it by a value, or consent: --consent KIND/NAMESPACE/NAME, or `consent:` in the file"
        }
        code::STEP_OUTPUT_UNTRUSTED => {
            "give the key the other run was started with (--state-key FILE), or run the step again: --step-again STEP; or, if all who may write Secrets in the state namespace are trusted: --consent state"
        }
        code::STEP_UNCERTAIN => {
            "look whether it has done its work, then say so: --step-done STEP, or --step-again STEP to run it again"
        }
        code::UNREADABLE => {
            "have it read: what refuses or does not answer is told above, and `kubectl auth can-i VERB KIND` whether a right is missing; then run again"
        }
        code::VERSION_INVALID => "change `version` of the chart in the stack file",
        code::VALUES_INVALID => "compare with `helm show values`",
        _ => return None,
    })
}
