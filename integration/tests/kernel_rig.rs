//! What every other kernel test stands on: the machine runs the kernel it should, and that kernel has what the
//! datapath needs. Run by `cargo xtask test kernel` inside QEMU.

use std::path::Path;
use std::process::Command;

/// Runs a shell script in the machine and returns its output; panics with it if the script fails.
fn sh(script: &str) -> String {
    assert!(
        std::env::var_os("RINGFENCE_KERNEL").is_some(),
        "this changes the network of the machine it runs on: run it by `cargo xtask test kernel`"
    );
    let output =
        Command::new("sh").args(["-euc", script]).output().unwrap_or_else(|error| panic!("sh: {error}"));
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {}\n{text}", output.status);
    text
}

#[test]
fn the_kernel_is_the_one_that_was_asked_for() {
    let release = sh("uname -r");
    let series = std::env::var("RINGFENCE_KERNEL").unwrap();
    assert!(release.starts_with(&format!("{series}.")), "asked for {series}, this is {release}");
    assert!(release.trim().ends_with("-cloud-amd64"), "not Debian's cloud kernel: {release}");
}

#[test]
fn the_kernels_own_wireguard_makes_devices() {
    let shown = sh("ip link add rf-rig type wireguard; ip -details link show rf-rig; ip link del rf-rig");
    assert!(shown.contains("wireguard"), "{shown}");
    assert!(Path::new("/sys/module/wireguard").is_dir(), "wireguard.ko is not loaded");
}

#[test]
fn a_bpf_file_system_is_mounted_and_writable() {
    sh("mkdir /sys/fs/bpf/rf-rig; rmdir /sys/fs/bpf/rf-rig");
    assert!(sh("cat /proc/mounts").lines().any(|line| line.split(' ').nth(1) == Some("/sys/fs/bpf")));
}

#[test]
fn ebpf_is_compiled_and_typed() {
    assert_eq!(sh("cat /proc/sys/net/core/bpf_jit_enable").trim(), "1");
    assert!(Path::new("/sys/kernel/btf/vmlinux").is_file(), "the kernel has no BTF");
}

#[test]
fn packets_pass_between_namespaces_over_veths_with_clsact() {
    let received = sh("ip netns add rf-a; ip netns add rf-b
        ip link add rf-v0 netns rf-a type veth peer name rf-v1 netns rf-b
        ip -n rf-a addr add 192.0.2.1/24 dev rf-v0; ip -n rf-b addr add 192.0.2.2/24 dev rf-v1
        ip -n rf-a link set rf-v0 up; ip -n rf-b link set rf-v1 up
        tc -n rf-a qdisc add dev rf-v0 clsact
        nsenter --net=/run/netns/rf-a ping -c 2 -i 0.2 -W 5 192.0.2.2
        ip netns del rf-a; ip netns del rf-b");
    assert!(received.contains("2 received"), "{received}");
}

#[test]
fn nftables_translates_addresses() {
    let rules = sh("ip netns add rf-n
        nsenter --net=/run/netns/rf-n nft -f - <<END
table inet rf-rig {
  map services { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  chain pre { type nat hook prerouting priority dstnat
    dnat ip to ip daddr . meta l4proto . th dport map @services
    ip6 daddr 2001:db8::1 tcp dport 80 dnat to numgen random mod 2 map { 0 : 2001:db8::2, 1 : 2001:db8::3 }
  }
  chain post { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
  chain local { type nat hook output priority -100; fib daddr type local tcp dport 8080 redirect to :80; }
}
END
        nsenter --net=/run/netns/rf-n nft list ruleset; ip netns del rf-n");
    assert!(rules.contains("masquerade"), "{rules}");
}

#[test]
fn userspace_wireguard_could_run_here_too() {
    sh("ip tuntap add rf-tun mode tun; ip link del rf-tun");
    assert!(Path::new("/dev/net/tun").exists());
}

#[test]
fn sctp_sockets_exist() {
    sh("modprobe sctp; grep -q SCTP /proc/net/protocols");
}

#[test]
fn cni_plugins_run() {
    for plugin in ["ptp", "host-local", "portmap"] {
        let versions = sh(&format!("CNI_COMMAND=VERSION /usr/lib/cni/{plugin} </dev/null"));
        assert!(versions.contains("1.0.0"), "{plugin}: {versions}");
    }
}

#[test]
fn what_is_written_here_stays_here() {
    // The root is an overlay over the host's: an unwritable one would fail the agent's key store and the labs.
    sh("mkdir -p /var/lib/rf-rig; echo x >/var/lib/rf-rig/file; rm -r /var/lib/rf-rig");
    let root = sh("cat /proc/mounts");
    assert!(root.lines().any(|line| line.starts_with("root / overlay ")), "{root}");
}
