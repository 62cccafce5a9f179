//! Who speaks as a node's agent: processes of that node's host network, and pods that shout.
use super::traffic::{NODES, PODS, PORT, Traffic};
use super::{lab, settled};
use crate::lab::{Lab, all_whole, eventually};
use anyhow::{Context, Result, ensure};
use ringfence::status::RefusedStatus;
use ringfence_keyring::pair::name_of;
use ringfence_keyring::{Epoch, PublicKey};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// Where the impostor is, and whom it lies to.
const IMPOSTOR: &str = NODES[2];
/// Its address is 10.88.0.11.
const VICTIM: &str = NODES[0];

/// Sends $ARGV[1] (hexadecimal) from address $ARGV[0] to the victim's agent, $ARGV[2] times, some thousands a second.
const SEND: &str = "use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0) or die \"socket: $!\"; \
    bind($s, sockaddr_in(0, inet_aton($ARGV[0]))) or die \"bind: $!\"; my $m = pack(\"H*\", $ARGV[1]); \
    my $to = sockaddr_in(51873, inet_aton(\"10.88.0.11\")); \
    for (1..$ARGV[2]) { send($s, $m, 0, $to); select(undef, undef, undef, 0.01) if $_ % 50 == 0 }";

fn send(lab: &Lab, from: &str, (who, source): (&str, &str), (message, times): (&[u8], u32)) -> Result<()> {
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    lab.shell(from, &format!("{who} perl -e '{SEND}' {source} {hex} {times}")).map(drop)
}

fn refused(lab: &Lab, node: &str) -> Result<RefusedStatus> {
    Ok(lab.status(node)?.mesh.rotation.refused)
}

/// A plane's epoch and public key, as a node publishes them.
fn key(lab: &Lab, node: &str, plane: usize) -> Result<(Epoch, PublicKey)> {
    let path = lab.state()?.source.join(format!("ringfencenode.{node}.json"));
    let object: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let plane = &object["spec"]["planes"][plane];
    let epoch = plane["epoch"].as_u64().context("no epoch")?;
    Ok((Epoch::new(epoch)?, plane["publicKey"].as_str().context("no key")?.parse()?))
}

/// A word as that node's agent would give it, but for its tag: it has moved to the other plane, so this one may go.
fn forged(lab: &Lab) -> Result<Vec<u8>> {
    let ((epoch, theirs), (_, ours)) = (key(lab, IMPOSTOR, 0)?, key(lab, VICTIM, 0)?);
    let mut message = b"RFW\x02".to_vec();
    message.extend(name_of(epoch, theirs, ours));
    message.extend([7; 32]);
    message.extend(br#"{"word":{"word":{"on":"rf-wg0","epoch":4,"mesh":4,"seen":900}}}"#);
    message.push(b'\n');
    Ok(message)
}

/// Without the node's key nobody is believed, and what they send holds no rotation up.
///
/// # Errors
/// What is not counted or named; a rotation that loses anything, or does not end.
pub fn words() -> Result<()> {
    let lab = lab("forged")?;
    let mut traffic = Traffic::begin(&lab, &PODS)?;
    let pod = lab.pod(PODS[2])?.1.remove(0);
    let transit = lab.shell(PODS[2], "ip -4 route show default | cut -d ' ' -f 3")?;
    let (node, transit, message) = (format!("node/{IMPOSTOR}"), transit.trim(), forged(&lab)?);
    // A process without privileges does not get off its node.
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    send(&lab, &node, (nobody, transit), (&message, 20))?;
    ensure!(refused(&lab, IMPOSTOR)?.impostors >= 20, "{:?}", refused(&lab, IMPOSTOR)?);
    ensure!(!refused(&lab, VICTIM)?.nodes.contains_key(IMPOSTOR), "{:?}", refused(&lab, VICTIM)?);
    // Root's does, and bears the node's own address by then: it has not the node's key all the same.
    let old = br#"{"version":1,"message":{"probe":{"number":7}}}"#;
    send(&lab, &node, ("", transit), (&message, 20))?;
    send(&lab, &node, ("", transit), (old, 20))?;
    eventually("forged words are counted and named", Duration::from_secs(10), || {
        let refused = refused(&lab, VICTIM)?;
        Ok(refused.nodes.get(IMPOSTOR).is_some_and(|of| of.forged >= 20 && of.formless >= 20))
    })?;
    let told =
        lab.shell(&format!("node/{VICTIM}"), &format!("{} status", crate::lab::binary()?.display()))?;
    ensure!(told.contains(&format!("in the name of {IMPOSTOR}")), "{told}");
    traffic.goes_on("forged words")?;
    // Nothing was lost by it.
    traffic.finish()?;
    // While all of them shout, keys rotate as ever. An embedded WireGuard may lose some of what else there is meanwhile.
    let mut talk = lab.talk(PODS[0], "TCP", SocketAddr::new(lab.pod(PODS[1])?.1.remove(0).parse()?, PORT))?;
    let shout = |from: &str, source: &str| -> Result<_> {
        let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        lab.spawn(from, &["perl", "-e", SEND, source, &hex, "1000000"])
    };
    let mut all = vec![shout(PODS[2], &pod)?, shout(&node, transit)?];
    talk.goes()?;
    lab.rotate(&[])?;
    talk.goes()?;
    ensure!(refused(&lab, VICTIM)?.strangers > 0, "{:?}", refused(&lab, VICTIM)?);
    for child in &mut all {
        ensure!(child.try_wait()?.is_none(), "somebody shouts no more");
        child.kill()?;
        child.wait()?;
    }
    settled(&lab, 1, 60)?;
    all_whole(vec![talk], 50)
}
