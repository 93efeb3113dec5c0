//! The settings files of containerd, the network and the kubelet. Paths are those inside the node, where the plane's
//! folder is `/run/plane`.

use super::image::PAUSE_IMAGE;
use super::network::Subnet;
use crate::node::{RealNode, Taint};
use serde_json::{Value, json};
use std::path::Path;

/// containerd's settings; its second version is understood by containerd 1.6 and by 2.
pub(crate) fn containerd(cni_folder: &Path) -> String {
    // The plugin `opt` makes /opt/containerd on the machine. A confined root may not lower a score for the kernel's
    // choice of what to kill. A profile of AppArmor would stay in the kernel.
    format!(
        r#"version = 2
disabled_plugins = [
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
disable_apparmor = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = {bin}
conf_dir = "/run/plane/node/cni"
"#,
        // A TOML string is written as a JSON string is.
        bin = Value::from(cni_folder.to_string_lossy()),
    )
}

/// How a pod gets its interface: one end of a pair in the bridge, an address from the subnet. Without `isGateway` and
/// `ipMasq` the plugin changes neither the bridge nor the machine's forwarding and packet filter.
pub(crate) fn network(bridge: &str, subnet: Subnet) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "plane",
        "plugins": [{
            "type": "bridge",
            "bridge": bridge,
            "isGateway": false,
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": subnet.to_string(), "gateway": subnet.gateway().to_string() }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
}

/// The kubelet's settings.
pub(crate) fn kubelet(node: &RealNode, group: &str, subnet: Subnet, port: u16) -> Value {
    let address = subnet.gateway().to_string();
    let taints: Vec<Value> = node.taints.iter().map(Taint::object).collect();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "port": port,
        "healthzPort": 0,
        "tlsCertFile": "/run/plane/serving.crt",
        "tlsPrivateKeyFile": "/run/plane/serving.key",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": false },
            "x509": { "clientCAFile": "/run/plane/ca.crt" },
        },
        // The plane's authority has signed one client certificate only, the administrator's.
        "authorization": { "mode": "AlwaysAllow" },
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "registerWithTaints": taints,
        "maxPods": node.pods,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{group}"),
        "failCgroupV1": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "makeIPTablesUtilChains": false,
        // Nobody answers there, so that a name is not found at once instead of after many seconds.
        "clusterDNS": [address],
        "clusterDomain": "cluster.local",
        // A full disk of the machine is not the plane's business; images that were imported cannot be had again.
        "evictionHard": {
            "memory.available": "50Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": false,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        // 0 does not mean "as many as there are": the client takes it for its own default, 5 per second.
        "eventRecordQPS": 500,
        "eventBurst": 1000,
    })
}

/// The kubelet's arguments.
pub(crate) fn kubelet_arguments(node: &RealNode, subnet: Subnet) -> Vec<String> {
    let labels: Vec<String> = node.labels().iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        "--config=/run/plane/node/kubelet.json".to_owned(),
        "--kubeconfig=/run/plane/kubeconfig".to_owned(),
        format!("--hostname-override={}", node.name),
        format!("--node-ip={}", subnet.gateway()),
        format!("--node-labels={}", labels.join(",")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::network::choose;

    #[test]
    fn a_folder_with_a_quote_stays_one_string() {
        let text = containerd(Path::new("/opt/a\"b"));
        assert!(text.lines().any(|line| line == r#"bin_dir = "/opt/a\"b""#), "{text}");
    }

    #[test]
    fn arguments_name_the_node() {
        let mut node = RealNode::new("real-1");
        node.zone = Some("a".to_owned());
        let subnet = choose("x", &[]).unwrap();
        let arguments = kubelet_arguments(&node, subnet);
        assert_eq!(arguments[2], "--hostname-override=real-1");
        assert_eq!(arguments[3], format!("--node-ip={}", subnet.gateway()));
        assert_eq!(arguments[4], "--node-labels=pilothouse.dev/node=real,topology.kubernetes.io/zone=a");
    }
}
