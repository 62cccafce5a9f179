//! Whether a packet's cost grows with what is configured: the fourth line of the design's costs.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use ipnetwork::{IpNetwork, Ipv4Network};
use ringfence::apply::bpf::Role;
use ringfence::model::{IpBlock, NamespaceMatch, ObjectName, Peer, Peers, PortMatch, Ports, Protocol, Rule};

use super::attach::attach;
use super::cluster::{Cluster, HERE, Size, selector};
use super::measure::{Contender, Turns};
use super::ours::FLOWS;
use super::report::{Must, Section, whole};
use super::rig::{A, B, Rig, established};
use super::{Effort, nft, scenario};

const BURST: usize = 4096;
const FEW: usize = 10;
const MANY: usize = 10_000;
/// What noise may make of a ratio of 1 between two rigs.
const FLAT: f64 = 1.15;

const NONE: &str = "no filter";
const LEAST: &str = "10 policies, rules, peers, ports and pods";
const POLICIES: &str = "10,000 policies that select the pod";
const RULES: &str = "10,000 rules in a policy";
const PEERS: &str = "10,000 peers in a rule";
const PORTS: &str = "10,000 ports in a rule";
const PODS: &str = "10,000 pods in the cluster";
const CIDR: &str = "from outside: 10 CIDRs in a rule";
const CIDRS: &str = "from outside: 10,000 CIDRs in a rule";
const NFT_SET: &str = "nftables: one interval set of 10,000 CIDRs";
const NFT_RULES: &str = "nftables: 1,000 rules, one after the other";
const NAMES: [&str; 11] = [NONE, LEAST, POLICIES, RULES, PEERS, PORTS, PODS, CIDR, CIDRS, NFT_SET, NFT_RULES];

/// Runs the bench.
///
/// # Errors
/// When something that must arrive does not.
pub(crate) fn run(effort: Effort, pins: &Path) -> Result<Section> {
    let (times, turns) = effort.of((1, 20), (4, 50));
    let taken = Turns::take(times, turns, || NAMES.iter().map(|name| contender(name, pins)).collect())?;
    let mut section = Section {
        title: "Size",
        how: format!(
            "The same flood to a pod that is isolated by policies of growing size, in bursts of {BURST} packets ({times} \
             times {turns} turns): what one packet more costs against the least policies, each tenfold and tenfold again \
             until ten thousand. Of two equal rigs one may be some per cent slower; less than {FLAT} x counts as flat. A CIDR \
             is looked up in a trie, whose depth grows with what it holds."
        ),
        columns: vec!["what there is", "added ns", "middle half", "against the least"],
        ..Section::default()
    };
    let added = |name| taken.added(name, NONE);
    let ratio = |name| {
        let least = if [CIDR, CIDRS, NFT_SET].contains(&name) { CIDR } else { LEAST };
        added(name).median / added(least).median
    };
    for name in &NAMES[1..] {
        let spread = added(name);
        let half = format!("{:.0} to {:.0}", spread.low, spread.high);
        section.row([(*name).into(), whole(spread.median), half, format!("{:.2} x", ratio(name))]);
    }
    let worst = [POLICIES, RULES, PEERS, PORTS, PODS].map(ratio).into_iter().fold(0.0, f64::max);
    section.musts = vec![
        Must::at_most("policies, rules, peers, ports, pods: 10,000 against 10", FLAT, "(flat)", worst),
        Must::at_most("CIDRs: 10,000 against 10", FLAT, "(flat)", ratio(CIDRS)),
    ];
    Ok(section)
}

fn contender(name: &'static str, pins: &Path) -> Result<Contender> {
    let mut rig = Rig::new()?;
    let packets = established(BURST);
    match name {
        NONE => {}
        NFT_SET => rig.router.nft(&nft::interval_set(blocks(MANY)?))?,
        NFT_RULES => rig.router.nft(&nft::linear(1000))?,
        _ => {
            let role = if [CIDR, CIDRS].contains(&name) { Role::Underlay } else { Role::Pod };
            let at = NAMES.iter().position(|n| *n == name).unwrap_or(0).to_string();
            let ours = attach(&rig, &cluster(name)?, &pins.join(at), role, FLOWS)?;
            let burst = move || {
                let _attached = &ours;
                rig.flood(&packets)
            };
            return Ok(Contender { name, packets: BURST, burst: Box::new(burst) });
        }
    }
    Ok(Contender { name, packets: BURST, burst: Box::new(move || rig.flood(&packets)) })
}

/// A few pods, and B isolated by `name`.
fn cluster(name: &str) -> Result<Cluster> {
    let pods = if name == PODS { MANY } else { FEW };
    let nodes = pods.div_ceil(100);
    let mut cluster = Cluster::new(Size { nodes, pods, namespaces: 2, policies: 0, dual_stack: false })?;
    cluster.add_namespace("bench", &[]);
    let outside = [CIDR, CIDRS].contains(&name);
    if outside {
        // B is all there is of pods here, so A is none.
        cluster.set_pod_cidrs(HERE, vec![IpNetwork::new(B.into(), 32)?]);
    } else {
        cluster.add_pod(ObjectName::new("bench", "a"), HERE, vec![A.into()], &[("app", "a")]);
    }
    cluster.add_pod(ObjectName::new("bench", "b"), HERE, vec![B.into()], &[("app", "b")]);
    let many = |what| if name == what { MANY } else { FEW };
    // The one that lets A in comes last, as the unlucky have it.
    let others = |n: usize| (1..n).map(|i| pods_of(&format!("app-{i}"))).chain([pods_of("a")]);
    let rule = |peers: Vec<Peer>, ports| Rule { peers: Peers::Only(peers), ports };
    for (i, peer) in others(many(POLICIES)).enumerate() {
        let rules = vec![rule(vec![peer], scenario::called())];
        cluster.add_policy(scenario::policy(&format!("policy-{i}"), "b", Some(rules), None));
    }
    let rules = others(many(RULES)).map(|peer| rule(vec![peer], scenario::called())).collect();
    cluster.add_policy(scenario::policy("rules", "b", Some(rules), None));
    let peers = rule(others(many(PEERS)).collect(), scenario::called());
    cluster.add_policy(scenario::policy("peers", "b", Some(vec![peers]), None));
    let ports = rule(vec![pods_of("a")], ports(many(PORTS))?);
    cluster.add_policy(scenario::policy("ports", "b", Some(vec![ports]), None));
    if outside {
        let block = |cidr| Peer::Block(IpBlock { cidr, except: Vec::new() });
        let blocks = rule(blocks(many(CIDRS))?.map(block).collect(), scenario::called());
        cluster.add_policy(scenario::policy("blocks", "b", Some(vec![blocks]), None));
    }
    Ok(cluster)
}

fn pods_of(app: &str) -> Peer {
    let namespaces = NamespaceMatch::Named("bench".into());
    Peer::Pods { namespaces, pods: selector(&[("app", app.to_owned())]) }
}

/// So many single ports, no two side by side, up to those that B is called at.
fn ports(number: usize) -> Result<Ports> {
    let mut ports = vec![PortMatch::Range(Protocol::Udp, super::rig::PORTS.start, super::rig::PORTS.end - 1)];
    for i in 1..number {
        let port = u16::try_from(10_001 + 2 * i).context("too many ports")?;
        ports.push(PortMatch::Range(Protocol::Udp, port, port));
    }
    Ok(Ports::Only(ports))
}

/// So many CIDRs, of 20 to 28 bits, the last of which holds A.
fn blocks(number: usize) -> Result<impl Iterator<Item = IpNetwork>> {
    let others = (1..number).map(|i| {
        let bits = 20 + u8::try_from(i % 9)?;
        let base = u32::from(Ipv4Addr::new(10, 80, 0, 0)) + (u32::try_from(i)? << 12);
        Ok(Ipv4Network::new(Ipv4Addr::from(base), bits)?.into())
    });
    let own = Ipv4Network::new(Ipv4Addr::new(10, 77, 0, 0), 28)?;
    let all: Vec<IpNetwork> = others.collect::<Result<_>>()?;
    Ok(all.into_iter().chain([own.into()]))
}
