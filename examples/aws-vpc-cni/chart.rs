//! The AWS VPC CNI as a chart with a lifecycle of its own, written in Rust. Unlike the stack file, it looks which selector
//! is live instead of being told.

use async_trait::async_trait;
use pilothouse::steps::{AdoptStep, On, StepKind, StepSpec, built_in};
use pilothouse::{
    ChartInfo, ChartRef, Context, HelmAction, HelmChart, Namespace, ObjectRef, Payload, PayloadKey, Phase, PhaseError,
    ReleaseRun, SetValue, Step, defaults,
};
use std::sync::Arc;

/// Whether the live DaemonSet has the selector of the time before Helm.
const ORIGINAL_SELECTOR: PayloadKey<bool> = PayloadKey::new("original-selector");

/// aws-vpc-cni.
pub struct AwsVpcCni {
    info: ChartInfo,
}

impl AwsVpcCni {
    /// The release in namespace `kube-system`, from this chart.
    pub fn new(chart: ChartRef, action: HelmAction) -> Self {
        Self {
            info: ChartInfo {
                name: "aws-vpc-cni".to_owned(),
                namespace: Namespace::KubeSystem,
                create_namespace: false,
                chart,
                action,
                values: vec![SetValue::from_payload("originalMatchLabels", ORIGINAL_SELECTOR)],
                ..ChartInfo::default()
            },
        }
    }
}

/// An object named `aws-node` of the release's namespace, or of none.
fn aws_node(kind: &str) -> ObjectRef {
    ObjectRef { api_version: None, kind: kind.to_owned(), namespace: None, name: "aws-node".to_owned() }
}

#[async_trait]
impl HelmChart for AwsVpcCni {
    fn chart_info(&self) -> &ChartInfo {
        &self.info
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        if phase != Phase::PreExec {
            return Vec::new();
        }
        let objects = ["daemonset", "serviceaccount", "clusterrole", "clusterrolebinding"].map(aws_node).to_vec();
        vec![built_in(&StepSpec {
            name: None,
            on: On::Deploy,
            point_of_no_return: false,
            every_run: false,
            kind: StepKind::Adopt(AdoptStep { objects, unowned: false }),
        })]
    }

    /// Looks at the live selector, which the chart must keep, before the objects are adopted.
    async fn pre_exec(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        if self.info.action == HelmAction::Destroy {
            return Ok(());
        }
        let daemon_set = ctx.cluster().resolve(&aws_node("daemonset"), &ctx.release().namespace).await?;
        let live = ctx.cluster().get(&daemon_set).await?;
        let original = live.is_some_and(|live| live.pointer("/spec/selector/matchLabels/k8s-app").is_some());
        payload.put(ORIGINAL_SELECTOR, &original)?;
        defaults::run_steps(Phase::PreExec, ctx, run, payload).await
    }
}
