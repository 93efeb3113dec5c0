//! What was probably meant by a key or a word that is not known.

use crate::keys::{CHART, COMMAND, DEFAULTS, RELEASE, STEP, Table};

/// What people write who come from elsewhere, and what to write instead.
pub(crate) fn special_help(table: &Table, key: &str) -> Option<&'static str> {
    let normal = key.to_ascii_lowercase().replace(['-', '_'], "");
    let in_release = table.name == RELEASE.name || table.name == DEFAULTS.name;
    let help = match normal.as_str() {
        "atomic" if in_release => "use `on_failure: rollback`",
        "cleanuponfail" | "rollbackonfailure" if in_release => "use `on_failure: rollback` or `on_failure: uninstall`",
        "set" if table.name == RELEASE.name => "use `values`: a list of `{ key: a.b, value: 1 }`",
        "setstring" if table.name == RELEASE.name => "use `values` with `type: string`",
        "setsensitive" | "secrets" if table.name == RELEASE.name => "use `values` with `sensitive: true`",
        "valuesfile" | "valuefiles" | "valuefile" if table.name == RELEASE.name => {
            "use `values_files`: a list of paths"
        }
        "version" if table.name == RELEASE.name => "the version belongs to the chart: `chart: { …, version: … }`",
        "repository" | "repo" | "url" if table.name == RELEASE.name => {
            "the repository belongs to the chart: `chart: { repo: …, name: … }`"
        }
        "dependson" if table.name == RELEASE.name => "use `needs`",
        "disabled" | "installed" | "condition" | "when" | "if" if table.name == RELEASE.name => {
            "use `enabled`, or `action: deploy`, `action: destroy` or `action: skip`"
        }
        "hooks" if table.name == RELEASE.name => {
            "use the phases: check_prerequisites, pre_exec, on_deploy_failure, post_exec, validate"
        }
        "skipcrds" | "installcrds" if in_release => "use `crds: skip`, `crds: create` or `crds: upgrade`",
        "disableopenapivalidation" | "skipschema" | "skipvalidation" if in_release => "use `skip_schema_validation`",
        "force" if in_release => "use `force_upgrade`",
        "historymax" if in_release => "use `max_history`",
        "timeout" if table.has("timeout_in_seconds") => "use `timeout_in_seconds`, a number of seconds",
        "shell" | "args" | "command" | "argv" if table.name == COMMAND.name => {
            "use `run`: a list of the program and its arguments"
        }
        "repository" | "url" if table.name == CHART.name => "use `repo`",
        "run" | "shell" | "exec" if table.name == STEP.name => "use `command: { run: [program, argument] }`",
        _ => return None,
    };
    Some(help)
}
