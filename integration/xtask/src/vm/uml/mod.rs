//! User-Mode Linux: a kernel that is a process of this machine, nearly as fast as it, with the kernel's own WireGuard.
//! It has one CPU, and interprets eBPF.

mod build;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
pub(crate) use build::prepare;

use super::{Job, boot};

/// By what name it is asked for.
pub(crate) const SERIES: &str = "uml";

/// It runs in namespaces of its own: what it leaves behind, of which it has a process for each of its processes, ends with
/// it however it ends, and its memory is a file on a file system that nobody else sees. Not as their process 1, for which
/// abort(3) does nothing, and abort(3) is how this kernel panics.
const LAUNCH: &str = r#"mount -t tmpfs -o size=100% memory "$TMPDIR" || exit 1
"$@"
exit $?"#;

/// The machine of `job`, which keeps its memory below `directory`.
///
/// # Errors
/// When a file or directory cannot be made.
pub(super) fn command(job: &Job, initramfs: &Path, directory: &Path, console: &Path) -> Result<Command> {
    let memory = directory.join("memory");
    std::fs::create_dir_all(&memory).with_context(|| format!("making {}", memory.display()))?;
    let console = std::fs::File::create(console).with_context(|| format!("writing {}", console.display()))?;
    let mut command = boot::bound_to_us();
    command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", LAUNCH, "sh"]);
    command.arg(&job.kernel.image).env("TMPDIR", memory);
    command.arg(format!("mem={}M", job.memory)).arg(format!("initrd={}", initramfs.display()));
    // The console, and the channels of which the second is the job's.
    command.args(["con=null", "con0=null,fd:2", "ssl=null", "ssl1=null,fd:1"]);
    // An oops is a failure, and a panic ends the machine. Warnings (level 4) go to the console.
    command.args(["panic=-1", "oops=panic", "loglevel=5", "dummy.numdummies=0"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(console);
    Ok(command)
}
