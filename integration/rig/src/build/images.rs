//! Images that every node has: what pods' sandboxes run, and upstream's test image.
use super::Programs;
use crate::cluster::PAUSE;
use crate::image::{Config, Rootfs, archive};
use anyhow::{Context, Result};
use ringfence_bootstrap::progress;
use std::path::Path;
use std::process::Command;

/// Upstream's name of its test image, so that its tests find it: the same program, with busybox beside it.
pub const AGNHOST: &str = "registry.k8s.io/e2e-test-images/agnhost:2.56";
const BUSYBOX: &str = "/bin/busybox";

const PAUSE_SOURCE: &str = include_str!("pause.rs.in");
/// What images are made from beside programs; whoever changes how they are made changes the number.
pub(super) const MADE_FROM: [&str; 2] = [PAUSE_SOURCE, "1"];

pub(super) fn build(programs: &Programs) -> Result<()> {
    let directory = programs.directory.join("images");
    std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    pause(programs, &directory.join("pause.tar"))?;
    agnhost(programs, &directory.join("agnhost.tar"))
}

/// A static program of some hundred kB, by the toolchain's own linker.
fn pause(programs: &Programs, to: &Path) -> Result<()> {
    let (source, program) = (programs.directory.join("pause.rs"), programs.path("pause"));
    std::fs::write(&source, PAUSE_SOURCE).with_context(|| format!("writing {}", source.display()))?;
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--target=x86_64-unknown-linux-musl", "-Clinker=rust-lld"]);
    rustc.args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols", "-o"]).arg(&program).arg(&source);
    progress::run("pause", &mut rustc)?;
    let mut rootfs = Rootfs::default();
    rootfs.file("/pause", &program)?;
    archive(to, PAUSE, &rootfs, &Config { entrypoint: &["/pause"], ..Config::default() })
}

/// Its entry point is the program, which pauses unless told otherwise.
fn agnhost(programs: &Programs, to: &Path) -> Result<()> {
    let mut rootfs = Rootfs::default();
    rootfs.file("/agnhost", &programs.path("agnhost"))?;
    rootfs.file(BUSYBOX, Path::new(BUSYBOX))?;
    let applets = crate::run::output(Command::new(BUSYBOX).arg("--list"))?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        rootfs.link(&format!("/bin/{applet}"), "busybox");
    }
    rootfs.text("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n");
    rootfs.text("/etc/group", "root:x:0:\n");
    rootfs.directory("/tmp", 0o1777);
    let config = Config { entrypoint: &["/agnhost"], arguments: &["pause"], ..Config::default() };
    archive(to, AGNHOST, &rootfs, &config)
}
