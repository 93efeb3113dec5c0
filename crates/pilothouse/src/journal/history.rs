//! The runs of a stack, from what they have left on this machine and in the cluster.

use crate::journal::{
    ClusterJournal, Journal, JournalError, RunSummary, StackRecord, choose, cluster_id, find_place, folder_of,
    journals, read, state_name,
};
use crate::kept_digest;
use pilothouse_core::{Event, Holder, RunId, RunProgress};
use pilothouse_kube::{ClusterClient, LeaseLock};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many runs an error names.
const CANDIDATES: usize = 5;

/// The stack whose runs are asked for, and where they are kept.
#[derive(Clone)]
pub struct HistoryOf {
    /// The cluster.
    pub cluster: Arc<dyn ClusterClient>,
    /// The namespace of the stack's lock and journal, where the stack file says it: see [`StateConfig`](crate::state::StateConfig).
    pub state_namespace: Option<String>,
    /// The stack's name.
    pub stack: String,
    /// The folder for all journals of this machine.
    pub folder: PathBuf,
}

/// The runs of a stack.
#[derive(Debug)]
pub struct History {
    /// Every run that is known, newest first.
    pub runs: Vec<RunSummary>,
    /// What could not be read; the runs in it may be missing.
    pub problems: Vec<JournalError>,
}

/// What happened in one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDetails {
    /// What it adds up to.
    pub progress: RunProgress,
    /// Every event that was kept; empty where only the cluster knows the run.
    pub events: Vec<Event>,
    /// Whether the journal ends in a line that is not whole.
    pub torn: bool,
    /// The journal on this machine; `None` when this comes from the cluster.
    pub journal: Option<PathBuf>,
}

/// All runs of a stack that this machine and the cluster know. What cannot be read is part of the answer.
///
/// # Errors
/// When not even the place to look on this machine can be told, since the cluster does not answer.
pub async fn history(of: &HistoryOf) -> Result<History, JournalError> {
    let sources = Sources::look(of).await?;
    let mut problems = sources.problems;
    let mut runs: BTreeMap<RunId, RunSummary> =
        sources.record.iter().flat_map(|record| &record.summaries).map(|run| (run.run, run.clone())).collect();
    for (run, path) in &sources.journals {
        match read(path) {
            // A journal knows as much as the cluster, unless another machine has gone on; runs do not move.
            Ok(journal) => {
                runs.insert(*run, RunSummary::of(&journal.progress));
            }
            Err(problem) => problems.push(problem),
        }
    }
    Ok(History { runs: runs.into_values().rev().collect(), problems })
}

/// What happened in one run, called by its id, the beginning of that, or the eight characters people see.
///
/// # Errors
/// When there is no such run or more than one, or only a summary of it is known here, or it cannot be read.
pub async fn run_details(of: &HistoryOf, given: &str) -> Result<RunDetails, JournalError> {
    let mut sources = Sources::look(of).await?;
    let summaries = || sources.record.iter().flat_map(|record| &record.summaries);
    let mut runs: Vec<RunId> =
        sources.journals.iter().map(|(run, _)| *run).chain(summaries().map(|run| run.run)).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.reverse();
    let run = match find(given, &runs) {
        Ok(run) => run,
        // It may be in what could not be read.
        Err(JournalError::UnknownRun { .. }) if !sources.problems.is_empty() => return Err(sources.problems.remove(0)),
        Err(error) => return Err(error),
    };
    if let Some((_, path)) = sources.journals.iter().find(|(known, _)| *known == run) {
        let Journal { mut progress, mut events, torn, .. } = read(path)?;
        progress.releases.iter_mut().for_each(kept_digest::hide_in);
        for event in &mut events {
            kept_digest::hide(&mut event.kind);
        }
        return Ok(RunDetails { progress, events, torn, journal: Some(path.clone()) });
    }
    let host = summaries().find(|summary| summary.run == run).and_then(|summary| summary.host.clone());
    match sources.record {
        Some(mut record) if record.last.run == run => {
            record.last.releases.iter_mut().for_each(kept_digest::hide_in);
            Ok(RunDetails { progress: record.last, events: Vec::new(), torn: false, journal: None })
        }
        _ => Err(JournalError::NoDetails { run, host: host.unwrap_or_else(|| "another machine".to_owned()) }),
    }
}

/// The last run of a stack as the cluster and this machine know it, where nobody may be at work under the stack's lock: by `is_gone` it is
/// told whether the process of a holder has ended.
///
/// # Errors
/// When what is there cannot be read.
pub(crate) async fn last_run(
    of: &HistoryOf,
    is_gone: impl Fn(&Holder) -> Option<bool>,
) -> Result<LastRun, JournalError> {
    let cluster = of.cluster.as_ref();
    let (namespace, name) = (place(of).await?, state_name(&of.stack));
    let (held, loaded, id) = tokio::join!(
        LeaseLock::may_be_held(cluster, &namespace, &name, is_gone),
        ClusterJournal::load(of.cluster.clone(), &namespace, &of.stack),
        cluster_id(cluster)
    );
    if held.map_err(|error| JournalError::of_place(error.into()))? {
        return Ok(LastRun::AtWork);
    }
    let (id, in_record) = (id?, loaded?.1.map(|record| record.last));
    // Journals of clusters that cannot be told apart are no help.
    let folder = folder_of(&of.folder, id.as_deref(), &of.stack);
    let on_disk = if id.is_some() { on_disk(&folder, in_record.as_ref())? } else { None };
    Ok(choose(in_record, on_disk.map(|journal| journal.progress))
        .map_or(LastRun::None, |last| LastRun::Over(Box::new(last))))
}

/// The last run of a stack.
#[derive(Debug)]
pub(crate) enum LastRun {
    /// Nothing is known of any.
    None,
    /// Somebody has the stack's lock, and may be at work.
    AtWork,
    /// Nobody is at work by now.
    Over(Box<RunProgress>),
}

/// What this machine knows of the last run: the one the cluster names, which is not the newest by its id when a clock was
/// set back; without a record in the cluster, the newest.
pub(crate) fn on_disk(folder: &Path, in_record: Option<&RunProgress>) -> Result<Option<Journal>, JournalError> {
    let known = journals(folder)?.into_iter();
    let last = match in_record {
        Some(record) => known.into_iter().find(|(run, _)| *run == record.run),
        None => known.into_iter().next(),
    };
    last.map(|(_, path)| read(&path)).transpose()
}

/// Where runs are known from.
struct Sources {
    /// The journals on this machine, newest first.
    journals: Vec<(RunId, PathBuf)>,
    record: Option<Known>,
    problems: Vec<JournalError>,
}

/// What the cluster knows.
struct Known {
    last: RunProgress,
    summaries: Vec<RunSummary>,
}

impl Sources {
    async fn look(of: &HistoryOf) -> Result<Self, JournalError> {
        let id = cluster_id(of.cluster.as_ref()).await?;
        let folder = folder_of(&of.folder, id.as_deref(), &of.stack);
        let mut problems = Vec::new();
        let journals = journals(&folder).unwrap_or_else(|problem| {
            problems.push(problem);
            Vec::new()
        });
        let record = match load(of).await {
            Ok((_, record)) => record.map(|record| Known { last: record.last, summaries: record.history }),
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        Ok(Self { journals, record, problems })
    }
}

async fn load(of: &HistoryOf) -> Result<(ClusterJournal, Option<StackRecord>), JournalError> {
    ClusterJournal::load(of.cluster.clone(), &place(of).await?, &of.stack).await
}

async fn place(of: &HistoryOf) -> Result<String, JournalError> {
    let found = find_place(of.cluster.as_ref(), of.state_namespace.as_deref(), &of.stack).await;
    found.map_err(JournalError::of_place)
}

/// The run that is meant, of these, newest first.
fn find(given: &str, runs: &[RunId]) -> Result<RunId, JournalError> {
    let wanted = given.to_lowercase();
    let fits = |run: &&RunId| {
        let id = run.to_string();
        !wanted.is_empty()
            && (id.starts_with(&wanted) || id.replace('-', "").starts_with(&wanted) || run.short() == wanted)
    };
    let found: Vec<RunId> = runs.iter().filter(fits).copied().collect();
    match found[..] {
        [run] => Ok(run),
        [] => {
            let candidates = runs.iter().take(CANDIDATES).copied().collect();
            Err(JournalError::UnknownRun { given: given.to_owned(), candidates })
        }
        _ => Err(JournalError::AmbiguousRun { given: given.to_owned(), candidates: found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{JournalFile, JournalHeader, KillPoint, samples};
    use pilothouse_core::error_chain;
    use pilothouse_testkit::FakeCluster;
    use rstest::rstest;
    use serde_json::json;
    use tempfile::TempDir;

    struct World {
        cluster: Arc<FakeCluster>,
        folder: TempDir,
    }

    impl World {
        fn new() -> Self {
            let cluster = Arc::new(FakeCluster::default());
            cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}));
            Self { cluster, folder: TempDir::new().unwrap() }
        }

        fn of(&self) -> HistoryOf {
            HistoryOf {
                cluster: self.cluster.clone(),
                state_namespace: Some("ops".to_owned()),
                stack: "shop".to_owned(),
                folder: self.folder.path().to_owned(),
            }
        }

        /// A run on this machine, with so many of its events.
        fn on_disk(&self, run: u128, events: usize) -> PathBuf {
            let folder = folder_of(self.folder.path(), Some("uid-1"), "shop");
            let header = JournalHeader::new(samples::run_id(run), "shop", samples::key_of_digests());
            let events = &samples::events(run)[..events];
            let file = JournalFile::create(&folder, &header, events, KillPoint::default()).unwrap();
            file.path().to_owned()
        }

        /// A run that has written into the cluster.
        async fn in_cluster(&self, run: u128, events: usize) {
            let (mut journal, _) = ClusterJournal::load(self.cluster.clone(), "ops", "shop").await.unwrap();
            journal.store(&samples::fold(&samples::events(run)[..events])).await.unwrap();
        }
    }

    fn told(history: &History) -> Vec<(u128, u64)> {
        history.runs.iter().map(|run| (run.run.0.as_u128(), run.elapsed_ms)).collect()
    }

    #[tokio::test]
    async fn runs_of_this_machine_and_of_others() {
        let world = World::new();
        assert_eq!(told(&history(&world.of()).await.unwrap()), []);
        world.in_cluster(1, 11).await;
        world.in_cluster(2, 3).await;
        // Of the second the disk knows more, since the last write to the cluster.
        world.on_disk(2, 11);
        world.on_disk(3, 1);
        let history = history(&world.of()).await.unwrap();
        assert_eq!(told(&history), [(3, 0), (2, 10_000), (1, 10_000)]);
        assert!(history.problems.is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_beside_the_rest() {
        let world = World::new();
        world.on_disk(1, 11);
        let damaged = world.on_disk(2, 11);
        std::fs::write(&damaged, "{}\n").unwrap();
        // Namespace; Lease and Secret in the three places where state may be; Secret.
        world.cluster.failures.fail_at(8);
        let history = history(&world.of()).await.unwrap();
        assert_eq!(told(&history), [(1, 10_000)]);
        let problems: Vec<String> = history.problems.iter().map(|problem| error_chain(problem).remove(0)).collect();
        assert_eq!(
            problems,
            [
                "cannot read the record of runs in Secret ops/pilothouse.stack.shop".to_owned(),
                format!(
                    "the journal {} is damaged in line 1: missing field `format` at line 1 column 2; move it away to go \
                     on without it",
                    damaged.display()
                ),
            ]
        );
    }

    #[tokio::test]
    async fn details_come_from_the_disk_or_of_the_last_run_from_the_cluster() {
        let world = World::new();
        world.in_cluster(1, 11).await;
        world.in_cluster(2, 11).await;
        let path = world.on_disk(3, 11);
        let details = |run: u128| {
            let of = world.of();
            async move { run_details(&of, &samples::run_id(run).to_string()).await }
        };
        // As they are, but for what steps have handed on, which is shown nowhere.
        let hidden = |run: u128| {
            let (mut progress, mut events) = (samples::progress(run), samples::events(run));
            progress.releases.iter_mut().for_each(kept_digest::hide_in);
            for event in &mut events {
                kept_digest::hide(&mut event.kind);
            }
            (progress, events)
        };
        let (progress, events) = hidden(3);
        assert_ne!(events, samples::events(3));
        let on_disk = RunDetails { progress, events, torn: false, journal: Some(path) };
        let told = details(3).await.unwrap();
        assert_eq!(told, on_disk);
        let json = serde_json::to_string(&told).unwrap();
        assert!(json.contains(r#""out":"***""#) && !json.contains(r#""out":"x""#), "{json}");
        let in_cluster = RunDetails { progress: hidden(2).0, events: vec![], torn: false, journal: None };
        assert_eq!(details(2).await.unwrap(), in_cluster);
        assert_eq!(
            details(1).await.unwrap_err().to_string(),
            "of run 00000001 only a summary is known here; its journal is on laptop"
        );
        assert_eq!(
            details(9).await.unwrap_err().to_string(),
            "no run of this stack is called `00000000-0000-0000-0000-000000000009`; known are 00000003, 00000002, 00000001"
        );
    }

    #[tokio::test]
    async fn a_run_is_not_unknown_while_something_cannot_be_read() {
        let world = World::new();
        world.on_disk(1, 11);
        world.cluster.failures.fail_at(8);
        let error = run_details(&world.of(), "00000002").await.unwrap_err();
        assert_eq!(error_chain(&error)[0], "cannot read the record of runs in Secret ops/pilothouse.stack.shop");
    }

    #[rstest]
    #[case("0193aaaa-0000-7000-8000-00000000abcd", Ok(0))]
    #[case("0193AAAA", Ok(0))]
    #[case("0193aaaa00007", Ok(0))]
    #[case("0193bbbb-", Ok(1))]
    #[case("0000abcd", Ok(0))]
    #[case("0000ABCE", Ok(1))]
    #[case("abcd", Err("no run of this stack is called `abcd`; known are 0000abcd, 0000abce, 0000abcf"))]
    #[case("", Err("no run of this stack is called ``; known are 0000abcd, 0000abce, 0000abcf"))]
    #[case("0193", Err("several runs are called `0193`: 0000abcd, 0000abce, 0000abcf"))]
    fn runs_by_what_people_write(#[case] given: &str, #[case] expected: Result<usize, &str>) {
        let ids = [
            "0193aaaa-0000-7000-8000-00000000abcd",
            "0193bbbb-0000-7000-8000-00000000abce",
            "0193cccc-0000-7000-8000-00000000abcf",
        ];
        let runs: Vec<RunId> = ids.iter().map(|id| RunId(id.parse().unwrap())).collect();
        let found = find(given, &runs).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(|at| runs[at]).map_err(str::to_owned));
    }

    #[test]
    fn a_stack_that_has_never_run() {
        let error = find("1", &[]).unwrap_err().to_string();
        assert_eq!(error, "no run of this stack is called `1`; there is none at all");
    }

    /// Of a lock with a holder that is known or not, whose process is gone, is there, or is another machine's.
    #[rstest::rstest]
    #[case::gone(Some((true, Some(true))), false)]
    #[case::alive(Some((true, Some(false))), true)]
    #[case::on_another_machine(Some((true, None)), true)]
    #[case::unknown(Some((false, Some(true))), true)]
    #[case::free(None, false)]
    #[tokio::test]
    async fn whoever_may_be_at_work_is_left_alone(#[case] lock: Option<(bool, Option<bool>)>, #[case] at_work: bool) {
        let cluster = Arc::new(pilothouse_testkit::FakeCluster::default());
        let (user, host) = ("ann".to_owned(), "desk".to_owned());
        let run = RunId(uuid::Uuid::from_u128(7));
        let holder = Holder { run, user, host, pid: 7, process: None, ci_job: None };
        if let Some((known, _)) = lock {
            let text = if known { serde_json::to_string(&holder).unwrap() } else { String::new() };
            cluster.put(serde_json::json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": state_name("shop"), "namespace": "ops", "annotations": {"pilothouse.dev/holder": text}},
                "spec": {"holderIdentity": holder.to_string()}}));
        }
        let folder = tempfile::tempdir().unwrap().path().to_owned();
        let (state_namespace, stack) = (Some("ops".to_owned()), "shop".to_owned());
        let of = HistoryOf { cluster, state_namespace, stack, folder };
        let last = last_run(&of, |seen| lock.filter(|_| *seen == holder)?.1).await.unwrap();
        assert_eq!(matches!(last, LastRun::AtWork), at_work, "{last:?}");
    }
}
