//! The key by which what is kept in the cluster is known to be ours.

use crate::kept_digest::mac;
use pilothouse_core::Sensitive;

/// The fewest characters of a key: what is shorter can be found by trying.
const SHORTEST: usize = 16;

/// A key that only those have who run a stack, not those who may write in its namespaces. What is kept in the cluster carries a
/// code by it (HMAC-SHA256), so that nobody else can write something of their own unseen. An earlier state that was ours can be
/// put back: the code says who has written it, not when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateKey(Sensitive<String>);

impl StateKey {
    /// The key of this text, without white space around it; `None` when it is shorter than 16 characters.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.chars().count() >= SHORTEST).then(|| Self(Sensitive::new(text.to_owned())))
    }

    /// The code of what is kept in an object.
    pub(crate) fn code(&self, object: &str, value: &str) -> String {
        // Neither names nor base64 have a line break in them.
        mac(self.0.expose(), &format!("{object}\n{value}"))
    }

    /// Whether a code is that of what is kept in an object. Compared in constant time.
    pub(crate) fn fits(&self, object: &str, value: &str, code: Option<&str>) -> bool {
        let (right, code) = (self.code(object, value), code.unwrap_or_default());
        let differ = right.bytes().zip(code.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
        right.len() == code.len() && differ == 0
    }
}

/// The code that a Secret carries.
pub(crate) fn code_of(secret: &serde_json::Value) -> Option<String> {
    use base64::Engine;
    let code = secret.pointer("/data/mac")?.as_str()?;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(code).ok()?).ok()
}

/// What a Secret's data has of the value of a key: the value, and its code; without a key no code, also where there was one.
pub(crate) fn data(key: Option<&StateKey>, object: &str, name: &str, value: &str) -> serde_json::Value {
    use base64::Engine;
    let code = key.map(|key| base64::engine::general_purpose::STANDARD.encode(key.code(object, value)));
    serde_json::json!({name: value, "mac": code})
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_code_is_of_one_key_one_object_and_one_value() {
        let key = StateKey::new(" a key of 16 chars\n").unwrap();
        assert_eq!(Some(&key), StateKey::new("a key of 16 chars").as_ref());
        let code = key.code("Secret a/b", "value");
        assert!(key.fits("Secret a/b", "value", Some(&code)));
        for (object, value, code) in [
            ("Secret a/c", "value", Some(code.as_str())),
            ("Secret a/b", "other", Some(&code)),
            ("Secret a/b", "value", Some(&code[1..])),
            ("Secret a/b", "value", Some("")),
            ("Secret a/b", "value", None),
        ] {
            assert!(!key.fits(object, value, code));
        }
        assert!(!StateKey::new("another key of 16").unwrap().fits("Secret a/b", "value", Some(&code)));
        assert_eq!(StateKey::new("  too short     "), None);
        assert!(!format!("{key:?}").contains("chars"));
    }

    #[test]
    fn the_code_stands_beside_the_value() {
        let key = StateKey::new("a key of 16 chars").unwrap();
        let secret = json!({"data": data(Some(&key), "Secret a/b", "record", "dmFsdWU=")});
        assert!(key.fits("Secret a/b", "dmFsdWU=", code_of(&secret).as_deref()));
        assert_eq!(data(None, "Secret a/b", "record", "dmFsdWU="), json!({"record": "dmFsdWU=", "mac": null}));
    }
}
