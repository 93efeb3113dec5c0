//! `apply`: server-side apply of manifests.

use crate::actions;
use crate::context::Context;
use crate::context::ReleaseRun;
use crate::context::Step;
use crate::context::StepDescription;
use crate::error::PhaseError;
use async_trait::async_trait;
use pilothouse_core::{ApplyStep, Class, Finding, ObjectRef, Payload, code, object_ref};
use pilothouse_helm::parse_documents;
use pilothouse_process::{MAX_DOCUMENT, read_file_text};
use serde_json::Value;

/// Writes: the objects of the manifests, as field manager `pilothouse`. Repeatable.
pub(super) struct Apply(pub(super) ApplyStep);

impl Apply {
    async fn objects(&self) -> Result<Vec<Value>, PhaseError> {
        let mut objects = Vec::new();
        for path in &self.0.files {
            let text = read_file_text(path, MAX_DOCUMENT).await.map_err(|source| PhaseError::File {
                what: "cannot read",
                path: path.display().to_string(),
                source,
            })?;
            objects.extend(parse(&text, &path.display().to_string())?);
        }
        for (i, manifest) in self.0.manifests.iter().enumerate() {
            objects.extend(parse(manifest, &format!("manifest {}", i + 1))?);
        }
        Ok(objects)
    }
}

fn parse(text: &str, name: &str) -> Result<Vec<Value>, PhaseError> {
    parse_documents(text).map_err(|error| PhaseError::Yaml { name: name.to_owned(), message: error.to_string() })
}

#[async_trait]
impl Step for Apply {
    fn describe(&self) -> StepDescription {
        let mut parts: Vec<String> = self.0.files.iter().map(ToString::to_string).collect();
        match self.0.manifests.len() {
            0 => {}
            1 => parts.push("1 manifest".to_owned()),
            n => parts.push(format!("{n} manifests")),
        }
        StepDescription::new(format!("apply {}", parts.join(", ")))
    }

    /// The digest of a built-in step is of all it is given.
    fn version(&self) -> String {
        String::new()
    }

    async fn check_input(&self) -> Vec<Finding> {
        match self.objects().await {
            Ok(_) => Vec::new(),
            Err(error) => {
                let message = error.chain().join(": ");
                vec![Finding::new(Class::BadInput, code::FILE_NOT_READABLE, self.describe().text, message)]
            }
        }
    }

    async fn concerns(&self) -> Vec<ObjectRef> {
        // What cannot be read is told by whoever checks the input.
        self.objects().await.unwrap_or_default().iter().filter_map(object_ref).collect()
    }

    async fn applies(&self) -> Vec<Value> {
        self.objects().await.unwrap_or_default()
    }

    async fn run(&self, ctx: &Context, _run: &mut ReleaseRun, _payload: &mut Payload) -> Result<(), PhaseError> {
        actions::apply(ctx, &self.objects().await?).await
    }
}
