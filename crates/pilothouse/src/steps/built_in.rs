//! Steps: what a user adds to the phases. Those of the stack file and those written in Rust are the same to the engine.

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use crate::steps::adopt;
use crate::steps::apply;
use crate::steps::check;
use crate::steps::command;
use crate::steps::delete;
use crate::steps::digests::form;
use crate::steps::digests::former;
use crate::steps::restart;
use crate::steps::wait;
use async_trait::async_trait;
use pilothouse_core::{CheckReport, Finding, ObjectRef, Payload, Sensitive, StepKind, StepSpec};
use serde_json::Value;
use std::sync::Arc;

/// A step of the stack file as one of the engine, also for charts written in Rust.
pub fn built_in(spec: &StepSpec) -> Arc<dyn Step> {
    let inner: Arc<dyn Step> = match &spec.kind {
        StepKind::Adopt(step) => Arc::new(adopt::Adopt(step.clone())),
        StepKind::Apply(step) => Arc::new(apply::Apply(step.clone())),
        StepKind::Delete(step) => Arc::new(delete::Delete(step.clone())),
        StepKind::Wait(step) => Arc::new(wait::Wait(step.clone())),
        StepKind::Command(step) => Arc::new(command::Command(step.clone())),
        StepKind::Restart(step) => Arc::new(restart::Restart(step.clone())),
        StepKind::Check(step) => Arc::new(check::Check { step: (**step).clone(), name: spec.name.clone() }),
    };
    Arc::new(BuiltIn { spec: spec.clone(), inner })
}

/// A step of the stack file, with the name the user gave it and the action it is for.
struct BuiltIn {
    spec: StepSpec,
    inner: Arc<dyn Step>,
}

#[async_trait]
impl Step for BuiltIn {
    fn describe(&self) -> StepDescription {
        let mut description = StepDescription {
            on: self.spec.on,
            point_of_no_return: self.spec.point_of_no_return,
            every_run: self.spec.every_run,
            ..self.inner.describe()
        };
        if let Some(name) = &self.spec.name {
            description.text.clone_from(name);
        }
        description
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    fn secrets(&self) -> Vec<Sensitive<String>> {
        self.spec.kind.secrets().into_iter().map(|secret| Sensitive::new(secret.to_owned())).collect()
    }

    async fn check_input(&self) -> Vec<Finding> {
        self.inner.check_input().await
    }

    async fn concerns(&self) -> Vec<ObjectRef> {
        self.inner.concerns().await
    }

    async fn applies(&self) -> Vec<Value> {
        self.inner.applies().await
    }

    async fn digest(&self) -> String {
        form::digest(&self.spec.kind).await
    }

    async fn former_digests(&self) -> Vec<String> {
        former::digests(&self.spec.kind).await
    }

    async fn check(&self, ctx: &Context) -> Vec<Finding> {
        self.inner.check(ctx).await
    }

    async fn baseline(&self, ctx: &Context) -> Result<Option<CheckReport>, PhaseError> {
        self.inner.baseline(ctx).await
    }

    async fn run(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        self.inner.run(ctx, run, payload).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::{ApplyStep, On, RestartStep, WaitFor, WaitStep};
    use rstest::rstest;

    /// What is copied for a rehearsal is asked of the step as the engine has it.
    #[rstest]
    #[case::apply(StepKind::Apply(ApplyStep {
        files: Vec::new(),
        manifests: vec!["{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}".to_owned()],
    }))]
    #[case::wait(StepKind::Wait(WaitStep {
        objects: vec![ObjectRef::parse("ConfigMap/a").unwrap()],
        wait_for: WaitFor::default(),
        timeout_in_seconds: 1,
    }))]
    #[case::restart(StepKind::Restart(RestartStep { objects: vec![ObjectRef::parse("ConfigMap/a").unwrap()] }))]
    #[tokio::test]
    async fn what_a_step_is_about_is_handed_on(#[case] kind: StepKind) {
        let spec = StepSpec { name: None, on: On::default(), point_of_no_return: false, every_run: false, kind };
        let names: Vec<String> = built_in(&spec).concerns().await.into_iter().map(|object| object.name).collect();
        assert_eq!(names, ["a"]);
    }
}
