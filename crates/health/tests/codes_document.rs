//! `docs/codes.md` is made of the codes, the table of certainty and the stories.

use pilothouse_core::{CauseClass, Certainty, code};
use pilothouse_health::{AtWork, Family, explain, rules};
use std::fmt::Write;

fn class(class: CauseClass) -> &'static str {
    match class {
        CauseClass::Config => "values or what they refer to",
        CauseClass::Chart => "chart",
        CauseClass::App => "program",
        CauseClass::Cluster => "cluster",
        CauseClass::Order => "order of releases",
        CauseClass::State => "state left by an earlier operation",
        CauseClass::Derived => "follows from another cause",
        CauseClass::Unknown => "not known",
    }
}

fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Certain => "certain",
        Certainty::Passing => "passing",
        Certainty::Unclear => "unclear",
    }
}

fn row((name, meaning): &(&str, &str)) -> String {
    let story = explain(name).expect("a story for every code");
    let rules: Vec<_> = story.rules().collect();
    let mut words: Vec<&str> = rules.iter().map(|rule| certainty(rule.certainty)).collect();
    words.sort_unstable();
    words.dedup();
    let who = rules.first().map_or("", |rule| class(rule.class));
    let how = if words.is_empty() { "before anything is changed".to_owned() } else { words.join(" or ") };
    format!("| `{name}` | {meaning} | {who} | {how} |\n")
}

/// From family and surroundings to certain, passing or unclear, and why.
fn at_work() -> String {
    let heads: String = AtWork::ALL.iter().map(|at_work| format!(" {} |", at_work.words())).collect();
    let mut text = format!("| the cause is that |{heads}\n|---|{}\n", "---|".repeat(AtWork::ALL.len()));
    for family in Family::ALL {
        let cells: String =
            AtWork::ALL.iter().map(|at_work| format!(" {} |", certainty(family.while_at_work(*at_work).0))).collect();
        writeln!(text, "| {} |{cells}", family.what()).expect("a text takes it");
    }
    text += "\n| the cause is that | codes | why |\n|---|---|---|\n";
    for family in Family::ALL {
        let mut codes: Vec<String> =
            rules().iter().filter(|rule| rule.family == family).map(|rule| format!("`{}`", rule.code)).collect();
        codes.dedup();
        let (alone, because) = family.while_at_work(AtWork::Nothing);
        let mut why = format!("{}: {because}", certainty(alone));
        for at_work in AtWork::ALL {
            let (passes, because) = family.while_at_work(at_work);
            if passes != alone {
                write!(why, "; {} while {}: {because}", certainty(passes), at_work.words()).expect("a text takes it");
            }
        }
        let codes = if family == Family::Passing { "all others".to_owned() } else { codes.join(", ") };
        writeln!(text, "| {} | {codes} | {why} |", family.what()).expect("a text takes it");
    }
    text
}

/// `PILOTHOUSE_BLESS=1` writes it anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "the variable is for whoever runs this test")]
fn the_document_of_codes_is_up_to_date() {
    let codes: String = code::ALL.iter().map(row).collect();
    let line: String = rules()
        .iter()
        .map(|rule| format!("| `{}` | {} | {} | {} |\n", rule.code, certainty(rule.certainty), rule.when, rule.because))
        .collect();
    let expected = format!(
        "# Codes\n\n\
         Why a release was refused before anything was changed, and why it does not work afterwards. The codes are stable; JSON output has\n\
         them as `code`, and `pilothouse explain CODE` tells the longer story of each.\n\n\
         | code | meaning | who can do something | certainty |\n|---|---|---|---|\n{codes}\n\
         ## When a cause is certain\n\n\
         A cause is told as soon as it is seen. One that is *certain* ends the wait: nothing will change without somebody doing something.\n\
         One that is *passing* may go by itself and is given its time; so is what is *unclear*. `fail_fast` of a release says whether\n\
         certain causes end its wait. What was last seen before the run is passing, too, until it is seen again: it may have been put right.\n\n\
         | code | certainty | when | why the line is there |\n|---|---|---|---|\n{line}\n\
         ## While something is at work\n\n\
         What is certain by the table above is so as long as nothing is at work that could change it. A release that is itself stuck is\n\
         not at work for others, and restarts from before the last thing came that a program may have waited for do not count: a hook,\n\
         another object of the release, another release of the run. What helm has ended with is tried again (`retry`) while another\n\
         release is at work that could change it.\n\n\
         {}",
        at_work()
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes.md");
    if std::env::var_os("PILOTHOUSE_BLESS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
}
