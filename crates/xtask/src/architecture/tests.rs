//! The whole workspace, and planted cycles of every kind an import can be written in.

use super::report::Report;
use super::workspace::{crates, made_of};
use std::collections::BTreeMap;

#[test]
fn no_folders_and_no_more_than_three_files_import_each_other() {
    let mut wrong = String::new();
    let crates = crates().unwrap();
    assert!(crates.len() > 10, "the workspace was not found");
    for (name, all) in crates {
        wrong.push_str(&Report::of(&all).unwrap().findings(&name, &all));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The cycles of a crate of these files: of folders, then of files.
fn cycles(files: &[(&str, &str)]) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let report = report(files);
    let of = |cycles: Vec<super::graph::Cycle>| cycles.into_iter().map(|cycle| cycle.of).collect();
    (of(report.folders), of(report.files))
}

fn report(files: &[(&str, &str)]) -> Report {
    let texts: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Report::of(&made_of("planted", &texts).unwrap()).unwrap()
}

/// `a.rs` uses something of `b.rs` plainly, `b.rs` something of `a.rs` as the text has it.
fn two(b: &str) -> Vec<Vec<String>> {
    let a = "pub(crate) struct A; impl A { pub fn new() -> A { A } } pub fn make() -> A { A } pub trait Speak { fn speak(&self) {} } \
             pub enum Kind { One, Two } fn use_b() { crate::b::called() }";
    cycles(&[
        ("lib.rs", "extern crate self as own; mod a; mod b; mod face;"),
        ("face.rs", FACE),
        ("a.rs", a),
        ("b.rs", b),
    ])
    .1
}

const FACE: &str = "pub(crate) use crate::a::*; pub use crate::a::A as Other; pub use self::Other as Third; pub(crate) use super::a as whole;";

#[test]
fn an_import_is_found_however_it_is_written() {
    let ways = [
        "use crate::a::A;",
        "use crate::{a::{A as _}};",
        "use super::a::A as Renamed;",
        "use super::a; fn f() { a::make(); }",
        "fn f() { crate::a::make(); }",
        "fn f(a: super::a::A) {}",
        "fn f() { use crate::a::A; }",
        "mod inner { fn f() { super::super::a::make(); } }",
        "mod inner { use crate::b::hop::make; } mod hop { pub use crate::a::make; }",
        // Through a face: by a glob, by another name, by a chain of names, by a module's name.
        "use crate::face::A;",
        "use crate::face::*; fn f() { make(); }",
        "use crate::face::*; fn f(x: u8) { x.speak(); }",
        "use crate::face::Other;",
        "use crate::face::Third;",
        "fn f() { crate::face::whole::make(); }",
        "use crate::face; fn f() { face::Other::new(); }",
        "use crate::a::Kind::*;",
        "use own::a::A;",
        "use planted::a::A;",
        // Where no parser of items looks: in macros and attributes.
        "fn f() { println!(\"{:?}\", crate::a::make()); }",
        "use super::a; fn f() { vec![a::make()]; }",
        "macro_rules! m { () => { $crate::a::make() } }",
        "#[derive(Serialize)] struct B { #[serde(with = \"crate::a\")] x: u8 }",
        "#[derive(Serialize)] struct B { #[serde(default = \"super::a::make\")] x: u8 }",
        "#[cfg(not(test))] use crate::a::A;",
        "#[cfg(any(test, unix))] use crate::a::A;",
    ];
    for way in ways {
        let found = two(&format!("pub(crate) fn called() {{}} {way}"));
        assert_eq!(found, [["a.rs", "b.rs"]], "{way}");
    }
}

#[test]
fn what_is_for_tests_or_of_another_crate_or_only_seen_is_no_import() {
    let ways = [
        "#[cfg(test)] use crate::a::A;",
        "#[cfg(all(test, unix))] use crate::a::A;",
        "#[cfg(test)] mod tests { use super::super::a::A; }",
        "struct B; impl B { #[cfg(test)] fn f() { crate::a::make(); } }",
        "struct B { #[cfg(test)] a: crate::a::A }",
        "fn f() { #[cfg(test)] let a = crate::a::make(); }",
        "use ::a::A;",
        "use a::A;",
        "/// [`crate::a::A`]\nstruct B;",
        "pub(in crate::a) struct B;",
        "mod a { pub struct A; } use a::A; use self::a as other;",
        "use crate::face::*; fn f() { other(); }",
    ];
    for way in ways {
        assert_eq!(two(&format!("pub(crate) fn called() {{}} {way}")), [[""; 0]; 0], "{way}");
    }
}

#[test]
fn a_face_is_followed_and_is_no_file_of_a_cycle_but_one_with_code_is() {
    let child = "use super::Other; pub struct Child;";
    let other = "pub struct Other;";
    let face = "mod child; mod other; pub use child::Child; pub use other::Other;";
    let root = ("lib.rs", "mod room;");
    let face_only = [root, ("room/mod.rs", face), ("room/child.rs", child), ("room/other.rs", other)];
    assert_eq!(cycles(&face_only).1, [[""; 0]; 0]);
    let with_code = format!("{face} fn code(child: Child) {{}}");
    let code_of_its_own = [root, ("room/mod.rs", &with_code), ("room/child.rs", child), ("room/other.rs", other)];
    assert_eq!(cycles(&code_of_its_own).1, [[""; 0]; 0]);
    let child = "use super::code; pub struct Child;";
    let back = [root, ("room/mod.rs", &with_code), ("room/child.rs", child), ("room/other.rs", other)];
    assert_eq!(cycles(&back).1, [["room/child.rs", "room/mod.rs"]]);
}

#[test]
fn a_folder_and_one_inside_it_are_two() {
    let files = [
        ("lib.rs", "mod top; mod room;"),
        ("top.rs", "use crate::room::Inner; pub struct Top;"),
        ("room/mod.rs", "mod inner; mod deep; pub use inner::Inner;"),
        ("room/inner.rs", "pub struct Inner;"),
        ("room/deep/mod.rs", "mod well;"),
        ("room/deep/well.rs", "use crate::top::Top; use super::super::inner::Inner;"),
    ];
    assert_eq!(cycles(&files), (vec![], vec![]));
    let mut round = files;
    round[3].1 = "use super::deep::*; fn f(well: Well) {} pub struct Inner;";
    round[4].1 = "mod well; pub(crate) use well::*;";
    round[5].1 = "use crate::top::Top; pub struct Well;";
    assert_eq!(cycles(&round).0, [[".", "room", "room/deep"]]);
    let findings = report(&round).folders[0].edges.len();
    assert_eq!(findings, 3, "the imports that make it are told");
}

#[test]
fn an_associated_function_is_where_its_impl_is() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; impl A { pub fn own(&self) { self.elsewhere(); } }"),
        ("b.rs", "use crate::a::A; impl A { pub fn elsewhere(&self) {} }"),
    ];
    assert_eq!(cycles(&files).1, [["a.rs", "b.rs"]]);
}

#[test]
fn three_files_may_import_each_other_and_four_may_not() {
    let ring = |of: usize| {
        let names = ["a", "b", "c", "d"];
        let mut files = vec![("lib.rs".to_owned(), format!("mod {};", names[..of].join("; mod ")))];
        files.extend((0..of).map(|at| {
            let next = names[(at + 1) % of];
            (format!("{}.rs", names[at]), format!("pub struct S; use crate::{next}::S as Next;"))
        }));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        report(&files).too_large().count()
    };
    assert_eq!((ring(3), ring(4)), (0, 1));
}

#[test]
fn nothing_is_overlooked_in_silence() {
    let made = |files: &[(&str, &str)]| {
        let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        made_of("planted", &texts).and_then(|all| Report::of(&all)).map(|_| ()).unwrap_err()
    };
    let orphan = made(&[("lib.rs", ""), ("forgotten.rs", "")]);
    assert_eq!(orphan, "planted: forgotten.rs is in no module");
    let nowhere = made(&[("lib.rs", "mod face; mod a;"), ("face.rs", ""), ("a.rs", "use crate::face::Gone;")]);
    assert_eq!(nowhere, "a.rs:1: crate::face::Gone leads nowhere");
    assert!(made(&[("lib.rs", "fn {")]).starts_with("planted: lib.rs: "));
}
