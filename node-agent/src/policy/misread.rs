//! What a planted mistake makes of a policy.
use super::mistake::Seeded;
use crate::model::NetworkPolicy;
use std::borrow::Cow;
#[cfg(feature = "seeded-mistakes")]
use {
    super::mistake::Mistake,
    crate::model::{LabelSelector, NamespaceMatch, Peer, Peers, Rule},
};

/// The policy as it is: nothing can be planted into this build.
#[cfg(not(feature = "seeded-mistakes"))]
pub(super) const fn misread(policy: &NetworkPolicy, _: Seeded) -> Cow<'_, NetworkPolicy> {
    Cow::Borrowed(policy)
}

/// The policy as somebody would have it who makes the planted mistake.
#[cfg(feature = "seeded-mistakes")]
pub(super) fn misread(policy: &NetworkPolicy, seeded: Seeded) -> Cow<'_, NetworkPolicy> {
    let all_pods = Peer::Pods {
        namespaces: NamespaceMatch::Selected(LabelSelector::default()),
        pods: LabelSelector::default(),
    };
    let mut changed = policy.clone();
    let excepted: Vec<_> = peers(&mut changed).filter_map(except).flatten().collect();
    for rules in [&mut changed.ingress, &mut changed.egress] {
        if seeded.makes(Mistake::NoRulesNoIsolation) && rules.as_ref().is_some_and(Vec::is_empty) {
            *rules = None;
        }
        for rule in rules.iter_mut().flatten() {
            match &mut rule.peers {
                Peers::Any if seeded.makes(Mistake::NoPeersMatchNothing) => rule.peers = Peers::Only(vec![]),
                Peers::Any if seeded.makes(Mistake::NoPeersMatchPodsOnly) => {
                    rule.peers = Peers::Only(vec![all_pods.clone()]);
                }
                Peers::Only(list)
                    if seeded.makes(Mistake::AllNamespacesIsEverything) && list.contains(&all_pods) =>
                {
                    rule.peers = Peers::Any;
                }
                _ => {}
            }
        }
        if let Some(rules) = rules
            && seeded.makes(Mistake::CombineRules)
        {
            let ports: Vec<_> = rules.iter().map(|r| r.ports.clone()).collect();
            let crossed = rules
                .iter()
                .flat_map(|r| ports.iter().map(|p| Rule { peers: r.peers.clone(), ports: p.clone() }));
            *rules = crossed.collect();
        }
    }
    if seeded.makes(Mistake::IngressIsolatesEgress) && changed.ingress.is_some() && changed.egress.is_none() {
        changed.egress = Some(Vec::new());
    }
    if seeded.makes(Mistake::ExceptDenies) {
        for peer in peers(&mut changed) {
            if let Peer::Block(block) = peer {
                block.except.extend(excepted.iter().filter(|e| e.is_ipv4() == block.cidr.is_ipv4()));
            }
        }
    }
    if changed == *policy { Cow::Borrowed(policy) } else { Cow::Owned(changed) }
}

#[cfg(feature = "seeded-mistakes")]
fn peers(policy: &mut NetworkPolicy) -> impl Iterator<Item = &mut Peer> {
    let rules = policy.ingress.iter_mut().chain(&mut policy.egress).flatten();
    rules
        .filter_map(|rule| if let Peers::Only(peers) = &mut rule.peers { Some(peers) } else { None })
        .flatten()
}

#[cfg(feature = "seeded-mistakes")]
fn except(peer: &mut Peer) -> Option<Vec<ipnetwork::IpNetwork>> {
    if let Peer::Block(block) = peer { Some(block.except.clone()) } else { None }
}
