//! What the templates of a whole chart depend on.

use super::archive;
use super::contents::{MAX_CHART, is_archive};
use super::template_use::{TemplateUse, Uses};

/// How deep archives in archives are followed.
const MAX_NESTING: usize = 8;

/// Looks at the files of a chart and of its subcharts, one by one.
#[derive(Debug, Default)]
pub(crate) struct ChartScan {
    templates: Uses,
    /// What `values.yaml` and `Chart.yaml` hold, which matters where `tpl` is used.
    values: TemplateUse,
    /// What all other files hold, which matters where they are read and `tpl` is used.
    files: TemplateUse,
    /// What archives in the chart have unpacked to.
    unpacked: u64,
}

/// What a file is to helm.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    Template,
    /// `NOTES.txt`: rendered, but no object.
    Notes,
    Values,
    Archive,
    File,
    /// Below `charts/`, and not read by helm.
    Ignored,
}

impl ChartScan {
    /// Looks at a file, by its path below the chart.
    pub(crate) fn add(&mut self, path: &str, bytes: &[u8]) {
        self.add_nested(path, bytes, 0);
    }

    /// Notes a file that is too large to be looked at.
    pub(crate) fn add_unread(&mut self, path: &str) {
        match role(path) {
            Role::Template | Role::Archive => self.templates.own = TemplateUse::everything(),
            Role::Values => self.values = TemplateUse::everything(),
            Role::File => self.files = TemplateUse::everything(),
            Role::Notes | Role::Ignored => {}
        }
    }

    /// What all files together depend on.
    pub(crate) fn finish(self) -> TemplateUse {
        let Self { templates: Uses { own: mut all, quoted }, values, files, .. } = self;
        if all.tpl {
            all.merge(&quoted);
            all.merge(&values);
        }
        if all.tpl && all.files {
            all.merge(&files);
        }
        all
    }

    fn add_nested(&mut self, path: &str, bytes: &[u8], depth: usize) {
        let text = std::str::from_utf8(bytes);
        match (role(path), text) {
            (Role::Template, Ok(text)) => self.template(path, text),
            (Role::Notes, Ok(text)) if defines(text) => self.template(path, text),
            (Role::Template | Role::Notes, Err(_)) => self.templates.own = TemplateUse::everything(),
            (Role::Values, Ok(text)) => self.values.merge(&TemplateUse::of_values(text)),
            (Role::Values, Err(_)) => self.values = TemplateUse::everything(),
            (Role::File, Ok(text)) => self.files.merge(&rendered(text)),
            (Role::Archive, _) => self.archive(bytes, depth),
            (Role::Notes, Ok(_)) | (Role::File, Err(_)) | (Role::Ignored, _) => {}
        }
    }

    fn template(&mut self, path: &str, text: &str) {
        let Uses { mut own, quoted } = Uses::of_text(text);
        if !own.of_the_moment.is_empty() && !defines(text) {
            own.of_the_moment = [path.to_owned()].into();
        }
        let own = if holds_only_tests(text) { own.of_tests() } else { own };
        self.templates.own.merge(&own);
        self.templates.quoted.merge(&quoted);
    }

    fn archive(&mut self, bytes: &[u8], depth: usize) {
        let mut unread = depth >= MAX_NESTING || self.unpacked > MAX_CHART;
        if !unread {
            let read = archive::each_file(bytes, |path, bytes| {
                self.unpacked += bytes.len() as u64;
                self.add_nested(path, &bytes, depth + 1);
            });
            unread = read.is_err();
        }
        if unread {
            self.templates.own = TemplateUse::everything();
        }
    }
}

fn rendered(text: &str) -> TemplateUse {
    let Uses { mut own, quoted } = Uses::of_text(text);
    own.merge(&quoted);
    own
}

/// Whether other templates can use something of this one.
fn defines(text: &str) -> bool {
    text.contains("define") || text.contains("block")
}

/// Whether all objects of a template are hooks that `helm test` alone runs: a deploy makes none of them.
fn holds_only_tests(text: &str) -> bool {
    let is_test = |line: &str| {
        let Some((key, events)) = line.split_once(':') else { return false };
        let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
        let event = |event: &str| matches!(event.trim_matches(quotes), "test" | "test-success" | "test-failure");
        key.trim_matches(quotes) == "helm.sh/hook" && events.split(',').all(event)
    };
    let mut objects = text.split("\n---").filter(|part| part.contains("kind:")).peekable();
    objects.peek().is_some() && !defines(text) && objects.all(|object| object.lines().any(is_test))
}

/// As helm's loader has it (`pkg/chart/v2/loader/load.go`).
fn role(path: &str) -> Role {
    let Some((folder, inner)) = path.split_once('/') else {
        return if matches!(path, "values.yaml" | "Chart.yaml") { Role::Values } else { Role::File };
    };
    match folder {
        "templates" if inner.ends_with("NOTES.txt") => Role::Notes,
        "templates" => Role::Template,
        "charts" if inner.starts_with(['_', '.']) => Role::Ignored,
        "charts" => match inner.split_once('/') {
            Some((_, below)) => role(below),
            None if is_archive(inner) => Role::Archive,
            None => Role::Ignored,
        },
        _ => Role::File,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("templates/a.yaml", Role::Template)]
    #[case("templates/deep/_a.tpl", Role::Template)]
    #[case("templates/NOTES.txt", Role::Notes)]
    #[case("charts/a/templates/NOTES.txt", Role::Notes)]
    #[case("charts/a/charts/templates/templates/a.txt", Role::Template)]
    #[case("charts/a/values.yaml", Role::Values)]
    #[case("Chart.yaml", Role::Values)]
    #[case("charts/a-1.0.0.tgz", Role::Archive)]
    #[case("charts/a/charts/b.tgz", Role::Archive)]
    #[case("charts/_a/templates/a.yaml", Role::Ignored)]
    #[case("charts/README.md", Role::Ignored)]
    #[case("files/templates/a.yaml", Role::File)]
    #[case("crds/a.yaml", Role::File)]
    #[case("files/a.tgz", Role::File)]
    fn what_a_file_is(#[case] path: &str, #[case] expected: Role) {
        assert_eq!(role(path), expected);
    }

    #[rstest]
    #[case::none(&[("templates/a.yaml", "{{ .Values.a }}"), ("values.yaml", "a: '{{ now }}'"), ("a.txt", "{{ now }}")], &[])]
    #[case::subchart(&[("charts/b/templates/_h.tpl", "{{ now }}")], &["now"])]
    #[case::notes(&[("templates/NOTES.txt", "{{ now }}")], &[])]
    #[case::notes_that_define(&[("templates/NOTES.txt", "{{ define \"a\" }}{{ now }}{{ end }}")], &["now"])]
    #[case::own_values(&[("templates/a.yaml", "{{ tpl .Values.a . }}"), ("values.yaml", "a: '{{ now }}'")], &["now", "tpl"])]
    #[case::files_unread(&[("templates/a.yaml", "{{ tpl .Values.a . }}"), ("a.txt", "{{ now }}")], &["tpl"])]
    #[case::files_not_rendered(&[("templates/a.yaml", "{{ .Files.Get \"a.txt\" }}"), ("a.txt", "{{ now }}")], &[".Files"])]
    #[case::files_rendered(
        &[("a.txt", "{{ now }}"), ("templates/a.yaml", "{{ tpl .Values.a . }}"), ("values.yaml", "a: '{{ .Files.Get \"a.txt\" }}'")],
        &[".Files", "now", "tpl"]
    )]
    #[case::tests(&[("templates/t.yaml", "kind: Pod\nname: {{ now }}\n  \"helm.sh/hook\": test-success\n---\nkind: Pod\n  helm.sh/hook: test\n")], &[])]
    #[case::more_than_tests(&[("templates/t.yaml", "kind: Pod\nname: {{ now }}\n  helm.sh/hook: test\n---\nkind: Pod\n")], &["now"])]
    #[case::tests_and_hooks(&[("templates/t.yaml", "kind: Pod\nname: {{ now }}\n  helm.sh/hook: test,post-install\n")], &["now"])]
    #[case::tests_that_look(&[("templates/t.yaml", "kind: Pod\nname: {{ lookup }}\n  helm.sh/hook: test\n")], &["lookup"])]
    #[case::quoted(&[("templates/a.yaml", "{{ print `{{ now }}` }}")], &[])]
    #[case::quoted_and_rendered(&[("templates/a.yaml", "{{ tpl `{{ now }}` . }}")], &["now", "tpl"])]
    fn what_a_chart_uses(#[case] files: &[(&str, &str)], #[case] expected: &[&str]) {
        let mut scan = ChartScan::default();
        for (path, text) in files {
            scan.add(path, text.as_bytes());
        }
        assert_eq!(scan.finish().found.into_iter().collect::<Vec<_>>(), expected);
    }

    #[rstest]
    #[case::template("templates/a.yaml")]
    #[case::notes("templates/NOTES.txt")]
    #[case::archive("charts/a.tgz")]
    fn what_cannot_be_read_counts_as_everything(#[case] path: &str) {
        let mut scan = ChartScan::default();
        scan.add(path, &[0xff, 0xfe]);
        assert_eq!(scan.finish(), TemplateUse::everything());
    }
}
