//! What is in a chart, as far as it matters before helm sees it.

use super::metadata::{ChartMetadata, Dependency};
use super::template_use::TemplateUse;
use crate::yaml;
use pilothouse_core::{VersionConstraint, lenient_version};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Helm's limit for what a chart may unpack to, in bytes (`pkg/chart/loader/archive`).
pub(crate) const MAX_CHART: u64 = 100 * 1024 * 1024;

/// Helm's limit for one file of a chart, in bytes.
pub(crate) const MAX_FILE: u64 = 5 * 1024 * 1024;

/// The files of a chart that say what it is and what is in its `charts/` folder, by path below the chart.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    files: BTreeMap<String, Vec<u8>>,
}

/// What a chart says about itself, and the charts it brings along.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) metadata: ChartMetadata,
    /// The charts in its `charts/` folder, by name, each with the versions that are there.
    pub(crate) bundled: BTreeMap<String, Vec<String>>,
    /// What the lock file says that `charts/` should hold; nothing without one.
    pub(crate) locked: Vec<Dependency>,
    /// What its templates depend on; nothing as long as nobody has looked.
    pub(crate) templates: TemplateUse,
}

#[derive(Default, Deserialize)]
struct Requirements {
    #[serde(default)]
    dependencies: Option<Vec<Dependency>>,
}

impl Contents {
    /// Whether a file matters here.
    pub(crate) fn wants(path: &str) -> bool {
        let mut segments = path.split('/');
        match (segments.next(), segments.next(), segments.next(), segments.next()) {
            (Some("Chart.yaml" | "Chart.lock" | "requirements.yaml" | "requirements.lock"), None, ..)
            | (Some("charts"), Some(_), Some("Chart.yaml"), None) => true,
            (Some("charts"), Some(file), None, _) => is_archive(file),
            _ => false,
        }
    }

    pub(crate) fn insert(&mut self, path: &str, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), bytes);
    }

    /// Reads what was collected; `nested` reads an archive in the `charts/` folder.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn describe(self, nested: impl Fn(&[u8]) -> Result<ChartMetadata, String>) -> Result<Described, String> {
        let chart = self.files.get("Chart.yaml").ok_or("there is no Chart.yaml in it")?;
        let mut metadata = metadata(chart, "Chart.yaml")?;
        if metadata.dependencies.is_empty()
            && let Some(bytes) = self.files.get("requirements.yaml")
        {
            // Charts of API version v1 keep them there.
            let requirements: Requirements = read(bytes, "requirements.yaml")?;
            metadata.dependencies = requirements.dependencies.unwrap_or_default();
        }
        let lock = ["Chart.lock", "requirements.lock"].iter().find_map(|file| Some((file, self.files.get(*file)?)));
        let locked: Requirements = match lock {
            Some((file, bytes)) => read(bytes, file)?,
            None => Requirements::default(),
        };
        let mut bundled = BTreeMap::<String, Vec<String>>::new();
        for (path, bytes) in &self.files {
            let Some(inner) = path.strip_prefix("charts/") else { continue };
            // Helm skips them (`pkg/chart/v2/loader/load.go`).
            if inner.starts_with(['_', '.']) {
                continue;
            }
            let subchart = if is_archive(inner) {
                nested(bytes).map_err(|why| format!("{path}: {why}"))?
            } else {
                self::metadata(bytes, path)?
            };
            bundled.entry(subchart.name).or_default().push(subchart.version);
        }
        let locked = locked.dependencies.unwrap_or_default();
        Ok(Described { metadata, bundled, locked, templates: TemplateUse::default() })
    }
}

impl Described {
    /// The dependencies that are not bundled. Conditions and tags do not matter to Helm here (`action.CheckDependencies`).
    pub(crate) fn missing(&self) -> Vec<String> {
        let missing = self.metadata.dependencies.iter().filter(|wanted| !self.bundled.contains_key(&wanted.name));
        missing.map(|wanted| wanted.name.clone()).collect()
    }

    /// What in `charts/` and in the lock file is not what `Chart.yaml` asks for, in words. Helm deploys it all the same:
    /// it compares names alone (`action.CheckDependencies`), and versions only in `helm dependency list`.
    pub(crate) fn stale(&self) -> Vec<String> {
        let mut stale = Vec::new();
        for wanted in &self.metadata.dependencies {
            let Dependency { name, version, .. } = wanted;
            // What is missing is told by itself; without a version, or with one that is no constraint, any will do.
            let Some(found) = self.bundled.get(name) else { continue };
            let constraint = VersionConstraint::parse(version).ok().filter(|_| !version.is_empty());
            let fits = |found: &str| {
                constraint
                    .as_ref()
                    .is_none_or(|wanted| lenient_version(found).is_some_and(|found| wanted.matches(&found)))
            };
            if !found.iter().any(|found| fits(found)) {
                stale.push(format!("charts/ has {name} {}, Chart.yaml asks for {version}", found.join(" and ")));
                continue;
            }
            let locked: Vec<&str> = self
                .locked
                .iter()
                .filter(|locked| locked.name == *name)
                .map(|locked| locked.version.as_str())
                .collect();
            if !locked.is_empty() && !locked.iter().any(|locked| fits(locked)) {
                stale.push(format!("Chart.lock has {name} {}, Chart.yaml asks for {version}", locked.join(" and ")));
            } else if !locked.is_empty()
                && !found.iter().any(|found| locked.iter().any(|locked| is_same(found, locked)))
            {
                let (found, locked) = (found.join(" and "), locked.join(" and "));
                stale.push(format!("charts/ has {name} {found}, Chart.lock has {name} {locked}"));
            }
        }
        let is_unlocked = |wanted: &&Dependency| !self.locked.iter().any(|locked| locked.name == wanted.name);
        if !self.locked.is_empty() {
            let unlocked = self.metadata.dependencies.iter().filter(is_unlocked);
            stale.extend(unlocked.map(|wanted| format!("Chart.lock does not have {}", wanted.name)));
        }
        stale
    }
}

/// Whether two texts are the same version, be it with a `v` or without.
fn is_same(one: &str, other: &str) -> bool {
    one == other || lenient_version(one).is_some_and(|one| lenient_version(other) == Some(one))
}

pub(crate) fn is_archive(file: &str) -> bool {
    std::path::Path::new(file).extension().is_some_and(|extension| extension == "tgz")
}

fn metadata(bytes: &[u8], path: &str) -> Result<ChartMetadata, String> {
    let metadata: ChartMetadata = read(bytes, path)?;
    if metadata.name.is_empty() {
        return Err(format!("{path} does not name the chart"));
    }
    if metadata.version.is_empty() {
        return Err(format!("{path} does not tell the chart's version"));
    }
    Ok(metadata)
}

fn read<T: serde::de::DeserializeOwned + Default>(bytes: &[u8], path: &str) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8"))?;
    let value = yaml::read_one(text).map_err(|error| format!("{path}, {error}"))?;
    if value.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(value).map_err(|error| format!("{path}: {error}"))
}
