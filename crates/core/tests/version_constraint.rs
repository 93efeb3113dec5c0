//! Version constraints against the answers of the real thing.

use pilothouse_core::{KubeVersionFrom, VersionConstraint, kube_version_fits, lenient_version};
use proptest::prelude::*;
use rstest::rstest;
use semver::Version;
use std::path::Path;

/// Each row holds a constraint and the versions that fit it, or `invalid`, as answered by Masterminds/semver 3.5.0;
/// the first row names all versions that were asked for. Half of the rows are written by hand, half are random.
fn table() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/masterminds-3.5.0.tsv");
    std::fs::read_to_string(path).expect("the table is part of the repository")
}

#[test]
fn constraints_mean_what_they_mean_to_masterminds() {
    let table = table();
    let mut rows = table.lines().map(|row| row.split_once('\t').unwrap());
    let versions: Vec<&str> = rows.next().unwrap().1.split(' ').collect();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (constraint, expected) in rows {
        let answer = match VersionConstraint::parse(constraint) {
            Ok(parsed) => {
                let fits = |text: &&&str| parsed.matches(&lenient_version(text).unwrap());
                versions.iter().filter(fits).copied().collect::<Vec<_>>().join(" ")
            }
            Err(_) => "invalid".to_owned(),
        };
        asked += 1;
        if answer != expected {
            wrong.push(format!("`{constraint}`\n  is     {answer}\n  should {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 700, "the table has only {asked} rows");
}

/// Helm's own cases (`pkg/chart/v2/util/compatible_test.go`), and what vendors' versions do.
#[rstest]
#[case("v2.0.0-alpha.4", "v2.0.0-alpha.4", true, false)]
#[case("v2.0.0-alpha.3", "v2.0.0-alpha.4", false, false)]
#[case("v2.0.0", "v2.0.0-alpha.4", false, true)]
#[case("v2.0.0-alpha.4", "v2.0.0", false, false)]
#[case("~v2.0.0", "v2.0.1", true, true)]
#[case("v2", "v2.0.0", true, true)]
#[case(">2.0.0", "v2.1.1", true, true)]
#[case("v2.1.*", "v2.1.1", true, true)]
#[case(">=1.28.0", "v1.30.4-eks-a737599", false, true)]
#[case(">=1.28.0-0", "v1.30.4-eks-a737599", true, true)]
#[case(">=1.28.0", "v1.30.4+k3s1", true, true)]
#[case(">=1.28.0", "v1.33.4-gke.1245000", false, true)]
#[case("not a constraint", "v1.30.4", false, false)]
#[case(">=1.28.0", "not a version", false, false)]
fn kube_versions(#[case] constraint: &str, #[case] version: &str, #[case] cluster: bool, #[case] flag: bool) {
    let fits = |from| kube_version_fits(constraint, version, from);
    assert_eq!((fits(KubeVersionFrom::Cluster), fits(KubeVersionFrom::Flag)), (cluster, flag));
}

#[rstest]
#[case("v1.2", Some("1.2.0"))]
#[case("1", Some("1.0.0"))]
#[case("1.02.3-rc.1+meta", Some("1.2.3-rc.1+meta"))]
#[case("1.2.3-01", None)]
#[case("1.x", None)]
#[case("", None)]
#[case("v", None)]
#[case("1.2.3.4", None)]
#[case(" 1.2.3", None)]
#[case("99999999999999999999.0.0", None)]
fn lenient_versions(#[case] text: &str, #[case] expected: Option<&str>) {
    assert_eq!(lenient_version(text), expected.map(|text| Version::parse(text).unwrap()));
}

#[rstest]
#[case("", "`` is not a version constraint: a version is missing at its end")]
#[case("1.x foo", "`1.x foo` is not a version constraint: there should be a version where `f` is")]
#[case(">=1.2,", "`>=1.2,` is not a version constraint: a version is missing at its end")]
#[case(">1 - 2", "`>1 - 2` is not a version constraint: there should be a version where `>` is")]
#[case("1.2.3.4", "`1.2.3.4` is not a version constraint: `1.2.3` should end there")]
#[case("^1.2.3-01", "`^1.2.3-01` is not a version constraint: `1.2.3-01` is not a version")]
fn what_is_wrong_is_said(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(VersionConstraint::parse(text).unwrap_err().to_string(), expected);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[0-9xv.*<>=!~^|, -]{0,40}|.{0,40}") {
        if let Ok(constraint) = VersionConstraint::parse(&text) {
            constraint.matches(&Version::new(1, 2, 3));
            prop_assert_eq!(constraint.to_string(), text);
        }
    }

    #[test]
    fn a_version_fits_itself_and_not_its_negation(a in 0u64..9, b in 0u64..9, c in 0u64..9, pre in "(-rc\\.[0-9])?") {
        let text = format!("{a}.{b}.{c}{pre}");
        let version = lenient_version(&text).unwrap();
        let fits = |operator| VersionConstraint::parse(&format!("{operator}{text}")).unwrap().matches(&version);
        prop_assert_eq!(["", ">=", "<=", "^", "~"].map(fits), [true; 5]);
        prop_assert_eq!(["!=", ">", "<"].map(fits), [false; 3]);
    }
}

#[rstest::rstest]
#[case(">=1.27.0", "v1.36.2-eks-3025e55", Some("-eks-3025e55"))]
#[case(">=1.27.0-0", "v1.36.2-eks-3025e55", None)]
#[case(">=1.40.0", "v1.36.2-gke.100", None)]
#[case(">=1.27.0", "v1.36.2", None)]
#[case(">=1.27.0", "v1.36.2+k3s1", None)]
#[case("nothing that can be read", "v1.36.2-eks", None)]
fn the_suffix_of_a_provider(#[case] constraint: &str, #[case] version: &str, #[case] expected: Option<&str>) {
    assert_eq!(pilothouse_core::suffix_that_counts(constraint, version), expected);
}
