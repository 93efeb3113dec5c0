//! stub
#![allow(missing_docs, clippy::all, clippy::pedantic)]
pub struct ProcessIdentity;
impl std::str::FromStr for ProcessIdentity {
    type Err = ();
    fn from_str(_: &str) -> Result<Self, ()> {
        Ok(Self)
    }
}
impl ProcessIdentity {
    pub fn is_gone(&self) -> Option<bool> {
        None
    }
}
