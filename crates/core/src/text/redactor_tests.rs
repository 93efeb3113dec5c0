//! What must not come out of a text, and what must stay in it.

use super::super::finder::PART;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;
use rstest::rstest;

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", Redactor::new(["hunter22"])), "Redactor(1 secrets)");
}

#[rstest]
#[case("pull https://joe:s3cr3t@host/x failed", "pull https://***@host/x failed")]
#[case("pull https://token@host failed", "pull https://***@host failed")]
#[case("see https://host/a@b", "see https://host/a@b")]
#[case("a hunter22 b hunter2266 c", "a *** b *** c")]
#[case("line-one-secret then line-two-secret", "*** then ***")]
#[case::short_lines_are_no_secrets("port: 1 and line", "port: 1 and line")]
#[case::keys_are_no_secrets("database: is a key", "database: is a key")]
#[case::shorter_than_inside("xyz, xyzzy", "***, xyzzy")]
#[case::inside("xadminx", "x***x")]
#[case::booleans("it is true", "it is true")]
#[case::two_that_overlap("hunter2266aaaabbbb", "***")]
#[case::colour_inside("hun\u{1b}[1mter\u{1b}[0m22.", "***.")]
#[case::control_inside("hun\u{1b}[Kter\u{7}22.", "***.")]
#[case::name("Deployment shop/podinfo-7f is ready; podinfos", "Deployment shop/podinfo-7f is ready; ***s")]
#[case::short_base64("cm9v cm9vdA", "cm9v cm9vdA")]
fn redacted_text(#[case] text: &str, #[case] expected: &str) {
    let lines = "line-one-secret\nport: 1\ndatabase:\nline-two-secret";
    let redactor = Redactor::new(["hunter22", "hunter2266", "66aaaabbbb", lines, "xyz", "admin", "true", "root"]);
    redactor.add("podinfo");
    redactor.spare("podinfo");
    assert_eq!(redactor.redact(text), expected);
    assert_eq!(redactor.redact(expected), expected, "once is enough");
}

#[test]
fn what_is_added_later_is_known_to_all_clones() {
    let redactor = Redactor::default();
    let other = redactor.clone();
    assert_eq!(other.redact("hunter22"), "hunter22");
    redactor.add("hunter22");
    assert_eq!(other.redact("hunter22"), "***");
}

/// Known secrets go first, forms second, and what is cut is cut last.
#[test]
fn the_order_of_things() {
    for delimiter in [",", ";", "&", ")", "}", "]", "'", " ", "\"", "/", "?", "#", "@", ":"] {
        let secret = format!("hunter{delimiter}22canary");
        let redactor = Redactor::new([&secret]);
        for text in [
            format!("PASSWORD={secret}"),
            format!("postgres://app:{secret}@db/x"),
            format!("--password={secret}"),
            format!("token: {secret}"),
            format!("Authorization: Bearer {secret}"),
            serde_json::json!({ "password": secret }).to_string(),
        ] {
            let clean = redactor.clean(&text);
            assert!(!clean.as_str().contains("22canary"), "{text}: {clean}");
            for longest in 0..text.len() {
                assert!(!clean.in_one_line(longest).contains("hunter"), "{text}: {clean}");
            }
        }
    }
}

#[test]
fn long_secrets_are_found_in_pieces() {
    let long: String = (b'a'..=b'z').cycle().step_by(7).take(3000).map(char::from).collect::<String>() + "ä";
    let redactor = Redactor::new([&long]);
    assert_eq!(redactor.redact(&format!("<{long}>")), "<***>");
    assert_eq!(redactor.redact(&format!("<{}>", STANDARD.encode(&long))), "<***>");
}

#[test]
fn long_texts_are_looked_at_part_by_part() {
    let secret = "canary\"that is escaped, and long enough to go over the end of a part";
    let redactor = Redactor::new([secret]);
    let json = serde_json::to_string(secret).unwrap();
    for before in (PART - 100..PART + 20).step_by(7) {
        let text = format!("{}{json}{}", "x ".repeat(before / 2), " ä".repeat(2 * PART));
        let redacted = redactor.redact(&text);
        assert!(!redacted.contains("canary") && redacted.matches("***").count() == 1, "{before}");
        assert_eq!(redacted.len(), text.len() - json.len() + 5);
    }
}

#[test]
fn base64_may_be_wrapped() {
    let secret = "a-secret/that+is~long enough to be wrapped by base64, which does so after 76 characters";
    let encoded = STANDARD.encode(format!("user:{secret}"));
    let wrapped = |columns: usize, by: &str| {
        encoded.as_bytes().chunks(columns).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join(by)
    };
    let redactor = Redactor::new([secret]);
    for text in [wrapped(76, "\n"), wrapped(64, "\r\n"), wrapped(76, "\n    "), wrapped(76, "\\n")] {
        assert_eq!(redactor.redact(&text), "dXNl***".to_owned(), "{text}");
    }
}

/// What programs make of a secret.
fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::to_string(secret).unwrap();
    let quoted = format!("{json:?}");
    let hex = |form: fn(u8) -> String| secret.bytes().map(form).collect::<String>();
    let decimals = |by: &str| secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(by);
    let wide = |unit: fn(u16) -> [u8; 2], text: &str| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let units = secret.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>();
    let apart = |by: &str| secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(by);
    let nested = |times: usize| (0..times).fold(json.clone(), |json, _| serde_json::to_string(&json).unwrap());
    let double_url = |text: String| text.replace('%', "%25").replace('+', "%2B");
    let url = |plus: bool| {
        secret.bytes().fold(String::new(), |url, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => url + &char::from(byte).to_string(),
            b' ' if plus => url + "+",
            other => url + &format!("%{other:02X}"),
        })
    };
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;").replace('\'', "&#39;");
    let shell: String =
        secret.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("\\{c}") }).collect();
    vec![
        ("plain", secret.to_owned()),
        ("json", json.clone()),
        ("json with html escaped, as Go has it", json.replace('<', "\\u003c").replace('&', "\\u0026")),
        ("json in json", quoted),
        ("json in json in json", nested(2)),
        ("json six times", nested(5)),
        ("json three times, in base64", STANDARD.encode(nested(2))),
        (
            "json three times, in url",
            nested(2).replace('%', "%25").replace('"', "%22").replace('\\', "%5C").replace('+', "%2B"),
        ),
        ("utf-16", units),
        ("hex", hex(|byte| format!("{byte:02x}"))),
        ("hex, capitals", hex(|byte| format!("{byte:02X}"))),
        ("hex of more", format!("0{}", hex(|byte| format!("{byte:02x}")))),
        (
            "hex of a line, as xxd has it",
            apart("").as_bytes().chunks(20).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n"),
        ),
        ("hex, set apart", apart(" ")),
        ("hex, colons", apart(":")),
        ("hex, as Go has it", format!("0x{}", apart(", 0x"))),
        ("hex of base64", STANDARD.encode(secret).bytes().map(|byte| format!("{byte:02x}")).collect()),
        ("base64 of hex", STANDARD.encode(apart(""))),
        ("url twice", double_url(url(false))),
        ("url three times", double_url(double_url(url(false)))),
        ("go %+q", secret.escape_default().to_string()),
        ("bytes", hex(|byte| format!("\\x{byte:02x}"))),
        ("octal", hex(|byte| format!("\\{byte:03o}"))),
        ("url", url(false)),
        ("query", url(true)),
        ("url in lower case", secret.bytes().map(|byte| format!("%{byte:02x}")).collect()),
        ("json in url", json.replace('%', "%25").replace('"', "%22").replace('\\', "%5C")),
        ("html twice", html.replace('&', "&amp;")),
        ("html", html),
        ("base32", base32(secret)),
        ("bytes as Go prints them", format!("[{}]", decimals(" "))),
        ("bytes as others print them", format!("[{}]", decimals(", "))),
        ("bytes as a list of YAML", format!("- {}", decimals("\n- "))),
        (
            "utf-16 as PowerShell prints bytes",
            wide(u16::to_le_bytes, secret).iter().map(u8::to_string).collect::<Vec<_>>().join(" "),
        ),
        ("bytes as compact JSON", format!("[13,{},10]", decimals(","))),
        ("utf-16 in base64", STANDARD.encode(wide(u16::to_le_bytes, secret))),
        ("utf-16 in base64, with more", STANDARD.encode(wide(u16::to_le_bytes, &format!("p {secret};")))),
        ("utf-16, other order, in base64", STANDARD.encode(wide(u16::to_be_bytes, secret))),
        ("utf-16 in hex", wide(u16::to_le_bytes, secret).iter().map(|byte| format!("{byte:02x}")).collect()),
        ("shell", format!("'{}'", secret.replace('\'', r"'\''"))),
        ("shell, other quotes", format!("'{}'", secret.replace('\'', r#"'"'"'"#))),
        ("shell, backslashes", shell),
        ("yaml", format!("'{}'", secret.replace('\'', "''"))),
        ("base64 at 0", STANDARD.encode(secret)),
        ("base64 at 1", STANDARD.encode(format!("u{secret}"))),
        ("base64 at 2", STANDARD_NO_PAD.encode(format!("u:{secret}x"))),
        ("base64 at 3", URL_SAFE.encode(format!("usr{secret}and more"))),
        ("base64 of base64", STANDARD.encode(STANDARD.encode(secret))),
        ("base64 of json", STANDARD.encode(&json)),
        ("base64 in url", STANDARD.encode(secret).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")),
    ]
}

/// As `b32enc` of charts has it.
fn base32(text: &str) -> String {
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let digit = |five: &[u8]| {
        let five = format!("{:0<5}", std::str::from_utf8(five).unwrap());
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from_str_radix(&five, 2).unwrap()])
    };
    let digits: String = bits.as_bytes().chunks(5).map(digit).collect();
    let padded = digits.len().div_ceil(8) * 8;
    format!("{digits:=<padded$}")
}

/// What escapes quotes around a secret tells nothing of it.
fn without_escapes(text: &str) -> String {
    text.replace("%22", "").replace("%5C", "").replace(['\\', '"'], "")
}

/// Any part of a long one that is long enough, in spellings too; and nothing besides.
#[test]
fn cuts_of_long_secrets_are_hidden() {
    let long: String =
        (0..3000_u32).map(|n| char::from(b'a' + u8::try_from(n * 7 % 26 + n / 26 % 3).unwrap())).collect();
    let short = &long[..200];
    for secret in [long.as_str(), short] {
        let redactor = Redactor::new([secret]);
        for len in [64, 65, 100, 150] {
            for from in (0..secret.len() - len).step_by(if secret.len() > 1000 { 37 } else { 1 }) {
                let cut = &secret[from..from + len];
                assert_eq!(redactor.redact(&format!("<{cut}>")), "<***>", "{from} {len}");
            }
            let cut = &secret[len / 3..len / 3 + len];
            for (how, text) in spellings(cut) {
                let redacted = redactor.redact(&format!("<{text}>"));
                // Digits that have a bit of what is not there any more stay.
                assert!(redacted.contains("***") && without_escapes(&redacted).len() <= 32, "{how}: {redacted}");
            }
        }
    }
}

#[test]
fn a_long_secret_of_one_character_is_hidden_as_a_whole_only() {
    let secret = "=".repeat(2000);
    let redactor = Redactor::new([&secret]);
    assert_eq!(redactor.redact(&format!("a {secret} b")), "a *** b");
    let line = "=".repeat(80);
    assert_eq!(redactor.redact(&line), line);
}

#[rstest]
#[case("Zq7!canary/one@x y", "cut Zq7!canary/o", "cut ***")]
#[case("Zq7!canary/one@x y", "cut: \"Zq7!cana\"", "cut: \"***\"")]
#[case::too_short("Zq7!canary/one@x y", "Zq7!can", "Zq7!can")]
#[case::base64("Zq7!canary/one@x y", "WnE3IWNhbmFyeS9vbmVA", "***")]
#[case::umlaut("ümläut4canary", "ümläut4c", "***")]
#[case::words_are_everywhere("correct-horse-battery", "correct-horse", "correct-horse")]
#[case::address("postgres://app:pw1234567@db", "postgres://app: postgres", "postgres://app: postgres")]
#[case::address_cut("postgres://app:pw1234567@db", "postgres://app:pw12", "***")]
#[case::json("{\"auths\":{\"Registry1\":1}}", "{\"auths\":{}}", "{\"auths\":{}}")]
#[case::setting("apiVersion: v1", "apiVersion: apps/v1", "apiVersion: apps/v1")]
#[case::assignment("user=App4 password=x", "user=App5", "user=App5")]
#[case::certificate("LS0tLS1CRUdJTiBDRVJU", "LS0tLS1CRUdJTiBDRQ", "LS0tLS1CRUdJTiBDRQ")]
fn beginnings(#[case] secret: &str, #[case] text: &str, #[case] expected: &str) {
    assert_eq!(Redactor::new([secret]).redact(text), expected);
}

#[rstest]
#[case::plain("a:\n  key: the quick4 brown\n    fox jumps\n", "a:\n  key: ***\n")]
#[case::quoted("key: \"the quick4\\\n    \\ brown fox jumps\"", "key: \"***\"")]
#[case::block("key: >-\n  the quick4\n  brown fox jumps\n", "key: >-\n  ***\n")]
#[case::in_json("{\"v\": \"key: the quick4 brown\\n  fox jumps\"}", "{\"v\": \"key: ***\"}")]
#[case::wrapped("the quick4 br\nown fox jumps", "***")]
#[case::joined("thequick4brownfoxjumps", "***")]
fn folded_lines(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(Redactor::new(["the quick4 brown fox jumps"]).redact(text), expected);
}

#[test]
fn no_spelling_of_a_secret_survives() {
    for secret in [
        "second\"new-pw",
        "BAD-CANARY-PW\"\\x",
        "pa'ss word<&>%2F+x",
        "ümlaut=€/?#pw",
        "c4n4ry-plain",
        "tab\tand\\nslash!",
    ] {
        let redactor = Redactor::new([secret]);
        for (how, text) in spellings(secret) {
            for around in [text.clone(), format!("x: {text}, y"), format!("Error: at '/p': {text} does not match")] {
                let redacted = redactor.redact(&around);
                let left = without_escapes(&redacted.replace("***", ""));
                let kept: String = around.replacen(&text, "", 1);
                // Nothing is left but what was around, quotes, and what stood before and after in base64.
                assert!(
                    redacted.contains("***") && left.len() <= kept.len() + 24,
                    "{how} of {secret}: {around} -> {redacted}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn no_secret_survives(before in ".{0,20}", secret in "[ -~]{8,30}", after in ".{0,20}") {
        let secret = secret.trim();
        prop_assume!(secret.len() >= 8 && !is_key(secret) && !secret.contains("***"));
        let redactor = Redactor::new([secret]);
        let redacted = redactor.redact(&format!("{before}{secret}{after}"));
        prop_assert!(!redacted.contains(secret));
        for (how, text) in spellings(secret) {
            prop_assert!(redactor.redact(&format!("<{text}>")).contains("***"), "{}: {}", how, text);
        }
    }

    #[test]
    fn text_without_secrets_stays(text in "[a-zA-Z0-9 .,:;/=%&'\\\\\"+-]{0,200}") {
        let redactor = Redactor::new(["\u{1}canary-that-is-nowhere\u{2}"]);
        prop_assert_eq!(redactor.redact(&text), redact_urls(&text));
    }
}

/// Text that is as random as a token's, of these characters.
fn token(of: &str, len: usize, seed: u64) -> String {
    let of: Vec<char> = of.chars().collect();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % of.len()
    };
    (0..len).map(|_| of[next()]).collect()
}

const HEX: &str = "0123456789abcdef";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[test]
fn reversed_and_in_another_case() {
    let token = token(BASE64, 100, 5);
    for secret in [
        "second\"new-pw",
        "BAD-CANARY-PW\"\\x",
        "pa'ss Word<&>%2F+x",
        "ümLaut=€/?#pw",
        "c4n4ry-plain",
        "HunterCanary",
        &token,
    ] {
        let redactor = Redactor::new([secret]);
        let reversed = |text: &str| text.chars().rev().collect::<String>();
        let forms = [reversed(secret), secret.to_uppercase(), secret.to_lowercase(), reversed(&secret.to_uppercase())];
        for form in forms {
            for (how, text) in spellings(&form) {
                let redacted = redactor.redact(&format!("<{text}>"));
                assert!(redacted.contains("***"), "{how} of {form}: {redacted}");
                assert!(without_escapes(&redacted).len() <= 32, "{how} of {form}: {redacted}");
            }
        }
    }
}

/// What `upper` and `lower` make of digits cannot be read back, but is known.
#[test]
fn encodings_in_another_case() {
    for secret in ["second\"new-pw", "c4n4ry-plain", "a longer one, with 4 blanks and more of it"] {
        let redactor = Redactor::new([secret]);
        for before in ["", "u", "u:", "usr"] {
            let base64 = STANDARD_NO_PAD.encode(format!("{before}{secret}"));
            for text in [base64.to_uppercase(), base64.to_lowercase(), base32(secret).to_lowercase()] {
                let redacted = redactor.redact(&format!("<{text}>"));
                assert!(redacted.contains("***") && redacted.len() <= 14, "{text}: {redacted}");
            }
        }
    }
}

#[rstest]
#[case::capitalised("Production", "in production, PRODUCTION")]
#[case::small("production-db", "in PRODUCTION-DB")]
#[case::short("Admin1", "ADMIN1 admin1")]
#[case::short_reversed("Admin1", "1nimdA")]
fn words_in_another_case_are_words(#[case] secret: &str, #[case] text: &str) {
    let redactor = Redactor::new([secret]);
    assert_eq!(redactor.redact(text), text);
    assert_eq!(redactor.redact(secret), "***");
}

/// Of what looks random, a piece of 16 bytes tells enough to be hidden, wherever it was cut out.
#[test]
fn pieces_of_tokens_are_hidden() {
    for (of, least) in [(HEX, 85), (BASE64, 85), ("abcdefghijklmnopqrstuvwxyz0123456789", 80)] {
        for len in [32, 40, 60, 100, 400] {
            let secret = token(of, len, 7);
            let redactor = Redactor::new([&secret]);
            for size in [16, 24, 32] {
                let pieces: Vec<_> = (0..=len - size).map(|from| &secret[from..from + size]).collect();
                let hidden = |piece: &&&str| redactor.redact(&format!("cut: {piece}.")) == "cut: ***.";
                let share = pieces.iter().filter(hidden).count() * 100 / pieces.len();
                assert!(share >= if size == 16 { least } else { 98 }, "{share} % of {size} bytes of {secret}");
            }
        }
    }
}

#[rstest]
#[case::of_a_password("Zq7!canary/one@x y&%\"q", "7!canary/one@x y", "***")]
#[case::upper("Zq7!canary/one@x y&%\"q", "7!CANARY/ONE@X Y", "***")]
#[case::base64("Zq7!canary/one@x y&%\"q", "NyFjYW5hcnkvb25lQHggeQ", "***")]
#[case::end("Zq7!canary/one@x", "<nary/one@x>", "<***>")]
#[case::end_with_blanks_and_quotes("Zq7!canary/one@x y&%\"q", "/one@x y&%\"q", "***")]
#[case::end_of_pair("joe:hunter22", "hunter22", "***")]
#[case::end_too_short("Zq7!canary/one@x", "y/one@x", "y/one@x")]
#[case::end_of_base64("aGVsbG8gd29ybGQgMTIzNA==", "QgMTIzNA==", "***")]
#[case::small_letters("qwpzmxyvnrtkslbcjdhgfqwpmznxyvtr", "qwpzmxyvnrtkslbcjdhgfqwpmznxyvtr", "***")]
// Ordinary words and addresses, which other texts contain too.
#[case::host(
    "postgres://app:pw1234567@db.shop.svc.cluster.local:5432/app?sslmode=disable",
    "lookup db.shop.svc.cluster.local:5432: no such host in /app?sslmode=disable",
    "lookup db.shop.svc.cluster.local:5432: no such host in /app?sslmode=disable"
)]
#[case::address(
    "host=10.244.12.13 port=30443 password=x1y2z3w4",
    "dial 10.244.12.13 port=30443",
    "dial 10.244.12.13 port=30443"
)]
#[case::json(
    "{\"auths\":{\"registry.example.com\":{\"username\":\"joe\",\"password\":\"Hunter22\"}}}",
    "{\"auths\":{\"registry.example.com\":{\"username\":\"",
    "{\"auths\":{\"registry.example.com\":{\"username\":\""
)]
#[case::kinds(
    "{\"kind\":\"ValidatingWebhookConfiguration\",\"apiVersion\":\"admissionregistration.k8s.io/v1\",\"x\":1}",
    "ValidatingWebhookConfiguration admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration admissionregistration.k8s.io/v1"
)]
#[case::pem_ends(
    "-----BEGIN CERTIFICATE-----\nMIIBcanary1\n-----END CERTIFICATE-----",
    "CERTIFICATE-----",
    "CERTIFICATE-----"
)]
#[case::service_and_port(
    "db.shop.svc:5432",
    "lookup pg.infra.svc:5432: no such host",
    "lookup pg.infra.svc:5432: no such host"
)]
#[case::numbered_host("postgres1.shop.svc:5432", "dial postgres1.infra.svc:5432", "dial postgres1.infra.svc:5432")]
#[case::mail("admin@example.com", "joe@example.com, admin@example.org", "joe@example.com, admin@example.org")]
#[case::short_mail("sales@ex.io", "names@ex.io", "names@ex.io")]
#[case::word_of_a_pair("joe:Production", "in Production, inProduction", "in Production, inProduction")]
#[case::subnet("10.0.12.7:8080", "dial 10.0.12.9:8081, 110.0.12.4", "dial 10.0.12.9:8081, 110.0.12.4")]
#[case::date("2026-11-30", "2026-11-29", "2026-11-29")]
#[case::time("2026-11-30T10:00:00Z", "2026-11-30T10:00:01Z 12:00:00Z", "2026-11-30T10:00:01Z 12:00:00Z")]
#[case::number("10000000", "00000001-0000-4000-8000-000000000000", "00000001-0000-4000-8000-000000000000")]
#[case::long_number("1000000000000042", "10000000, 4200000000000001", "10000000, 4200000000000001")]
// What stands beside a word or an address may be a secret.
#[case::after_a_word("Joe:hunter22abc", "Joe:hunter22", "***")]
#[case::at_that_is_no_mail("joe:Secret@Pass", "Secret@Pass", "***")]
#[case::before_a_date("hunter22-2026-11-30", "nter22-2026-11-30", "***")]
#[case::number_after_a_name("joe:8315072946", "8315072946", "***")]
#[case::word_that_goes_on("AKIAIOSFODNN7EXAMPLE", "AKIAIOSF", "***")]
#[case::pem_ends_in_base64("TUlJQmNhbmFyeTE0NQotLS0tLUVORCBYLS0tLS0K", "LS0tLS0K", "LS0tLS0K")]
fn pieces(#[case] secret: &str, #[case] text: &str, #[case] expected: &str) {
    assert_eq!(Redactor::new([secret]).redact(text), expected);
}

/// Secrets and texts that repeat themselves cost no more than others.
#[test]
fn repetitions_are_not_followed_for_ever() {
    let secret = HEX.repeat(1 << 14);
    let redactor = Redactor::new([&secret]);
    let text = format!("a {} b {}", &secret[3..100_000], HEX.repeat(10_000));
    let begun = std::time::Instant::now();
    assert!(!redactor.redact(&text).contains(HEX));
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}

/// One that repeats itself uses up what may be followed in a text; what else is in the text is hidden all the same.
#[test]
fn a_repetition_gives_no_other_secret_away() {
    let repeated = HEX.repeat(1 << 12);
    for len in [40, 64, 100, 256, 257, 700] {
        let token = token(BASE64, len, 11);
        let redactor = Redactor::new([&repeated, &token]);
        let text = format!("a {} token={token} b {token}", &repeated[3..60_000]);
        let redacted = redactor.redact(&text);
        assert!(!token.as_bytes().windows(12).any(|piece| redacted.contains(std::str::from_utf8(piece).unwrap())));
        assert!(redacted.starts_with("a ***") && redacted.contains(" b ***"), "{len}: {redacted}");
    }
}

/// Where there are too many secrets to look for, nothing is shown: nobody knows what of a text is none.
#[test]
fn without_a_finder_nothing_is_shown() {
    let redactor = Redactor::new(["hunter22"]);
    redactor.known.write().unwrap().finder = Some(Arc::default());
    assert_eq!(redactor.redact("a hunter22 b"), "***");
    assert_eq!(redactor.clean("a b").as_str(), "***");
    assert!(redactor.knows("a b"));
}

/// A secret in a name is shown, also where a shorter name begins in the midst of the one that holds it.
#[rstest]
#[case("shop-hunter22-db", "shop-hunter22-db")]
#[case("hunter22-db", "hunter22-db")]
#[case("hunter22", "***")]
#[case("shop-hunter22", "shop-***")]
#[case("x hunter22 shop-hunter22-db hunter22 hunter22-db", "x *** shop-hunter22-db *** hunter22-db")]
fn secrets_in_names(#[case] text: &str, #[case] expected: &str) {
    let redactor = Redactor::new(["hunter22"]);
    for name in ["shop-hunter22-db", "shop", "hunter22-db", "db"] {
        redactor.spare(name);
    }
    assert_eq!(redactor.redact(text), expected);
}
