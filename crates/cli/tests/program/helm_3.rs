//! What helm 3 leaves out without a word.

use crate::support::{World, helm};
use pilothouse_plane::provision::Tool;

/// A Service with one port number for two protocols: helm 3 knows ports by their number alone.
#[test]
fn a_port_that_helm_3_loses_is_drift() {
    let world = World::new();
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: dns\nversion: 0.1.0\n");
    world.write(
        "chart/templates/svc.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: { name: dns }\nspec:\n  selector: { app: dns }\n  ports:\n    - { name: dns-tcp, port: 53, protocol: TCP }\n    {{- if .Values.udp }}\n    - { name: dns-udp, port: 53, protocol: UDP }\n    {{- end }}\n",
    );
    let stack = |udp: bool| {
        world.write(
            "pilothouse.yaml",
            &format!("version: 1\nname: f17\nreleases: [{{ name: dns, namespace: f17, chart: {{ path: chart }}, values: [{{ key: udp, value: {udp} }}] }}]\n"),
        );
    };
    let apply = || {
        let mut command = world.on_plane(&["apply", "--yes"]);
        command.env("PILOTHOUSE_HELM", helm(Tool::Helm3));
        world.transcript(&mut command)
    };
    stack(false);
    apply();
    stack(true);
    // In the run itself.
    let told = apply();
    assert!(told.contains("upgraded"), "{told}");
    let left = "helm 3 has left Service f17/dns different from the manifest: spec.ports";
    assert!(told.contains(left), "{told}");
    // Not taken for what is wanted afterwards either.
    for _ in 0..2 {
        let told = apply();
        assert!(told.contains("drifted") && told.contains("spec.ports"), "{told}");
    }
}
