//! Which groups of APIs are Kubernetes' own. The end of a name does not tell: `snapshot.storage.k8s.io` and
//! `autoscaling.k8s.io` are brought by others.

/// Whether the group is part of Kubernetes itself; names without a dot are.
pub fn is_built_in(group: &str) -> bool {
    !group.contains('.')
        || matches!(
            group,
            "admissionregistration.k8s.io"
                | "apiextensions.k8s.io"
                | "apiregistration.k8s.io"
                | "authentication.k8s.io"
                | "authorization.k8s.io"
                | "certificates.k8s.io"
                | "coordination.k8s.io"
                | "discovery.k8s.io"
                | "events.k8s.io"
                | "flowcontrol.apiserver.k8s.io"
                | "internal.apiserver.k8s.io"
                | "networking.k8s.io"
                | "node.k8s.io"
                | "rbac.authorization.k8s.io"
                | "resource.k8s.io"
                | "scheduling.k8s.io"
                | "storage.k8s.io"
                | "storagemigration.k8s.io"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", true)]
    #[case("batch", true)]
    #[case("rbac.authorization.k8s.io", true)]
    #[case("autoscaling.k8s.io", false)]
    #[case("policy.networking.k8s.io", false)]
    #[case("gateway.networking.k8s.io", false)]
    #[case("cert-manager.io", false)]
    fn groups(#[case] group: &str, #[case] expected: bool) {
        assert_eq!(is_built_in(group), expected);
    }
}
