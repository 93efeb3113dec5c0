//! Helm's own repository configuration (`repositories.yaml`): what `helm repo add` keeps of private repositories.

use crate::client::HelmError;
use crate::yaml;
use pilothouse_core::Sensitive;
use pilothouse_process::{MAX_DOCUMENT, Named, read_text};
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// What of an entry a plain `helm pull --repo` would have to be given, in part on its command line.
const PRIVATE: [&str; 7] =
    ["username", "password", "certFile", "keyFile", "caFile", "insecure_skip_tls_verify", "pass_credentials_all"];

/// The entry of a repository that needs more than its URL.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name it has in the configuration.
    pub(crate) name: String,
    /// A configuration that has this entry alone.
    pub(crate) document: Sensitive<String>,
    /// What must not show in helm's messages.
    pub(crate) password: Option<Sensitive<String>>,
}

/// The entry for this URL, if there is one and it has credentials or certificates.
///
/// # Errors
/// When the configuration is there and cannot be read.
pub(crate) fn entry_for(configuration: &Path, url: &str) -> Result<Option<Entry>, HelmError> {
    let failed = |source: io::Error| HelmError::File { path: configuration.to_owned(), source };
    let text = match read_text(configuration, Named::File, MAX_DOCUMENT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // The reader's own words could quote a password.
    let not_yaml = |line| io::Error::new(io::ErrorKind::InvalidData, format!("it is not YAML, at line {line}"));
    let known = yaml::read_one(&text).map_err(|error| failed(not_yaml(error.line)))?;
    let text_of = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let is_meant = |entry: &&Value| text_of(entry, "url").is_some_and(|known| is_same(&known, url));
    let is_private = |entry: &&Value| {
        PRIVATE.iter().any(|key| {
            entry.get(key).is_some_and(|value| {
                !matches!(value.as_str(), Some("")) && !value.is_null() && value != &Value::Bool(false)
            })
        })
    };
    let entries = known.get("repositories").and_then(Value::as_array).into_iter().flatten();
    let Some(entry) = entries.filter(is_meant).find(is_private) else { return Ok(None) };
    let Some(name) = text_of(entry, "name").filter(|name| !name.is_empty()) else { return Ok(None) };
    let document = json!({"apiVersion": "", "repositories": [entry]}).to_string();
    let password = text_of(entry, "password").map(Sensitive::new);
    Ok(Some(Entry { name, document: Sensitive::new(document), password }))
}

/// Whether two URLs are one repository.
fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "
apiVersion: ''
repositories:
- { name: open, url: 'https://a.example.com', username: '', password: '', insecure_skip_tls_verify: false }
- { name: private, url: 'https://b.example.com/charts/', username: reader, password: hush-hush, caFile: ca.pem }
- { name: token, url: 'https://c.example.com', insecure_skip_tls_verify: true }
";

    fn named(text: &str, url: &str) -> Result<Option<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("repositories.yaml");
        std::fs::write(&file, text).unwrap();
        let entry = entry_for(&file, url).map_err(|error| pilothouse_core::error_chain(&error).join(": "));
        entry.map(|entry| entry.map(|entry| entry.name)).map_err(|text| text.replace(file.to_str().unwrap(), "FILE"))
    }

    #[test]
    fn an_entry_is_found_by_its_url() {
        assert_eq!(named(KNOWN, "https://b.example.com/charts").unwrap().as_deref(), Some("private"));
        assert_eq!(named(KNOWN, "https://c.example.com/").unwrap().as_deref(), Some("token"));
        // Without credentials there is nothing to say about it.
        assert_eq!(named(KNOWN, "https://a.example.com").unwrap(), None);
        assert_eq!(named(KNOWN, "https://b.example.com").unwrap(), None);
        assert_eq!(named("", "https://b.example.com").unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_what_is_in_it() {
        let error = named("repositories: [{ password: hush-hush", "https://b.example.com").unwrap_err();
        assert!(
            error.contains("FILE") && error.contains("it is not YAML, at line 1") && !error.contains("hush"),
            "{error}"
        );
        assert!(entry_for(Path::new("/nowhere/repositories.yaml"), "https://b.example.com").unwrap().is_none());
    }

    #[test]
    fn only_the_entry_itself_is_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("repositories.yaml");
        std::fs::write(&file, KNOWN).unwrap();
        let entry = entry_for(&file, "https://b.example.com/charts/").unwrap().unwrap();
        let document: Value = serde_json::from_str(entry.document.expose()).unwrap();
        assert_eq!(document["repositories"].as_array().unwrap().len(), 1);
        assert_eq!(document["repositories"][0]["caFile"], "ca.pem");
        assert!(!format!("{entry:?}").contains("hush"));
    }
}
