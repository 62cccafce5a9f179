//! What can go wrong between the agent and its maps, programs and hooks.
use std::io;
use std::path::PathBuf;

/// Where a kernel tells its own types.
pub(super) const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Errors of the executor of maps and programs. Each names the operation and its object.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// The pin directory cannot be made or is no bpffs.
    #[error(
        "cannot use {} as pin directory: {source}; it must be on a bpffs (mount -t bpf bpf DIR) and writable by root",
        dir.display()
    )]
    PinDirectory {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pin cannot be made, read, renamed or removed.
    #[error("cannot {operation} pin {}: {source}", path.display())]
    Pin {
        /// What was tried.
        operation: &'static str,
        /// The pin.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The object with the programs was refused.
    #[error("cannot load the eBPF object: {source}")]
    Load {
        /// aya's error, with the verifier's log where there is one.
        source: Box<aya::EbpfError>,
    },
    /// A program is missing in the object or was refused by the verifier.
    #[error("cannot load program {program}: {source}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// aya's error.
        source: Box<aya::programs::ProgramError>,
    },
    /// A program was refused by a kernel that does not know its own types, without which no verifier takes our global
    /// functions (`btf_prepare_func_args` in kernel/bpf/btf.c).
    #[error(
        "cannot load program {program}, most likely because this kernel has no {TYPES}: it needs CONFIG_DEBUG_INFO_BTF, \
         which distributions' kernels have; {source}"
    )]
    NoTypes {
        /// Name of the program.
        program: &'static str,
        /// aya's error.
        source: Box<aya::programs::ProgramError>,
    },
    /// The object has no program of that name.
    #[error("the eBPF object has no program {program}")]
    NoProgram {
        /// Name of the program.
        program: &'static str,
    },
    /// The object has no map of that name.
    #[error("the eBPF object has no map {map}")]
    NoMap {
        /// Name of the map.
        map: &'static str,
    },
    /// A map could not be opened, read or written.
    #[error("cannot {operation} map {map}: {source}")]
    Map {
        /// What was tried.
        operation: &'static str,
        /// Name of the map.
        map: &'static str,
        /// aya's error.
        source: Box<aya::maps::MapError>,
    },
    /// A program could not be attached to a device.
    #[error("cannot attach {program} to device {device} (ifindex {ifindex}): {source}")]
    Attach {
        /// Name of the program.
        program: &'static str,
        /// Name of the device.
        device: String,
        /// Its index.
        ifindex: u32,
        /// aya's error.
        source: Box<aya::programs::ProgramError>,
    },
    /// What is attached could not be asked.
    #[error("cannot ask what is attached to ifindex {ifindex}: {message}")]
    Query {
        /// The device.
        ifindex: u32,
        /// Why.
        message: String,
    },
    /// No grace period could be waited for.
    #[error("membarrier(MEMBARRIER_CMD_GLOBAL) failed: {source}")]
    Grace {
        /// Why.
        source: io::Error,
    },
}

impl DatapathError {
    pub(crate) fn map(
        operation: &'static str,
        map: &'static str,
    ) -> impl FnOnce(aya::maps::MapError) -> Self {
        move |source| Self::Map { operation, map, source: Box::new(source) }
    }

    pub(super) fn pin(operation: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Pin { operation, path, source }
    }
}
