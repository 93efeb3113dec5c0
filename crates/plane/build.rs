//! Compiles the workload, the one program in the images of a real node, so that it is part of this crate wherever it is
//! used. It is a static program of the standard library only, so the compiler alone makes it.

use std::path::Path;
use std::process::Command;

fn main() {
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script everything through its environment")]
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    // Where it is built now, which may be elsewhere than where this script was. A link here, files in a published package.
    let source = Path::new(&var("CARGO_MANIFEST_DIR")).join("workload");
    let source = source.canonicalize().unwrap_or(source);
    println!("cargo:rerun-if-changed={}", source.display());
    println!("cargo:rerun-if-changed=build.rs");
    let (rustc, target) = (var("RUSTC"), var("TARGET"));
    let program = Path::new(&var("OUT_DIR")).join("workload");
    // The machine's own target needs a static C library beside the shared one, musl brings its own.
    let musl = target.replace("-gnu", "-musl");
    let mut problems = Vec::new();
    for target in [target.as_str(), musl.as_str()] {
        match compile(&rustc, target, &source.join("main.rs"), &program) {
            Ok(()) => return,
            Err(problem) => problems.push(format!("{target}: {problem}")),
        }
    }
    // Everything else works without it; a real node then says what is missing.
    println!("cargo:warning=no workload for real nodes: {}", problems.join("; ").replace('\n', " "));
    if let Err(error) = std::fs::write(&program, "") {
        println!("cargo:error={}: {error}", program.display());
    }
}

fn compile(rustc: &str, target: &str, source: &Path, program: &Path) -> Result<(), String> {
    if !target.contains("linux") {
        return Err("containers run on Linux only".to_owned());
    }
    let mut command = Command::new(rustc);
    command.args([
        "--edition",
        "2024",
        "--crate-name",
        "pilothouse_workload",
        "--crate-type",
        "bin",
        "--target",
        target,
    ]);
    for option in
        ["opt-level=s", "target-feature=+crt-static", "panic=abort", "strip=symbols", "lto=fat", "codegen-units=1"]
    {
        command.args(["-C", option]);
    }
    let output = command.arg("-o").arg(program).arg(source).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().find(|line| line.starts_with("error")).unwrap_or("it does not compile").to_owned())
}
