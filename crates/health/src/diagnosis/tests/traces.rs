//! What a crash says where a trace stands behind it.

use crate::diagnosis::traces::decisive;
use rstest::rstest;

const GO: &str = "level=info msg=starting
panic: flag redefined: metrics-bind-address

goroutine 1 [running]:
flag.(*FlagSet).Var(0xc0000b4000, {0x1d0c3e8, 0xc00041e1b0})
        /usr/local/go/src/flag/flag.go:1028 +0x3a5
main.main()
        /workspace/main.go:21 +0x1d";
const GO_TWICE: &str = "panic: no database [recovered]
\tpanic: cannot roll back: no database
goroutine 7 [running]:
main.main()
\t/app/main.go:4 +0x1d
exit status 2";
const GO_SIGNAL: &str = "panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4]
goroutine 1 [running]:
main.main()
\t/app/main.go:4 +0x1d";
const GO_FATAL: &str = "fatal error: all goroutines are asleep - deadlock!
goroutine 1 [chan receive]:
main.main()
\t/app/main.go:4 +0x1d";
const GO_IN_A_LINE: &str = "panic: no config
ready to serve
bye";
const JAVA: &str = "INFO starting
Exception in thread \"main\" java.lang.IllegalStateException: cannot start
\tat com.example.Main.start(Main.java:10)
Caused by: java.io.IOException: pool is empty
\tat com.example.Pool.take(Pool.java:7)
Caused by: java.net.UnknownHostException: db.shop
\tat java.base/java.net.InetAddress.lookup(InetAddress.java:801)
\t... 12 more";
const JAVA_ONE: &str = "Exception in thread \"main\" java.lang.IllegalStateException: no port
\tat com.example.Main.start(Main.java:10)
\tat com.example.Main.main(Main.java:4)";
const JAVA_THEN_MORE: &str = "java.io.IOException: retried
\tat com.example.Pool.take(Pool.java:7)
license key is not valid";
const PYTHON: &str = "Traceback (most recent call last):
  File \"/app/main.py\", line 3, in <module>
    connect()
KeyError: 'DATABASE_URL'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/app/main.py\", line 5, in <module>
    raise Misconfigured(\"DATABASE_URL is not set\")
app.Misconfigured: DATABASE_URL is not set
Sentry is attempting to send 1 pending events
Waiting up to 2 seconds";
const NODE: &str = "node:internal/modules/cjs/loader:1228
  throw err;
  ^

Error: Cannot find module 'express'
Require stack:
- /app/index.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)
    at Module._load (node:internal/modules/cjs/loader:1051:27) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/app/index.js' ]
}

Node.js v20.18.0";
const RUST: &str = "thread 'main' panicked at src/main.rs:4:10:
called `Result::unwrap()` on an `Err` value: NotPresent
stack backtrace:
   0: rust_begin_unwind
   1: core::panicking::panic_fmt
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.";
const RUST_OLD: &str = "thread 'main' panicked at 'no settings', src/main.rs:4:10
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
const DOTNET: &str = "Unhandled exception. System.InvalidOperationException: no connection string
   at Shop.Program.Main(String[] args) in /src/Program.cs:line 12";
const RUBY: &str = "/app/boot.rb:3:in 'fetch': key not found: \"TOKEN\" (KeyError)
\tfrom /app/boot.rb:3:in '<main>'";

#[rstest]
#[case::go(GO, "panic: flag redefined: metrics-bind-address")]
#[case::go_in_a_deferred_call(GO_TWICE, "panic: cannot roll back: no database")]
#[case::go_by_a_signal(GO_SIGNAL, "panic: runtime error: invalid memory address or nil pointer dereference")]
#[case::go_of_the_runtime(GO_FATAL, "fatal error: all goroutines are asleep - deadlock!")]
#[case::only_the_word(GO_IN_A_LINE, "bye")]
#[case::java(JAVA, "Caused by: java.net.UnknownHostException: db.shop")]
#[case::java_without_another(JAVA_ONE, "Exception in thread \"main\" java.lang.IllegalStateException: no port")]
#[case::java_that_went_on(JAVA_THEN_MORE, "license key is not valid")]
#[case::python(PYTHON, "app.Misconfigured: DATABASE_URL is not set")]
#[case::node(NODE, "Error: Cannot find module 'express'")]
#[case::rust(
    RUST,
    "thread 'main' panicked at src/main.rs:4:10: called `Result::unwrap()` on an `Err` value: NotPresent"
)]
#[case::rust_of_before(RUST_OLD, "thread 'main' panicked at 'no settings', src/main.rs:4:10")]
#[case::dotnet(DOTNET, "Unhandled exception. System.InvalidOperationException: no connection string")]
#[case::ruby(RUBY, "/app/boot.rb:3:in 'fetch': key not found: \"TOKEN\" (KeyError)")]
#[case::no_frame("no database\nat 12:03 the server gave up", "at 12:03 the server gave up")]
#[case::no_trace("starting\nno database at db:5432", "no database at db:5432")]
fn the_line_that_says_why(#[case] log: &str, #[case] expected: &str) {
    let lines: Vec<String> = log.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    assert_eq!(decisive(&lines).as_deref(), Some(expected));
}

#[test]
fn no_log() {
    assert_eq!(decisive(&[]), None);
}
