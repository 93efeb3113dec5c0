use super::*;
use crate::HelmDriver;
use crate::actions::objects as actions;
use crate::test_world::{World, fake};
use pilothouse_testkit::FakeCluster;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn config_map(of: &str) -> Value {
    let metadata = json!({"name": "web", "namespace": "default"});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"of": of}})
}

/// Another object of the same name takes the place of the one that was looked at: it stays.
#[tokio::test]
async fn only_what_was_looked_at_is_deleted() {
    let cluster = Arc::new(FakeCluster::default());
    cluster.put(config_map("somebody"));
    cluster.before("delete ConfigMap", |cluster: &FakeCluster| {
        cluster.remove("ConfigMap", Some("default"), "web").unwrap();
        cluster.put(config_map("somebody else"));
    });
    let World { ctx, .. } = fake(&cluster, HelmDriver::Secret);
    let object = ObjectRef::parse("configmap/web").unwrap();
    let error = actions::delete(&ctx, std::slice::from_ref(&object), Duration::from_secs(1)).await.unwrap_err();
    let why = "another object of that name has taken its place since it was looked at";
    assert_eq!(error.to_string(), format!("ConfigMap default/web was not deleted: {why}"));
    let left = cluster.object("ConfigMap", Some("default"), "web").unwrap();
    assert_eq!(left["data"]["of"], "somebody else");
}
