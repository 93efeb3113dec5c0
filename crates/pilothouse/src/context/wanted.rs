//! A release's chart as it is wanted: resolved and rendered, with everything that is wrong with it.

use crate::context::foresight::LOOK_COUNTS;
use crate::context::rendering::Rendering;
use crate::context::session::Target;
use crate::context::steps_seen::StepsSeen;
use crate::context::taken::Taken;
use crate::error::PhaseError;
use pilothouse_core::{Class, CrdFacts, Finding, Payload, code};
use pilothouse_helm::{ResolvedChart, TemplateUse};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

/// How a chart is rendered, which matters to those that ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RenderedAs {
    /// As an upgrade to this revision, not as an install, which is the first one.
    pub(crate) upgrade: Option<u32>,
    /// With what the cluster holds, where it looks for that.
    pub(crate) looks_up: bool,
}

impl RenderedAs {
    /// The number of the revision that templates are told.
    pub(crate) fn revision(self) -> u32 {
        self.upgrade.unwrap_or(1)
    }

    /// The same as far as these templates can tell: whether it is an upgrade, its number, and what the cluster holds each count only
    /// where they ask for it.
    pub(crate) fn as_asked(self, uses: &TemplateUse) -> Self {
        let tells_upgrades = uses.asks_for_action() || uses.revision || uses.lookup;
        let upgrade = self.upgrade.filter(|_| tells_upgrades).map(|number| if uses.revision { number } else { 1 });
        Self { upgrade, looks_up: self.looks_up && uses.lookup }
    }
}

/// A release's chart as it is going to be deployed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// What it was rendered for, or why that is not known; nothing where no cluster was asked.
    pub(crate) target: Option<Result<Arc<Target>, String>>,
    /// What helm is going to find served: the same, with the chart's own definitions.
    pub(crate) serves: Arc<Target>,
    /// The chart; `None` when it cannot be resolved, which is among the findings.
    pub(crate) chart: Option<Arc<ResolvedChart>>,
    /// What its templates depend on besides it and its values.
    pub(crate) uses: TemplateUse,
    /// The revision that an upgrade is going to make; none where it is going to be an install, as far as that is known.
    pub(crate) expected: Option<u32>,
    /// In a plan, the definitions that earlier releases bring before the release's turn comes.
    pub(crate) coming: Arc<[CrdFacts]>,
    /// In a plan, and where one is compared with the cluster: what earlier releases take away before.
    pub(crate) taken: Arc<Taken>,
    /// Whether it would look up what the cluster holds, and cannot: helm 4 would know nothing of kinds that are to come then.
    pub(crate) looks_up_later: bool,
    /// How it was rendered.
    pub(crate) rendered_as: RenderedAs,
    /// Everything it renders, hooks and definitions included; empty when it cannot be rendered.
    pub(crate) rendering: Rendering,
    /// The digest of the values files that it was rendered with.
    pub(crate) values_files: String,
    /// The values of earlier phases it is rendered with.
    pub(crate) payload: Payload,
    /// When that was.
    pub(crate) made_at: Option<Instant>,
    /// What is known of the steps around it.
    pub(crate) steps: Arc<StepsSeen>,
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// What its author probably did not mean, and is no reason to stop; a line each.
    pub(crate) warnings: Vec<String>,
}

/// Whether what is wrong is how a chart renders, which may be otherwise where the cluster holds or serves something else.
pub(crate) fn is_of_rendering(finding: &Finding) -> bool {
    finding.class == Class::BadInput && [code::CHART_TEMPLATE_FAILED, code::OBJECT_INVALID].contains(&&*finding.code)
}

impl Wanted {
    /// What it was rendered for, or why that is not known.
    pub(crate) fn target(&self) -> Result<&Arc<Target>, PhaseError> {
        match &self.target {
            Some(Ok(target)) => Ok(target),
            Some(Err(why)) => Err(PhaseError::State(why.clone())),
            None => Err(PhaseError::State("no cluster was asked".to_owned())),
        }
    }

    /// Whether this rendering is also what it renders as an install, or as an upgrade to this revision, with a look at the cluster.
    pub(crate) fn is_rendered_as(&self, upgrade: Option<u32>) -> bool {
        let was = self.rendered_as;
        let is_same_action = was.upgrade.is_some() == upgrade.is_some() || !self.uses.asks_for_action();
        (was.looks_up || !self.uses.lookup) && is_same_action && self.is_of_revision(upgrade)
    }

    /// Whether templates were told the same number of the revision, as far as they ask.
    pub(crate) fn is_of_revision(&self, upgrade: Option<u32>) -> bool {
        let rendered_as = RenderedAs { upgrade, ..self.rendered_as };
        self.rendered_as.revision() == rendered_as.as_asked(&self.uses).revision()
    }

    /// How it is going to be rendered as an install or as an upgrade.
    pub(crate) fn upgrade(&self, is_upgrade: bool) -> Option<u32> {
        is_upgrade.then(|| self.expected.unwrap_or(1))
    }

    /// The chart, or why there is none.
    pub(crate) fn chart(&self) -> Result<&ResolvedChart, PhaseError> {
        self.chart.as_deref().ok_or_else(|| PhaseError::Refused(self.findings.clone()))
    }

    /// Whether it defines new kinds, in `crds/` folders or in templates.
    pub(crate) fn defines_kinds(&self) -> bool {
        self.rendering.defines_kinds()
    }

    /// Whether it defines new kinds in templates, which come with helm.
    pub(crate) fn defines_kinds_in_templates(&self) -> bool {
        self.rendering.defines_kinds_in_templates()
    }

    /// Whether it may render only with what the cluster holds: without that it does not, and it looks for it.
    pub(crate) fn needs_lookup(&self) -> bool {
        let is_open = !self.findings.is_empty() && self.findings.iter().all(is_of_rendering);
        self.uses.lookup && !self.rendered_as.looks_up && is_open
    }

    /// Nothing but what stays when it is made anew.
    pub(crate) fn to_be_made(&self) -> Self {
        let Self { expected, coming, taken, steps, payload, .. } = self;
        let (coming, taken, steps, payload) = (coming.clone(), taken.clone(), steps.clone(), payload.clone());
        Self { expected: *expected, coming, taken, steps, payload, ..Self::default() }
    }

    /// Whether what it has looked up is recent enough to be built on.
    pub(crate) fn is_fresh(&self) -> bool {
        self.made_at.is_some_and(|at| at.elapsed() < LOOK_COUNTS)
    }

    /// Notes something that is wrong.
    pub(crate) fn wrong(&mut self, code: &str, subject: impl Display, message: impl Display) {
        self.findings.push(Finding::new(Class::BadInput, code, subject, message));
    }

    /// The same, as small as it can be kept.
    pub(crate) fn packed(&self) -> Self {
        Self { rendering: self.rendering.packed(), ..self.clone() }
    }
}
