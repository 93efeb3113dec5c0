//! Ports and addresses that a Service asks for by number, and that another one has.

use crate::context::{Compared, Outcome};
use crate::observe::dry_run::compare::Comparison;
use crate::observe::dry_run::going::Going;
use crate::observe::dry_run::refusal;
use pilothouse_core::{ObjectChange, ObjectRef, object_ref};
use pilothouse_kube::{ClusterClient, ListQuery};
use serde_json::Value;
use std::collections::BTreeSet;

impl Comparison<'_> {
    /// A Service that is going to be created, refused where another one that stays has a port or an address that it asks for. In a dry
    /// run the server does not look whether an address is free (`ipallocator`), and of ports it tells the first one only, also where
    /// that becomes free before.
    pub(super) async fn with_free_addresses(
        &self,
        cluster: &dyn ClusterClient,
        manifest: &Value,
        going: &Going,
        compared: Compared,
    ) -> Compared {
        let is_created = compared.outcome == Outcome::Change(ObjectChange::Create) && compared.object.kind == "Service";
        let asked = if is_created { numbers(manifest) } else { BTreeSet::new() };
        if asked.is_empty() {
            return compared;
        }
        let there = match cluster.list(&ListQuery::new("v1", "Service")).await {
            Ok(there) => there,
            Err(error) => {
                let Outcome::Unreadable { why } = refusal::unreadable(&error, self.redactor) else { return compared };
                let why = format!("whether its ports and addresses are free: {why}");
                return Compared { not_checked: compared.not_checked.or(Some(why)), ..compared };
            }
        };
        let stays = |other: &ObjectRef| !going.has(other) && !other.same_object(&compared.object);
        let taken = there.iter().find_map(|live| {
            let other = object_ref(live).filter(stays)?;
            let number = numbers(live).intersection(&asked).next()?.clone();
            Some(format!("{number} is already allocated: {other} has it"))
        });
        match taken {
            Some(why) => Compared { outcome: Outcome::Change(ObjectChange::Refused { why }), ..compared },
            None => compared,
        }
    }
}

/// The ports of nodes and the addresses that a Service has or asks for: `nodePort 31114`, `clusterIP 10.0.0.5`.
fn numbers(service: &Value) -> BTreeSet<String> {
    let spec = &service["spec"];
    let items = |key: &str| spec[key].as_array().into_iter().flatten();
    let ports = items("ports").map(|port| &port["nodePort"]).chain([&spec["healthCheckNodePort"]]);
    let ports = ports.filter_map(Value::as_u64).filter(|port| *port > 0).map(|port| format!("nodePort {port}"));
    let addresses = items("clusterIPs").chain([&spec["clusterIP"]]).filter_map(Value::as_str);
    let addresses = addresses.filter(|address| !matches!(*address, "" | "None"));
    ports.chain(addresses.map(|address| format!("clusterIP {address}"))).collect()
}
