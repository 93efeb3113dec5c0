//! What helm has rendered, kept small until it is looked at.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use pilothouse_core::crd_facts;
use pilothouse_helm::{RenderedDoc, YamlError, split_manifests};
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

/// Everything a chart renders. Many releases are rendered long before their turn comes, and objects take many times the
/// room of their text: [`packed`](Self::packed) has only that, compressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rendering {
    packed: Arc<[u8]>,
    brings_kinds: bool,
    docs: OnceLock<Arc<Vec<RenderedDoc>>>,
}

impl Rendering {
    /// Takes what `helm template` has printed apart.
    ///
    /// # Errors
    /// When it is not YAML.
    pub(crate) fn new(text: &str) -> Result<Self, YamlError> {
        let docs = split_manifests(text)?;
        let brings_kinds = docs.iter().any(|doc| crd_facts(&doc.object).is_some());
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail.
        let packed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
        Ok(Self { packed: packed.into(), brings_kinds, docs: OnceLock::from(Arc::new(docs)) })
    }

    /// Whether it defines new kinds, in `crds/` folders or in templates.
    pub(crate) fn brings_kinds(&self) -> bool {
        self.brings_kinds
    }

    /// All objects, hooks and definitions included.
    pub(crate) fn docs(&self) -> Arc<Vec<RenderedDoc>> {
        self.docs.get_or_init(|| Arc::new(self.unpacked())).clone()
    }

    /// The same without its objects, until they are asked for.
    pub(crate) fn packed(&self) -> Self {
        Self { packed: self.packed.clone(), brings_kinds: self.brings_kinds, docs: OnceLock::new() }
    }

    /// The text was read once already, when this was made.
    fn unpacked(&self) -> Vec<RenderedDoc> {
        let mut text = String::new();
        match GzDecoder::new(self.packed.as_ref()).read_to_string(&mut text) {
            Ok(_) => split_manifests(&text).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_the_same_afterwards() {
        let text = "---\n# Source: a/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";
        let rendering = Rendering::new(text).unwrap();
        let before = rendering.docs();
        let packed = rendering.packed();
        assert!(packed.docs.get().is_none());
        assert_eq!(packed.docs(), before);
        assert_eq!(before.len(), 1);
        assert!(!rendering.brings_kinds());
        assert_eq!(Rendering::default().docs().len(), 0);
    }
}
