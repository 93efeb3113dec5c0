//! Who runs this: what other people see when they have to wait for the stack's lock.

use super::Environment;
use pilothouse_core::{Holder, RunId};
use pilothouse_process::ProcessIdentity;

impl Environment {
    /// This process, as the holder of a lock.
    pub fn holder(&self, run: RunId) -> Holder {
        let filled = |name: &str| self.text(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let user = ["USER", "LOGNAME"].into_iter().find_map(filled);
        Holder {
            run,
            user: user.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw())),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
            process: ProcessIdentity::current().ok().map(|identity| identity.to_string()),
            ci_job: ci_job(&filled),
        }
    }
}

/// The address of the CI job, by the variables the systems set for their jobs.
fn ci_job(var: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    // GitLab, Buildkite, CircleCI, Jenkins.
    let direct = ["CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "BUILD_URL"];
    // GitHub and those compatible with it.
    let github = || {
        let (server, repository) = (var("GITHUB_SERVER_URL")?, var("GITHUB_REPOSITORY")?);
        Some(format!("{server}/{repository}/actions/runs/{}", var("GITHUB_RUN_ID")?))
    };
    let azure = || {
        let (collection, project) = (var("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI")?, var("SYSTEM_TEAMPROJECT")?);
        Some(format!("{collection}{project}/_build/results?buildId={}", var("BUILD_BUILDID")?))
    };
    direct.iter().find_map(|name| var(name)).or_else(github).or_else(azure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], None)]
    #[case(&[("CI_JOB_URL", "https://gitlab.example.com/j/1")], Some("https://gitlab.example.com/j/1"))]
    #[case(&[("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "a/b"), ("GITHUB_RUN_ID", "7")],
        Some("https://github.com/a/b/actions/runs/7"))]
    #[case(&[("GITHUB_SERVER_URL", "https://github.com")], None)]
    fn jobs(#[case] vars: &[(&str, &str)], #[case] expected: Option<&str>) {
        let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(ci_job(&var).as_deref(), expected);
    }
}
