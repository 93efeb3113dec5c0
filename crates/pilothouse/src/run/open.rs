//! Where a run keeps its lock and its journal, and how it comes to continue an earlier one.

use crate::context::EarlierRun;
use crate::context::Message;
use crate::context::Session;
use crate::context::UnderLock;
use crate::context::millis;
use crate::journal;
use crate::journal::Recorder;
use crate::journal::{JournalFile, JournalHeader, KillPoint};
use crate::kept_digest;
use crate::run::config::RunConfig;
use crate::run::config::{Resume, StateConfig};
use crate::run::error::RunError;
use crate::run::listening::listening;
use crate::run::lock::{LookBeforeLock, StateFound, Taken, take_lock};
use crate::run::owner::Owner;
use pilothouse_core::{
    ChartInfo, DigestKey, Event, EventKind, Holder, ReleaseKey, ReleaseProgress, RunKind, RunProgress, RunVerdict,
    StopReason,
};
use pilothouse_kube::LeaseLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// How many journals of a stack are kept on a machine.
const KEPT: usize = 100;

/// The lock and what is known of earlier runs.
pub(crate) struct Opened {
    lock: Arc<LeaseLock>,
    others_were_at_work: bool,
    /// The last run, whatever it was for.
    last: Option<RunProgress>,
    /// What of it is continued.
    continued: Vec<ReleaseProgress>,
    /// The key of the digests in the journal.
    key: DigestKey,
    /// Who runs this.
    us: Holder,
    lock_timeout: Duration,
}

impl Opened {
    /// The stack's lock.
    pub(crate) fn lock(&self) -> &LeaseLock {
        &self.lock
    }

    /// Whether another run was at work until now: what was seen before it ended proves nothing.
    pub(crate) fn others_were_at_work(&self) -> bool {
        self.others_were_at_work
    }

    /// The key of the digests in the journal.
    pub(crate) fn digest_key(&self) -> &DigestKey {
        &self.key
    }

    /// What earlier runs have done of a release, if that is continued and the same is to be done with it.
    pub(crate) fn earlier(&self, planned: &ChartInfo) -> Option<ReleaseProgress> {
        let same = |progress: &&ReleaseProgress| progress.release == planned.key() && progress.action == planned.action;
        self.continued.iter().find(same).cloned()
    }

    /// What matters of the time before this run for putting a release in order.
    pub(crate) fn under_lock(&self, release: &ReleaseKey) -> UnderLock {
        let earlier = EarlierRun::of(self.last.as_ref(), release, &self.us);
        UnderLock { lock: self.lock.clone(), earlier, lock_timeout: self.lock_timeout }
    }
}

/// What is read besides.
pub(crate) struct Reads<L> {
    /// Before the lock was taken.
    pub(crate) looked: LookBeforeLock,
    /// With the lock in the hand, while the journal is opened.
    pub(crate) looking: L,
}

/// Takes the stack's lock where its state is, reads what earlier runs have left, and opens the journal. From then on everything the owner
/// is told is written down.
///
/// # Errors
/// See [`RunError`]. Nothing of the stack was touched then, and the lock is given back.
pub(crate) async fn open<F: FnMut(&Event)>(
    config: &RunConfig,
    state: &StateConfig,
    session: &Arc<Session>,
    reads: Reads<impl Future<Output = ()>>,
    owner: &mut Owner<F>,
    to: &UnboundedSender<Message>,
    messages: &mut UnboundedReceiver<Message>,
) -> Result<Opened, RunError> {
    let Reads { looked, looking } = reads;
    let Taken { lock, others_were_at_work, left } =
        listening(Box::pin(take_lock(&config.stack, state, session, looked, to)), owner, messages).await?;
    let lock = Arc::new(lock);
    owner.happened(EventKind::LockTaken {
        waited_ms: millis(lock.waited()),
        taken_over: lock.taken_over().map(str::to_owned),
    });
    match begin(config, state, left, looking, owner, &lock).await {
        Ok((last, continued, key)) => {
            let (us, lock_timeout) = (state.holder.clone(), state.lock_timeout);
            Ok(Opened { lock, others_were_at_work, last, continued, key, us, lock_timeout })
        }
        Err(error) => {
            owner.forget_lock();
            give_back(lock).await;
            Err(error)
        }
    }
}

/// Reads what earlier runs have left on this machine too, and opens the journal of this one.
async fn begin<F: FnMut(&Event)>(
    config: &RunConfig,
    state: &StateConfig,
    left: StateFound,
    looking: impl Future<Output = ()>,
    owner: &mut Owner<F>,
    lock: &Arc<LeaseLock>,
) -> Result<(Option<RunProgress>, Vec<ReleaseProgress>, DigestKey), RunError> {
    let StateFound { journal: mut in_cluster, record, cluster_id: id } = left;
    let folder = journal::folder_of(&state.folder, id.as_deref(), &config.stack);
    let (mut in_record, key_of_record) = record.map(|record| (record.last, record.key)).unzip();
    if !in_cluster.is_believed() {
        in_record.iter_mut().for_each(doubt);
    }
    // Journals of clusters that cannot be told apart are no help.
    let on_disk = if id.is_some() { journal::on_disk(&folder, in_record.as_ref())? } else { None };
    let (on_disk, key_on_disk) = on_disk.map(|journal| (journal.progress, journal.header.key)).unzip();
    let key = in_cluster.with_key(key_of_record.flatten().or(key_on_disk.flatten()));
    let mut last = match (in_record, on_disk) {
        // This machine has written all of it; a record that says more was not written by us.
        (Some(record), Some(disk)) if !in_cluster.is_believed() && record.run == disk.run => Some(disk),
        (record, disk) => journal::choose(record, disk),
    };
    for release in last.iter_mut().flat_map(|last| &mut last.releases) {
        kept_digest::close(release, &key);
    }
    let continued = continued(state.resume, config.kind, last.as_ref())?;
    if let Some(last) = last.as_ref().filter(|_| !continued.is_empty()) {
        owner.happened(EventKind::RunResumed { from: last.run, releases: continued.clone() });
    }
    if let Err(error) = journal::prune(&folder, KEPT) {
        // That old journals stay is no reason not to run.
        tracing::debug!(%error, "old journals were not removed");
    }
    let header = JournalHeader::new(config.id, &config.stack, key.clone());
    let file = JournalFile::create(&folder, &header, owner.before_journal(), KillPoint::new(state.kill_at))?;
    if let Some(progress) = owner.progress() {
        let (stored, ()) = tokio::join!(in_cluster.store(progress), looking);
        if let Err(error) = stored {
            // Nothing was begun: there is no such run.
            file.discard();
            return Err(error.into());
        }
        owner.record_with(Recorder::new(file, in_cluster, lock.clone(), progress.seq), lock.clone());
    }
    Ok((last, continued, key))
}

/// Notes that anybody may have written what steps have put out. What was done is believed all the same: whoever says so falsely can
/// keep a step from being run, not make a value.
fn doubt(record: &mut RunProgress) {
    let phases = record.releases.iter_mut().flat_map(|release| &mut release.phases);
    for step in phases.flat_map(|phase| &mut phase.steps) {
        step.output_untrusted |= !step.output.is_empty();
    }
}

/// What of the last run is continued.
fn continued(resume: Resume, kind: RunKind, last: Option<&RunProgress>) -> Result<Vec<ReleaseProgress>, RunError> {
    let nothing = |why: String| Err(RunError::NothingToResume { why });
    match (resume, last) {
        // What was begun for something else is not on the way to this; but it is not forgotten either.
        (Resume::IfUnfinished, Some(last)) if last.kind != kind => Ok(last.half_done()),
        (Resume::IfUnfinished, last) => Ok(last.map(RunProgress::to_continue).unwrap_or_default()),
        (Resume::Last | Resume::Run(_), None) => nothing("no run of this stack is known".to_owned()),
        (Resume::Run(wanted), Some(last)) if last.run != wanted => {
            nothing(format!("the last one is {}, and only that can be continued", last.run.short()))
        }
        (Resume::Last | Resume::Run(_), Some(last)) if last.verdict == Some(RunVerdict::Done) => {
            nothing(format!("the last one, {}, was done", last.run.short()))
        }
        (Resume::Last | Resume::Run(_), Some(last)) => Ok(last.releases.clone()),
    }
}

/// Writes the end of a run and gives the lock back, unless it is lost: then nothing is touched any more.
pub(crate) async fn close<F: FnMut(&Event)>(opened: Option<Opened>, owner: Owner<F>) {
    let lost = matches!(owner.stopped(), Some(StopReason::LockLost { .. }));
    owner.finish(!lost).await;
    if let Some(opened) = opened.filter(|_| !lost) {
        give_back(opened.lock).await;
    }
}

/// Gives the lock back. Everyone who shared it has ended; otherwise its lease runs out by itself.
async fn give_back(lock: Arc<LeaseLock>) {
    if let Ok(lock) = Arc::try_unwrap(lock) {
        lock.release().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::samples;
    use jiff::Timestamp;
    use pilothouse_core::{HelmAction, HelmCommand, Phase, RunId};
    use rstest::rstest;
    use std::collections::BTreeMap;

    fn last(verdict: Option<RunVerdict>) -> RunProgress {
        RunProgress {
            run: RunId(uuid::Uuid::from_u128(1)),
            stack: "s".to_owned(),
            kind: RunKind::Apply,
            holder: None,
            cluster: None,
            stack_file: None,
            started_at: Timestamp::UNIX_EPOCH,
            seq: 1,
            seen_at: Timestamp::UNIX_EPOCH,
            resumes: None,
            stopped: None,
            verdict,
            releases: vec![ReleaseProgress {
                release: ReleaseKey::new("a", "b"),
                action: HelmAction::Deploy,
                run: RunId(uuid::Uuid::from_u128(1)),
                started_at: None,
                phases: Vec::new(),
                adopted: Vec::new(),
                backups: Vec::new(),
                no_return: None,
                attempt: 0,
                baselines: BTreeMap::new(),
                ending: None,
                standing: pilothouse_core::ReleaseStanding::default(),
            }],
        }
    }

    const THIS: Resume = Resume::Run(RunId(uuid::Uuid::from_u128(1)));
    const OTHER: Resume = Resume::Run(RunId(uuid::Uuid::from_u128(2)));

    #[rstest]
    #[case::killed(Resume::IfUnfinished, None, Ok(true))]
    #[case::interrupted(Resume::IfUnfinished, Some(RunVerdict::Interrupted), Ok(true))]
    #[case::failed(Resume::IfUnfinished, Some(RunVerdict::Failed), Ok(false))]
    #[case::done(Resume::IfUnfinished, Some(RunVerdict::Done), Ok(false))]
    #[case::failed_and_wanted(Resume::Last, Some(RunVerdict::Failed), Ok(true))]
    #[case::done_and_wanted(Resume::Last, Some(RunVerdict::Done), Err(()))]
    #[case::by_name(THIS, None, Ok(true))]
    #[case::another_by_name(OTHER, None, Err(()))]
    fn which_run_is_continued(
        #[case] resume: Resume,
        #[case] verdict: Option<RunVerdict>,
        #[case] expected: Result<bool, ()>,
    ) {
        let last = last(verdict);
        let continued = continued(resume, RunKind::Apply, Some(&last));
        assert_eq!(continued.map(|releases| !releases.is_empty()).map_err(|_| ()), expected);
    }

    #[test]
    fn what_steps_have_put_out_is_doubted_where_there_is_something() {
        let mut progress = samples::progress(1);
        doubt(&mut progress);
        let steps = || progress.releases.iter().flat_map(|release| &release.phases).flat_map(|phase| &phase.steps);
        assert!(steps().any(|step| step.output_untrusted));
        assert!(steps().all(|step| step.output_untrusted != step.output.is_empty()));
    }

    #[test]
    fn without_an_earlier_run_only_a_plain_one_begins() {
        assert!(continued(Resume::IfUnfinished, RunKind::Apply, None).unwrap().is_empty());
        assert!(continued(Resume::Last, RunKind::Apply, None).is_err());
        assert!(continued(THIS, RunKind::Apply, None).is_err());
    }

    #[test]
    fn an_apply_does_not_continue_a_destroy() {
        assert!(continued(Resume::IfUnfinished, RunKind::Destroy, Some(&last(None))).unwrap().is_empty());
    }

    /// The clock was set back before the second run, and its id, made of the time, is smaller than that of the first.
    #[test]
    fn the_last_run_is_the_one_the_cluster_names() {
        let folder = tempfile::tempdir().unwrap();
        for run in [9, 5] {
            let header = JournalHeader::new(samples::run_id(run), "shop", samples::key_of_digests());
            let first = samples::numbered([samples::run_started(run, &["web"])]);
            JournalFile::create(folder.path(), &header, &first, KillPoint::new(None)).unwrap();
        }
        let record = samples::progress(5);
        let run = |of: Option<RunProgress>| of.map(|progress| progress.run);
        let on_disk = |record: Option<&RunProgress>| {
            journal::on_disk(folder.path(), record).unwrap().map(|journal| journal.progress)
        };
        assert_eq!(run(on_disk(Some(&record))), Some(samples::run_id(5)));
        assert_eq!(run(journal::choose(Some(record), None)), Some(samples::run_id(5)));
        // The only thing left to go by.
        assert_eq!(run(on_disk(None)), Some(samples::run_id(9)));
    }

    /// The clock was set back while the run went on, and each event seems to be older than the one before.
    #[test]
    fn what_helm_did_last_is_not_told_by_times() {
        let release = samples::key("web");
        let helm = |phase, command| {
            let started = EventKind::PhaseStarted { release: release.clone(), phase };
            let helm = EventKind::HelmStarted {
                release: release.clone(),
                phase,
                command,
                revision_before: 1,
                digest: String::new(),
                timeout_ms: 1,
            };
            [started, helm]
        };
        let kinds = [samples::run_started(1, &["web"])]
            .into_iter()
            .chain(helm(Phase::Exec, HelmCommand::Uninstall))
            .chain(helm(Phase::Exec, HelmCommand::Upgrade))
            .chain(helm(Phase::OnDeployFailure, HelmCommand::Rollback));
        let mut events = samples::numbered(kinds);
        for event in &mut events {
            event.at = Timestamp::from_second(1_000_000 - i64::try_from(event.seq).unwrap()).unwrap();
        }
        let us = Holder {
            run: samples::run_id(2),
            user: "ann".to_owned(),
            host: "desk".to_owned(),
            pid: 2,
            process: None,
            ci_job: None,
        };
        let last = |events: &[Event]| {
            EarlierRun::of(Some(&samples::fold(events)), &release, &us).helm.map(|helm| helm.command)
        };
        assert_eq!(last(&events[..1]), None);
        assert_eq!(last(&events[..3]), Some(HelmCommand::Uninstall));
        assert_eq!(last(&events[..5]), Some(HelmCommand::Upgrade));
        assert_eq!(last(&events), Some(HelmCommand::Rollback));
    }
}
