//! What templates have made up, as it is remembered.

use pilothouse_core::{MadeUp, ObjectRef};
use pilothouse_helm::{Volatile, VolatileObject};
use std::collections::BTreeSet;

/// To be kept in a record.
pub(super) fn kept(volatile: Volatile) -> Vec<MadeUp> {
    let kept = |object: ObjectRef, template: Option<String>, fields: BTreeSet<String>| MadeUp {
        object,
        template,
        fields: fields.into_iter().collect(),
    };
    let Volatile { fields, objects } = volatile;
    let named = fields.into_iter().map(|(object, fields)| kept(object, None, fields));
    let nameless = objects.into_iter().map(|(VolatileObject { source, object }, fields)| kept(object, source, fields));
    named.chain(nameless).collect()
}

/// As it was kept in a record.
pub(super) fn known(made_up: &[MadeUp]) -> Volatile {
    let mut volatile = Volatile::default();
    for MadeUp { object, template, fields } in made_up {
        let fields = fields.iter().cloned().collect();
        if object.name.is_empty() {
            let object = VolatileObject { source: template.clone(), object: object.clone() };
            volatile.objects.insert(object, fields);
        } else {
            volatile.fields.insert(object.clone(), fields);
        }
    }
    volatile
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_kept_is_known_again() {
        let object = |name: &str| ObjectRef {
            api_version: Some("v1".to_owned()),
            kind: "Secret".to_owned(),
            namespace: None,
            name: name.to_owned(),
        };
        let fields = |field: &str| BTreeSet::from([field.to_owned()]);
        let nameless = VolatileObject { source: Some("a/templates/b.yaml".to_owned()), object: object("") };
        let volatile = Volatile {
            fields: BTreeMap::from([(object("a"), fields("/data/password"))]),
            objects: BTreeMap::from([(nameless, fields("/metadata/name"))]),
        };
        assert_eq!(known(&kept(volatile.clone())), volatile);
    }
}
