//! What is compared against: nftables with connection tracking, and a verdict map of ten thousand entries.

use std::fmt::Write as _;
use std::io::IoSlice;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail};
use ipnetwork::IpNetwork;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendmsg, socket,
};

use super::netns::Netns;
use super::rig::{A, B, PORTS};

/// Entries of the verdict map.
pub(crate) const ENTRIES: usize = 10_000;

/// What a careful administrator would write: known connections pass, new ones by a lookup that does not grow with the
/// number of rules, the rest is dropped.
pub(crate) fn conntrack_and_verdict_map() -> String {
    let mut elements = String::new();
    for port in PORTS {
        let _ = write!(elements, "{A} . {B} . udp . {port} : accept, "); // writing to a string cannot fail
    }
    for i in 0..ENTRIES - PORTS.len() {
        let (high, low) = (i / 250, i % 250 + 1);
        let _ = write!(elements, "10.78.{high}.{low} . {B} . udp . {} : accept, ", 8000 + i % 1000);
    }
    format!(
        "table ip filter {{
           map verdicts {{
             type ipv4_addr . ipv4_addr . inet_proto . inet_service : verdict
             size 16384
             elements = {{ {elements} }}
           }}
           chain forward {{
             type filter hook forward priority 0; policy drop;
             ct state established,related accept
             ip saddr . ip daddr . meta l4proto . th dport vmap @verdicts
           }}
         }}\n"
    )
}

/// The same lookup for every packet, without connection tracking: replies would need rules of their own.
pub(crate) fn verdict_map_alone() -> String {
    conntrack_and_verdict_map().replace("ct state established,related accept", "")
}

/// Sources in one set of CIDRs, the best that nftables has for them.
pub(crate) fn interval_set(cidrs: impl Iterator<Item = IpNetwork>) -> String {
    let elements: Vec<String> = cidrs.map(|cidr| cidr.to_string()).collect();
    format!(
        "table ip filter {{
           set sources {{ type ipv4_addr; flags interval; elements = {{ {} }} }}
           chain forward {{
             type filter hook forward priority 0; policy drop;
             ip saddr @sources udp dport {}-{} accept
           }}
         }}\n",
        elements.join(", "),
        PORTS.start,
        PORTS.end - 1
    )
}

/// A rule for each, as they are written without sets; the last one matches.
pub(crate) fn linear(rules: usize) -> String {
    let mut lines = String::new();
    for i in 1..rules {
        let _ =
            writeln!(lines, "ip saddr 10.78.{}.{} ip daddr {B} udp dport 8000 accept", i / 250, i % 250 + 1);
    }
    format!(
        "table ip filter {{
           chain forward {{
             type filter hook forward priority 0; policy drop;
             {lines}
             ip saddr {A} ip daddr {B} accept
           }}
         }}\n"
    )
}

/// Forgets every connection of a namespace, so that the next packet of each is the first again.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn forget_connections(netns: &Netns) -> Result<()> {
    // struct nlmsghdr, struct nfgenmsg (linux/netlink.h, linux/netfilter/nfnetlink.h). IPCTNL_MSG_CT_DELETE of
    // NFNL_SUBSYS_CTNETLINK; NLM_F_REQUEST | NLM_F_ACK; AF_INET; without attributes it means all.
    const DELETE_ALL: [u8; 20] = [20, 0, 0, 0, 2, 1, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
    netns.within(|| {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .context("making a netlink socket")?;
        let (kernel, fd) = (NetlinkAddr::new(0, 0), socket.as_raw_fd());
        let message = [IoSlice::new(&DELETE_ALL)];
        sendmsg(fd, &message, &[], MsgFlags::empty(), Some(&kernel)).context("asking for it")?;
        let mut answer = [0; 64];
        let length = recv(fd, &mut answer, MsgFlags::empty()).context("waiting for the answer")?;
        // NLMSG_ERROR, whose body begins with the error's number: 0 is none.
        let error = answer.get(16..20).filter(|_| length >= 20).context("a short answer")?;
        if error != [0; 4] {
            bail!("the kernel refused to forget connections: error {error:?}");
        }
        Ok(())
    })
}
