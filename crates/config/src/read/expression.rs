//! Conditions in the stack file.

use pilothouse_core::ChartInfo;
use pilothouse_expression::{Expression, ExpressionError};
use serde_json::json;
use std::collections::BTreeMap;

/// Tells whether the condition `source` holds for a release. It sees `env`, and `release` with `name`, `namespace` and
/// `labels`.
pub(crate) fn holds(source: &str, env: &BTreeMap<String, String>, info: &ChartInfo) -> Result<bool, ExpressionError> {
    let expression = Expression::parse(source, &["env", "release"])?;
    let release = json!({"name": info.name, "namespace": info.namespace.as_str(), "labels": info.labels});
    expression.holds(&[&json!(env), &release])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilothouse_core::Namespace;
    use pilothouse_expression::MAX_BYTES;
    use proptest::prelude::*;
    use rstest::rstest;

    fn evaluate(source: &str) -> Result<bool, ExpressionError> {
        let env = [("REGION", "eu"), ("COUNT", "3"), ("TOKEN", "hunter22"), ("EMPTY", "")];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let info = ChartInfo {
            name: "web".to_owned(),
            namespace: Namespace::from("shop"),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            ..ChartInfo::default()
        };
        holds(source, &env, &info)
    }

    #[rstest]
    #[case("true", true)]
    #[case("!!true", true)]
    #[case("env.REGION == 'eu'", true)]
    #[case("env['REGION'] != \"eu\"", false)]
    #[case("has(env.NOPE) && env.NOPE == 'a'", false)]
    #[case("'NOPE' in env || env.EMPTY == ''", true)]
    #[case("int(env.COUNT) > 2", true)]
    #[case("env.REGION in ['us', 'eu']", true)]
    #[case("env.REGION.startsWith('e') && env.REGION.matches('^[a-z]{2}$')", true)]
    #[case("release.name == 'web' && release.namespace == 'shop'", true)]
    #[case("release.labels.tier == 'front' ? false : true", false)]
    #[case("has(release.labels.team)", false)]
    #[case("env.exists(name, name.startsWith('REG'))", true)]
    #[case("size(env.REGION) == 2", true)]
    #[case("env.REGION == 3", false)]
    fn conditions(#[case] source: &str, #[case] expected: bool) {
        assert_eq!(evaluate(source), Ok(expected));
    }

    #[rstest]
    #[case::nothing("", "it is not CEL: character 1: mismatched input '<EOF>' expecting expression")]
    #[case::one_equals_sign("env.REGION = 'eu'", "it is not CEL: character 12: mismatched input '=' expecting <EOF>")]
    #[case::second_line("true &&\n  &", "it is not CEL: line 2, character 3: unexpected single '&', expected '&&'")]
    #[case::no_variable("REGION == 'eu'", "there is no variable or function `REGION`")]
    #[case::no_function("env.REGION.lower() == 'eu'", "there is no variable or function `lower`")]
    #[case::no_key("env.NOPE == 'a'", "there is no `NOPE`")]
    #[case::not_a_boolean("env.REGION", "it gives a string, not true or false")]
    #[case::a_map("env", "it gives a map, not true or false")]
    #[case::types("env.COUNT > 2", "`>` cannot be used with string and int")]
    #[case::operator("env.COUNT + 2 == 5", "`add` cannot be used with string and int")]
    #[case::negation("!env.COUNT", "`!` cannot be used with string")]
    #[case::division("1 / 0 == 1", "it divides by zero")]
    #[case::loops("[1].all(x, [2].all(y, x < y))", "it has a loop in a loop, which could take for ever")]
    fn mistakes(#[case] source: &str, #[case] expected: &str) {
        assert_eq!(evaluate(source).unwrap_err().message, expected);
    }

    /// Whatever is done with a secret, no error has it.
    #[rstest]
    #[case("env.TOKEN", "it gives a string, not true or false")]
    #[case("env[env.TOKEN] == 'a'", "there is nothing of the name it asks for")]
    #[case("int(env.TOKEN) == 1", "`int` cannot work with what it is given")]
    #[case("env.TOKEN + 1 == 'a'", "`add` cannot be used with string and int")]
    #[case("env.REGION.matches(env.TOKEN + '(')", "`matches` cannot work with what it is given")]
    #[case("[env.TOKEN][3] == 'a'", "it cannot be evaluated")]
    #[case("{env.TOKEN: 1}.x == 1", "there is no `x`")]
    #[case("env.TOKEN.foo == 1", "a string has no fields")]
    fn secrets_stay_out_of_errors(#[case] source: &str, #[case] expected: &str) {
        let error = evaluate(source).unwrap_err();
        assert_eq!(error.message, expected);
        assert!(!format!("{error:?}").contains("hunter22"));
    }

    /// What would take too much time or too much of the stack is refused, however it is written.
    #[rstest]
    #[case::long(format!("true || '{}' == ''", "a".repeat(MAX_BYTES)), "it is 4112 bytes long, and 4096 is the most")]
    #[case::calls(format!("{}env{} == 1", "size(".repeat(300), ")".repeat(300)), "it is nested more than 32 levels deep")]
    #[case::open(format!("{}true", "[".repeat(2000)), "it is nested more than 32 levels deep")]
    #[case::sums(format!("{} > 1", vec!["1"; 400].join("+")), "it is nested more than 32 levels deep")]
    #[case::fields(format!("env{}", ".a".repeat(400)), "it is nested more than 32 levels deep")]
    fn bounds(#[case] source: String, #[case] expected: &str) {
        assert_eq!(evaluate(&source).unwrap_err().message, expected);
    }

    #[test]
    fn what_is_written_side_by_side_is_not_deep() {
        assert_eq!(evaluate(&vec!["env.REGION == 'eu'"; 150].join(" && ")), Ok(true));
    }

    proptest! {
        #[test]
        fn any_text_is_a_condition_or_an_error(source in any::<String>()) {
            let _ = evaluate(&source);
        }

        #[test]
        fn text_like_an_expression_is_a_condition_or_an_error(
            parts in prop::collection::vec(prop::sample::select(vec![
                "env", "release", ".name", ".labels", "==", "&&", "||", "!", "(", ")", "[", "]", "{", "}", "'a'", "\"x", "in",
                "has(", "1", "-", "+", "?", ":", ",", "true", "size(", "'", "\\", "b'", "0x", "1e999", "9223372036854775808",
                "-9223372036854775808", ".all(x,", "x", "ü", "\n", "//", "/", "%", "0", ".matches('[')", "null", "`", "..",
            ]), 0..40),
        ) {
            let _ = evaluate(&parts.concat());
        }
    }
}
