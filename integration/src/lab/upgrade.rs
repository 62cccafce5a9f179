//! Another build of the binary, and which programs the kernel runs.
use super::{Lab, said};
use anyhow::{Context, Result, ensure};
use aya::programs::links::{FdLink, PinnedLink};
use ringfence::apply::bpf::object::OBJECT;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// `mov32 dst, imm` and `mov64 dst, imm` (RFC 9669): the same for numbers that are not negative.
const MOV32: u8 = 0xb4;
const MOV64: u8 = 0xb7;
/// `lddw`, which takes two slots.
const LDDW: u8 = 0x18;

impl Lab {
    /// The binary as another compiler might have built it: its eBPF programs do the same by other instructions, so that
    /// the kernel gives them other tags.
    pub fn another_build(&self) -> Result<PathBuf> {
        let mut binary = fs::read(&self.binary)?;
        // The linker keeps the object's alignment, which is more than 8.
        let at = (0..binary.len().saturating_sub(OBJECT.len()))
            .step_by(8)
            .find(|at| binary[*at..*at + 4] == OBJECT[..4] && binary[*at..*at + OBJECT.len()] == *OBJECT)
            .context("the binary holds other programs than this test: it is of another build")?;
        let changed = recompile(&mut binary[at..at + OBJECT.len()])?;
        ensure!(changed >= 6, "only {changed} instructions were changed");
        let path = self.manifests.path().join("ringfence-other-build");
        fs::copy(&self.binary, &path)?;
        fs::write(&path, binary)?;
        Ok(path)
    }

    /// Names and tags of the programs on a node's hooks.
    pub fn programs(&self, node: &str) -> Result<BTreeMap<String, String>> {
        let mut ids = BTreeSet::new();
        let nodes = self.state()?.nodes;
        let pid = nodes.iter().find(|n| n.name == node).and_then(|n| n.pid).context("node is down")?;
        let links = format!("/proc/{pid}/root/sys/fs/bpf/ringfence/links");
        for entry in fs::read_dir(&links).with_context(|| links.clone())? {
            ids.insert(FdLink::from(PinnedLink::from_pin(entry?.path())?).info()?.program_id());
        }
        // Without TCX there are no links, but filters: "... id 77 name wg_ingress tag ...".
        let script = "for d in $(ls /sys/class/net); do tc filter show dev $d ingress; \
                      tc filter show dev $d egress; done";
        let shown = said(self.exec(&format!("node/{node}"), &["sh", "-c", script]).output()?, &[script])?;
        let words: Vec<&str> = shown.split_whitespace().collect();
        ids.extend(words.windows(2).filter(|w| w[0] == "id").filter_map(|w| w[1].parse::<u32>().ok()));
        let mut programs = BTreeMap::new();
        for program in aya::programs::loaded_programs().filter_map(Result::ok) {
            if ids.contains(&program.id()) {
                let name = program.name_as_str().unwrap_or_default().to_owned();
                programs.insert(name, format!("{:016x}", program.tag()));
            }
        }
        ensure!(programs.len() >= 6, "{node} has only {programs:?}");
        Ok(programs)
    }
}

/// Changes instructions of an ELF object's programs into others that do the same; how many.
fn recompile(object: &mut [u8]) -> Result<usize> {
    let number = |bytes: &[u8], at: usize, length: usize| -> Result<usize> {
        let field = bytes.get(at..at + length).context("the object is cut short")?;
        Ok(field.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte)))
    };
    // Elf64_Ehdr: e_shoff, e_shentsize, e_shnum.
    let (headers, size, count) =
        (number(object, 0x28, 8)?, number(object, 0x3a, 2)?, number(object, 0x3c, 2)?);
    let mut changed = 0;
    for header in (0..count).map(|n| headers + n * size) {
        // Elf64_Shdr: sh_type, sh_flags, sh_offset, sh_size. SHT_PROGBITS with SHF_EXECINSTR.
        if number(object, header + 4, 4)? != 1 || number(object, header + 8, 8)? & 4 == 0 {
            continue;
        }
        let (start, length) = (number(object, header + 24, 8)?, number(object, header + 32, 8)?);
        let code = object.get_mut(start..start + length).context("the object is cut short")?;
        let mut at = 0;
        while let Some(instruction) = code.get_mut(at..at + 8) {
            if instruction[0] == MOV32 && instruction[7] < 0x80 {
                instruction[0] = MOV64;
                changed += 1;
            }
            at += if instruction[0] == LDDW { 16 } else { 8 };
        }
    }
    Ok(changed)
}
