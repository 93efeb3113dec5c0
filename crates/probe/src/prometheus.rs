//! An instant query of Prometheus and what must come back (<https://prometheus.io/docs/prometheus/latest/querying/api/>).

use crate::connection::Connection;
use crate::deadline::Deadline;
use crate::request::{Asking, Headers, ask};
use crate::result::ProbeResult;
use pilothouse_core::{PrometheusCheck, every_value};
use pilothouse_expression::Expression;
use serde_json::{Value, json};

/// How many results are kept as evidence.
const SHOWN: usize = 10;

/// A query that can be sent, and what must come back.
pub struct PrometheusProbe<'a> {
    check: &'a PrometheusCheck,
    headers: Headers,
}

impl<'a> PrometheusProbe<'a> {
    /// Reads what the query is made of.
    ///
    /// # Errors
    /// When a file of a header cannot be read in time: nothing can be asked.
    pub async fn new(check: &'a PrometheusCheck, deadline: Deadline) -> Result<Self, ProbeResult> {
        Ok(Self { check, headers: Headers::read(&check.headers, deadline).await? })
    }

    /// The query and what is expected, as they are shown.
    pub fn asked(check: &PrometheusCheck) -> Vec<String> {
        vec![format!("query of {}: {}", check.endpoint, check.query), format!("expected: {}", check.expect)]
    }

    /// Sends the query on a connection to the check's endpoint. Whether it holds is not known when nobody answers.
    pub async fn run(self, connection: Connection, deadline: Deadline) -> ProbeResult {
        let check = self.check;
        let path = format!("{}/api/v1/query?query={}", check.path_prefix, encode(&check.query));
        let asking = Asking {
            endpoint: &check.endpoint,
            tls: check.tls.as_ref(),
            method: "GET",
            path: &path,
            headers: &self.headers,
            body: None,
        };
        let answer = match ask(&asking, connection, deadline).await {
            Ok(answer) => answer,
            Err(result) => return result.into_unknown(),
        };
        let result = match results(answer.status, &answer.body) {
            Ok(results) => judge(&check.expect, &results).got(shown(&results)),
            Err(why) => ProbeResult::unknown(why),
        };
        result.secrets(self.headers.into_secrets())
    }
}

/// One result of a query.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    labels: Value,
    value: f64,
}

/// Reads an answer: a vector, or a scalar as one result without labels.
fn results(status: u16, body: &[u8]) -> Result<Vec<Sample>, String> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err(format!("the answer ({status}) is not one of Prometheus"));
    };
    if answer["status"] != "success" {
        let why = answer["error"].as_str().unwrap_or("it does not say why");
        return Err(format!("Prometheus answers {status}: {why}"));
    }
    let number = |pair: &Value| pair.get(1).and_then(Value::as_str).and_then(|text| text.parse::<f64>().ok());
    let data = &answer["data"];
    let unreadable = || "the result has a value that is no number".to_owned();
    match (data["resultType"].as_str(), &data["result"]) {
        (Some("vector"), Value::Array(items)) => items
            .iter()
            .map(|item| {
                let value = number(&item["value"]).ok_or_else(unreadable)?;
                Ok(Sample { labels: item["metric"].clone(), value })
            })
            .collect(),
        (Some("scalar"), pair) => Ok(vec![Sample { labels: json!({}), value: number(pair).ok_or_else(unreadable)? }]),
        (kind, _) => {
            Err(format!("the result is a {}, not a vector or a scalar", kind.unwrap_or("thing without a type")))
        }
    }
}

fn judge(expect: &str, results: &[Sample]) -> ProbeResult {
    let source = every_value(expect);
    let comparison = source != expect.trim();
    if comparison && results.is_empty() {
        // There is nothing to compare: the metric may not exist.
        return ProbeResult::nobody("the query has no result");
    }
    let expression = match Expression::parse(&source, &["values", "results"]) {
        Ok(expression) => expression,
        Err(error) => return ProbeResult::unknown(format!("the expression cannot be used: {}", error.message)),
    };
    if comparison && results.iter().any(|sample| sample.value.is_nan()) {
        return ProbeResult::not_held(format!("`{}` does not hold for {}", expect.trim(), counted(results)));
    }
    let values = results.iter().map(|sample| number(sample.value)).collect::<Value>();
    let all = results.iter().map(|sample| json!({"labels": sample.labels, "value": number(sample.value)}));
    let all = all.collect::<Value>();
    match expression.holds(&[&values, &all]) {
        Ok(true) => ProbeResult::held(format!("`{}` holds for {}", expect.trim(), counted(results))),
        Ok(false) => ProbeResult::not_held(format!("`{}` does not hold for {}", expect.trim(), counted(results))),
        Err(error) => ProbeResult::unknown(format!("whether `{expect}` holds cannot be told: {}", error.message)),
    }
}

/// JSON has no infinity; no number is null.
fn number(value: f64) -> Value {
    json!(value.clamp(f64::MIN, f64::MAX))
}

fn counted(results: &[Sample]) -> String {
    match results {
        [one] => one.value.to_string(),
        all => format!("{} results", all.len()),
    }
}

fn shown(results: &[Sample]) -> Vec<String> {
    let line = |sample: &Sample| format!("{} {}", sample.labels, sample.value);
    let mut lines: Vec<String> = results.iter().take(SHOWN).map(line).collect();
    if results.len() > SHOWN {
        lines.push(format!("(and {} more results)", results.len() - SHOWN));
    }
    if lines.is_empty() {
        lines.push("(no result)".to_owned());
    }
    lines
}

/// Encodes the value of a query (RFC 3986: everything but the unreserved characters).
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn sample(value: f64) -> Sample {
        Sample { labels: json!({"pod": "a"}), value }
    }

    #[rstest]
    #[case("> 0", &[1.0, 0.5], ProbeResult::held("`> 0` holds for 2 results"))]
    #[case("> 0", &[1.0, 0.0], ProbeResult::not_held("`> 0` does not hold for 2 results"))]
    #[case("<= 0.01", &[0.01], ProbeResult::held("`<= 0.01` holds for 0.01"))]
    #[case("== 2", &[2.0], ProbeResult::held("`== 2` holds for 2"))]
    #[case("> 0", &[], ProbeResult::nobody("the query has no result"))]
    #[case("size(values) == 0", &[], ProbeResult::held("`size(values) == 0` holds for 0 results"))]
    #[case("results.exists(r, r.labels.pod == 'a' && r.value > 1)", &[2.0],
        ProbeResult::held("`results.exists(r, r.labels.pod == 'a' && r.value > 1)` holds for 2"))]
    #[case("> 0", &[f64::NAN], ProbeResult::not_held("`> 0` does not hold for NaN"))]
    fn expectations(#[case] expect: &str, #[case] values: &[f64], #[case] expected: ProbeResult) {
        let results: Vec<Sample> = values.iter().map(|&value| sample(value)).collect();
        assert_eq!(judge(expect, &results), expected);
    }

    #[rstest]
    #[case(200, r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"a"},"value":[1,"2"]}]}}"#, Ok(vec![sample(2.0)]))]
    #[case(200, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"3"]}}"#, Ok(vec![Sample { labels: json!({}), value: 3.0 }]))]
    #[case(
        200,
        r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#,
        Err("the result is a matrix, not a vector or a scalar")
    )]
    #[case(400, r#"{"status":"error","error":"parse error"}"#, Err("Prometheus answers 400: parse error"))]
    #[case(502, "<html>", Err("the answer (502) is not one of Prometheus"))]
    fn answers(#[case] status: u16, #[case] body: &str, #[case] expected: Result<Vec<Sample>, &str>) {
        assert_eq!(results(status, body.as_bytes()), expected.map_err(str::to_owned));
    }
}
