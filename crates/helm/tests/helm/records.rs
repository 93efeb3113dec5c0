//! Records as real helms wrote them (3.21.4 and 4.2.4; the charts are in `tests/charts`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use pilothouse_core::RevisionStatus;
use pilothouse_helm::{ReleaseRecord, decode_release, mark_failed};
use rstest::rstest;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{Read, Write};
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

/// The JSON of a packed record.
fn json_of(payload: &[u8]) -> String {
    let mut json = String::new();
    GzDecoder::new(STANDARD.decode(payload).unwrap().as_slice()).read_to_string(&mut json).unwrap();
    json
}

const WORDS: &str = "Pilothouse: \"process 7\" is gone <&>";

#[rstest]
#[case("helm3-web")]
#[case("helm4-web")]
#[case("helm3-failed-hook")]
#[case("helm4-failed-hook")]
fn a_revision_that_is_marked_failed_differs_in_two_fields(#[case] name: &str) {
    let payload = fixture(&format!("{name}.release"));
    let marked = mark_failed(&payload, WORDS).unwrap();
    let mut expected: Value = serde_json::from_str(&json_of(&payload)).unwrap();
    expected["info"]["status"] = json!("failed");
    expected["info"]["description"] = json!(WORDS);
    // As text, since equal values do not tell that the order of the keys is the same.
    assert_eq!(json_of(marked.as_bytes()), expected.to_string());
    let (before, after) = (decode_release(&payload).unwrap(), decode_release(marked.as_bytes()).unwrap());
    assert_eq!((after.info.status, after.info.description.as_str()), (RevisionStatus::Failed, WORDS));
    let mut info = after.info.clone();
    (info.status, info.description) = (before.info.status, before.info.description.clone());
    assert_eq!(ReleaseRecord { info, raw: before.raw.clone(), ..after }, before);
}

/// Values may hold any number; what Go wrote must be read as the same one again.
#[test]
fn numbers_and_unknown_fields_of_a_record_stay() {
    let config = r#"{"a":0.30000000000000004,"b":1.7976931348623157e308,"c":18446744073709551615,"d":2.225073858507201e-308,"e":123456789.01234567,"f":1.0,"g":-0.0,"h":9007199254740993}"#;
    let json = format!(
        r#"{{"zzz":[{{}}],"name":"a","info":{{"x":"\u003c","status":"pending-upgrade"}},"version":3,"config":{config},"new":null}}"#
    );
    let marked = STANDARD.decode(mark_failed(&encoded(json.as_bytes()), "gone").unwrap()).unwrap();
    let expected = format!(
        r#"{{"zzz":[{{}}],"name":"a","info":{{"x":"<","status":"failed","description":"gone"}},"version":3,"config":{},"new":null}}"#,
        config.replace("e308", "e+308")
    );
    assert_eq!(String::from_utf8(marked).unwrap(), expected);
}

#[test]
fn what_is_not_a_record_is_not_marked() {
    for payload in
        [b"%%%".to_vec(), encoded(b"{}"), encoded(br#"{"name":"a","version":1,"info":"deployed"}"#), b"".to_vec()]
    {
        assert_eq!(
            mark_failed(&payload, "x").unwrap_err().to_string(),
            decode_release(&payload).unwrap_err().to_string()
        );
    }
    // What a reader of fields would take for one.
    let list = encoded(br#"{"name":"a","version":1,"info":["deployed","",null,null,null,""]}"#);
    assert_eq!(mark_failed(&list, "x").unwrap_err().source().unwrap().to_string(), "`info` is not an object");
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
