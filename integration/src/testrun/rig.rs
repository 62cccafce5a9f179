//! The object, loaded with fresh maps in a network namespace of the calling thread.
use super::{Context, Outcome};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aya::maps::PerCpuArray;
use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use nix::sched::{CloneFlags, unshare};
use ringfence::apply::bpf::object::OBJECT;
use ringfence_abi::{Mark, Recent, names, reason::COUNTERS_LEN};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// Test runs always have an Ethernet header, also where the device would have none.
const LINK_HEADER: u32 = 14;

/// Capacities: small, so that a rig costs little.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Of every table that the agent fills.
    pub tables: u32,
    /// Of the flow table.
    pub flows: u32,
    /// Of the memory of fragments.
    pub fragments: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { tables: 1024, flows: 4096, fragments: 256 }
    }
}

/// Programs and maps of one node. The thread that made it is in its network namespace and must run it.
pub struct Rig {
    pub(super) ebpf: Ebpf,
    loaded: BTreeSet<String>,
}

impl Rig {
    /// Puts the calling thread into a new network namespace and loads the object there. Programs are verified when they
    /// first run.
    ///
    /// # Errors
    /// No right to do so (root is needed), or the kernel refuses the maps.
    pub fn new(capacity: Capacity) -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("a network namespace for the test run: root is needed")?;
        let shift = Mark::SHIFT_DEFAULT;
        let mut loader = EbpfLoader::new();
        loader.override_global(names::GLOBAL_MARK_SHIFT, &shift, true).override_global(
            names::GLOBAL_WG_LINK_HEADER,
            &LINK_HEADER,
            true,
        );
        for name in [names::ADDRESSES, names::PREFIXES, names::ENDPOINTS, names::SERVICES, names::POLICY] {
            loader.map_max_entries(name, capacity.tables);
        }
        let cpus = aya::util::nr_cpus().map_err(|(what, error)| anyhow!("{what}: {error}"))?;
        loader.map_max_entries(names::RECENT, Recent::EACH * cpus.get());
        loader.map_max_entries(names::ROLES, 64).map_max_entries(names::FLOWS, capacity.flows);
        loader.map_max_entries(names::FRAGMENTS, capacity.fragments).map_max_entries(names::PORTS, 16);
        let ebpf = loader.load(OBJECT).context("load the eBPF object")?;
        Ok(Self { ebpf, loaded: BTreeSet::new() })
    }

    /// Makes a device of this index, so that packets can be at it.
    ///
    /// # Errors
    /// `ip` is missing or refuses.
    pub fn device(&mut self, ifindex: u32) -> Result<()> {
        let name = format!("rf{ifindex}");
        let index = ifindex.to_string();
        let out = Command::new("ip")
            .args(["link", "add", "index", &index, "name", &name, "type", "veth", "peer", "name"])
            .arg(format!("rf{ifindex}p"))
            .output()
            .context("run ip(8)")?;
        ensure!(out.status.success(), "ip link add {name}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    }

    /// One packet through one program.
    ///
    /// # Errors
    /// The kernel refuses the program or the run.
    pub fn run(&mut self, program: &str, frame: &[u8], context: Context) -> Result<Outcome> {
        self.verify(program)?;
        let before = self.counters()?;
        let (returned, mark, _) = self.execute(program, frame, context, 1)?;
        let after = self.counters()?;
        Ok(Outcome::new(returned, mark, &before, &after))
    }

    /// Mean time of one run out of `repeat`. The packet keeps what the run before did to it, the mark included.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn time(&mut self, program: &str, frame: &[u8], context: Context, repeat: u32) -> Result<Duration> {
        self.verify(program)?;
        Ok(self.execute(program, frame, context, repeat)?.2)
    }

    /// Instructions that the verifier walked, if this kernel tells (5.16).
    ///
    /// # Errors
    /// The kernel refuses the program.
    pub fn complexity(&mut self, program: &str) -> Result<Option<u32>> {
        self.verify(program)?;
        Ok(self.program(program)?.info().context("program info")?.verified_instruction_count())
    }

    fn execute(
        &mut self,
        program: &str,
        frame: &[u8],
        context: Context,
        repeat: u32,
    ) -> Result<(u32, u32, Duration)> {
        let context_in = context.bytes();
        let mut context_out = context_in;
        let result = self
            .program(program)?
            .test_run(TestRunOptions {
                data_in: Some(frame),
                ctx_in: Some(&context_in),
                ctx_out: Some(&mut context_out),
                repeat,
                ..TestRunOptions::default()
            })
            .with_context(|| format!("run {program} on {} bytes with {context:?}", frame.len()))?;
        Ok((result.return_value, Context::mark_of(&context_out), result.duration))
    }

    fn verify(&mut self, program: &str) -> Result<()> {
        if self.loaded.insert(program.to_owned()) {
            self.program(program)?.load().with_context(|| format!("the verifier on {program}"))?;
        }
        Ok(())
    }

    fn program(&mut self, name: &str) -> Result<&mut SchedClassifier> {
        match self.ebpf.program_mut(name) {
            Some(program) => program.try_into().with_context(|| format!("{name} is no classifier")),
            None => bail!("the object has no program {name}"),
        }
    }

    /// Every counter, summed over CPUs.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn counters(&self) -> Result<Vec<u64>> {
        let map = self.ebpf.map(names::COUNTERS).context("no counters")?;
        let map = PerCpuArray::<_, u64>::try_from(map)?;
        (0..COUNTERS_LEN).map(|index| Ok(map.get(&index, 0)?.iter().sum())).collect()
    }
}
