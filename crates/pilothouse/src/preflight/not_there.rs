//! Kinds and namespaces that are not there when helm comes to the objects.

use crate::context::Compared;
use crate::context::Context;
use crate::context::DeployPreview;
use crate::context::HookPreview;
use crate::context::Outcome;
use pilothouse_core::{
    Class, CrdFacts, CrdPolicy, Finding, ObjectChange, ObjectRef, Sensitive, code, crd_facts, object_ref,
};
use pilothouse_helm::{Origin, RenderedDoc};

/// The objects for which there will be no kind or no namespace: none is there, or it goes with the uninstall that comes first, of
/// which `uninstalled` is what it deletes, and the chart brings none. Helm would fail on them, after an uninstall too late. What is among
/// the `told` findings is not told again. The hooks of `first_event` run before the objects of the chart.
///
/// What goes with the uninstall nothing that comes before that can bring: it is `Unsafe` to begin. What is not there may still come.
pub(crate) fn findings(
    ctx: &Context,
    (preview, first_event): (&DeployPreview, &str),
    uninstalled: &[Compared],
    told: &[Finding],
) -> Vec<Finding> {
    let (brought, gone) = (Brought::before_templates(ctx, preview, first_event), Gone::of(uninstalled));
    let is_told = |one: &Finding| told.iter().any(|told| told.code == one.code && told.subject == one.subject);
    preview.compared.iter().filter_map(|one| gone.missing(one, &brought)).filter(|one| !is_told(one)).collect()
}

/// The same of hooks, of which each finds what helm makes before it. `compared` is what an uninstall that comes before them deletes.
pub(crate) fn hook_findings(
    ctx: &Context,
    (docs, by_steps): (&[RenderedDoc], &[CrdFacts]),
    hooks: &[HookPreview],
    compared: &[Compared],
) -> Vec<Finding> {
    let gone = Gone::of(compared);
    let finding = |hook: &HookPreview| {
        let brought = Brought { by_steps: by_steps.to_vec(), ..Brought::before_hook(ctx, docs, hook) };
        let found = gone.missing(&hook.compared, &brought)?;
        Some(Finding { message: format!("as a {} hook: {}", hook.event, found.message), ..found })
    };
    hooks.iter().filter_map(finding).collect()
}

/// What an uninstall deletes before.
struct Gone<'a> {
    kinds: Vec<CrdFacts>,
    namespaces: Vec<&'a str>,
}

impl<'a> Gone<'a> {
    fn of(compared: &'a [Compared]) -> Self {
        let gone = || compared.iter().filter(|one| one.outcome == Outcome::Change(ObjectChange::Delete));
        Self {
            kinds: gone().filter_map(|one| crd_facts(one.live.as_ref().map(Sensitive::expose)?)).collect(),
            namespaces: gone()
                .map(|one| &one.object)
                .filter(|one| one.kind == "Namespace")
                .map(|one| &*one.name)
                .collect(),
        }
    }

    fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.contains(&namespace)
    }

    /// Why helm comes to nothing with this object.
    fn missing(&self, one: &Compared, brought: &Brought) -> Option<Finding> {
        let stays = |change: &ObjectChange| !matches!(change, ObjectChange::Delete | ObjectChange::Keep);
        let finding = |class, code, message: String| Some(Finding::new(class, code, &one.object, message));
        let in_namespace = match &one.outcome {
            Outcome::NotServed { .. } if brought.serves(&one.object) || brought.is_by_steps(&one.object) => {
                return None;
            }
            Outcome::NotServed { why } => return finding(Class::Blocked, code::API_NOT_SERVED, why.clone()),
            Outcome::NoNamespace { namespace } => Some(namespace),
            Outcome::Change(change) if stays(change) => {
                one.object.namespace.as_ref().filter(|name| self.has_namespace(name))
            }
            Outcome::Change(_) | Outcome::Unreadable { .. } => return None,
        };
        if self.kinds.iter().any(|facts| facts.is_of(&one.object)) && !brought.serves(&one.object) {
            let deleted = "the uninstall that comes first deletes its definition";
            let message = match (brought.has_kind(&one.object), &one.object.api_version) {
                (true, Some(version)) => format!("{deleted}, and that of the chart serves no {version}"),
                (true, None) | (false, _) => deleted.to_owned(),
            };
            return finding(Class::Unsafe, code::API_NOT_SERVED, message);
        }
        let namespace = in_namespace.filter(|name| !brought.namespaces.contains(name))?;
        let (class, why) = if self.has_namespace(namespace) {
            (Class::Unsafe, format!("the uninstall that comes first deletes namespace {namespace}"))
        } else {
            (Class::Blocked, format!("namespace {namespace} is not there"))
        };
        finding(class, code::NAMESPACE_MISSING, format!("{why}, and the chart brings none before it"))
    }
}

/// What the chart brings before an object.
struct Brought {
    kinds: Vec<CrdFacts>,
    /// What steps bring before helm runs, and before an uninstall.
    by_steps: Vec<CrdFacts>,
    namespaces: Vec<String>,
}

impl Brought {
    /// Helm has to know all kinds before it makes the first of them; namespaces it makes before what is in them, among the templates or
    /// as a hook of the first event.
    fn before_templates(ctx: &Context, preview: &DeployPreview, first_event: &str) -> Self {
        let docs = &preview.docs;
        let is_before = |doc: &&RenderedDoc| match &doc.origin {
            Origin::Crd => false,
            Origin::Template => true,
            Origin::Hook { events, .. } => events.iter().any(|event| event == first_event),
        };
        let brought = Self::of(ctx, docs.iter().filter(is_definition_brought(ctx)), docs.iter().filter(is_before));
        Self { by_steps: preview.by_steps.clone(), ..brought }
    }

    fn before_hook(ctx: &Context, docs: &[RenderedDoc], hook: &HookPreview) -> Self {
        let is_before = |doc: &&RenderedDoc| comes_before(doc, hook);
        let brought = is_definition_brought(ctx);
        let kinds = docs.iter().filter(|doc| brought(doc) || is_before(doc));
        Self::of(ctx, kinds, docs.iter().filter(is_before))
    }

    fn of<'d>(
        ctx: &Context,
        kinds: impl Iterator<Item = &'d RenderedDoc>,
        own: impl Iterator<Item = &'d RenderedDoc>,
    ) -> Self {
        let own = own.filter_map(|doc| object_ref(&doc.object));
        let mut namespaces: Vec<String> = own.filter(|one| one.kind == "Namespace").map(|one| one.name).collect();
        if ctx.info().create_namespace {
            namespaces.push(ctx.release().namespace);
        }
        let kinds = kinds.filter_map(|doc| crd_facts(&doc.object)).collect();
        Self { kinds, by_steps: Vec::new(), namespaces }
    }

    fn is_by_steps(&self, object: &ObjectRef) -> bool {
        self.by_steps.iter().any(|facts| facts.serves(object))
    }

    fn has_kind(&self, object: &ObjectRef) -> bool {
        self.kinds.iter().any(|facts| facts.is_of(object))
    }

    /// Whether it is also served in the object's version then.
    fn serves(&self, object: &ObjectRef) -> bool {
        self.kinds.iter().any(|facts| facts.serves(object))
    }
}

/// Whether it is a definition of `crds/`, where these are brought.
fn is_definition_brought(ctx: &Context) -> impl Fn(&&RenderedDoc) -> bool {
    let skips = ctx.info().crds == CrdPolicy::Skip;
    move |doc| matches!(doc.origin, Origin::Crd) && !skips
}

/// Whether helm makes an object before it runs a hook: hooks of one event by their weight, and with the objects of the chart between
/// those before and those after.
fn comes_before(doc: &RenderedDoc, hook: &HookPreview) -> bool {
    let is_after = hook.event.starts_with("post-");
    match &doc.origin {
        Origin::Crd => false,
        Origin::Template => is_after && hook.event != "post-delete",
        Origin::Hook { events, weight, .. } => {
            let before = is_after.then(|| hook.event.replace("post-", "pre-"));
            let is_of = |event: &str| events.iter().any(|one| one == event);
            is_of(&hook.event) && *weight <= hook.weight || before.is_some_and(|before| is_of(&before))
        }
    }
}
