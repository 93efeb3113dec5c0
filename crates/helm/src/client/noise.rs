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
    if let Some(endless) = endless_include(stderr) {
        text.error = endless;
    }
    text
}

/// How helm ends an `include` that comes back to itself: a line of one hop after the other, so long that its beginning may be lost.
const NESTED: &str = "error calling include: rendering template has a nested reference name: ";

/// The last hop of a template that includes itself without end, and its name.
fn endless_include(stderr: &str) -> Option<String> {
    let (hops, name) = stderr.rsplit_once(NESTED)?;
    let last = hops.trim_end().trim_end_matches(':').rsplit("error calling include: ").next().unwrap_or_default();
    let last = last.trim_end_matches([':', ' ', '\n']).trim_start_matches("Error: ");
    let name = name.split([':', '\n']).next().unwrap_or_default();
    Some(format!("{last}: error calling include: the template {name} includes itself without end"))
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

    /// Only the end of what helm prints is kept, and that may be one line of 100 KB.
    #[test]
    fn a_template_that_includes_itself_is_named_however_long_the_line_is() {
        let hop = "template: c/templates/_h.tpl:1:24: executing \"c.loop\" at <include \"c.loop\" .>: error calling include: ";
        let first = "Error: template: c/templates/cm.yaml:1:6: executing \"c/templates/cm.yaml\" at <include \"c.loop\" .>: error calling include: ";
        let last = "rendering template has a nested reference name: c.loop: unable to execute template\n\nUse --debug flag to render out invalid YAML\n";
        let expected = "template: c/templates/_h.tpl:1:24: executing \"c.loop\" at <include \"c.loop\" .>: error calling include: the template c.loop includes itself without end";
        let whole = format!("{first}{}{last}", hop.repeat(3));
        for stderr in [whole.as_str(), &whole[200..]] {
            assert_eq!(separate(stderr).error, expected);
            assert_eq!(
                super::super::classify::classify(&separate(stderr).error),
                super::super::classify::Kind::TemplateFailed
            );
        }
    }

    #[test]
    fn without_an_error_line_there_is_only_noise() {
        let text = separate("panic: runtime error\n");
        assert_eq!(text, HelmText { error: String::new(), noise: vec!["panic: runtime error".to_owned()] });
    }
}
