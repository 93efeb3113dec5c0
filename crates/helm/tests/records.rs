//! Records as real helms wrote them (3.21.4 and 4.2.4; the charts are in `tests/charts`).

#![allow(clippy::unwrap_used, reason = "clippy does not take the helpers of tests for tests")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use pilothouse_core::RevisionStatus;
use pilothouse_helm::{ReleaseRecord, decode_release};
use rstest::rstest;
use serde_json::json;
use std::error::Error;
use std::io::Write;
use std::path::Path;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).expect("a fixture")
}

/// All of a record but its manifests and its raw form.
fn shown(record: &ReleaseRecord) -> String {
    let ReleaseRecord { name, namespace, version, info, chart, config, hooks, apply_method, .. } = record;
    let hooks: Vec<String> = hooks
        .iter()
        .map(|hook| {
            let run = &hook.last_run;
            let times = (run.started_at.is_some(), run.completed_at.is_some());
            format!(
                "{} {} {} {:?} {} {:?} {:?} {times:?} {} bytes",
                hook.kind,
                hook.name,
                hook.path,
                hook.events,
                hook.weight,
                hook.delete_policies,
                run.phase,
                hook.manifest.len()
            )
        })
        .collect();
    format!("{namespace}/{name} {version} {apply_method:?}\n{info:#?}\n{chart:#?}\n{config}\n{}", hooks.join("\n"))
}

#[rstest]
#[case("helm3-web")]
#[case("helm4-web")]
#[case("helm3-failed-hook")]
#[case("helm4-failed-hook")]
fn records_of_real_helms(#[case] name: &str) {
    let record = decode_release(&fixture(&format!("{name}.release"))).unwrap();
    insta::assert_snapshot!(name, shown(&record));
    // What is not typed is kept.
    assert!(record.raw["chart"]["templates"].is_array());
    assert_eq!(record.raw["manifest"], record.manifest);
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_record_without_gzip_is_read_too() {
    let json = json!({"name": "a", "namespace": "b", "version": 1, "info": {"status": "deployed"}, "hooks": null, "config": null});
    let record = decode_release(&encoded(json.to_string().as_bytes())).unwrap();
    assert_eq!((record.name.as_str(), record.info.status, record.chart_version()), ("a", RevisionStatus::Deployed, ""));
}

#[rstest]
#[case(b"%%%".to_vec(), "the record is not base64: Invalid symbol 37, offset 0.")]
#[case(encoded(&[0x1f, 0x8b, 0x08, 0]), "the record cannot be decompressed: unexpected end of file")]
#[case(encoded(b"nonsense"), "the record is not a release: expected ident at line 1 column 2")]
#[case(encoded(b"{}"), "the record is not a release: missing field `name`")]
#[case(b"".to_vec(), "the record is not a release: EOF while parsing a value at line 1 column 0")]
fn what_is_not_a_record(#[case] payload: Vec<u8>, #[case] expected: &str) {
    let error = decode_release(&payload).unwrap_err();
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    assert_eq!(format!("{error}{cause}"), expected);
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = encoded(&gzip(&vec![b' '; 257 * 1024 * 1024]));
    assert!(bomb.len() < 4 * 1024 * 1024);
    assert_eq!(decode_release(&bomb).unwrap_err().to_string(), "the record is larger than 256 MiB");
}

#[test]
fn a_truncated_record_never_decodes() {
    let whole = fixture("helm4-web.release");
    for end in (0..whole.len() - 4).step_by(97) {
        assert!(decode_release(&whole[..end]).is_err(), "cut at {end}");
    }
}
