//! The AWS VPC CNI as a chart with a lifecycle, written in Rust. Unlike the stack file, it looks which selector is live instead of
//! being told.

use pilothouse::steps::{AdoptStep, StepKind, StepSpec, built_in};
use pilothouse::{
    ChartInfo, ChartRef, Context, HelmAction, HelmChart, ObjectRef, Payload, PayloadKey, Phase, PhaseError, ReleaseRun,
    SetValue, Step, async_trait, defaults,
};
use std::sync::Arc;

/// Whether the live DaemonSet has the selector of the time before Helm.
const ORIGINAL_SELECTOR: PayloadKey<bool> = PayloadKey::new("original-selector");

/// aws-vpc-cni.
pub struct AwsVpcCni(pub ChartInfo);

impl AwsVpcCni {
    /// The release in namespace `kube-system`, from this chart.
    pub fn new(chart: ChartRef, action: HelmAction) -> Self {
        let (name, namespace) = ("aws-vpc-cni".into(), "kube-system".into());
        let values = vec![SetValue::from_payload("originalMatchLabels", ORIGINAL_SELECTOR)];
        Self(ChartInfo { name, namespace, create_namespace: false, chart, action, values, ..ChartInfo::default() })
    }
}

/// An object named `aws-node` of the release's namespace, or of none.
fn aws_node(kind: &str) -> ObjectRef {
    ObjectRef { api_version: None, kind: kind.into(), namespace: None, name: "aws-node".into() }
}

#[async_trait]
impl HelmChart for AwsVpcCni {
    fn chart_info(&self) -> &ChartInfo {
        &self.0
    }

    fn steps(&self, phase: Phase) -> Vec<Arc<dyn Step>> {
        let objects = ["daemonset", "serviceaccount", "clusterrole", "clusterrolebinding"].map(aws_node).to_vec();
        let adopt = StepSpec::new(StepKind::Adopt(AdoptStep { objects, unowned: false }));
        if phase == Phase::PreExec { vec![built_in(&adopt)] } else { Vec::new() }
    }

    /// Looks at the live selector, which the chart must keep, before the objects are adopted.
    async fn pre_exec(&self, ctx: &Context, run: &mut ReleaseRun, payload: &mut Payload) -> Result<(), PhaseError> {
        let daemon_set = ctx.cluster().resolve(&aws_node("daemonset"), &ctx.release().namespace).await?;
        let live = ctx.cluster().get(&daemon_set).await?;
        let original = live.is_some_and(|live| live.pointer("/spec/selector/matchLabels/k8s-app").is_some());
        payload.put(ORIGINAL_SELECTOR, &original)?;
        defaults::run_steps(Phase::PreExec, ctx, run, payload).await
    }
}
