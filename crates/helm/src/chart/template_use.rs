//! What templates depend on besides their chart and its values.

use super::template_text::{Token, tokens};
use crate::yaml::{self, YamlError};
use serde_json::Value;
use std::collections::BTreeSet;

/// What templates depend on besides their chart and its values. What cannot be told counts as used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateUse {
    /// They read objects of the cluster.
    pub lookup: bool,
    /// They make something that is another each time: passwords, keys, names.
    pub random: bool,
    /// Their tests make up something, and nothing else does.
    pub random_tests: bool,
    /// They read the clock.
    pub clock: bool,
    /// They read the cluster's version, or what it serves.
    pub capabilities: bool,
    /// What they ask whether the cluster serves it, by `.Capabilities.APIVersions.Has` with a text: `v1`, `apps/v1/Deployment`.
    pub asked: BTreeSet<String>,
    /// They read what the cluster serves in another way, so that all of it counts.
    pub all_served: bool,
    /// They read the number of the revision.
    pub revision: bool,
    /// The templates that read the clock or the number of the revision, by the ends of their paths; the empty one where it may be
    /// any of them, as what all may include.
    pub of_the_moment: BTreeSet<String>,
    /// They ask whether they are installed or upgraded.
    pub install_or_upgrade: bool,
    /// They look up a host name. Helm answers with nothing unless it is given `--enable-dns`, which we never do.
    pub cluster_dns: bool,
    /// They render texts that come from values or files.
    pub tpl: bool,
    /// They read files of the chart.
    pub files: bool,
    /// Some of it cannot be read as text, so that everything above counts as used.
    pub unreadable: bool,
    /// The functions and fields found that stand for the above.
    pub found: BTreeSet<&'static str>,
}

/// What a function or a field stands for.
#[derive(Debug, Clone, Copy)]
enum Use {
    Lookup,
    Random,
    Clock,
    Capabilities,
    Revision,
    InstallOrUpgrade,
    ClusterDns,
    Tpl,
    Files,
}

/// The functions of helm and sprig that give another result for the same arguments, and those that render.
/// `derivePassword` and `buildCustomCert` do not. The date functions read the clock when they are given no date, a text for
/// instance (`date.go` of sprig).
const FUNCTIONS: [(&str, Use); 29] = [
    ("lookup", Use::Lookup),
    ("getHostByName", Use::ClusterDns),
    ("tpl", Use::Tpl),
    ("now", Use::Clock),
    ("ago", Use::Clock),
    ("date", Use::Clock),
    ("dateInZone", Use::Clock),
    ("date_in_zone", Use::Clock),
    ("htmlDate", Use::Clock),
    ("htmlDateInZone", Use::Clock),
    ("durationRound", Use::Clock),
    ("randAlphaNum", Use::Random),
    ("randAlpha", Use::Random),
    ("randNumeric", Use::Random),
    ("randAscii", Use::Random),
    ("randInt", Use::Random),
    ("randBytes", Use::Random),
    ("uuidv4", Use::Random),
    ("shuffle", Use::Random),
    ("genPrivateKey", Use::Random),
    ("genCA", Use::Random),
    ("genCAWithKey", Use::Random),
    ("genSelfSignedCert", Use::Random),
    ("genSelfSignedCertWithKey", Use::Random),
    ("genSignedCert", Use::Random),
    ("genSignedCertWithKey", Use::Random),
    ("bcrypt", Use::Random),
    ("htpasswd", Use::Random),
    ("encryptAES", Use::Random),
];

/// What a template depends on itself, and what the texts in its quotes would, were they rendered.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    pub(crate) own: TemplateUse,
    pub(crate) quoted: TemplateUse,
}

impl Uses {
    pub(crate) fn of_text(text: &str) -> Self {
        let mut uses = Self::default();
        let mut tokens = tokens(text).into_iter().peekable();
        let (mut place, mut before) = (Place::default(), Token::Action);
        while let Some(token) = tokens.next() {
            let last = std::mem::replace(&mut before, token);
            match token {
                Token::Action => {}
                Token::Word(word) => {
                    place.enter(word, last);
                    uses.own.call(word);
                }
                Token::All => {
                    let is_next = tokens.peek().is_some_and(|next| is_dump(*next));
                    let is_dumped = is_dump(last) || (last == Token::Action && is_next);
                    if is_dumped && place.is_root() {
                        uses.own.everything_given();
                    }
                }
                Token::Fields(chain) => {
                    let argument = match tokens.peek() {
                        Some(Token::Quoted(quoted)) => argument(text, chain, quoted),
                        _ => None,
                    };
                    uses.own.fields(chain, argument);
                }
                // As in `index . "Release" "Revision"`.
                Token::Quoted("Release") => uses.own.release(|_| true),
                Token::Quoted("Revision") => uses.own.release(|(field, ..)| *field == "Revision"),
                // Each level is shorter than the one before by its quotes.
                Token::Quoted(text) if text.contains("{{") => uses.quoted.merge(&TemplateUse::of_text_rendered(text)),
                Token::Quoted(_) => {}
            }
        }
        uses
    }
}

/// The blocks around an action: in some of them `.` is not all that the template is given.
#[derive(Debug, Default)]
struct Place {
    /// Whether each block changes what `.` is.
    blocks: Vec<bool>,
}

impl Place {
    /// A word of an action, and the token before it.
    fn enter(&mut self, word: &str, last: Token<'_>) {
        match word {
            _ if last != Token::Action => {}
            "with" | "range" | "define" | "block" => self.blocks.push(true),
            "if" => self.blocks.push(false),
            "end" => drop(self.blocks.pop()),
            _ => {}
        }
    }

    fn is_root(&self) -> bool {
        !self.blocks.contains(&true)
    }
}

/// Whether it is a function that writes all of what it is given.
fn is_dump(token: Token<'_>) -> bool {
    let Token::Word(word) = token else { return false };
    let form = word.strip_prefix("mustTo").or_else(|| word.strip_prefix("to"));
    let forms = ["Yaml", "YamlPretty", "Json", "PrettyJson", "RawJson", "Toml"];
    form.is_some_and(|form| forms.contains(&form))
}

impl TemplateUse {
    /// What the actions of a template call and read.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        Uses::of_text(text).own
    }

    /// What a text that is rendered by `tpl` depends on.
    fn of_text_rendered(text: &str) -> Self {
        let Uses { mut own, quoted } = Uses::of_text(text);
        own.merge(&quoted);
        own
    }

    /// What the texts in values would depend on, were they rendered. Each text is YAML, in which a template may be
    /// written with escapes.
    pub(crate) fn of_values(text: &str) -> Self {
        let mut all = Self::default();
        if !text.contains('{') && !text.contains('\\') {
            return all;
        }
        let documents: Result<Vec<Vec<Value>>, YamlError> = yaml::parts(text).into_iter().map(yaml::read).collect();
        match documents {
            Ok(documents) => documents.iter().flatten().for_each(|value| all.texts_in(value)),
            Err(_) => all = Self::everything(),
        }
        all
    }

    /// Everything, for what cannot be read.
    pub(crate) fn everything() -> Self {
        Self {
            lookup: true,
            random: true,
            random_tests: false,
            clock: true,
            capabilities: true,
            asked: BTreeSet::new(),
            all_served: true,
            revision: true,
            of_the_moment: BTreeSet::from([String::new()]),
            install_or_upgrade: true,
            cluster_dns: true,
            tpl: true,
            files: true,
            unreadable: true,
            found: BTreeSet::new(),
        }
    }

    /// Adds what values (as YAML) hold: templates that use `tpl` may render any text of them.
    #[must_use]
    pub fn with_values<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Self {
        let mut all = self.clone();
        if self.tpl {
            texts.for_each(|text| all.merge(&Self::of_values(text)));
            if all.files && !self.files {
                // The files were not looked at, since no template reads them.
                all.merge(&Self::everything());
            }
        }
        all
    }

    /// Why equal inputs are no proof that what is deployed is what is wanted, in one line; `None` when they are. The cluster's
    /// version and what it serves are inputs.
    pub fn must_render(&self) -> Option<String> {
        if self.unreadable {
            return Some("what its templates call cannot be told".to_owned());
        }
        // What is made up anew in each rendering, what the clock says, and that an upgrade would be another revision and no
        // install, is no reason to make one.
        self.lookup.then(|| "its templates call lookup".to_owned())
    }

    /// Whether they may render something else as an upgrade than as an install.
    pub fn asks_for_action(&self) -> bool {
        self.install_or_upgrade || self.unreadable
    }

    /// Whether something in what they render may be another in each rendering, in a deploy.
    pub fn differs_each_time(&self) -> bool {
        self.random || self.clock || self.unreadable
    }

    /// Whether they may make up what is kept in Secrets.
    pub fn makes_up_secrets(&self) -> bool {
        self.random || self.unreadable || !self.of_the_moment.is_empty()
    }

    /// Whether an object of this template may be another one at another time, or in another revision.
    pub fn is_of_the_moment(&self, source: &str) -> bool {
        self.of_the_moment.iter().any(|path| source.ends_with(path))
    }

    /// The same of a template that makes nothing but tests: that these are others each time changes no deploy.
    pub(crate) fn of_tests(self) -> Self {
        let matters = |name: &&'static str| {
            let known = FUNCTIONS.iter().find(|(function, _)| function == name);
            !known.is_some_and(|(_, use_of)| matches!(use_of, Use::Random | Use::Clock))
        };
        let found = self.found.iter().copied().filter(matters).collect();
        let random_tests = self.random || self.clock;
        let of_the_moment = if self.unreadable { self.of_the_moment } else { BTreeSet::new() };
        Self { random: self.unreadable, clock: self.unreadable, of_the_moment, random_tests, found, ..self }
    }

    /// Adds what another text uses.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.lookup |= other.lookup;
        self.random |= other.random;
        self.random_tests |= other.random_tests;
        self.clock |= other.clock;
        self.capabilities |= other.capabilities;
        self.asked.extend(other.asked.iter().cloned());
        self.all_served |= other.all_served;
        self.revision |= other.revision;
        self.of_the_moment.extend(other.of_the_moment.iter().cloned());
        self.install_or_upgrade |= other.install_or_upgrade;
        self.cluster_dns |= other.cluster_dns;
        self.tpl |= other.tpl;
        self.files |= other.files;
        self.unreadable |= other.unreadable;
        self.found.extend(&other.found);
    }

    fn texts_in(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.merge(&Self::of_text_rendered(text)),
            Value::Array(list) => list.iter().for_each(|value| self.texts_in(value)),
            Value::Object(map) => {
                for (key, value) in map {
                    self.merge(&Self::of_text_rendered(key));
                    self.texts_in(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn call(&mut self, word: &str) {
        if let Some((name, use_of)) = FUNCTIONS.iter().find(|(name, _)| *name == word) {
            self.mark(name, *use_of);
        }
    }

    fn fields(&mut self, chain: &str, argument: Option<&str>) {
        let mut fields = chain.split('.').peekable();
        while let Some(field) = fields.next() {
            match field {
                "Capabilities" => {
                    self.mark(".Capabilities", Use::Capabilities);
                    let rest: Vec<&str> = fields.clone().collect();
                    match (rest.as_slice(), argument) {
                        (["APIVersions", "Has"], Some(asked)) => drop(self.asked.insert(asked.to_owned())),
                        (["KubeVersion" | "HelmVersion", ..], _) => {}
                        // As a whole, in a `with` or a variable, or with what is put together.
                        _ => self.all_served = true,
                    }
                }
                "Files" => self.mark(".Files", Use::Files),
                "Release" => match fields.peek() {
                    Some(&("Name" | "Namespace" | "Service")) => {}
                    Some(wanted) => self.release(|(field, ..)| field == wanted),
                    // As a whole, in a `with` or a variable: its parts are read somewhere.
                    None => self.release(|_| true),
                },
                _ => {}
            }
        }
    }

    fn release(&mut self, wanted: impl Fn(&(&str, &'static str, Use)) -> bool) {
        RELEASE_FIELDS.iter().filter(|field| wanted(field)).for_each(|(_, name, use_of)| self.mark(name, *use_of));
    }

    /// All that a template is given is written.
    fn everything_given(&mut self) {
        for field in ["Capabilities", "Files", "Release"] {
            self.fields(field, None);
        }
    }

    fn mark(&mut self, name: &'static str, use_of: Use) {
        self.found.insert(name);
        if matches!(use_of, Use::Clock | Use::Revision) {
            self.of_the_moment.insert(String::new());
        }
        *match use_of {
            Use::Lookup => &mut self.lookup,
            Use::Random => &mut self.random,
            Use::Clock => &mut self.clock,
            Use::Capabilities => &mut self.capabilities,
            Use::Revision => &mut self.revision,
            Use::InstallOrUpgrade => &mut self.install_or_upgrade,
            Use::ClusterDns => &mut self.cluster_dns,
            Use::Tpl => &mut self.tpl,
            Use::Files => &mut self.files,
        } = true;
    }
}

/// The text that follows a chain of fields as its argument: with nothing between them.
fn argument<'a>(text: &str, chain: &str, quoted: &'a str) -> Option<&'a str> {
    let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let between = text.get(offset(chain) + chain.len()..offset(quoted))?;
    let is_plain = !quoted.contains('\\');
    (is_plain && matches!(between.trim_start(), "\"" | "`")).then_some(quoted)
}

/// What of `.Release` differs between revisions.
const RELEASE_FIELDS: [(&str, &str, Use); 3] = [
    ("Revision", ".Release.Revision", Use::Revision),
    ("IsInstall", ".Release.IsInstall", Use::InstallOrUpgrade),
    ("IsUpgrade", ".Release.IsUpgrade", Use::InstallOrUpgrade),
];

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ALL_GIVEN: &[&str] =
        &[".Capabilities", ".Files", ".Release.IsInstall", ".Release.IsUpgrade", ".Release.Revision"];

    fn names(found: &TemplateUse) -> Vec<&'static str> {
        found.found.iter().copied().collect()
    }

    #[rstest]
    #[case("{{ (lookup \"v1\" \"Secret\" \"\" \"\").items }}", &["lookup"])]
    #[case("lookup {{/* lookup */}} {{ \"lookup\" }} {{ .lookup }} {{ $lookup }} {{ lookupAll }}", &[])]
    #[case("{{ randAlphaNum 5 | b64enc }}{{ derivePassword 1 \"long\" \"a\" \"b\" \"c\" }}", &["randAlphaNum"])]
    #[case("{{ now | date \"2006\" }}", &["date", "now"])]
    #[case("{{ $.Capabilities.KubeVersion }}", &[".Capabilities"])]
    #[case("{{ .Release.Name }}{{ .Release.Service }}{{ $.Release.Namespace }}", &[])]
    #[case("{{ if $root.Release.IsUpgrade }}", &[".Release.IsUpgrade"])]
    #[case("{{ with .Release }}{{ .Revision }}{{ end }}", &[".Release.IsInstall", ".Release.IsUpgrade", ".Release.Revision"])]
    #[case("{{ (index . \"Release\").Name }}", &[".Release.IsInstall", ".Release.IsUpgrade", ".Release.Revision"])]
    #[case("{{ get . `Release` | toYaml }}", &[".Release.IsInstall", ".Release.IsUpgrade", ".Release.Revision"])]
    #[case("{{ .Release | toJson }}", &[".Release.IsInstall", ".Release.IsUpgrade", ".Release.Revision"])]
    #[case("{{ if .Values.a }}{{ toYaml . }}{{ end }}", ALL_GIVEN)]
    #[case("{{ . | mustToJson }}", ALL_GIVEN)]
    #[case("{{ range .Values.a }}{{ .b }}{{ end }}{{ toPrettyJson $ }}", ALL_GIVEN)]
    #[case("{{ with .Values.a }}{{ toYaml . }}{{ end }}{{ include \"a\" . | toYaml }}{{ toYaml .Values }}", &[])]
    #[case("{{ define \"a\" }}{{ toYaml . }}{{ end }}", &[])]
    #[case("{{ index $.a \"Revision\" }}{{ print \"Revisions\" }}", &[".Release.Revision"])]
    #[case("{{ tpl (.Files.Get \"a\") . }}", &[".Files", "tpl"])]
    fn what_a_template_uses(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(names(&TemplateUse::of_text(text)), expected);
    }

    #[rstest]
    #[case::its_own("{{ now }}", "a/templates/s.yaml", true)]
    #[case::of_the_revision("{{ .Release.Revision }}", "a/templates/s.yaml", true)]
    #[case::of_another("{{ now }}", "a/templates/other.yaml", false)]
    #[case::what_others_may_include("{{ define \"d\" }}{{ now }}{{ end }}", "a/templates/other.yaml", true)]
    #[case::neither("{{ randAlphaNum 5 }}", "a/templates/s.yaml", false)]
    fn what_is_of_the_moment(#[case] text: &str, #[case] source: &str, #[case] expected: bool) {
        let mut scan = super::super::scan::ChartScan::default();
        scan.add("templates/s.yaml", text.as_bytes());
        assert_eq!(scan.finish().is_of_the_moment(source), expected);
    }

    #[test]
    fn every_name_sets_its_field() {
        let mut all = TemplateUse::default();
        for (name, _) in FUNCTIONS {
            let one = TemplateUse::of_text(&format!("{{{{ {name} }}}}"));
            assert_eq!(names(&one), [name]);
            all.merge(&one);
        }
        all.merge(&TemplateUse::of_text("{{ .Capabilities }}{{ .Release }}{{ .Files }}"));
        assert_eq!(TemplateUse { unreadable: true, found: BTreeSet::new(), ..all }, TemplateUse::everything());
    }

    #[rstest]
    #[case::a_text("{{ if .Capabilities.APIVersions.Has \"a/v1\" }}{{ $.Capabilities.APIVersions.Has `b/v1/C` }}", &["a/v1", "b/v1/C"], false)]
    #[case::in_parentheses("{{ if and .Values.a (not ($.Capabilities.APIVersions.Has \"a/v1\")) }}", &["a/v1"], false)]
    #[case::only_the_version("{{ .Capabilities.KubeVersion.Version }}{{ semverCompare \">1\" .Capabilities.KubeVersion.GitVersion }}", &[], false)]
    #[case::a_variable("{{ .Capabilities.APIVersions.Has $a | default \"a/v1\" }}", &[], true)]
    #[case::put_together("{{ .Capabilities.APIVersions.Has (printf \"%s/v1\" .Values.a) }}", &[], true)]
    #[case::from_a_pipe("{{ \"a/v1\" | .Capabilities.APIVersions.Has }}", &[], true)]
    #[case::another_action("{{ .Capabilities.APIVersions.Has }}{{ \"a/v1\" }}", &[], true)]
    #[case::an_escape("{{ .Capabilities.APIVersions.Has \"a\\x2fv1\" }}", &[], true)]
    #[case::as_a_list("{{ range .Capabilities.APIVersions }}", &[], true)]
    #[case::as_a_whole("{{ with .Capabilities }}{{ .APIVersions.Has \"a/v1\" }}{{ end }}", &[], true)]
    fn what_is_asked_of_the_cluster(#[case] text: &str, #[case] asked: &[&str], #[case] all: bool) {
        let uses = TemplateUse::of_text(text);
        assert!(uses.capabilities);
        assert_eq!(
            (uses.asked.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), uses.all_served),
            (asked, all)
        );
    }

    #[rstest]
    #[case("{{ .Values.a }}{{ .Capabilities }}{{ getHostByName \"a\" }}", None)]
    #[case("{{ lookup }}", Some("its templates call lookup"))]
    #[case("{{ lookup }}{{ genSelfSignedCert }}", Some("its templates call lookup"))]
    #[case("{{ now }}{{ uuidv4 }}{{ genCA }}{{ .Release.Revision }}{{ .Release.IsInstall }}{{ .Capabilities }}", None)]
    fn why_it_must_be_rendered(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(TemplateUse::of_text(text).must_render().as_deref(), expected);
    }

    #[rstest]
    #[case::not_rendered("{{ .Values.a }}", "a: '{{ now }}'", &[])]
    #[case::no_templates("{{ tpl .Values.a . }}", "a: now\nb: {c: [1, true, null]}", &["tpl"])]
    #[case::text("{{ tpl .Values.a . }}", "a: {b: ['{{ now }}']}", &["now", "tpl"])]
    #[case::key("{{ tpl .Values.a . }}", "'{{ now }}': 1", &["now", "tpl"])]
    #[case::comment("{{ tpl .Values.a . }}", "a: 1 # {{ now }}", &["tpl"])]
    #[case::escapes("{{ tpl .Values.a . }}", r#"a: "\x7b{ printf \"%s\" (lookup \"a\") }}""#, &["lookup", "tpl"])]
    #[case::later_document("{{ tpl .Values.a . }}", "a: 1\n---\nb: '{{ uuidv4 }}'", &["tpl", "uuidv4"])]
    #[case::twice("{{ tpl .Values.a . }}", "a: '{{ tpl \"{{ now }}\" . }}'", &["now", "tpl"])]
    fn values_count_where_they_are_rendered(#[case] template: &str, #[case] values: &str, #[case] expected: &[&str]) {
        assert_eq!(names(&TemplateUse::of_text(template).with_values([values].into_iter())), expected);
    }

    #[rstest]
    #[case::not_yaml("a: [{{ b")]
    #[case::files_nobody_looked_at("a: '{{ tpl (.Files.Get \"b\") . }}'")]
    fn values_that_tell_nothing_count_as_everything(#[case] values: &str) {
        let found = TemplateUse::of_text("{{ tpl .Values.a . }}").with_values([values].into_iter());
        assert!(found.unreadable && found.all_served);
        assert_eq!(found.must_render().as_deref(), Some("what its templates call cannot be told"));
    }
}
