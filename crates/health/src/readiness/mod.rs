//! Is an object what its spec asks for? Pure functions over its JSON, one file per family of kinds.
//!
//! The rules follow kstatus (`sigs.k8s.io/cli-utils/pkg/kstatus`) and `kubectl rollout status`, with these differences:
//! a workload is ready only when every replica it asks for is updated and available, whatever `maxUnavailable` allows;
//! one whose containers have no readiness probe is ready when they have run for some seconds ([`unsettled`]);
//! the reason a container cannot start is told in the pod's status; an Ingress and a HorizontalPodAutoscaler are ready
//! when they exist, since most clusters never fill their status.

mod batch;
mod cel_object;
mod certain;
mod gateway;
mod network;
mod pod;
mod policy;
mod rule;
mod rules;
mod settled;
mod status;
mod storage;
mod suspended;
mod workload;

pub(crate) use crate::conventions::unmet;
pub use batch::leaves_when_done;
pub use certain::{failed_before, is_certain};
pub use pod::{ContainerTrouble, container_troubles};
pub use rule::{RuleError, check_rule};
pub(crate) use rules::BY_ITS_RULE;
pub use rules::{Rules, Verdict};
pub(crate) use settled::{JUST_STARTED, RESTARTED, comes_and_goes};
pub use settled::{restarted, runs_pods, selector, unproven, unsettled};
pub(crate) use suspended::SUSPENDED;
