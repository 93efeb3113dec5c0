//! What helm has rendered, kept small until it is looked at.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use pilothouse_core::crd_facts;
use pilothouse_helm::{Origin, RenderedDoc, YamlError, split_manifests};
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

/// Everything a chart renders. Many releases are rendered long before their turn comes, and objects take many times the
/// room of their text: [`packed`](Self::packed) has only that, compressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rendering {
    packed: Arc<[u8]>,
    defines_kinds: bool,
    defines_kinds_in_templates: bool,
    docs: OnceLock<Arc<Vec<RenderedDoc>>>,
}

impl Rendering {
    /// Takes what `helm template` has printed apart.
    ///
    /// # Errors
    /// When it is not YAML.
    pub(crate) fn new(text: &str) -> Result<Self, YamlError> {
        let docs = split_manifests(text)?;
        let mut definitions = docs.iter().filter(|doc| crd_facts(&doc.object).is_some());
        let defines_kinds = definitions.clone().next().is_some();
        let defines_kinds_in_templates = definitions.any(|doc| !matches!(doc.origin, Origin::Crd));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail.
        let packed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
        let docs = OnceLock::from(Arc::new(docs));
        Ok(Self { packed: packed.into(), defines_kinds, defines_kinds_in_templates, docs })
    }

    /// Whether it defines new kinds, in `crds/` folders or in templates.
    pub(crate) fn defines_kinds(&self) -> bool {
        self.defines_kinds
    }

    /// Whether it defines new kinds in templates, which come with helm.
    pub(crate) fn defines_kinds_in_templates(&self) -> bool {
        self.defines_kinds_in_templates
    }

    /// All objects, hooks and definitions included.
    pub(crate) fn docs(&self) -> Arc<Vec<RenderedDoc>> {
        self.docs.get_or_init(|| Arc::new(self.unpacked())).clone()
    }

    /// The same without its objects, until they are asked for.
    pub(crate) fn packed(&self) -> Self {
        Self { packed: self.packed.clone(), docs: OnceLock::new(), ..*self }
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
        assert!(!rendering.defines_kinds());
        assert_eq!(Rendering::default().docs().len(), 0);
    }

    /// What `crds/` has is there before helm runs, and asked for once it was brought.
    #[test]
    fn kinds_of_templates_are_told_from_those_before() {
        let defined = |folder: &str| {
            let text = format!(
                "---\n# Source: a/{folder}/a.yaml\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: as.b.c\nspec:\n  group: b.c\n  scope: Namespaced\n  names: {{kind: A, plural: as}}\n  versions: [{{name: v1, served: true, storage: true}}]\n"
            );
            let packed = Rendering::new(&text).unwrap().packed();
            (packed.defines_kinds(), packed.defines_kinds_in_templates())
        };
        assert_eq!((defined("crds"), defined("templates")), ((true, false), (true, true)));
    }
}
