//! The marks that tools leave on what they manage.

use crate::kubernetes::cluster_object::{HelmOwner, MANAGED_BY, helm_owner, metadata};
use serde_json::Value;
use std::fmt;

/// Labels and annotations by which a tool finds its objects again: Argo CD's resource tracking, the controllers of Flux, kapp,
/// Pulumi. `app.kubernetes.io/instance`, which Argo CD may be told to use, is in most charts and tells nothing.
const KEYS: [(&str, &str, &str); 6] = [
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "kapp.k14s.io/app", "kapp"),
    ("annotations", "pulumi.com/autonamed", "Pulumi"),
];

/// How the field managers of tools begin. kubectl is none of them: it writes once, for a person.
const MANAGERS: [(&str, &str); 8] = [
    ("argocd-", "Argo CD"),
    ("helm-controller", "Flux"),
    ("kustomize-controller", "Flux"),
    ("terraform-provider-", "Terraform"),
    ("Terraform", "Terraform"),
    ("HashiCorp", "Terraform"),
    ("pulumi-kubernetes", "Pulumi"),
    ("pulumi-resource-kubernetes", "Pulumi"),
];

/// The tool that writes under this name of a field manager, if it is one that manages what it writes.
pub fn tool_of_manager(manager: &str) -> Option<&'static str> {
    MANAGERS.into_iter().find(|(start, _)| manager.starts_with(start)).map(|(_, tool)| tool)
}

/// The tool that manages an object, and by what that is known. What only says `managed-by: Helm` is rendered by a chart.
pub(super) fn other_tool(live: &Value) -> Option<(String, String)> {
    let key = KEYS.into_iter().find(|(map, key, _)| metadata(live, map, key).is_some());
    if let Some((map, key, tool)) = key {
        return Some((tool.to_owned(), format!("{} {key}", map.trim_end_matches('s'))));
    }
    let manager = managers(live).find_map(|manager| Some((tool_of_manager(manager)?, manager)));
    if let Some((tool, manager)) = manager {
        return Some((tool.to_owned(), format!("field manager {manager}")));
    }
    let label = metadata(live, "labels", MANAGED_BY).filter(|tool| !tool.is_empty() && *tool != "Helm")?;
    Some((label.to_owned(), format!("label {MANAGED_BY}")))
}

/// Who has written fields of an object but its status, each once, the last one first.
pub(super) fn managers(live: &Value) -> impl Iterator<Item = &str> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let text = |entry: &'_ Value, field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut entries: Vec<&Value> =
        entries.into_iter().flatten().filter(|entry| text(entry, "subresource").is_empty()).collect();
    // Times are all UTC and of one length: their order is that of the text.
    entries.sort_by_key(|entry| std::cmp::Reverse(text(entry, "time")));
    let mut names: Vec<&str> = Vec::new();
    for name in entries.into_iter().filter_map(|entry| entry.get("manager").and_then(Value::as_str)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter()
}

/// Whose a live object is, by the marks that change when it comes into other hands, and only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerMarks {
    /// Who owns it in Helm's eyes.
    pub helm: HelmOwner,
    /// Kind and name of the object that controls it.
    pub controller: Option<(String, String)>,
}

/// The marks of a live object's owner.
pub fn owner_marks(live: &Value) -> OwnerMarks {
    OwnerMarks { helm: helm_owner(live), controller: controller(live) }
}

impl fmt::Display for OwnerMarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.controller, &self.helm) {
            (Some((kind, name)), _) => write!(f, "{kind} {name}"),
            (None, HelmOwner::Release(release) | HelmOwner::Partial { names: Some(release), .. }) => {
                write!(f, "release {release}")
            }
            (None, HelmOwner::Nobody { managed_by: Some(tool) }) => f.write_str(tool),
            (None, HelmOwner::Partial { names: None, .. } | HelmOwner::Nobody { managed_by: None }) => {
                f.write_str("nobody")
            }
        }
    }
}

/// Kind and name of the object that controls this one.
pub(super) fn controller(live: &Value) -> Option<(String, String)> {
    let owners = live.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    let text = |key: &str| controller.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((text("kind"), text("name")))
}
