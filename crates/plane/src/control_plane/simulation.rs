//! What kwok is told: its configuration file and the logs it serves.

use super::layout::Layout;
use crate::config::PlaneConfig;
use crate::error::PlaneError;
use crate::files::private_folder;
use crate::stages::{Fault, cri_log, log_objects, objects, port_objects};
use crate::write::write as write_file;
use std::path::PathBuf;

/// Whether a fault has a log. Which pods it belongs to is known only when they break, so kwok then has to watch for
/// `Logs` objects, which costs a CustomResourceDefinition.
pub(crate) fn needs_pod_logs(faults: &[Fault]) -> bool {
    faults.iter().any(|fault| !fault.log().is_empty())
}

/// Writes kwok's configuration and all log files.
pub(crate) fn write(config: &PlaneConfig, faults: &[Fault], layout: &Layout) -> Result<(), PlaneError> {
    let folder = layout.folder.join("pod-logs");
    private_folder(&folder).map_err(|source| PlaneError::Folder { path: folder.clone(), source })?;
    let now = jiff::Timestamp::now();
    let fault_log = |index: usize| folder.join(format!("fault-{}.log", index + 1));
    let pod_log = |index: usize, previous: bool| -> PathBuf {
        folder.join(format!("logs-{}{}.log", index + 1, if previous { "-previous" } else { "" }))
    };
    for (index, fault) in faults.iter().enumerate() {
        if !fault.log().is_empty() {
            write_file(&fault_log(index), &cri_log(fault.log(), now))?;
        }
    }
    for (index, entry) in config.logs.iter().enumerate() {
        write_file(&pod_log(index, false), &cri_log(&entry.lines, now))?;
        write_file(&pod_log(index, true), &cri_log(&entry.previous, now))?;
    }
    let log_of = |index: usize| faults.get(index).filter(|fault| !fault.log().is_empty()).map(|_| fault_log(index));
    let mut all = objects(&config.stages, faults, log_of)?;
    all.extend(log_objects(&config.logs, pod_log));
    all.extend(port_objects(&config.ports));
    let documents: Vec<String> = all.iter().map(|object| format!("---\n{object}\n")).collect();
    write_file(&layout.kwok_config(), &documents.concat())
}
