//! CustomResourceDefinitions that are not served.

use super::draft::Draft;
use super::evidence::Evidence;
use super::line::Line;
use super::read::{condition, name, one_line, text};

/// A definition whose conditions say that it is not served, or may not be.
pub(super) fn causes(evidence: &Evidence) -> Option<Draft> {
    let crd = evidence.live.as_deref().filter(|live| text(live, "/kind") == "CustomResourceDefinition")?;
    let has = |kind: &str, status: &str| condition(crd, kind).filter(|condition| text(condition, "/status") == status);
    let says = |condition| {
        let message: &str = text(condition, "/message");
        one_line(if message.is_empty() { text(condition, "/reason") } else { message })
    };
    let root = evidence.object.to_string();
    if let Some(names) = has("NamesAccepted", "False") {
        let why = format!("its names are taken: {}", says(names));
        return Some(Draft::new(Line::CrdNamesConflict, root, why).next(format!(
            "kubectl get crds | grep {}, and remove or rename one of the two",
            text(crd, "/spec/names/plural")
        )));
    }
    for (kind, status) in [("KubernetesAPIApprovalPolicyConformant", "False"), ("NonStructuralSchema", "True")] {
        if let Some(refused) = has(kind, status) {
            return Some(
                Draft::new(
                    Line::CrdRefused,
                    root,
                    format!("the API server does not accept it: {kind}: {}", says(refused)),
                )
                .next(format!("kubectl describe crd {}, and correct the definition", name(crd))),
            );
        }
    }
    let established = has("Established", "True").is_some();
    (!established).then(|| {
        let says = condition(crd, "Established").map(|condition| format!(": {}", says(condition))).unwrap_or_default();
        Draft::new(Line::CrdPending, root, format!("the API server does not serve it yet{says}"))
            .next(format!("kubectl describe crd {}", name(crd)))
    })
}
