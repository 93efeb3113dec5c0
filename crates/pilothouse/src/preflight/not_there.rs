//! Kinds and namespaces that are not there when helm comes to the objects.

use crate::context::Compared;
use crate::context::Context;
use crate::context::Outcome;
use crate::context::Wanted;
use crate::render;
use pilothouse_core::{
    Class, CrdFacts, CrdPolicy, Finding, ObjectChange, ObjectRef, Sensitive, code, crd_facts, object_ref,
};
use pilothouse_helm::Origin;

/// The objects for which there will be no kind or no namespace: none is there, or it goes with the uninstall that comes first, and the
/// chart brings none. Helm would fail on them, after an uninstall too late. What is among the `told` findings is not told again.
pub(crate) fn findings(ctx: &Context, wanted: &Wanted, compared: &[Compared], told: &[Finding]) -> Vec<Finding> {
    let brought = Brought::by(ctx, wanted);
    let goes = |one: &&Compared| one.outcome == Outcome::Change(ObjectChange::Delete);
    let gone: Vec<CrdFacts> =
        compared.iter().filter(goes).filter_map(|one| crd_facts(one.live.as_ref().map(Sensitive::expose)?)).collect();
    let goes_namespace = |namespace: &String| {
        compared.iter().filter(goes).any(|one| one.object.kind == "Namespace" && one.object.name == *namespace)
    };
    let stays = |change: &ObjectChange| !matches!(change, ObjectChange::Delete | ObjectChange::Keep);
    let finding = |one: &Compared| {
        let blocked = |code, message: String| Some(Finding::new(Class::Blocked, code, &one.object, message));
        let in_namespace = match &one.outcome {
            Outcome::NotServed { .. } if brought.serves(&one.object) => return None,
            Outcome::NotServed { why } => return blocked(code::API_NOT_SERVED, why.clone()),
            Outcome::NoNamespace { namespace } => Some(namespace),
            Outcome::Change(change) if stays(change) => {
                one.object.namespace.as_ref().filter(|name| goes_namespace(name))
            }
            Outcome::Change(_) | Outcome::Unreadable { .. } => return None,
        };
        if gone.iter().any(|facts| facts.is_of(&one.object)) && !brought.serves(&one.object) {
            let deleted = "the uninstall that comes first deletes its definition";
            let message = match (brought.has_kind(&one.object), &one.object.api_version) {
                (true, Some(version)) => format!("{deleted}, and that of the chart serves no {version}"),
                (true, None) | (false, _) => deleted.to_owned(),
            };
            return blocked(code::API_NOT_SERVED, message);
        }
        let namespace = in_namespace.filter(|name| !brought.namespaces.contains(name))?;
        let why = if goes_namespace(namespace) {
            format!("the uninstall that comes first deletes namespace {namespace}")
        } else {
            format!("namespace {namespace} is not there")
        };
        blocked(code::NAMESPACE_MISSING, format!("{why}, and the chart brings none"))
    };
    let is_told = |one: &Finding| told.iter().any(|told| told.code == one.code && told.subject == one.subject);
    compared.iter().filter_map(finding).filter(|one| !is_told(one)).collect()
}

/// What the chart brings before its objects.
struct Brought {
    kinds: Vec<CrdFacts>,
    namespaces: Vec<String>,
}

impl Brought {
    fn by(ctx: &Context, wanted: &Wanted) -> Self {
        let kinds = match ctx.info().crds {
            CrdPolicy::Skip => Vec::new(),
            CrdPolicy::Create | CrdPolicy::Upgrade => {
                render::chart_definitions(wanted).iter().filter_map(crd_facts).collect()
            }
        };
        // Helm makes them before what is in them, as a hook or among the templates.
        let docs = wanted.rendering.docs();
        let own =
            docs.iter().filter(|doc| !matches!(doc.origin, Origin::Crd)).filter_map(|doc| object_ref(&doc.object));
        let mut namespaces: Vec<String> = own.filter(|one| one.kind == "Namespace").map(|one| one.name).collect();
        if ctx.info().create_namespace {
            namespaces.push(ctx.release().namespace);
        }
        Self { kinds, namespaces }
    }

    fn has_kind(&self, object: &ObjectRef) -> bool {
        self.kinds.iter().any(|facts| facts.is_of(object))
    }

    /// Whether it is also served in the object's version then.
    fn serves(&self, object: &ObjectRef) -> bool {
        self.kinds.iter().any(|facts| facts.serves(object))
    }
}
