//! Input that is made to harm: whatever is given, the program answers soon, within bounded memory, and with its own words.

use crate::support::World;
use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The most memory the program may have had, in MiB.
const MEMORY: u64 = 150;

/// How soon it has to have answered, on a busy machine too.
const SOON: Duration = Duration::from_secs(25);

const STACK: &str = "version: 1\nname: h\nreleases: [{ name: a, namespace: h, chart: { path: chart } }]\n";

/// How the program ended, all that it printed, and the most memory it has had, in MiB.
fn watched(command: &mut Command) -> (Option<i32>, String, u64) {
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let output = |name: &str| std::fs::File::create(folder.path().join(name)).unwrap();
    let mut child = command.stdin(Stdio::null()).stdout(output("out")).stderr(output("err")).spawn().unwrap();
    let mut peak = 0;
    let code = loop {
        peak = peak.max(memory(&child));
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if begun.elapsed() > SOON {
            child.kill().unwrap();
            panic!("{command:?} did not end in time");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |name: &str| String::from_utf8_lossy(&std::fs::read(folder.path().join(name)).unwrap()).into_owned();
    (code, read("out") + &read("err"), peak)
}

fn memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// Bad input is refused with these words.
fn refused(world: &World, args: &[&str], expected: &str) {
    refused_with(&mut world.program(args), expected);
}

fn refused_with(command: &mut Command, expected: &str) {
    let (code, told, peak) = watched(command);
    assert!(told.len() < 100_000, "{} bytes were printed", told.len());
    assert!(told.contains(expected), "{command:?}: {told}");
    assert_eq!(code, Some(2), "{told}");
    assert!(peak < MEMORY, "{command:?} had {peak} MiB");
}

fn with_chart(world: &World) {
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\n");
    world.write("chart/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A file that seems to be larger than any disk.
fn huge(path: &Path) {
    std::fs::File::create(path).unwrap().set_len(3 << 40).unwrap();
}

const DEVICE: &str = "it is a device, not a file";

/// A device in every place that takes a file.
#[rstest]
#[case::stack(&["lint", "/dev/zero"], "")]
#[case::graph(&["graph", "/dev/zero"], "")]
#[case::plan(&["plan", "/dev/zero"], "")]
#[case::apply(&["apply", "--yes", "/dev/zero"], "")]
#[case::objects(&["ready", "-f", "/dev/zero"], "")]
#[case::rules(&["ready", "-f", "chart/templates/a.yaml", "--stack", "/dev/zero"], "")]
#[case::kubeconfig(&["status", "--kubeconfig", "/dev/zero"], "")]
#[case::values(&["lint"], "values_files: [/dev/zero]")]
#[case::chart(&["lint"], "chart: { path: /dev/zero }")]
#[case::manifests(&["lint"], "pre_exec: [{ apply: { files: [/dev/zero] } }]")]
fn devices(#[case] args: &[&str], #[case] key: &str) {
    let world = World::with_stack(STACK);
    with_chart(&world);
    if key.starts_with("chart:") {
        world.write("pilothouse.yaml", &STACK.replace("chart: { path: chart }", key));
    } else if !key.is_empty() {
        world.write(
            "pilothouse.yaml",
            &STACK.replace("chart: { path: chart }", &format!("chart: {{ path: chart }}, {key}")),
        );
    }
    refused(&world, args, DEVICE);
}

#[test]
fn a_device_as_kubeconfig_of_the_environment_or_as_configuration_of_helm() {
    let world = World::with_stack(STACK);
    let mut command = world.program(&["status"]);
    refused_with(command.env("KUBECONFIG", "/dev/zero"), DEVICE);
    world.write(
        "pilothouse.yaml",
        &STACK.replace("{ path: chart }", "{ repo: 'http://127.0.0.1:9', name: a, version: 1.0.0 }"),
    );
    let mut command = world.program(&["lint"]);
    command.env("PILOTHOUSE_CACHE", world.path("cache"));
    refused_with(command.env("HELM_REPOSITORY_CONFIG", "/dev/zero"), DEVICE);
}

/// Where a file is read more than once, a pipe is none.
#[rstest]
#[case::values("chart: { path: chart }, values_files: [fifo]")]
#[case::chart("chart: { path: fifo }")]
#[case::manifests("chart: { path: chart }, pre_exec: [{ apply: { files: [fifo] } }]")]
fn pipes_that_are_no_files(#[case] keys: &str) {
    let world = World::with_stack(&STACK.replace("chart: { path: chart }", keys));
    with_chart(&world);
    fifo(&world.path("fifo"));
    refused(&world, &["lint"], "it is a pipe, not a file");
}

#[test]
fn what_a_program_writes_into_a_pipe_can_be_a_stack_file_or_objects() {
    let world = World::new();
    with_chart(&world);
    world.write("stack", &STACK.replace("path: chart", &format!("path: '{}'", world.path("chart").display())));
    let program = env!("CARGO_BIN_EXE_pilothouse");
    let told = |script: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(world.path("")).env("PILOTHOUSE", program);
        command.env("PILOTHOUSE_HELM", crate::support::helm(pilothouse_plane::provision::Tool::Helm4));
        watched(&mut command)
    };
    let (code, text, _) = told("$PILOTHOUSE lint <(sleep 0.2; cat stack)");
    assert_eq!((code, text.as_str()), (Some(0), "h/a: ok\n"));
    let (code, text, _) = told("$PILOTHOUSE ready -f <(cat chart/templates/a.yaml)");
    assert_eq!(code, Some(0), "{text}");
    let (code, text, _) = told("exec $PILOTHOUSE lint <(yes)");
    assert!(code == Some(2) && text.contains("it is larger than 4 MiB"), "{text}");
    let (code, text, _) = told("exec $PILOTHOUSE ready -f <(yes)");
    assert!(code == Some(2) && text.contains("it is larger than 16 MiB"), "{text}");
    let (code, text, _) = told("yes | $PILOTHOUSE ready -f -");
    assert!(code == Some(2) && text.contains("it is longer than 16 MiB"), "{text}");
}

/// Nothing writes into the pipe, and nothing can interrupt a call that waits for it.
#[rstest]
#[case(&["lint", "fifo"], Signal::TERM)]
#[case(&["lint", "fifo"], Signal::INT)]
#[case(&["apply", "--yes", "fifo"], Signal::TERM)]
#[case(&["rehearse", "fifo"], Signal::HUP)]
#[case(&["status", "--kubeconfig", "fifo"], Signal::TERM)]
#[case(&["ready", "-f", "fifo"], Signal::TERM)]
fn the_first_signal_ends_what_is_no_run(#[case] args: &[&str], #[case] signal: Signal) {
    let world = World::with_stack(STACK);
    fifo(&world.path("fifo"));
    let mut child = world.program(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "nothing is to be read from it yet");
    let asked = Instant::now();
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
    while child.try_wait().unwrap().is_none() {
        assert!(asked.elapsed() < Duration::from_secs(8), "{args:?} goes on");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Files that are larger than they may be are not read at all.
#[rstest]
#[case::stack(&["lint", "huge"], "it is larger than 4 MiB")]
#[case::objects(&["ready", "-f", "huge"], "it is larger than 16 MiB")]
#[case::kubeconfig(&["status", "--kubeconfig", "huge"], "it is larger than 4 MiB")]
#[case::values(&["lint", "values"], "it is larger than 16 MiB")]
#[case::chart(&["lint", "archive"], "it is larger than 100 MiB")]
#[case::file_of_a_chart(&["lint", "folder"], "it holds more than 100 MiB")]
fn huge_files(#[case] args: &[&str], #[case] expected: &str) {
    let world = World::new();
    with_chart(&world);
    huge(&world.path("huge"));
    world.write("values", &STACK.replace("path: chart }", "path: chart }, values_files: [huge]"));
    world.write("pilothouse.yaml", STACK);
    world.write("archive", &STACK.replace("path: chart", "path: huge"));
    world.write("folder", STACK);
    if args == ["lint", "folder"] {
        huge(&world.path("chart/huge.bin"));
    }
    refused(&world, args, expected);
}

/// A file that helm leaves out (`.helmignore`) may be large; then it is not held in memory.
#[test]
fn a_large_file_that_is_no_part_of_the_chart() {
    let world = World::with_stack(STACK);
    with_chart(&world);
    world.write("chart/.helmignore", "*.bin\n");
    std::fs::File::create(world.path("chart/large.bin")).unwrap().set_len(90 << 20).unwrap();
    let (code, told, peak) = watched(&mut world.program(&["lint"]));
    assert_eq!((code, told.as_str()), (Some(0), "h/a: ok\n"));
    assert!(peak < MEMORY, "{peak} MiB");
}

/// Aliases that stand for ever more, depth, breadth, one line of megabytes, and what is no text.
#[rstest]
#[case::aliases(aliases())]
#[case::deep(format!("{STACK}deep: {}{}\n", "[".repeat(200_000), "]".repeat(200_000)))]
#[case::broad(format!("{STACK}broad:\n{}", "- a\n".repeat(900_000)))]
#[case::one_line(format!("{STACK}line: {}\n", "x".repeat(4_000_000)))]
#[case::one_key(format!("{STACK}{}: 1\n", "x".repeat(4_000_000)))]
#[case::addresses(format!("{STACK}line: {}\n", "a://b/".repeat(600_000)))]
#[case::commands(format!("{STACK}line: {}\n", "mysql -px curl -u a:b ".repeat(100_000)))]
#[case::programs(STACK.replace("chart:", &format!("pre_exec: [{{ command: {{ run: [mysql{}] }} }}], chart:", ", docker, -p".repeat(100_000))))]
#[case::many_keys((0..200_000).fold(STACK.to_owned(), |text, n| text + &format!("k{n}: 1\n")))]
#[case::no_end("version: 1\nname: \"".to_owned() + &"x".repeat(4_000_000))]
#[case::merges(format!("a: &a {{ x: 1 }}\n{STACK}b:\n{}", "  - { <<: *a }\n".repeat(200_000)))]
#[case::cel(STACK.replace("chart:", "enabled: '[1,2,3,4,5,6,7,8].map(a, [1,2,3,4,5,6,7,8].map(b, [1,2,3,4,5,6,7,8].map(c, [1,2,3,4,5,6,7,8])))', chart:"))]
#[case::cel_deep(STACK.replace("chart:", &format!("enabled: '{}true{}', chart:", "(".repeat(2000), ")".repeat(2000))))]
#[case::cel_text(STACK.replace("chart:", &format!("enabled: '\"{}\" == \"\"', chart:", "x".repeat(1_000_000))))]
fn bombs_as_stack_file(#[case] text: String) {
    let world = World::new();
    std::fs::write(world.path("pilothouse.yaml"), text).unwrap();
    refused(&world, &["lint"], "");
}

/// Eight levels of eight aliases each.
fn aliases() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let of = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&["a", &level.to_string(), ": &a", &level.to_string(), " [", &of, "]\n"].concat());
    }
    text + STACK
}

#[rstest]
#[case::stack(&["lint", "bad"])]
#[case::objects(&["ready", "-f", "bad"])]
#[case::values(&["lint", "values"])]
fn what_is_not_text(#[case] args: &[&str]) {
    let world = World::new();
    with_chart(&world);
    std::fs::write(world.path("bad"), b"version: 1\nname: \xff\xfe\n").unwrap();
    world.write("values", &STACK.replace("path: chart }", "path: chart }, values_files: [bad]"));
    refused(&world, args, "it is not UTF-8");
}

#[rstest]
#[case::aliases(aliases(), "a")]
#[case::many_numbers(format!("[{}0]", "0,".repeat(7_000_000)), "it holds more than 1000000 values")]
#[case::many_lines("- 0\n".repeat(4_000_000), "it holds more than 1000000 values")]
#[case::deep("[".repeat(1_000_000), "it holds more than 1000000 values")]
#[case::deep_mapping("{\"a\":".repeat(400_000), "")]
fn bombs_as_objects(#[case] text: String, #[case] expected: &str) {
    let world = World::new();
    std::fs::write(world.path("objects"), text).unwrap();
    refused(&world, &["ready", "-f", "objects"], expected);
}

/// A chart whose archive has these entries: type, name, size of zeros.
fn archive(entries: &[(tar::EntryType, &str, u64)]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for (kind, name, size) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(*size);
        header.set_mode(0o644);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        let mut left = size.next_multiple_of(512);
        while left > 0 {
            let part = left.min(zeros.len() as u64);
            gzip.write_all(&zeros[..usize::try_from(part).unwrap()]).unwrap();
            left -= part;
        }
    }
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}

#[rstest]
#[case::one_file(archive(&[(tar::EntryType::Regular, "a/values.yaml", 1 << 30)]), "it unpacks to more than 100 MiB")]
#[case::long_name(archive(&[(tar::EntryType::GNULongName, "././@LongLink", 1 << 30), (tar::EntryType::Regular, "a/x", 0)]), "the name of a file in it is too long")]
#[case::attributes(archive(&[(tar::EntryType::XHeader, "a/x", 600 << 20), (tar::EntryType::Regular, "a/x", 0)]), "the name of a file in it is too long")]
#[case::sparse(archive(&[(tar::EntryType::GNUSparse, "a/x", 1 << 30)]), "")]
#[case::out(archive(&[(tar::EntryType::Regular, "a/../../x", 0)]), "leads out of the chart")]
#[case::zip(b"PK\x03\x04 and so on".to_vec(), "it is not a gzipped archive")]
#[case::no_end(archive(&[(tar::EntryType::Regular, "a/x", 1 << 20)])[..400].to_vec(), "")]
fn bombs_as_archive(#[case] bytes: Vec<u8>, #[case] expected: &str) {
    let world = World::with_stack(&STACK.replace("path: chart", "path: chart.tgz"));
    std::fs::write(world.path("chart.tgz"), bytes).unwrap();
    refused(&world, &["lint"], expected);
}

#[test]
fn an_archive_of_archives_of_archives() {
    let mut inner = archive(&[(tar::EntryType::Regular, "a/values.yaml", 4 << 20)]);
    for _ in 0..6 {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for n in 0..8 {
            let mut header = tar::Header::new_gnu();
            header.set_size(inner.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("a/charts/{n}.tgz"), inner.as_slice()).unwrap();
        }
        inner = builder.into_inner().unwrap().finish().unwrap();
    }
    let world = World::with_stack(&STACK.replace("path: chart", "path: chart.tgz"));
    std::fs::write(world.path("chart.tgz"), inner).unwrap();
    refused(&world, &["lint"], "");
}

/// Links that lead out of a chart's folder, to all there is, and round in circles.
#[rstest]
#[case::everything("/", "link is a link to /, outside of the chart's folder")]
#[case::processes("/proc", "link is a link to /proc, outside of the chart's folder")]
#[case::one_file("/etc/passwd", "link is a link to /etc/passwd, outside of the chart's folder")]
#[case::circle(".", "more than 40 levels deep")]
fn links_out_of_a_chart(#[case] target: &str, #[case] expected: &str) {
    let world = World::with_stack(STACK);
    with_chart(&world);
    symlink(target, world.path("chart/link")).unwrap();
    refused(&world, &["lint"], expected);
}

#[test]
fn a_device_and_a_pipe_in_a_chart() {
    let world = World::with_stack(STACK);
    with_chart(&world);
    symlink("/dev/zero", world.path("chart/values.yaml")).unwrap();
    fifo(&world.path("chart/templates/pipe.yaml"));
    // Helm's own words: it refuses such a chart.
    refused(&world, &["lint"], "");
}

#[test]
fn values_that_are_a_bomb_are_refused_by_helm_too() {
    let world = World::with_stack(&STACK.replace("path: chart }", "path: chart }, values_files: [bomb]"));
    with_chart(&world);
    std::fs::write(world.path("bomb"), aliases()).unwrap();
    refused(&world, &["lint"], "");
}

/// A hundred megabytes from a program of a step, in lines and in one, of both streams.
#[rstest]
#[case::lines("yes | head -c 100000000")]
#[case::one_line("yes | tr -d '\\n' | head -c 100000000")]
#[case::long_lines("yes abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij | head -c 100000000")]
#[case::no_text("head -c 100000000 /dev/zero")]
#[case::errors("yes | head -c 100000000 >&2; exit 1")]
fn a_program_that_prints_without_measure(#[case] script: &str) {
    let world = World::new();
    let stack = "version: 1\nname: chatty\nreleases:\n  - name: chatty\n    namespace: chatty\n    chart: { path: CHARTS/data }\n    check_prerequisites: [{ command: { run: [sh, -c, SCRIPT] } }]\n";
    let quoted = format!("'{}'", script.replace('\'', "''"));
    world.write("pilothouse.yaml", &stack.replace("SCRIPT", &quoted));
    let (code, told, peak) = watched(&mut world.on_plane(&["apply", "--yes", "--dry-run"]));
    assert!(code == Some(0) || script.contains("exit 1"), "{told}");
    assert!(
        told.contains("bytes before these are left out") && told.len() < 200_000,
        "{} bytes: {:.2000}",
        told.len(),
        told
    );
    assert!(peak < MEMORY, "{peak} MiB");
}

#[test]
fn an_output_that_does_not_fit_is_none() {
    let world = World::with_stack(
        "version: 1\nname: chatty\nreleases:\n  - name: chatty\n    namespace: chatty\n    chart: { path: CHARTS/data }\n    check_prerequisites: [{ command: { run: [sh, -c, 'yes | head -c 100000000'], output_to: t } }]\n",
    );
    let (_, told, peak) = watched(&mut world.on_plane(&["apply", "--yes", "--dry-run"]));
    assert!(told.contains("printed 100000000 bytes, and `output_to` takes 65536 at most"), "{told}");
    assert!(peak < MEMORY, "{peak} MiB");
}
