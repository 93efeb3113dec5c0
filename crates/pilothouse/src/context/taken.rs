//! What earlier releases of a plan take away before a release's turn comes.

use pilothouse_core::{ObjectRef, ReleaseKey};

/// What earlier releases of a plan take away before a release's turn comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) objects: Vec<ObjectRef>,
    /// The release that takes each.
    by: Vec<ReleaseKey>,
    /// Those of them that are known to be nobody's by then.
    free: Vec<ObjectRef>,
}

impl Taken {
    /// One more.
    pub(crate) fn add(&mut self, object: &ObjectRef, by: &ReleaseKey) {
        self.objects.push(object.clone());
        self.by.push(by.clone());
    }

    /// The release that takes an object away, if one does.
    pub(crate) fn by(&self, object: &ObjectRef) -> Option<&ReleaseKey> {
        self.objects.iter().zip(&self.by).find(|(taken, _)| is_or_holds(taken, object)).map(|(_, by)| by)
    }

    /// Notes that an object is nobody's by then.
    pub(crate) fn add_free(&mut self, object: &ObjectRef) {
        self.free.push(object.clone());
    }

    /// Whether this very object is known to be nobody's by then.
    pub(crate) fn is_free(&self, object: &ObjectRef) -> bool {
        self.free.iter().any(|free| free.same_object(object))
    }
}

/// Whether an object is the one that goes, or in the namespace that goes.
pub(crate) fn is_or_holds(gone: &ObjectRef, object: &ObjectRef) -> bool {
    gone.same_object(object) || gone.is_namespace() && object.namespace.as_ref() == Some(&gone.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn object(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: Some(api_version.to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ObjectRef::parse(&format!("{kind}/{name}")).unwrap()
        }
    }

    #[rstest]
    #[case::itself(object("v1", "ConfigMap", Some("a"), "x"), true, true)]
    #[case::another(object("v1", "ConfigMap", Some("a"), "y"), false, false)]
    #[case::in_the_namespace(object("v1", "ConfigMap", Some("gone"), "x"), true, false)]
    #[case::in_one_of_another_api(object("v1", "ConfigMap", Some("other"), "x"), false, false)]
    fn what_is_taken(#[case] asked: ObjectRef, #[case] is_taken: bool, #[case] is_free: bool) {
        let (by, mut taken) = (ReleaseKey::new("default", "a"), Taken::default());
        let config = object("v1", "ConfigMap", Some("a"), "x");
        taken.add(&config, &by);
        taken.add(&object("v1", "Namespace", None, "gone"), &by);
        taken.add(&object("example.com/v1", "Namespace", None, "other"), &by);
        taken.add_free(&config);
        taken.add_free(&object("v1", "Namespace", None, "gone"));
        assert_eq!((taken.by(&asked).is_some(), taken.is_free(&asked)), (is_taken, is_free));
    }
}
