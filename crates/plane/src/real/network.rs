//! The bridge of a node: its name, and addresses nobody else has.

use sha2::{Digest, Sha256};
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;

/// Where subnets are looked for: 10.32.0.0/11 and 10.64.0.0/11 hold 16,384 of them, and neither Services (10.96.0.0/16)
/// nor simulated pods (10.128.0.0 and up) have addresses there.
const FIRST: u32 = 0x0a20_0000;
const SUBNETS: u32 = 16_384;

/// A network as in a table of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subnet {
    base: u32,
    mask: u32,
}

impl Subnet {
    /// 256 addresses, the first of the range numbered 0.
    fn numbered(number: u32) -> Self {
        Self { base: FIRST + (number % SUBNETS) * 256, mask: 0xffff_ff00 }
    }

    fn overlaps(self, other: Self) -> bool {
        let mask = self.mask & other.mask;
        self.base & mask == other.base & mask
    }

    /// The first address: the bridge's, and with it the node's.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// The gateway with the length of the prefix, as `ip address add` wants it.
    pub(crate) fn gateway_with_prefix(self) -> String {
        format!("{}/{}", self.gateway(), self.mask.count_ones())
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.mask.count_ones())
    }
}

/// The name of the bridge and of the control group of the plane in a folder: always the same, so that whoever finds the
/// folder can clear away what belongs to it. An interface's name may have 15 bytes.
pub(crate) fn name(folder: &Path) -> String {
    let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    let digits: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("ph-{digits}")
}

/// A subnet that overlaps none of those `taken`. Which one is tried first depends on the name, so that two planes
/// that start in the same moment try different ones.
pub(crate) fn choose(name: &str, taken: &[Subnet]) -> Option<Subnet> {
    let digest = Sha256::digest(name.as_bytes());
    let start = digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) % SUBNETS;
    (0..SUBNETS).map(|step| Subnet::numbered(start + step)).find(|subnet| !taken.iter().any(|t| t.overlaps(*subnet)))
}

/// The networks in the text of `/proc/net/route`, but for the default route. Addresses stand there as numbers in the
/// machine's own byte order.
pub(crate) fn routes(text: &str) -> Vec<Subnet> {
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(|raw| u32::from_be_bytes(raw.to_ne_bytes()));
    let subnet = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        Some(Subnet { base: number(fields.get(1)?)?, mask: number(fields.get(7)?)? })
    };
    text.lines().skip(1).filter_map(subnet).filter(|subnet| subnet.mask != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_folders_and_fits() {
        let (a, b) = (name(Path::new("/tmp/a")), name(Path::new("/tmp/b")));
        assert_ne!(a, b);
        assert_eq!(a, name(Path::new("/tmp/a")));
        assert_eq!(a.len(), 13);
    }

    #[test]
    fn subnets_that_are_taken_are_passed_over() {
        let free = choose("ph-1", &[]).unwrap();
        assert_eq!(choose("ph-1", &[]), Some(free));
        let next = choose("ph-1", &[free]).unwrap();
        assert_eq!(next.base, free.base + 256);
        let wide = Subnet { base: 0x0a20_0000, mask: 0xffe0_0000 };
        assert!(!wide.overlaps(choose("ph-1", &[wide]).unwrap()));
        assert_eq!(choose("ph-1", &[Subnet { base: 0x0a00_0000, mask: 0xff00_0000 }]), None);
    }

    #[test]
    fn addresses_as_they_are_written() {
        let subnet = Subnet::numbered(0);
        assert_eq!(subnet.to_string(), "10.32.0.0/24");
        assert_eq!(subnet.gateway_with_prefix(), "10.32.0.1/24");
        assert_eq!(Subnet::numbered(SUBNETS - 1).to_string(), "10.95.255.0/24");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn reads_the_kernels_routes() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(routes(text), [Subnet { base: 0xc000_0200, mask: 0xffff_ff00 }]);
        assert_eq!(routes(""), []);
    }
}
