//! What the arguments mean.

use std::time::Duration;

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Serve(Options),
    Pause,
    Print(Vec<String>),
    Fail(u8, Vec<String>),
    Sleep(Duration),
    Get(String),
}

/// How the server behaves.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// 0 is no port at all.
    pub(crate) port: u16,
    pub(crate) start_after: Duration,
    /// `None` is never.
    pub(crate) ready_after: Option<Duration>,
    /// `None` is for ever.
    pub(crate) healthy_for: Option<Duration>,
    pub(crate) require_env: Vec<String>,
    pub(crate) log: Vec<String>,
    pub(crate) log_error: Vec<String>,
    pub(crate) log_every: Option<Duration>,
    /// In MiB, and when.
    pub(crate) allocate: Option<(usize, Duration)>,
    /// With which code, and when.
    pub(crate) exit: Option<(u8, Duration)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 8080,
            start_after: Duration::ZERO,
            ready_after: Some(Duration::ZERO),
            healthy_for: None,
            require_env: Vec::new(),
            log: Vec::new(),
            log_error: Vec::new(),
            log_every: None,
            allocate: None,
            exit: None,
        }
    }
}

/// Reads the arguments, the program's own name first.
///
/// # Errors
/// A sentence about the first that is wrong.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let called = words.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let rest = words.get(1..).unwrap_or_default();
    match called {
        "podinfo" => return serve(rest, true).map(Command::Serve),
        "podcli" => return get(rest.last()),
        _ => {}
    }
    let Some((first, arguments)) = rest.split_first() else { return Ok(Command::Serve(Options::default())) };
    match first.as_str() {
        "serve" => serve(arguments, false).map(Command::Serve),
        "pause" => Ok(Command::Pause),
        "print" => Ok(Command::Print(arguments.to_vec())),
        "fail" => {
            let (code, said) = arguments.split_first().ok_or("fail needs an exit code")?;
            Ok(Command::Fail(number("fail", code)?, said.to_vec()))
        }
        "sleep" => Ok(Command::Sleep(seconds("sleep", arguments.first().ok_or("sleep needs seconds")?)?)),
        "get" => get(arguments.first()),
        flag if flag.starts_with("--") => serve(rest, false).map(Command::Serve),
        other => Err(format!("{other} is nothing this workload can do")),
    }
}

fn get(url: Option<&String>) -> Result<Command, String> {
    url.map(|url| Command::Get(url.clone())).ok_or_else(|| "get needs a URL".to_owned())
}

fn serve(words: &[String], foreign: bool) -> Result<Options, String> {
    let mut options = Options::default();
    let (mut allocate, mut allocate_after) = (None, Duration::ZERO);
    let (mut exit, mut exit_after) = (None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, inline) = word.split_once('=').map_or((word.as_str(), None), |(flag, value)| (flag, Some(value)));
        if foreign && flag != "--port" {
            continue;
        }
        let mut value = || {
            inline.map(str::to_owned).or_else(|| words.next().cloned()).ok_or_else(|| format!("{flag} needs a value"))
        };
        match flag {
            "--port" => options.port = number(flag, &value()?)?,
            "--start-after" => options.start_after = seconds(flag, &value()?)?,
            "--ready-after" => {
                let given = value()?;
                options.ready_after = if given == "never" { None } else { Some(seconds(flag, &given)?) };
            }
            "--healthy-for" => options.healthy_for = Some(seconds(flag, &value()?)?),
            "--require-env" => options.require_env.push(value()?),
            "--log" => options.log.push(value()?),
            "--log-error" => options.log_error.push(value()?),
            "--log-every" => options.log_every = Some(seconds(flag, &value()?)?),
            "--allocate" => allocate = Some(number(flag, &value()?)?),
            "--allocate-after" => allocate_after = seconds(flag, &value()?)?,
            "--exit" => exit = Some(number(flag, &value()?)?),
            "--exit-after" => exit_after = Some(seconds(flag, &value()?)?),
            _ => return Err(format!("{flag} is no flag of this workload")),
        }
    }
    options.allocate = allocate.map(|size| (size, allocate_after));
    if exit.is_some() || exit_after.is_some() {
        options.exit = Some((exit.unwrap_or(0), exit_after.unwrap_or_default()));
    }
    Ok(options)
}

fn number<N: std::str::FromStr>(flag: &str, word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("{flag}: {word} is no number that fits"))
}

fn seconds(flag: &str, word: &str) -> Result<Duration, String> {
    let bad = || format!("{flag}: {word} is no number of seconds");
    let seconds: f64 = word.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_server_unless_told_otherwise() {
        assert_eq!(read("/workload"), Ok(Command::Serve(Options::default())));
        assert_eq!(read("/workload serve"), Ok(Command::Serve(Options::default())));
        assert_eq!(read("/workload pause"), Ok(Command::Pause));
        assert_eq!(read("/workload fail 3 no disk"), Ok(Command::Fail(3, vec!["no".into(), "disk".into()])));
        assert_eq!(read("/workload get http://a/b"), Ok(Command::Get("http://a/b".into())));
    }

    #[test]
    fn flags_with_and_without_an_equals_sign() {
        let expected = Options {
            port: 80,
            ready_after: None,
            start_after: Duration::from_millis(500),
            allocate: Some((64, Duration::ZERO)),
            exit: Some((3, Duration::from_secs(2))),
            log: vec!["a".into(), "b".into()],
            ..Options::default()
        };
        let line =
            "w --port=80 --ready-after never --start-after 0.5 --allocate 64 --exit 3 --exit-after=2 --log a --log b";
        assert_eq!(read(line), Ok(Command::Serve(expected)));
    }

    #[test]
    fn podinfos_own_arguments() {
        let expected = Options { port: 9898, ..Options::default() };
        let line = "./podinfo --port=9898 --cert-path=/data/cert --port-metrics=9797 --level=info --random-delay=false";
        assert_eq!(read(line), Ok(Command::Serve(expected)));
        assert_eq!(read("podcli check http localhost:9898/healthz"), Ok(Command::Get("localhost:9898/healthz".into())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, problem) in [
            ("w dance", "dance is nothing this workload can do"),
            ("w --colour red", "--colour is no flag of this workload"),
            ("w --port 70000", "--port: 70000 is no number that fits"),
            ("w --exit-after -1", "--exit-after: -1 is no number of seconds"),
            ("w --exit", "--exit needs a value"),
            ("w get", "get needs a URL"),
        ] {
            assert_eq!(read(line), Err(problem.to_owned()), "{line}");
        }
    }
}
