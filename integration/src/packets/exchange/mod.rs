//! One random cluster and its packets: what the programs make of each, and what the oracle says.
mod compare;
mod events;
mod report;
mod tally;

pub use report::Mismatch;
pub use tally::Tally;

use super::oracle::Oracle;
use super::scenario::Scenario;
use crate::evaluator::{Generated, Shape, generate};
use anyhow::{Context, Result, anyhow};
use compare::{compare, send};
use events::happen;
use report::report;
use ringfence::apply::bpf::Sizes;
use ringfence::desired::Snapshot;
use ringfence::policy::Compiler;
use ringfence::testrun::{Cluster, sizes};
use ringfence::watch::directory::{Mode, read};

/// The nodes, kept from one random cluster to the next: loading programs takes long.
pub struct Exchange<'a> {
    cluster: Option<Cluster<'a>>,
    make: Box<dyn Fn(Snapshot, Sizes) -> Cluster<'a> + 'a>,
}

impl<'a> Exchange<'a> {
    /// The shipped programs on tables by what `compiler` makes. To be used on a thread of
    /// `ringfence::testrun::in_private_namespace`, with devices for [`IFINDEXES`].
    pub fn new(compiler: &'a (dyn Fn() -> Compiler + Sync)) -> Self {
        Self::with(move |snapshot, sizes| Cluster::new(snapshot, sizes, compiler))
    }

    /// The same, with nodes of the caller's making.
    pub fn with(make: impl Fn(Snapshot, Sizes) -> Cluster<'a> + 'a) -> Self {
        Self { cluster: None, make: Box::new(make) }
    }

    /// Sends `packets` packets through the cluster of this seed; stops at the first mismatch.
    ///
    /// # Errors
    /// Where nothing could be compared: the programs do not run, the cluster cannot be read.
    pub fn run(&mut self, seed: u64, packets: usize) -> Result<(Tally, Option<Mismatch>)> {
        let mut generated = generate(seed, &Shape::default());
        let first = snapshot(&generated)?;
        match &mut self.cluster {
            Some(cluster) => cluster.begin(first)?,
            None => {
                let sizes = sizes(&first);
                self.cluster = Some((self.make)(first, sizes));
            }
        }
        let cluster = self.cluster.as_mut().context("no cluster")?;
        let mut oracle = Oracle::new(&generated.objects)?;
        let mut scenario = Scenario::new(seed, oracle.known());
        let (mut tally, mut arrivals) = (Tally::default(), Vec::new());
        if oracle.known().cluster.pods.iter().all(|pod| pod.host_network) {
            return Ok((tally, None));
        }
        for number in 0..packets {
            if number > 0 && number % (packets / 4).max(1) == 0 {
                happen(
                    [seed, (number * 4 / packets) as u64],
                    &mut generated,
                    cluster,
                    &mut oracle,
                    &mut arrivals,
                )?;
            }
            let draft = scenario.next(oracle.known(), &arrivals);
            let one = compare(&draft, cluster, &mut oracle, &mut tally, &mut arrivals);
            let wrong = one.with_context(|| format!("seed {seed}, packet {number}: {draft:?}"))?;
            if let Some(wrong) = wrong {
                let mut report = report(seed, number, &generated, &draft, &oracle, &wrong)?;
                // By fresh compilers and without a past: tells what was wrong with either from what is wrong with both.
                cluster.begin(snapshot(&generated)?)?;
                let afresh = send(&draft, cluster)?;
                report = format!("{report}\nthe same, compiled afresh and without a past:\n{afresh}\n");
                return Ok((tally, Some(Mismatch { seed, packet: number, report })));
            }
        }
        cluster.settle()?;
        Ok((tally, None))
    }
}

/// Indexes of the devices that stand for pods' veths.
pub const IFINDEXES: std::ops::Range<u32> = 1000..1032;

/// Objects by way of a file, as the agent reads them.
fn snapshot(generated: &Generated) -> Result<Snapshot> {
    let directory = tempfile::tempdir()?;
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": generated.objects});
    std::fs::write(directory.path().join("cluster.json"), list.to_string())?;
    Ok(read(directory.path(), Mode::Accept).map_err(|e| anyhow!("{e}"))?.snapshot())
}
