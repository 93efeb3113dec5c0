//! Reading the stack file.

use crate::exit::CommandError;
use crate::printer;
use crate::settings::Settings;
use pilothouse_core::{ObjectRef, Stack};
use std::path::{Path, PathBuf};

/// The file a folder stands for.
const FILE_NAME: &str = "pilothouse.yaml";

/// Reads a stack file, or the one of a folder.
pub(crate) fn load(path: &Path, settings: &Settings) -> Result<Stack, CommandError> {
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    let text = std::fs::read_to_string(&file).map_err(|error| {
        CommandError::input(format!("cannot read stack file {}: {error}", file.display()))
            .hint(format!("name a stack file, or a folder that has a {FILE_NAME}"))
    })?;
    let folder =
        file.parent().map(Path::to_owned).filter(|folder| folder != Path::new("")).unwrap_or(PathBuf::from("."));
    pilothouse_config::load(&text, &file.display().to_string(), &folder, &|name| settings.var(name))
        .map(|loaded| {
            for warning in loaded.warnings.iter() {
                printer::err(format!("warning: {}:{}: {}", file.display(), warning.line, warning.message));
            }
            loaded.stack
        })
        .map_err(CommandError::problems)
}

/// Adds consent given on the command line to every release.
pub(crate) fn add_consent(stack: &mut Stack, consent: &[String]) -> Result<(), CommandError> {
    let parse =
        |text: &String| ObjectRef::parse(text).map_err(|error| CommandError::input(format!("--consent: {error}")));
    let consent: Vec<ObjectRef> = consent.iter().map(parse).collect::<Result<_, _>>()?;
    for release in &mut stack.releases {
        release.info.consent.extend(consent.iter().cloned());
    }
    Ok(())
}
