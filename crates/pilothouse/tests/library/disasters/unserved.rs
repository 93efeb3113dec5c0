//! Kinds and versions that the cluster does not serve any more, as after an upgrade of it or an operator that was removed: helm alone
//! can neither upgrade nor uninstall a release that has such an object.

use super::losses::{CONFIG, in_two_versions};
use super::{Chart, World, named, widget, world};
use pilothouse::helm::HelmClient as _;
use pilothouse::kubernetes::ClusterClient as _;
use pilothouse::{ReleaseKey, ReleaseOutcome};
use pilothouse_helm::UninstallRequest;
use pilothouse_kube::{Precondition, Propagation, crd_ref};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

impl World {
    /// Waits until a version of an API is not served.
    async fn is_not_served(&self, api_version: &str) {
        for _ in 0..300 {
            let served = self.cluster.discovery(true).await.unwrap();
            if !served.api_versions().iter().any(|served| served == api_version) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{api_version} is still served");
    }

    async fn helm_uninstalls(&self) -> Result<String, String> {
        let request = UninstallRequest::new(ReleaseKey::new(&self.namespace, "app"), Duration::from_secs(60));
        self.helm.uninstall(&request, &CancellationToken::new()).await.map_err(|error| error.to_string())
    }
}

fn destroying(chart: Chart) -> Chart {
    chart.with(|info| info.action = pilothouse::HelmAction::Destroy)
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_kind_that_is_not_served_any_more(#[case] tool: Tool) {
    let world = world("kind-gone", tool).await;
    let group = format!("{}.example.com", world.namespace);
    let object = widget(&group).to_string();
    let files = [("templates/cm.yaml", CONFIG), ("templates/object.yaml", object.as_str())];
    let refused = named("API_NOT_SERVED", "Widget mine".to_owned());
    let gone = async |version: &str| {
        world.apply(&in_two_versions(&group, true)).await;
        world.done(world.chart(version, &files)).await;
        let crd = crd_ref(&format!("widgets.{group}"));
        world.cluster.delete(&crd, &Precondition::default(), Propagation::Background).await.unwrap();
        world.is_not_served(&format!("{group}/v1")).await;
    };
    gone("1.0.0").await;
    let without =
        || world.chart("2.0.0", &files[..1]).with(|info| info.on_failure.upgrade.then = pilothouse::Remedy::Rollback);
    let ReleaseOutcome::Refused { findings } = world.run(without()).await else { panic!() };
    assert!(findings.iter().any(|one| (one.code.clone(), one.subject.clone()) == refused[0]), "{findings:?}");
    world.done(without().consenting(&format!("widget/{}/mine", world.namespace))).await;
    assert!(world.get("cm/settings").await.is_some());
    gone("3.0.0").await;
    let destroy = || destroying(world.chart("3.0.0", &files));
    assert_eq!(world.refused(destroy()).await.0, refused);
    world.done(destroy().consenting("widget/mine")).await;
    assert!(world.get("cm/settings").await.is_none());
    // Helm by itself does not get there.
    gone("4.0.0").await;
    let failed = world.helm_uninstalls().await.unwrap_err();
    assert!(failed.contains("failed to delete release"), "{failed}");
}

/// The same objects are there in another version: they are the release's, and go with it.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn a_version_that_is_not_served_any_more(#[case] tool: Tool, #[values(false, true)] is_destroyed: bool) {
    let world = world(if is_destroyed { "version-gone-d" } else { "version-gone-u" }, tool).await;
    let group = format!("{}.example.com", world.namespace);
    world.apply(&in_two_versions(&group, true)).await;
    let mut object = widget(&group);
    object["apiVersion"] = json!(format!("{group}/v1alpha1"));
    let object = object.to_string();
    let files = [("templates/cm.yaml", CONFIG), ("templates/object.yaml", object.as_str())];
    world.done(world.chart("1.0.0", &files)).await;
    world.apply(&in_two_versions(&group, false)).await;
    world.is_not_served(&format!("{group}/v1alpha1")).await;
    let next = || {
        if is_destroyed { destroying(world.chart("1.0.0", &files)) } else { world.chart("2.0.0", &files[..1]) }
    };
    let refused = named("API_NOT_SERVED", format!("Widget {}/mine", world.namespace));
    assert_eq!(world.refused(next()).await.0, refused);
    let mine = format!("widget.{group}/mine");
    assert!(world.get(&mine).await.is_some());
    world.done(next().consenting(&mine)).await;
    assert!(world.get(&mine).await.is_none());
}
