//! Checks: steps that look whether something is as wanted, again and again until it is or their time is up, and keep what
//! they asked and what came back.

mod assert;
mod behind;
mod evidence;
mod exec;
mod helm_test;
mod job;
mod judge;
mod logs;
mod network;
mod reach;

use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::ReportedCauses;
use crate::context::Step;
use crate::context::StepDescription;
use crate::context::millis;
use crate::diagnose;
use crate::error::PhaseError;
use crate::steps::check::judge::{Next, Pacing, wanted};
use crate::steps::digests::{form, former};
use async_trait::async_trait;
use pilothouse_core::{
    Cause, CheckComparison, CheckKind, CheckReport, CheckStep, CheckTerms, CheckVerdict, Class, EventKind, Finding,
    JobSource, ObjectRef, Payload, Phase, StepKind, code, hide_arguments,
};
use pilothouse_probe::{Deadline, HttpProbe, ProbeResult};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What one attempt may take, of those that can be made again: a third of the check's time, but this at least.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The most seconds a check that does not hold is looked at before the change.
const BASELINE_PATIENCE: u64 = 10;

/// Writes nothing, but for a Job, which is deleted again, and `helm test`, which makes what the chart's tests are. Repeatable;
/// ends at its own deadline, or when the run is cancelled.
pub(super) struct Check {
    pub(super) step: CheckStep,
    /// What the step is called.
    pub(super) name: Option<String>,
}

/// The causes of each object's trouble.
type ByObject = Vec<(ObjectRef, Vec<Cause>)>;

/// A check that was made.
struct Made {
    report: CheckReport,
    /// What is wrong with the objects that the check itself has made and deleted.
    causes: ByObject,
}

impl Check {
    fn text(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let what = what(&self.step.kind);
            if self.step.terms.must_fail { format!("{what}, which must fail") } else { what }
        })
    }

    /// Looks before the change, if it is to be judged by comparison. It is only looked at, for a short time, and whatever
    /// comes back is no failure.
    pub(super) async fn baseline(&self, ctx: &Context) -> Result<Option<CheckReport>, PhaseError> {
        if !self.step.terms.baseline {
            return Ok(None);
        }
        let terms = &self.step.terms;
        let terms = CheckTerms {
            timeout_in_seconds: terms.timeout_in_seconds.min(BASELINE_PATIENCE),
            stable_for_in_seconds: 0,
            ..terms.clone()
        };
        Ok(Some(self.made(ctx, &terms).await?.report))
    }

    async fn made(&self, ctx: &Context, terms: &CheckTerms) -> Result<Made, PhaseError> {
        let begun = Instant::now();
        let whole = Duration::from_secs(terms.timeout_in_seconds);
        let mut pacing = Pacing::new(terms);
        let mut attempts = 0;
        loop {
            let started = begun.elapsed();
            let (look, causes) =
                attempt(ctx, &self.step.kind, attempts, (whole, whole.saturating_sub(started))).await?;
            attempts += 1;
            let verdict = wanted(&look, terms.must_fail);
            let next = if repeats(&self.step.kind) {
                pacing.next(begun.elapsed(), verdict == CheckVerdict::Held)
            } else {
                Next::Over
            };
            let unstable = verdict == CheckVerdict::Held && next == Next::Over && repeats(&self.step.kind);
            if next == Next::Again {
                ctx.doing(format!("{}: {}", self.text(), evidence::why(ctx, &look)));
                tokio::select! {
                    () = sleep(Duration::from_secs(terms.interval_in_seconds)) => continue,
                    () = ctx.cancel().cancelled() => return Err(PhaseError::Interrupted),
                }
            }
            let why = match (unstable, verdict, terms.must_fail) {
                (true, ..) => format!("it did not hold for {} s without a break", terms.stable_for_in_seconds),
                (false, CheckVerdict::NotHeld, true) => {
                    format!("it must fail, and does not: {}", evidence::why(ctx, &look))
                }
                (false, ..) => evidence::why(ctx, &look),
            };
            let report = CheckReport {
                check: self.text(),
                kind: self.step.kind.name().to_owned(),
                verdict: if unstable { CheckVerdict::NotHeld } else { verdict },
                why,
                comparison: None,
                evidence: evidence::evidence(ctx, &look),
                attempts,
                elapsed_ms: millis(begun.elapsed()),
            };
            return Ok(Made { report, causes });
        }
    }

    /// Makes the check, and compares it with how it was before the change.
    /// What is wrong with what stands behind one that fails is noted in `known`.
    pub(super) async fn judged(
        &self,
        ctx: &Context,
        before: Option<CheckVerdict>,
        known: &mut ReportedCauses,
    ) -> Result<(), PhaseError> {
        let Made { mut report, mut causes } = self.made(ctx, &self.step.terms).await?;
        if self.step.terms.baseline {
            report.comparison = CheckComparison::of(before, report.verdict);
        }
        ctx.emitter().emit(EventKind::Checked {
            release: ctx.release(),
            phase: ctx.phase(),
            report: report.clone(),
            baseline_of: None,
        });
        match report.comparison {
            Some(CheckComparison::WasBroken) => {
                ctx.warn(format!("{}: it did not hold before the change either: {}", report.check, report.why));
            }
            Some(CheckComparison::Fixed) => ctx.say(format!("{}: it did not hold before the change", report.check)),
            Some(CheckComparison::StillHolds | CheckComparison::Broken) | None => {}
        }
        if report.passes() {
            return Ok(());
        }
        // Of what must not work, that it does not is no cause.
        if causes.is_empty() && !self.step.terms.must_fail {
            causes = diagnose::causes_of_named(ctx, &behind::of(ctx, &self.step.kind).await).await;
        }
        for (object, causes) in &causes {
            known.see(object, causes, Instant::now());
        }
        Err(PhaseError::Check(Box::new(report)))
    }
}

/// Whether an attempt can be made again: the others take all the time there is, once.
fn repeats(kind: &CheckKind) -> bool {
    !matches!(kind, CheckKind::Job(_) | CheckKind::HelmTest(_))
}

async fn attempt(
    ctx: &Context,
    kind: &CheckKind,
    number: u32,
    (whole, left): (Duration, Duration),
) -> Result<(ProbeResult, ByObject), PhaseError> {
    let limit = left.clamp(Duration::from_secs(1), ATTEMPT.max(whole / 3));
    let deadline = Deadline::after(limit);
    let looking = async {
        match kind {
            CheckKind::Http(check) => network::http(ctx, check, number, deadline).await,
            CheckKind::Tcp(check) => network::tcp(ctx, check, number, deadline).await,
            CheckKind::Prometheus(check) => network::prometheus(ctx, check, number, deadline).await,
            CheckKind::Assert(check) => deadline.bound(assert::look(ctx, check)).await.unwrap_or_else(|| {
                ProbeResult::unknown(format!("no answer within {deadline}")).asked(vec![check.that.clone()])
            }),
            // A program may take all the time there is.
            CheckKind::Exec(check) => exec::look(ctx, check, number, left.max(limit)).await,
            CheckKind::Job(_) | CheckKind::HelmTest(_) => ProbeResult::unknown("nothing was looked at"),
        }
    };
    match kind {
        // These put in order what they have made before they end.
        CheckKind::Job(check) => job::look(ctx, check, left).await,
        CheckKind::HelmTest(check) => Ok((helm_test::look(ctx, check, left).await?, Vec::new())),
        _ => tokio::select! {
            look = looking => Ok((look, Vec::new())),
            () = ctx.cancel().cancelled() => Err(PhaseError::Interrupted),
        },
    }
}

/// What is looked at, in few words.
fn what(kind: &CheckKind) -> String {
    match kind {
        CheckKind::Http(check) => HttpProbe::asked(check),
        CheckKind::Tcp(check) => format!("tcp {}", check.endpoint),
        CheckKind::Exec(check) => format!("exec in {}: {}", check.target, hide_arguments(&check.command)),
        CheckKind::Assert(check) => format!("assert {}: {}", assert::of(&check.of), check.that),
        CheckKind::Job(check) => match &check.source {
            JobSource::File(file) => format!("job {file}"),
            JobSource::Manifest(_) | JobSource::Template(_) => "job".to_owned(),
        },
        CheckKind::HelmTest(check) if check.tests.is_empty() => "helm test".to_owned(),
        CheckKind::HelmTest(check) => format!("helm test {}", check.tests.join(" ")),
        CheckKind::Prometheus(check) => format!("prometheus {} {}", check.query, check.expect),
    }
}

#[async_trait]
impl Step for Check {
    fn describe(&self) -> StepDescription {
        StepDescription::new(self.text())
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn check_input(&self) -> Vec<Finding> {
        match &self.step.kind {
            CheckKind::Job(job) => match job::read(job).await {
                Ok(_) => Vec::new(),
                Err(why) => vec![Finding::new(Class::BadInput, code::FILE_NOT_READABLE, self.text(), why)],
            },
            _ => Vec::new(),
        }
    }

    async fn baseline(&self, ctx: &Context) -> Result<Option<CheckReport>, PhaseError> {
        Self::baseline(self, ctx).await
    }

    async fn run(&self, ctx: &Context, run: &mut ReleaseRun, _payload: &mut Payload) -> Result<(), PhaseError> {
        let before = match ctx.phase() {
            Phase::Validate => run.baseline_of(&run.given(self).await),
            _ => None,
        };
        self.judged(ctx, before, &mut run.causes).await
    }

    async fn digest(&self) -> String {
        form::digest_of_check(&self.step).await
    }

    async fn former_digests(&self) -> Vec<String> {
        former::digests(&StepKind::Check(Box::new(self.step.clone()))).await
    }
}
