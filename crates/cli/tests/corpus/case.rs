//! A broken release as it is written down, or made of a table of reasons.

use crate::made;
use pilothouse_plane::FaultKind;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One release that cannot work, and what must be told of it. Keys that a case does not need are left out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) name: String,
    /// The code that must be told; empty where the release works.
    #[serde(default)]
    pub(crate) code: String,
    /// Something looks bad, and the release ends well: nothing may be told for certain.
    #[serde(default)]
    pub(crate) ends_well: bool,
    #[serde(skip)]
    pub(crate) origin: Origin,
    /// What is said in the place of a kubelet, a scheduler or a controller that is not there.
    #[serde(default)]
    pub(crate) acts: Vec<Act>,
    /// The seconds the release is given, where they are others than those of the place.
    pub(crate) seconds: Option<u32>,
    /// The object that must be named, as `Kind/name`; none where helm or the chart fails as a whole.
    pub(crate) object: Option<String>,
    /// Objects of which the same may be told instead.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// What is broken, in one sentence.
    pub(crate) breaks: String,
    /// Where it can be seen.
    #[serde(default)]
    pub(crate) plane: Place,
    /// What a simulated node does in the real one's place.
    pub(crate) fault: Option<FaultKind>,
    /// One of `charts/`, or a packaged chart of the community.
    #[serde(default = "web")]
    pub(crate) chart: String,
    #[serde(default)]
    pub(crate) values: Value,
    /// An install that works, before the upgrade that does not.
    pub(crate) first: Option<First>,
    /// What is there before, in this order.
    #[serde(default)]
    pub(crate) before: Vec<Value>,
    /// What is being deleted when the release comes, as `Kind/name`.
    #[serde(default)]
    pub(crate) delete: Vec<String>,
    /// The majors of helm with which it can happen.
    #[serde(default = "both")]
    pub(crate) helm: Vec<u8>,
    /// More keys of the release in the stack file.
    #[serde(default)]
    pub(crate) release: serde_json::Map<String, Value>,
    /// The stack file's `crds`.
    pub(crate) crds: Option<String>,
    /// A record of Helm's that is there before.
    pub(crate) record: Option<Record>,
    /// The rights of the user in the namespace; an administrator otherwise.
    pub(crate) user: Option<Vec<Value>>,
    /// More arguments of the program.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// The address of the API server leads nowhere.
    #[serde(default)]
    pub(crate) unreachable: bool,
    /// Random bytes in a file of the chart.
    pub(crate) ballast_kib: Option<usize>,
    /// What somebody does who follows what was told.
    pub(crate) follow: Option<Follow>,
    /// What a text must contain, in any case of letters, to have named the cause. Fixed before anything was run.
    #[serde(default)]
    pub(crate) words: Vec<String>,
}

/// What somebody says of an object in its status and by an event, once it is there. The word `NOW` stands for that moment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    /// The path of the object in the API; of the pods of the namespace where there is none.
    pub(crate) path: Option<String>,
    /// Merged into its status.
    #[serde(default)]
    pub(crate) status: Value,
    /// The reason and message of a warning about it.
    pub(crate) warns: Option<(String, String)>,
    /// So many seconds after it was made.
    #[serde(default)]
    pub(crate) after_in_seconds: i64,
    /// Of at most so many pods.
    pub(crate) at_most: Option<usize>,
}

/// Where a case comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Written by whoever wrote rules, too: a file in `cases`.
    #[default]
    Rules,
    /// Made of a table.
    Table,
    /// Written by somebody who had not read the rules, with what must be told of it, before it was run: a file in `another_hand`.
    AnotherHand,
}

impl Origin {
    /// The folders of those that are written.
    const WRITTEN: [(Self, &'static str); 2] = [(Self::Rules, "cases"), (Self::AnotherHand, "another_hand")];
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// On any control plane.
    #[default]
    Simulated,
    /// Only a kubelet reports it.
    Real,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct First {
    pub(crate) values: Value,
    /// What somebody else applies afterwards, by force.
    #[serde(default)]
    pub(crate) after: Vec<Value>,
}

/// What somebody does who follows what was told to do. The same command again must end well then.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Follow {
    /// What was told to do: a part of a line, with the names of this case in it.
    #[serde(default)]
    pub(crate) says: Vec<String>,
    /// Helm's values afterwards, in place of the case's.
    pub(crate) values: Option<Value>,
    /// The chart afterwards.
    pub(crate) chart: Option<String>,
    /// Keys of the release in the stack file.
    #[serde(default)]
    pub(crate) release: serde_json::Map<String, Value>,
    /// As `kubectl apply`, by whoever may.
    #[serde(default)]
    pub(crate) apply: Vec<Value>,
    /// As `kubectl patch --type merge`, by `Kind/name`.
    #[serde(default)]
    pub(crate) patch: std::collections::BTreeMap<String, Value>,
    /// As `kubectl delete`, by `Kind/name`.
    #[serde(default)]
    pub(crate) delete: Vec<String>,
    /// As `kubectl delete --cascade=orphan`.
    #[serde(default)]
    pub(crate) orphan: Vec<String>,
    /// As `kubectl rollout restart`, after all the others.
    #[serde(default)]
    pub(crate) restart: Vec<String>,
    /// More arguments of the program, in place of the case's.
    pub(crate) args: Option<Vec<String>>,
    /// The kubeconfig of somebody who may do it.
    #[serde(default)]
    pub(crate) as_administrator: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) minutes_ago: i64,
}

/// What the words in capital letters of a case stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) namespace: String,
    /// An image registry, `host:port`.
    pub(crate) registry: String,
    /// A server that refuses every admission, `host:port`, and the authority that vouches for it (PEM in base64).
    pub(crate) webhook: String,
    pub(crate) webhook_authority: String,
}

fn web() -> String {
    "web".to_owned()
}

fn both() -> Vec<u8> {
    vec![4, 3]
}

/// A file or folder of the corpus.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

impl Case {
    /// The names of all cases, sorted.
    pub(crate) fn names() -> Vec<String> {
        let files = Origin::WRITTEN.into_iter().flat_map(|(_, of)| std::fs::read_dir(folder(of)).unwrap());
        let name = |file: std::fs::DirEntry| file.path().file_stem().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = files.map(|file| name(file.unwrap())).chain(made::names()).collect();
        names.sort();
        names
    }

    /// A case with its words in capital letters replaced.
    pub(crate) fn read(name: &str, places: &Places) -> Self {
        let (origin, text) = Self::text(name);
        let text = text
            .replace("THE_NAMESPACE", &places.namespace)
            .replace("GATE_AUTHORITY", &places.webhook_authority)
            .replace("GATE_ADDRESS", &places.webhook)
            .replace("REGISTRY/", &format!("{}/", places.registry));
        let case: Self = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}.yaml: {error}"));
        Self { name: name.to_owned(), origin, ..case }
    }

    /// Where a case comes from, and what is written of it.
    fn text(name: &str) -> (Origin, String) {
        if let Some(made) = made::text(name) {
            return (Origin::Table, made);
        }
        let path = |of| folder(of).join(format!("{name}.yaml"));
        let (origin, of) = Origin::WRITTEN.into_iter().find(|(_, of)| path(of).exists()).unwrap();
        (origin, std::fs::read_to_string(path(of)).unwrap())
    }

    /// Every case as it is written.
    pub(crate) fn all() -> Vec<Self> {
        let places = Places {
            namespace: "THE_NAMESPACE".to_owned(),
            registry: "REGISTRY".to_owned(),
            webhook: "GATE_ADDRESS".to_owned(),
            webhook_authority: "GATE_AUTHORITY".to_owned(),
        };
        Self::names().iter().map(|name| Self::read(name, &places)).collect()
    }

    /// A number that is always the same for a name: which cases are run when, and which are set aside, changes with no other case.
    pub(crate) fn draw(name: &str) -> u64 {
        // FNV-1a.
        name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }

    /// Of what is made of tables one of each five is set aside: whoever writes rules opens it only after its rate was noted. What
    /// is written by the rules' own hand was known to it before, and never is.
    pub(crate) fn is_set_aside(&self) -> bool {
        self.origin == Origin::Table && Self::draw(&self.name).is_multiple_of(5)
    }

    /// Where its chart lies; `None`, with a line that says so, when it is one of the community's and not at hand.
    pub(crate) fn chart(&self) -> Option<PathBuf> {
        let own = folder("charts").join(&self.chart);
        // A version is in the name of every package.
        if own.is_dir() || !self.chart.contains('.') {
            return Some(own);
        }
        pilothouse_testkit::community_chart(&self.chart, &format!("corpus: {}", self.name))
    }

    /// Whether a text names the cause.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(&word.to_lowercase()))
    }
}
