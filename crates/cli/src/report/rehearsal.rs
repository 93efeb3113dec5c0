//! What a rehearsal on a copy of a cluster tells about that cluster, for people.

use crate::terminal::printer::{BAD, FAINT, GOOD, STRONG, WARN, paint};
use anstyle::Style;
use pilothouse_core::{Adopted, ObjectRef, Phase, Refusal, Rehearsal};

/// As many lines as there are, each once; the worst first.
pub(crate) fn text(rehearsal: &Rehearsal) -> Vec<String> {
    let mut lines =
        vec![format!("{} {}", paint(STRONG, "What the cluster would do"), paint(FAINT, made_of(rehearsal)))];
    lines.extend(rehearsal.refuses.iter().map(|refusal| line(BAD, refused(refusal), of_refusal(refusal))));
    let objects = [
        (BAD, "deletes", &rehearsal.deletes),
        (WARN, "recreates", &rehearsal.recreates),
        (WARN, "changes", &rehearsal.changes),
        (GOOD, "creates", &rehearsal.creates),
    ];
    let told = |(style, word, objects): (Style, &'static str, &Vec<ObjectRef>)| -> Vec<String> {
        objects.iter().map(|object| line(style, word, object)).collect()
    };
    let (first, last) = objects.split_at(2);
    lines.extend(first.iter().copied().flat_map(told));
    lines.extend(rehearsal.adopts.iter().map(|adopted| line(WARN, "adopts", of_adopted(adopted))));
    lines.extend(last.iter().copied().flat_map(told));
    if lines.len() == 1 {
        lines.push(line(FAINT, "nothing", "no object would be another one, and nothing is refused"));
    }
    let unknown = rehearsal.unknown.iter().chain(&rehearsal.not_copied);
    lines.extend(unknown.map(|untold| line(WARN, "not known", untold)));
    lines.extend(rehearsal.not_exercised.iter().map(|why| line(FAINT, "not shown", why)));
    lines
}

fn line(style: Style, word: &str, what: impl std::fmt::Display) -> String {
    format!("  {}  {what}", paint(style, format!("{word:<9}")))
}

/// Which versions, and how many objects.
fn made_of(rehearsal: &Rehearsal) -> String {
    let Rehearsal { cluster_version, plane_version, copied, .. } = rehearsal;
    let counted: usize = copied.values().sum();
    format!("(Kubernetes {cluster_version}; {counted} objects of it copied to {plane_version})")
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal.phase {
        Phase::CheckPrerequisites => "refuses",
        Phase::PreExec | Phase::Exec | Phase::OnDeployFailure | Phase::PostExec | Phase::Validate => "fails",
    }
}

fn of_refusal(refusal: &Refusal) -> String {
    let at = match refusal.phase {
        Phase::CheckPrerequisites => String::new(),
        phase @ (Phase::PreExec | Phase::Exec | Phase::OnDeployFailure | Phase::PostExec | Phase::Validate) => {
            format!(" in {phase}")
        }
    };
    let about = [&refusal.code, &refusal.subject].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let about = if about.is_empty() { about } else { format!("{about}: ") };
    format!("{}{at}: {about}{}", refusal.release, refusal.message)
}

fn of_adopted(adopted: &Adopted) -> String {
    let from = adopted.from.as_ref().map(|from| format!(", from {from}")).unwrap_or_default();
    format!("{} for {}{from}", adopted.object, adopted.by)
}

/// One of everything.
#[cfg(test)]
pub(crate) fn sample() -> Rehearsal {
    use pilothouse_core::{ReleaseKey, Untold};
    let object = |kind: &str| ObjectRef {
        api_version: Some("v1".to_owned()),
        kind: kind.to_owned(),
        namespace: Some("web".to_owned()),
        name: "a".to_owned(),
    };
    let release = |name: &str| ReleaseKey::new("web", name);
    let refusal = |phase, code: Option<&str>| Refusal {
        release: release("a"),
        phase,
        code: code.map(str::to_owned),
        subject: code.map(|_| "Secret web/s".to_owned()),
        message: "it is another's".to_owned(),
    };
    let adopted = |from: Option<&str>| Adopted { object: object("Service"), by: release("a"), from: from.map(release) };
    Rehearsal {
        cluster_version: "v1.36.4-eks-1".to_owned(),
        plane_version: "v1.36.2".to_owned(),
        refuses: vec![refusal(Phase::CheckPrerequisites, Some("OWNERSHIP_CONFLICT")), refusal(Phase::Exec, None)],
        recreates: vec![object("Job")],
        deletes: vec![object("Secret")],
        adopts: vec![adopted(None), adopted(Some("b"))],
        changes: vec![object("Deployment")],
        creates: vec![object("Ingress")],
        unknown: vec![Untold::new(object("Lease"), "no answer")],
        copied: [("Secret".to_owned(), 2), ("Node".to_owned(), 3)].into(),
        not_copied: vec![Untold::new("every Node", "forbidden")],
        not_exercised: vec!["ValidatingWebhookConfiguration guard is not called (w.example.com)".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    #[test]
    fn one_of_everything() {
        let shown = |rehearsal: &Rehearsal| strip_str(&text(rehearsal).join("\n")).to_string();
        insta::assert_snapshot!("rehearsal_of_everything", shown(&sample()));
        let nothing = Rehearsal {
            cluster_version: "v1.36.2".to_owned(),
            plane_version: "v1.36.2".to_owned(),
            ..Rehearsal::default()
        };
        insta::assert_snapshot!("rehearsal_of_nothing", shown(&nothing));
    }
}
