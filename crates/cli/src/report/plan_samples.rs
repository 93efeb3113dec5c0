//! Plans made by hand, for the tests of what is shown.

use crate::report::samples::key;
use jiff::Timestamp;
use pilothouse_core::{
    Class, ClusterContext, Effect, EffectKind, FieldChange, Finding, HelmAction, InputPart, NotAdopted, ObjectChange,
    ObjectRef, Ownership, OwnershipCounts, PLAN_FORMAT, Phase, Plan, PlannedAction, PlannedHook, PlannedObject,
    PlannedStep, Records, ReleasePlan, SeenObject, code,
};
use serde_json::{Value, json};

/// A plan of these releases.
pub(crate) fn plan(releases: Vec<ReleasePlan>) -> Plan {
    Plan {
        pilothouse_plan: PLAN_FORMAT,
        stack: "shop".to_owned(),
        made_at: Timestamp::from_second(1_795_262_403).unwrap(),
        made_with: "Kubernetes v1.36.2, helm 4.2.4".to_owned(),
        cluster: Some(ClusterContext {
            context: Some("prod".to_owned()),
            server: "https://10.0.0.1:6443".to_owned(),
            user: Some("ada".to_owned()),
        }),
        releases,
        key: None,
    }
}

/// A release about which nothing is known but what is done with it.
pub(crate) fn release(name: &str, does: PlannedAction) -> ReleasePlan {
    ReleasePlan {
        release: key(name),
        action: HelmAction::Deploy,
        does,
        why: "nothing differs".to_owned(),
        differs: Vec::new(),
        drifts: Vec::new(),
        chart_now: None,
        chart_then: None,
        revision: 0,
        objects: Vec::new(),
        unchanged: 0,
        ownership: None,
        stays: Vec::new(),
        hooks: Vec::new(),
        steps: Vec::new(),
        on_failure: "nothing is taken back".to_owned(),
        effects: Vec::new(),
        findings: Vec::new(),
        warnings: Vec::new(),
        not_checked: Vec::new(),
        input: None,
        rendering: None,
        same: Vec::new(),
    }
}

/// A plan by which nothing happens.
pub(crate) fn unchanged(count: usize) -> Plan {
    plan((1..=count).map(|n| release(&format!("web/app-{n}"), PlannedAction::Nothing)).collect())
}

/// A field that changes; null stands for nothing.
pub(crate) fn field(path: &str, old: Value, new: Value) -> FieldChange {
    let there = |value: Value| (!value.is_null()).then_some(value);
    FieldChange { path: path.to_owned(), old: there(old), new: there(new), written_by: None }
}

/// `Kind/namespace/name` with what happens to it.
pub(crate) fn object(name: &str, change: ObjectChange, fields: Vec<FieldChange>) -> PlannedObject {
    PlannedObject {
        object: reference(name),
        change,
        ownership: None,
        not_adopted: None,
        fields,
        health: None,
        seen: None,
        again: false,
        takes: None,
    }
}

fn reference(name: &str) -> ObjectRef {
    ObjectRef { api_version: Some("v1".to_owned()), ..ObjectRef::parse(name).unwrap() }
}

fn effect(kind: EffectKind, name: &str, what: &str) -> Effect {
    Effect { kind, object: reference(name), what: what.to_owned() }
}

fn step(phase: Phase, text: &str) -> PlannedStep {
    PlannedStep { phase, text: text.to_owned() }
}

/// A plan with everything that a plan can hold.
pub(crate) fn every_way() -> Plan {
    let mut releases = vec![upgrade(), install(), reinstall(), uninstall(), steps(), refused()];
    releases.push(ReleasePlan {
        why: "nobody knows yet whether revision 2 is healthy".to_owned(),
        chart_now: Some("queue 2.0.0".to_owned()),
        chart_then: Some("queue 2.0.0".to_owned()),
        revision: 2,
        unchanged: 7,
        ..release("web/queue", PlannedAction::Validate)
    });
    releases.extend(["a", "b", "c"].map(|name| release(&format!("ops/{name}"), PlannedAction::Nothing)));
    plan(releases)
}

fn upgrade() -> ReleasePlan {
    let image = "spec.template.spec.containers[name=podinfo].image";
    let scaled = FieldChange {
        written_by: Some("kubectl-scale, 2026-11-20 09:12:00Z".to_owned()),
        ..field("spec.replicas", json!(5), json!(2))
    };
    let web = PlannedObject {
        health: Some("InProgress: 1 of 3 ready".to_owned()),
        seen: Some(SeenObject { uid: "4c1b".to_owned(), resource_version: "812".to_owned(), digest: "00".repeat(32) }),
        ..object(
            "Deployment/web/podinfo",
            ObjectChange::Update,
            vec![
                scaled,
                field(image, json!("ghcr.io/stefanprodan/podinfo:6.9.0"), json!("ghcr.io/stefanprodan/podinfo:6.9.1")),
            ],
        )
    };
    let nginx = field(
        "data[nginx.conf]",
        json!("worker_processes 1;\nevents {}\nhttp {\n  listen 80;\n}\n"),
        json!("worker_processes 2;\nevents {}\nhttp {\n  listen 80;\n  `gzip` on; # <b>|</b>\n}\n"),
    );
    let labels = (1..=52).map(|n| field(&format!("metadata.labels.l{n}"), Value::Null, json!(format!("v{n}"))));
    ReleasePlan {
        why: "chart and values differ".to_owned(),
        differs: vec![InputPart::Chart, InputPart::Values],
        chart_now: Some("podinfo 6.9.0".to_owned()),
        chart_then: Some("podinfo 6.9.1".to_owned()),
        revision: 3,
        objects: vec![
            object("ConfigMap/web/podinfo", ObjectChange::Update, vec![nginx]),
            web,
            PlannedObject {
                ownership: Some(Ownership::Unowned {
                    lacks: Vec::new(),
                    written_by: vec!["kubectl-client-side-apply".to_owned()],
                }),
                ..object("Service/web/podinfo", ObjectChange::Adopt, labels.collect())
            },
            object("ConfigMap/web/old", ObjectChange::Delete, Vec::new()),
            object("PersistentVolumeClaim/web/cache", ObjectChange::Keep, Vec::new()),
            object("Service/web/the-same", ObjectChange::Same, Vec::new()),
        ],
        unchanged: 12,
        ownership: Some(OwnershipCounts { free: 0, own: 16, unowned: 1, ..OwnershipCounts::default() }),
        hooks: vec![PlannedHook { event: "pre-upgrade".to_owned(), object: reference("Job/web/migrate") }],
        steps: vec![
            step(Phase::PreExec, "adopt Service web/podinfo"),
            step(Phase::Validate, "http get podinfo:9898/healthz"),
        ],
        on_failure: "goes back to revision 3 (podinfo 6.9.0)".to_owned(),
        effects: vec![
            effect(EffectKind::UsedBy, "ConfigMap/web/podinfo", "release shop/front reads it"),
            effect(EffectKind::Rolls, "Deployment/web/podinfo", "its pods are replaced one after another"),
        ],
        input: Some("ab".repeat(32)),
        ..release("web/podinfo", PlannedAction::Upgrade)
    }
}

fn install() -> ReleasePlan {
    let after = ObjectChange::After { release: key("cert/cert-manager"), needs: "kind Certificate".to_owned() };
    ReleasePlan {
        why: "it is not installed".to_owned(),
        chart_then: Some("front 1.2.0".to_owned()),
        objects: vec![
            object("Certificate/shop/front", after, Vec::new()),
            object("Deployment/shop/front", ObjectChange::Create, Vec::new()),
            object("Service/shop/front", ObjectChange::Create, Vec::new()),
        ],
        on_failure: "it is uninstalled: there is no revision to go back to".to_owned(),
        warnings: vec!["Secret shop/pull, with which Deployment shop/web pulls its images, does not exist".to_owned()],
        not_checked: vec!["whether the images can be pulled".to_owned()],
        ..release("shop/front", PlannedAction::Install)
    }
}

fn reinstall() -> ReleasePlan {
    let because = "spec.selector must not change".to_owned();
    let selector = field("spec.selector.matchLabels.app", json!("mq"), json!("broker"));
    ReleasePlan {
        why: "3.0.0 is a breaking version".to_owned(),
        chart_now: Some("mq 2.9.0".to_owned()),
        chart_then: Some("mq 3.1.0".to_owned()),
        revision: 8,
        objects: vec![object("StatefulSet/data/mq", ObjectChange::Replace { because }, vec![selector])],
        on_failure: "it stays as it is then: what was uninstalled cannot be rolled back".to_owned(),
        effects: vec![
            effect(EffectKind::Restarts, "StatefulSet/data/mq", "all 3 pods are gone before new ones come"),
            effect(EffectKind::DataLost, "PersistentVolumeClaim/data/mq-0", "nothing keeps 8Gi of data"),
            effect(EffectKind::Unavailable, "Service/data/mq", "it has no pods until the new ones are ready"),
        ],
        ..release("data/mq", PlannedAction::Reinstall)
    }
}

fn uninstall() -> ReleasePlan {
    ReleasePlan {
        action: HelmAction::Destroy,
        why: "the stack asks for its end".to_owned(),
        chart_now: Some("legacy 0.3.0".to_owned()),
        revision: 1,
        objects: vec![
            object("Deployment/web/legacy", ObjectChange::Delete, Vec::new()),
            object("Service/web/legacy", ObjectChange::Delete, Vec::new()),
        ],
        ..release("web/legacy", PlannedAction::Uninstall)
    }
}

fn steps() -> ReleasePlan {
    ReleasePlan {
        why: "only steps differ".to_owned(),
        differs: vec![InputPart::Lifecycle],
        chart_now: Some("jobs 1.0.0".to_owned()),
        chart_then: Some("jobs 1.0.0".to_owned()),
        revision: 5,
        unchanged: 1,
        steps: vec![step(Phase::PostExec, "command: notify.sh")],
        ..release("web/jobs", PlannedAction::Steps)
    }
}

fn not_adopted(name: &str, whose: Ownership, why: NotAdopted) -> PlannedObject {
    let adopt = object(name, ObjectChange::Adopt, Vec::new());
    PlannedObject { ownership: Some(whose), not_adopted: Some(why), ..adopt }
}

fn refused() -> ReleasePlan {
    let why = "admission webhook \"policy\" denied the request: <b>no</b> `latest` tags | @ops".to_owned();
    ReleasePlan {
        why: "values differ".to_owned(),
        chart_now: Some("db 15.0.0".to_owned()),
        chart_then: Some("db 16.0.0".to_owned()),
        revision: 4,
        objects: vec![
            object("StatefulSet/data/db", ObjectChange::Refused { why }, Vec::new()),
            not_adopted(
                "ConfigMap/data/db",
                Ownership::Unowned { lacks: Vec::new(), written_by: Vec::new() },
                NotAdopted::NoStep,
            ),
            not_adopted(
                "Service/data/db",
                Ownership::OtherTool {
                    tool: "Argo CD".to_owned(),
                    mark: "annotation argocd.argoproj.io/tracking-id".to_owned(),
                },
                NotAdopted::NotNamed,
            ),
            not_adopted(
                "Secret/data/db",
                Ownership::OtherRelease { release: key("data/old"), records: Records::Exist },
                NotAdopted::Never,
            ),
        ],
        ownership: Some(OwnershipCounts {
            own: 3,
            unowned: 1,
            other_tool: 1,
            other_release: 1,
            ..OwnershipCounts::default()
        }),
        findings: vec![
            Finding::new(
                Class::Unsafe,
                code::DATA_ATTACHED,
                "PersistentVolumeClaim data/db-0",
                "deleting it may delete the data on it",
            ),
            Finding::new(Class::BadInput, code::VALUES_INVALID, "values.yaml", "replicas: must be a number"),
            Finding::new(Class::Blocked, code::UNREADABLE, "Secret data/db", "forbidden"),
        ],
        ..release("data/db", PlannedAction::Refuse)
    }
}
