//! A program that does nothing, on the hooks that ours would have: what being called costs.

use anyhow::{Context, Result};
use aya::programs::{LinkOrder, SchedClassifier, TcAttach, TcAttachType, tc};
use aya::{Ebpf, EbpfLoader};
use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};
use ringfence::apply::bpf::AttachMode;

use super::netns::Netns;
use super::rig::VETHS;

/// `r0 = TC_ACT_UNSPEC; exit` (Documentation/bpf/standardization/instruction-set.rst).
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// The attached programs, until it is dropped.
pub(crate) struct Empty(#[expect(dead_code, reason = "kept for what dropping it does")] Ebpf);

/// Attaches it to where a packet enters and where it leaves R.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn attach(router: &Netns) -> Result<Empty> {
    let mut object = EbpfLoader::new().load(&elf()?).context("loading the empty program")?;
    let program: &mut SchedClassifier =
        object.program_mut("nothing").context("the object has no program")?.try_into()?;
    program.load().context("verifying the empty program")?;
    let [from, to] = VETHS;
    let hooks = [
        (from, TcAttachType::Ingress),
        (from, TcAttachType::Egress),
        (to, TcAttachType::Ingress),
        (to, TcAttachType::Egress),
    ];
    router.within(|| {
        for (device, attach_type) in hooks {
            let index = nix::net::if_::if_nametoindex(device).context("looking up a veth")?;
            let options = match AttachMode::of_this_kernel() {
                AttachMode::Tcx => TcAttach::Tcx { attach_type, order: LinkOrder::first() },
                AttachMode::Clsact => {
                    let _ = tc::qdisc_add_clsact(index); // there already at the second direction
                    TcAttach::Netlink { parent: attach_type.into(), options: tc::NlOptions::default() }
                }
            };
            program.attach(index, options).with_context(|| format!("attaching to {device}"))?;
        }
        Ok(())
    })?;
    Ok(Empty(object))
}

/// The object file that a compiler would have made.
fn elf() -> Result<Vec<u8>> {
    let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let text = elf.add_section(Vec::new(), b"classifier".to_vec(), object::SectionKind::Text);
    elf.append_section_data(text, &NOTHING, 8);
    elf.add_symbol(Symbol {
        name: b"nothing".to_vec(),
        value: 0,
        size: NOTHING.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(text),
        flags: SymbolFlags::None,
    });
    let license = elf.add_section(Vec::new(), b"license".to_vec(), object::SectionKind::Data);
    elf.append_section_data(license, b"GPL\0", 1);
    elf.write().context("writing an ELF file")
}
