//! The images of a real node, made here: one program, one layer.

use crate::error::RealNodeMissing;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;

/// The image of the workload on a real node: see the crate `pilothouse-workload` for what it can be told. It is
/// there from the start and in no registry, so it must not be pulled (`imagePullPolicy: Always`).
pub const WORKLOAD_IMAGE: &str = "pilothouse.dev/workload:1";

/// What holds a pod's namespaces.
pub(crate) const PAUSE_IMAGE: &str = "pilothouse.dev/pause:1";

/// The static program, compiled by the build script; empty where it cannot be.
pub(crate) const WORKLOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/workload"));

/// Other names the program has in its image: those podinfo's chart calls.
const NAMES: [&str; 2] = ["podinfo", "bin/podcli"];

/// Writes both images as one archive of the kind `docker save` makes.
pub(crate) fn write(to: &Path) -> io::Result<()> {
    if WORKLOAD.is_empty() {
        return Err(io::Error::other(RealNodeMissing(vec!["the static workload".to_owned()])));
    }
    let layer = layer(WORKLOAD)?;
    let file = io::BufWriter::new(std::fs::File::create(to)?);
    archive(&layer, &[(WORKLOAD_IMAGE, &["/workload"]), (PAUSE_IMAGE, &["/workload", "pause"])], file)?.flush()
}

fn layer(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (folder, mode) in [("bin/", 0o755), ("tmp/", 0o1777)] {
        let mut header = header(0, mode);
        header.set_entry_type(tar::EntryType::Directory);
        tar.append_data(&mut header, folder, io::empty())?;
    }
    tar.append_data(&mut header(program.len(), 0o755), "workload", program)?;
    for name in NAMES {
        let mut header = header(0, 0o755);
        header.set_entry_type(tar::EntryType::Link);
        tar.append_link(&mut header, name, "workload")?;
    }
    tar.into_inner()
}

/// One layer under several names with different entry points.
fn archive<W: Write>(layer: &[u8], images: &[(&str, &[&str])], to: W) -> io::Result<W> {
    let mut tar = tar::Builder::new(to);
    let mut add = |name: &str, bytes: &[u8]| tar.append_data(&mut header(bytes.len(), 0o644), name, bytes);
    let digest = hex(layer);
    let layer_name = format!("{digest}.tar");
    add(&layer_name, layer)?;
    let mut manifest = Vec::new();
    for (name, entry_point) in images {
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            // The program cannot handle SIGTERM, and the first process of a container ignores what it does not handle.
            "config": { "Entrypoint": entry_point, "Env": ["PATH=/bin"], "WorkingDir": "/", "StopSignal": "SIGKILL" },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{digest}")] },
            "history": [{ "created_by": "pilothouse" }],
        })
        .to_string();
        let config_name = format!("{}.json", hex(config.as_bytes()));
        add(&config_name, config.as_bytes())?;
        manifest.push(json!({ "Config": config_name, "RepoTags": [name], "Layers": [layer_name] }));
    }
    add("manifest.json", serde_json::Value::from(manifest).to_string().as_bytes())?;
    tar.into_inner()
}

fn header(length: usize, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(length as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// This machine's, in Go's words.
fn architecture() -> &'static str {
    crate::provision::Platform::current().arch
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_archive_has_one_layer_and_a_manifest_that_names_it() {
        let layer = layer(b"program").unwrap();
        let bytes = archive(&layer, &[("a:1", &["/workload"]), ("b:1", &["/workload", "pause"])], Vec::new()).unwrap();
        let mut names = Vec::new();
        let mut manifest = String::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            if name == "manifest.json" {
                entry.read_to_string(&mut manifest).unwrap();
            }
            names.push(name);
        }
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(names.len(), 4, "{names:?}");
        for (image, tag) in [(&manifest[0], "a:1"), (&manifest[1], "b:1")] {
            assert_eq!(image["RepoTags"], json!([tag]));
            assert_eq!(image["Layers"], json!([format!("{}.tar", hex(&layer))]));
            assert!(names.iter().any(|name| image["Config"] == name.as_str()));
        }
        assert_ne!(manifest[0]["Config"], manifest[1]["Config"]);
    }

    #[test]
    fn a_layer_has_the_program_under_all_its_names() {
        let layer = layer(b"program").unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let names: Vec<String> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["bin/", "tmp/", "workload", "podinfo", "bin/podcli"]);
    }
}
