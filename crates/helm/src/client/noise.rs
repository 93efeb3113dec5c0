//! What helm writes on stderr, taken apart.

/// What helm wrote on stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelmText {
    /// What stands after the last `Error:` at the beginning of a line, usually several lines; empty when there is none.
    pub error: String,
    /// Everything else: warnings of helm and of the client library.
    pub noise: Vec<String>,
}

/// Separates the error from the noise. Helm 3 prints `Error: ...` last, after `WARNING:` lines and klog lines
/// (`W1121 09:12:33.1 ...`); helm 4 logs `level=WARN msg=...` lines first.
pub(crate) fn separate(stderr: &str) -> HelmText {
    let mut text = HelmText::default();
    let mut error: Option<Vec<&str>> = None;
    for line in stderr.lines() {
        if let Some(first) = line.strip_prefix("Error: ") {
            if let Some(earlier) = error.take() {
                text.noise.extend(earlier.into_iter().map(str::to_owned));
            }
            error = Some(vec![first]);
            continue;
        }
        match &mut error {
            Some(lines) if !is_noise(line) => lines.push(line),
            _ if line.trim().is_empty() => {}
            _ => text.noise.push(line.to_owned()),
        }
    }
    text.error = error.map(|lines| lines.join("\n").trim().to_owned()).unwrap_or_default();
    text
}

/// Whether a line comes from a logger and not from the command.
fn is_noise(line: &str) -> bool {
    line.starts_with("WARNING: ")
        || line.starts_with("level=")
        || line.starts_with("time=")
        || line.starts_with("Flag --")
        // Advice on a flag that only helm's own user could set.
        || line == "Use --debug flag to render out invalid YAML"
        || is_klog(line)
}

/// `E1121 09:12:33.123456   12345 file.go:12] text`
fn is_klog(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.len() > 6
        && matches!(bytes[0], b'I' | b'W' | b'E' | b'F')
        && bytes[1..5].iter().all(u8::is_ascii_digit)
        && bytes[5] == b' '
        && line.contains(".go:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_what_follows_the_last_error_line() {
        let stderr = "\
WARNING: Kubernetes configuration file is group-readable.
level=WARN msg=\"upgrade failed\" name=a error=\"x\"
I1121 09:12:33.123456   12345 request.go:729] Waited for 1.1s
Error: UPGRADE FAILED: two lines
  of it

W1121 09:12:33.123456   12345 warnings.go:70] unknown field
";
        let text = separate(stderr);
        assert_eq!(text.error, "UPGRADE FAILED: two lines\n  of it");
        insta::assert_snapshot!(text.noise.join("\n"), @r#"
        WARNING: Kubernetes configuration file is group-readable.
        level=WARN msg="upgrade failed" name=a error="x"
        I1121 09:12:33.123456   12345 request.go:729] Waited for 1.1s
        W1121 09:12:33.123456   12345 warnings.go:70] unknown field
        "#);
    }

    #[test]
    fn without_an_error_line_there_is_only_noise() {
        let text = separate("panic: runtime error\n");
        assert_eq!(text, HelmText { error: String::new(), noise: vec!["panic: runtime error".to_owned()] });
    }
}
