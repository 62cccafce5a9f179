//! What happens while connections stand.
use super::snapshot;
use crate::evaluator::{Generated, Shape, generate};
use crate::packets::oracle::{Oracle, Sender};
use crate::packets::scenario::Arrival;
use anyhow::Result;
use ringfence::testrun::Cluster;
use serde_json::{Value, json};

/// Other policies, other labels, a flow table that overflows, or a pod whose address goes to a new one; which of them, the
/// seed and the count of events say.
pub(super) fn happen(
    [seed, count]: [u64; 2],
    generated: &mut Generated,
    cluster: &mut Cluster<'_>,
    oracle: &mut Oracle,
    arrivals: &mut [Arrival],
) -> Result<()> {
    let other = generate(seed ^ (count + 1) << 32, &Shape::default()).objects;
    match (seed + count) % 4 {
        0 => {
            cluster.forget_flows()?;
            oracle.flows_forgotten();
            return Ok(());
        }
        1 => {
            generated.objects.retain(|o| o["kind"] != "NetworkPolicy");
            generated.objects.extend(other.into_iter().filter(|o| o["kind"] == "NetworkPolicy"));
        }
        2 => {
            let mut labels = other.iter().filter(|o| o["kind"] == "Pod").map(|o| &o["metadata"]["labels"]);
            for pod in generated.objects.iter_mut().filter(|o| o["kind"] == "Pod") {
                let Some(new) = labels.next() else { break };
                pod["metadata"]["labels"] = new.clone();
            }
        }
        _ => {
            let lives = |o: &&mut Value| {
                o["kind"] == "Pod" && o["spec"]["hostNetwork"] == false && o["status"]["phase"] == "Running"
            };
            // Every other one, so that old ones meet new ones.
            for pod in generated.objects.iter_mut().filter(lives).step_by(2) {
                succeed(pod, count, arrivals);
            }
        }
    }
    cluster.change(snapshot(generated)?)?;
    oracle.change(&generated.objects)
}

/// Another pod in the place of this one, at its address. Whoever talked with it goes on as if nothing had happened, and so
/// does the new one.
fn succeed(pod: &mut Value, count: u64, arrivals: &mut [Arrival]) {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let new = format!("{name}-{count}");
    let [old, heir] = [name, &new].map(|name| Sender::Pod(format!("{namespace}/{name}")));
    for arrival in arrivals {
        for sender in [&mut arrival.sender, &mut arrival.answers_from] {
            if *sender == old {
                sender.clone_from(&heir);
            }
        }
    }
    pod["metadata"]["name"] = json!(new);
}
