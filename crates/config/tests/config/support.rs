//! Loading and showing, as the program does it.

use miette::{GraphicalReportHandler, GraphicalTheme};
use pilothouse_config::{Loaded, Problems, load};
use std::collections::BTreeMap;
use std::path::Path;

/// Loads a text as `pilothouse.yaml` of the folder `stack`; the environment has `DB_PASSWORD` only.
pub(crate) fn read(text: &str) -> Result<Loaded, Problems> {
    let environment = BTreeMap::from([("DB_PASSWORD".to_owned(), "hunter22".to_owned())]);
    load(text, "pilothouse.yaml", Path::new("stack"), &environment)
}

/// What the program's report shows, without colours.
pub(crate) fn show(problems: &Problems) -> String {
    let mut out = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .render_report(&mut out, problems)
        .unwrap();
    // Lines of a snippet may end in spaces, which snapshots should not.
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// What is shown for a text that has something wrong.
pub(crate) fn mistakes(text: &str) -> String {
    match read(text) {
        Ok(loaded) => panic!("it loads: {:#?}", loaded.stack),
        Err(problems) => show(&problems),
    }
}

/// A file with one release that has these lines besides its name and chart.
pub(crate) fn release(lines: &str) -> String {
    let lines: Vec<String> = lines.lines().map(|line| format!("    {line}\n")).collect();
    let indented = lines.concat();
    format!("version: 1\nname: demo\nreleases:\n  - name: web\n    chart: {{ path: charts/web }}\n{indented}")
}

/// The name of the running case: `timeout` of `case_02_timeout`.
pub(crate) fn case_name() -> String {
    let thread = std::thread::current();
    let case = thread.name().unwrap().rsplit("::").next().unwrap();
    case.splitn(3, '_').nth(2).unwrap().to_owned()
}
