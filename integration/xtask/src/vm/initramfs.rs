//! The initramfs: busybox, the few modules that mount the host's root, and two scripts. Made anew for each boot.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::kernel::{self, Machine};
use super::{Job, guest};

/// Packs the initramfs of this job under `directory` and returns its path.
///
/// # Errors
/// When a tool is missing, a module cannot be unpacked or a file not be written.
pub(super) fn pack(job: &Job, token: &str, directory: &Path) -> Result<PathBuf> {
    let stage = directory.join("initramfs");
    if stage.exists() {
        std::fs::remove_dir_all(&stage).with_context(|| format!("removing {}", stage.display()))?;
    }
    for dir in ["bin", "modules", "proc", "dev", "lower", "rw", "new"] {
        let dir = stage.join(dir);
        std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    }
    copy(&busybox()?, &stage.join("bin/busybox"))?;
    let mut modules = Vec::new();
    if let Machine::Emulated { root } = &job.kernel.machine {
        for file in kernel::module_files(root, &job.kernel.release, &guest::BOOT_MODULES)? {
            modules.push(add_module(&file, &stage.join("modules"))?);
        }
    }
    write_script(&stage.join("init"), &guest::init(job, &modules))?;
    write_script(&stage.join("job"), &guest::stage_two(job, token))?;
    let archive = directory.join("initramfs.cpio");
    cpio(&stage, &archive)?;
    Ok(archive)
}

fn busybox() -> Result<PathBuf> {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    places
        .into_iter()
        .find(|path| path.is_file())
        .context("busybox is missing although busybox-static is installed")
}

/// Copies a module, uncompressed, and returns its file name: busybox's insmod reads no compressed ones.
fn add_module(file: &Path, directory: &Path) -> Result<String> {
    let name = file.file_name().and_then(|name| name.to_str()).context("a module without a name")?;
    let (stem, unpacker) = match name.rsplit_once('.') {
        Some((stem, "xz")) => (stem, "xz"),
        Some((stem, "zst")) => (stem, "zstd"),
        _ => {
            copy(file, &directory.join(name))?;
            return Ok(name.to_owned());
        }
    };
    let mut command = Command::new(unpacker);
    let output = command.args(["--decompress", "--stdout"]).arg(file).output();
    let output = output.with_context(|| format!("starting {unpacker}"))?;
    if !output.status.success() {
        bail!(
            "{unpacker} cannot unpack {}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let to = directory.join(stem);
    std::fs::write(&to, output.stdout).with_context(|| format!("writing {}", to.display()))?;
    Ok(stem.to_owned())
}

fn write_script(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).with_context(|| format!("making {} executable", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Not compressed: unpacking under emulation takes longer than reading 4 MB.
fn cpio(stage: &Path, archive: &Path) -> Result<()> {
    let out = std::fs::File::create(archive).with_context(|| format!("writing {}", archive.display()))?;
    let mut command = Command::new("sh");
    command.args(["-c", "find . | cpio --create --format=newc --owner=0:0 --quiet"]).current_dir(stage);
    let status = command.stdin(Stdio::null()).stdout(out).status().context("starting cpio")?;
    if !status.success() {
        bail!("cpio failed ({status})");
    }
    Ok(())
}
