//! A node's Services as an nftables ruleset.
use super::{Backend, Entry};
use crate::model::{Protocol, TrafficPolicy};
use ipnetwork::IpNetwork;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// kube-proxy's mark for what is to be masqueraded.
const MASQUERADE: &str = "meta mark set meta mark or 0x4000";

/// The whole table `inet lab-services` of `node`, replacing the one before.
pub fn ruleset(entries: &[Entry], node: &str, pod_cidrs: &BTreeSet<IpNetwork>) -> String {
    let mut text = Ruleset::default();
    for (i, entry) in entries.iter().enumerate() {
        text.entry(i, entry, node);
    }
    text.finish(pod_cidrs)
}

#[derive(Default)]
struct Ruleset {
    chains: String,
    /// `address . protocol . port : verdict`, by family.
    addresses: [Vec<String>; 2],
    node_ports: [Vec<String>; 2],
    /// Where nobody serves: rejected as kube-proxy does.
    rejected: String,
}

impl Ruleset {
    fn entry(&mut self, i: usize, entry: &Entry, node: &str) {
        let family = usize::from(!entry.ipv4);
        let name = format!("svc{i}");
        let (ip, set) = if entry.ipv4 { ("ip", "pods4") } else { ("ip6", "pods6") };
        let (protocol, port) = (proto(entry.protocol), entry.port);
        let key = |address: &IpAddr| format!("{address} . {protocol} . {port}");
        for (j, backend) in entry.backends.iter().enumerate() {
            self.backend(&format!("{name}-{j}"), ip, protocol, backend);
        }
        let all =
            self.choose(&format!("{name}-all"), &name, entry, entry.usable(TrafficPolicy::Cluster, None));
        let local = self.choose(
            &format!("{name}-local"),
            &name,
            entry,
            entry.usable(TrafficPolicy::Local, Some(node)),
        );

        let internal = if entry.internal == TrafficPolicy::Local { &local } else { &all };
        // What does not come from a pod must come back here.
        self.chain(&format!("{name}-in"), &format!("{ip} saddr != @{set} {MASQUERADE}\n{internal}\n"));
        for address in &entry.cluster_ips {
            self.addresses[family].push(format!("{} : goto {name}-in", key(address)));
            if internal == NOBODY {
                self.reject(ip, *address, protocol, port, entry.backends.is_empty());
            }
        }
        let external = if entry.external == TrafficPolicy::Cluster {
            format!("{MASQUERADE}\n{all}\n")
        } else {
            // Pods, and the node itself, use any backend; others find those of this node, and keep their address.
            format!(
                "{ip} saddr @{set} {all}\nfib saddr type local {MASQUERADE}\nfib saddr type local {all}\n{local}\n"
            )
        };
        self.chain(&format!("{name}-ext"), &external);
        for address in &entry.external_ips {
            self.addresses[family].push(format!("{} : goto {name}-ext", key(address)));
            if all == NOBODY {
                self.reject(ip, *address, protocol, port, true);
            }
        }
        if let Some(node_port) = entry.node_port {
            self.node_ports[family].push(format!("{protocol} . {node_port} : goto {name}-ext"));
            if all == NOBODY {
                let only = if entry.ipv4 { "ipv4" } else { "ipv6" };
                let _ = writeln!(
                    self.rejected,
                    "meta nfproto {only} fib daddr type local {protocol} dport {node_port} reject"
                );
            }
        }
    }

    /// Nothing was translated, so the packet still bears the Service's address here.
    fn reject(&mut self, ip: &str, address: IpAddr, protocol: &str, port: u16, nobody: bool) {
        let verdict = if nobody { "reject" } else { "drop" };
        let _ = writeln!(self.rejected, "{ip} daddr {address} {protocol} dport {port} {verdict}");
    }

    fn backend(&mut self, name: &str, ip: &str, protocol: &str, backend: &Backend) {
        let (address, to) = (backend.at.ip(), target(backend.at));
        // A pod that reaches itself must believe that somebody else called.
        let rules = format!("{ip} saddr {address} {MASQUERADE}\nmeta l4proto {protocol} dnat {ip} to {to}\n");
        self.chain(name, &rules);
    }

    /// A rule's end that goes to one of the backends at random.
    fn choose<'a>(
        &mut self,
        chain: &str,
        name: &str,
        entry: &Entry,
        backends: impl Iterator<Item = &'a Backend>,
    ) -> String {
        let numbers: Vec<usize> =
            backends.filter_map(|b| entry.backends.iter().position(|x| x == b)).collect();
        match numbers[..] {
            [] => NOBODY.to_owned(),
            [one] => format!("goto {name}-{one}"),
            _ => {
                let to: Vec<String> =
                    numbers.iter().enumerate().map(|(i, n)| format!("{i} : goto {name}-{n}")).collect();
                let rule = format!("numgen random mod {} vmap {{ {} }}\n", numbers.len(), to.join(", "));
                self.chain(chain, &rule);
                format!("goto {chain}")
            }
        }
    }

    fn chain(&mut self, name: &str, rules: &str) {
        let _ = write!(self.chains, "chain {name} {{\n{rules}}}\n");
    }

    fn finish(self, pod_cidrs: &BTreeSet<IpNetwork>) -> String {
        let elements = |list: &[String]| {
            // Several Services may share an external address and port: the first has it, as with kube-proxy.
            let mut unique: BTreeMap<&str, &str> = BTreeMap::new();
            for (key, verdict) in list.iter().filter_map(|e| e.split_once(" : ")) {
                unique.entry(key).or_insert(verdict);
            }
            let list: Vec<String> =
                unique.iter().map(|(key, verdict)| format!("{key} : {verdict}")).collect();
            if list.is_empty() { String::new() } else { format!("elements = {{ {} }}", list.join(", ")) }
        };
        let pods = |v4: bool| {
            let list: Vec<String> =
                pod_cidrs.iter().filter(|c| c.is_ipv4() == v4).map(ToString::to_string).collect();
            if list.is_empty() { String::new() } else { format!("elements = {{ {} }}", list.join(", ")) }
        };
        format!(
            "table inet lab-services\n\
             delete table inet lab-services\n\
             table inet lab-services {{\n\
             set pods4 {{ type ipv4_addr; flags interval; auto-merge; {} }}\n\
             set pods6 {{ type ipv6_addr; flags interval; auto-merge; {} }}\n\
             {}\
             map ips4 {{ type ipv4_addr . inet_proto . inet_service : verdict; {} }}\n\
             map ips6 {{ type ipv6_addr . inet_proto . inet_service : verdict; {} }}\n\
             map ports4 {{ type inet_proto . inet_service : verdict; {} }}\n\
             map ports6 {{ type inet_proto . inet_service : verdict; {} }}\n\
             chain services {{\n\
             ip daddr . meta l4proto . th dport vmap @ips4\n\
             ip6 daddr . meta l4proto . th dport vmap @ips6\n\
             ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport vmap @ports4\n\
             ip6 daddr != ::1 fib daddr type local meta l4proto . th dport vmap @ports6\n\
             }}\n\
             chain nobody {{\n{}}}\n\
             chain prerouting {{ type nat hook prerouting priority dstnat; jump services; }}\n\
             chain output {{ type nat hook output priority -100; jump services; }}\n\
             chain input-nobody {{ type filter hook input priority filter; ct state new jump nobody; }}\n\
             chain forward-nobody {{ type filter hook forward priority filter; ct state new jump nobody; }}\n\
             chain output-nobody {{ type filter hook output priority filter; ct state new jump nobody; }}\n\
             chain postrouting {{ type nat hook postrouting priority srcnat;\n\
             meta mark and 0x4000 == 0 return\n\
             meta mark set meta mark xor 0x4000\n\
             masquerade fully-random\n\
             }}\n}}\n",
            pods(true),
            pods(false),
            self.chains,
            elements(&self.addresses[0]),
            elements(&self.addresses[1]),
            elements(&self.node_ports[0]),
            elements(&self.node_ports[1]),
            self.rejected,
        )
    }
}

/// Where nobody serves, nothing is translated.
const NOBODY: &str = "return";

fn proto(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

fn target(at: SocketAddr) -> String {
    at.to_string()
}
