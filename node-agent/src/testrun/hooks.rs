//! The programs and tables of one node, loaded for test runs: nothing is pinned or attached.
use super::TestRunError;
use super::planted::Planted;
use crate::apply::bpf::{DatapathError, Maps, Sizes, clear, taken};
use crate::policy::tables::Tables;
use aya::maps::{HashMap, MapData};
use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};
use ringfence_abi::{Config, FragmentKey, FragmentValue, Mark, Reason, names};
use std::collections::{BTreeMap, BTreeSet};

/// `TC_ACT_UNSPEC` and `TC_ACT_SHOT` (linux/pkt_cls.h), the only verdicts that programs give.
const PASS: u32 = u32::MAX;
const DROP: u32 = 2;
/// Length of `struct __sk_buff` up to and with `ifindex` (linux/bpf.h), and where its fields lie.
const CONTEXT: usize = 44;
/// At least all of it.
const WHOLE_CONTEXT: usize = 256;
const MARK: usize = 8;
const INGRESS_IFINDEX: usize = 36;
const IFINDEX: usize = 40;
/// Ethernet header.
const LINK: usize = 14;
/// EtherTypes (IANA).
pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;

/// What a program is shown beside the packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// `skb->mark`.
    pub(super) mark: u32,
    /// Device of the hook; 0 where the program does not ask.
    pub(super) ifindex: u32,
    /// Device that the packet came in by, 0 if this node made it.
    pub(super) ingress_ifindex: u32,
}

/// What a program made of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outcome {
    /// `None`: passed.
    pub(super) dropped: Option<Reason>,
    /// `skb->mark` behind the program.
    pub(super) mark: u32,
}

/// Programs and tables of one node.
pub(super) struct Hooks {
    object: Ebpf,
    maps: Maps,
    fragments: HashMap<MapData, FragmentKey, FragmentValue>,
    /// Programs that the kernel has verified: each when it first runs, for it takes long.
    loaded: BTreeSet<&'static str>,
    /// What the tables hold.
    held: Tables,
    generation: u32,
    /// Drops by reason, as far as they were attributed to packets.
    counted: BTreeMap<Reason, u64>,
    buffer: Vec<u8>,
}

impl Hooks {
    /// Loads the object with tables of these sizes.
    ///
    /// # Errors
    /// [`DatapathError`]: the object, a map.
    pub(super) fn load(sizes: &Sizes, planted: Planted) -> Result<Self, DatapathError> {
        let (shift, link) = (Mark::SHIFT_DEFAULT, LINK as u32);
        let mut loader = EbpfLoader::new();
        loader.override_global(names::GLOBAL_MARK_SHIFT, &shift, true);
        // The kernel builds an Ethernet frame for every program, also for those of devices without link header.
        loader.override_global(names::GLOBAL_WG_LINK_HEADER, &link, true);
        for name in names::MAPS {
            loader.map_max_entries(name, sizes.get(name));
        }
        let object = planted.object(&mut loader);
        let loaded = loader.load(object);
        let mut object = loaded.map_err(|source| DatapathError::Load { source: Box::new(source) })?;
        let fragments = taken(&mut object, names::FRAGMENTS)?;
        let maps = Maps::of_object(&mut object)?;
        Ok(Self {
            object,
            maps,
            fragments,
            loaded: BTreeSet::new(),
            held: Tables::default(),
            generation: 0,
            counted: BTreeMap::new(),
            buffer: vec![0; 65_536],
        })
    }

    /// Puts these tables in the place of those held, and moves the generation on. What programs remember stays.
    ///
    /// # Errors
    /// [`DatapathError::Map`], also if a table is too small.
    pub(super) fn hold(&mut self, tables: &Tables, wireguard_ports: [u16; 2]) -> Result<(), DatapathError> {
        self.maps.replace(&self.held, tables)?;
        self.held = tables.clone();
        self.generation += 1;
        let isolated = tables.endpoints.values().any(|e| e.ingress_profile != 0 || e.egress_profile != 0);
        self.maps.set_config(&Config {
            generation: self.generation,
            transit_class_v4: tables.transit_class[0],
            transit_class_v6: tables.transit_class[1],
            flags: if isolated { Config::ANY_ISOLATED } else { 0 },
            wireguard_ports: wireguard_ports.map(u16::to_be),
            changed: 0,
        })
    }

    /// Forgets what programs remember: flows, fragments, and in which role pods used their ports.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub(super) fn forget(&mut self) -> Result<(), DatapathError> {
        self.forget_flows()?;
        clear(&mut self.fragments, names::FRAGMENTS)?;
        self.maps.clear_roles()
    }

    /// Forgets flows alone, as a flood of others would make the table do.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub(super) fn forget_flows(&mut self) -> Result<(), DatapathError> {
        self.maps.clear_flows()
    }

    /// Runs a program on an IP packet (or what another EtherType carries).
    pub(super) fn run(
        &mut self,
        node: &str,
        hook: &'static str,
        (ethertype, packet): (u16, &[u8]),
        context: Context,
    ) -> Result<Outcome, TestRunError> {
        let length = LINK + packet.len();
        let mut frame = vec![0; LINK];
        frame[LINK - 2..].copy_from_slice(&ethertype.to_be_bytes());
        frame.extend_from_slice(packet);
        let mut shown = [0; CONTEXT];
        shown[MARK..MARK + 4].copy_from_slice(&context.mark.to_ne_bytes());
        shown[INGRESS_IFINDEX..INGRESS_IFINDEX + 4].copy_from_slice(&context.ingress_ifindex.to_ne_bytes());
        shown[IFINDEX..IFINDEX + 4].copy_from_slice(&context.ifindex.to_ne_bytes());
        let mut left = [0; WHOLE_CONTEXT];
        let options = TestRunOptions {
            data_in: Some(&frame),
            data_out: Some(&mut self.buffer),
            ctx_in: Some(&shown),
            ctx_out: Some(&mut left),
            ..TestRunOptions::new()
        };
        let misbehaved = |what: String| Err(TestRunError::Misbehaved { node: node.to_owned(), hook, what });
        let failed = |source| TestRunError::Datapath { node: node.to_owned(), source };
        let program = program(&mut self.object, &mut self.loaded, hook).map_err(failed)?;
        let done = program.test_run(options).map_err(|source| TestRunError::Run {
            node: node.to_owned(),
            hook,
            length,
            source: Box::new(source),
        })?;
        if done.data_size_out as usize != length || self.buffer.get(..length) != Some(&frame[..]) {
            return misbehaved("it changed the packet".to_owned());
        }
        let mark = u32::from_ne_bytes([left[MARK], left[MARK + 1], left[MARK + 2], left[MARK + 3]]);
        let dropped = match done.return_value {
            PASS => None,
            DROP => match self.newly_counted(node)?[..] {
                [reason] => Some(reason),
                ref reasons => return misbehaved(format!("it dropped one packet and counted {reasons:?}")),
            },
            other => return misbehaved(format!("it returned {}", other.cast_signed())),
        };
        Ok(Outcome { dropped, mark })
    }

    /// Reasons counted since the last call, each as often as it was.
    ///
    /// # Errors
    /// [`TestRunError::Datapath`].
    pub(super) fn newly_counted(&mut self, node: &str) -> Result<Vec<Reason>, TestRunError> {
        let mut new = Vec::new();
        for (reason, _) in Reason::ALL {
            let now = self.maps.counter(*reason as u32);
            let now = now.map_err(|source| TestRunError::Datapath { node: node.to_owned(), source })?;
            let before = self.counted.insert(*reason, now).unwrap_or(0);
            new.extend((before..now).map(|_| *reason));
        }
        Ok(new)
    }
}

fn program<'a>(
    object: &'a mut Ebpf,
    loaded: &mut BTreeSet<&'static str>,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, DatapathError> {
    let found = object.program_mut(name).and_then(|p| <&mut SchedClassifier>::try_from(p).ok());
    let found = found.ok_or(DatapathError::NoProgram { program: name })?;
    if loaded.insert(name) {
        let refused = |source| DatapathError::Program { program: name, source: Box::new(source) };
        found.load().map_err(refused)?;
    }
    Ok(found)
}
