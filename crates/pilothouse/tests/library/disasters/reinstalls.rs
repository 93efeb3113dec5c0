//! Releases that are uninstalled and installed again: what the cluster will refuse, and what the install makes of what the uninstall
//! leaves, is known before the old release goes. The same for an upgrade: `losses.rs`.

use super::{Chart, World, definition, widget_with, world};
use pilothouse::plan::{ObjectChange, PlannedAction, ReleasePlan};
use pilothouse::{HelmChart, ReleaseOutcome};
use pilothouse_plane::provision::Tool;
use rstest::rstest;
use semver::Version;
use serde_json::json;

const KEEP: &str = "annotations: {helm.sh/resource-policy: keep}";

/// Each object of the chart, so that one can be another.
struct Objects {
    group: String,
    claim_class: &'static str,
    kept_text: &'static str,
    replicas: u32,
    fields: &'static str,
    port: u32,
    job_image: &'static str,
    more: &'static str,
    /// What is in `crds/`.
    crds: &'static str,
}

impl Objects {
    fn of(world: &World) -> Self {
        Self {
            group: format!("{}.example.com", world.namespace),
            claim_class: "one",
            kept_text: "1",
            replicas: 3,
            fields: "a: {type: string}, b: {type: string}",
            port: 80,
            job_image: "a",
            more: "",
            crds: "",
        }
    }

    fn text(&self) -> String {
        let Self { group, claim_class, kept_text, replicas, fields, port, job_image, more, crds: _ } = self;
        let crd = definition(group, fields).replace("metadata: {name:", &format!("metadata: {{{KEEP}, name:"));
        format!(
            r"{crd}---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, {KEEP}}}
spec: {{storageClassName: {claim_class}, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: kept, {KEEP}}}
data: {{a: '{kept_text}'}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: still, {KEEP}}}
data: {{a: b}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, {KEEP}}}
spec:
  replicas: {replicas}
  serviceName: db
  persistentVolumeClaimRetentionPolicy: {{whenScaled: Delete, whenDeleted: Retain}}
  selector: {{matchLabels: {{app: db}}}}
  template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: c, image: 'db:1'}}]}}}}
  volumeClaimTemplates:
    - metadata: {{name: data}}
      spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: NodePort, ports: [{{port: {port}}}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: once}}
spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: '{job_image}'}}]}}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: version}}
data: {{v: '{{{{ .Chart.Version }}}}'}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: left, annotations: {{helm.sh/hook: post-delete}}}}
{more}"
        )
    }

    fn chart(&self, world: &World, version: &str) -> Chart {
        let breaking = Some(Version::new(2, 0, 0));
        let text = self.text();
        let mut files = vec![("templates/all.yaml", text.as_str())];
        files.extend((!self.crds.is_empty()).then_some(("crds/one.yaml", self.crds)));
        let chart = world.chart(version, &files);
        chart.with(|info| info.last_breaking_version_requiring_restart = breaking)
    }
}

async fn planned(world: &World, chart: Chart) -> ReleasePlan {
    let charts: Vec<Box<dyn HelmChart>> = vec![Box::new(chart)];
    pilothouse::plan("test", &charts, &world.session, 1, None).await.unwrap().releases.remove(0)
}

#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_the_cluster_refuses_is_refused_before_the_uninstall(#[case] tool: Tool) {
    let world = world("again", tool).await;
    let same = || Objects::of(&world);
    world.done(same().chart(&world, "1.0.0")).await;
    world.apply(&widget_with(&same().group, &json!({"b": "x"}))).await;
    for claim in ["data-db-1", "data-db-2"] {
        world
            .apply(&json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}))
            .await;
    }
    let in_namespace = |object: &str| object.replacen(' ', &format!(" {}/", world.namespace), 1);
    let cases = [
        (
            "OBJECT_INVALID",
            in_namespace("Service bad"),
            Objects {
                more: "---\napiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 99999}]}\n",
                ..same()
            },
        ),
        ("OBJECT_INVALID", in_namespace("Service web"), Objects { port: 99999, ..same() }),
        (
            "API_NOT_SERVED",
            "Nope x".to_owned(),
            Objects { more: "---\napiVersion: no.such/v1\nkind: Nope\nmetadata: {name: x}\n", ..same() },
        ),
        (
            "NAMESPACE_MISSING",
            "ConfigMap nowhere/x".to_owned(),
            Objects {
                more: "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere}\n",
                ..same()
            },
        ),
        ("IMMUTABLE_FIELD", in_namespace("PersistentVolumeClaim data"), Objects { claim_class: "other", ..same() }),
        ("DATA_ATTACHED", in_namespace("StatefulSet db"), Objects { replicas: 1, ..same() }),
        (
            "CRD_FIELDS_REMOVED",
            format!("CustomResourceDefinition widgets.{}", same().group),
            Objects { fields: "a: {type: string}", ..same() },
        ),
        (
            "OBJECT_INVALID",
            in_namespace("Job hook"),
            Objects {
                more: "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\nspec: {template: {spec: {restartPolicy: Always, containers: [{name: c, image: a}]}}}\n",
                ..same()
            },
        ),
        (
            "API_NOT_SERVED",
            "Nope hook".to_owned(),
            Objects {
                more: "---\napiVersion: no.such/v1\nkind: Nope\nmetadata: {name: hook, annotations: {helm.sh/hook: post-install}}\n",
                ..same()
            },
        ),
        (
            "OWNERSHIP_CONFLICT",
            in_namespace("ConfigMap left"),
            Objects { more: "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: left}\n", ..same() },
        ),
        (
            "CHART_TEMPLATE_FAILED",
            format!("{}/app", world.namespace),
            Objects {
                more: "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: looks}\ndata: {a: '{{ (lookup \"v1\" \"ConfigMap\" .Release.Namespace \"version\").data.v }}'}\n",
                ..same()
            },
        ),
        // Last: the file stays in the folder of the chart.
        (
            "OBJECT_INVALID",
            "CustomResourceDefinition ones.example.com".to_owned(),
            Objects {
                crds: "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ones.example.com}\nspec: {group: example.com, scope: Namespaced, names: {kind: One, plural: ones}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: wrong}}}]}\n",
                ..same()
            },
        ),
    ];
    for (code, subject, objects) in &cases {
        let plan = planned(&world, objects.chart(&world, "2.0.0")).await;
        let told: Vec<_> = plan.findings.iter().map(|finding| (finding.code.as_str(), &finding.subject)).collect();
        assert_eq!(told, [(*code, subject)], "{:#?}", plan.findings);
        match world.run(objects.chart(&world, "2.0.0")).await {
            ReleaseOutcome::Refused { findings } => {
                let told: Vec<_> = findings.iter().map(|finding| (finding.code.as_str(), &finding.subject)).collect();
                assert_eq!(told, [(*code, subject)], "{findings:#?}");
            }
            other => panic!("{code}: {}", serde_json::to_string_pretty(&other).unwrap()),
        }
        let live = world.get("cm/version").await;
        assert_eq!(live.map(|live| live["data"]["v"].clone()), Some(json!("1.0.0")), "{code}");
    }
}

/// What is only in the way of an update is no reason: the object is created anew. And what the uninstall leaves is told as it will be.
#[rstest]
#[case::helm_4(Tool::Helm4)]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3)]
#[tokio::test]
async fn what_stays_becomes_part_of_the_release_again(#[case] tool: Tool) {
    let world = world("stays", tool).await;
    let same = || Objects::of(&world);
    world.done(same().chart(&world, "1.0.0")).await;
    // One that has the node port of the one that goes.
    let port = world.get("svc/web").await.unwrap()["spec"]["ports"][0]["nodePort"].to_string();
    let more = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: other}}\nspec: {{type: NodePort, ports: [{{port: 81, nodePort: {port}}}]}}\n"
    );
    let after = || {
        let objects = Objects { kept_text: "2", job_image: "b", ..same() };
        let text = objects.text() + &more;
        let chart = world.chart("2.0.0", &[("templates/all.yaml", &text)]);
        chart.with(|info| info.last_breaking_version_requiring_restart = Some(Version::new(2, 0, 0)))
    };
    let plan = planned(&world, after()).await;
    assert_eq!((plan.does, plan.findings), (PlannedAction::Reinstall, Vec::new()));
    let of = |name: &str| {
        let found = plan.objects.iter().filter(|one| one.object.name == name);
        found.map(|one| (one.change.clone(), one.again)).collect::<Vec<_>>()
    };
    assert_eq!(of("kept"), [(ObjectChange::Update, true)]);
    assert_eq!(of("still"), [(ObjectChange::Same, true)]);
    assert_eq!(of("data"), [(ObjectChange::Same, true)]);
    let mut job = of("once");
    job.sort_by_key(|(change, _)| *change == ObjectChange::Create);
    assert_eq!(job, [(ObjectChange::Delete, false), (ObjectChange::Create, false)]);
    assert!(!plan.objects.iter().any(|one| one.change == ObjectChange::Keep), "{:#?}", plan.objects);
    let kept = plan.objects.iter().find(|one| one.object.name == "kept").unwrap();
    assert!(kept.fields.iter().any(|field| field.path == "data.a"), "{:?}", kept.fields);
    world.done(after()).await;
    assert_eq!(world.get("cm/kept").await.unwrap()["data"]["a"], "2");
    assert_eq!(world.get("cm/version").await.unwrap()["data"]["v"], "2.0.0");
    assert!(world.get("svc/other").await.is_some());
}

/// The server takes two variables of one name in what is created or updated, but not in what is applied on its side, as helm 4 does.
#[rstest]
#[case::helm_4(Tool::Helm4, &["Deployment web"])]
#[ignore = "the other helm"]
#[case::helm_3(Tool::Helm3, &[])]
#[tokio::test]
async fn what_only_an_apply_refuses(#[case] tool: Tool, #[case] expected: &[&str]) {
    let world = world("twice", tool).await;
    let chart = |version: &str, variables: &str| {
        let text = format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, image: a, env: [{variables}]}}]}}}}
"
        );
        let chart = world.chart(version, &[("templates/all.yaml", &text)]);
        chart.with(|info| info.last_breaking_version_requiring_restart = Some(Version::new(2, 0, 0)))
    };
    world.done(chart("1.0.0", "{name: A, value: b}")).await;
    let plan = planned(&world, chart("2.0.0", "{name: A, value: b}, {name: A, value: c}")).await;
    assert_eq!(plan.does, if expected.is_empty() { PlannedAction::Reinstall } else { PlannedAction::Refuse });
    let told: Vec<&str> = plan.findings.iter().map(|finding| finding.subject.as_str()).collect();
    let expected: Vec<String> =
        expected.iter().map(|object| object.replacen(' ', &format!(" {}/", world.namespace), 1)).collect();
    assert_eq!(told, expected, "{:#?}", plan.findings);
    let words = format!("{:?} {:?}", plan.findings, plan.not_checked);
    assert!(!words.contains("pilothouse-dry-run"), "{words}");
}
