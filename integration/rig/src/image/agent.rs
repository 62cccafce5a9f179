//! Ringfence's own image.
use super::{Config, Rootfs, archive};
use crate::run;
use anyhow::{Context, Result};
use ringfence_bootstrap::find_program;
use std::path::Path;
use std::process::Command;

/// Its name, as manifests have it.
pub const NAME: &str = concat!("localhost/ringfence:", env!("CARGO_PKG_VERSION"));

/// Writes the image of a binary. Beside it there is only `nft` of this machine, with the libraries that it is linked with.
///
/// # Errors
/// If the binary or nft is missing.
pub fn agent(to: &Path, binary: &Path) -> Result<()> {
    // Lines of source are worth less than an image of a quarter of the size; it is read by every node, twice.
    let stripped = to.with_extension("stripped");
    run::output(Command::new("strip").arg("-o").arg(&stripped).arg(binary))?;
    let mut rootfs = Rootfs::default();
    rootfs.program("/usr/bin/ringfence", &stripped)?;
    let nft = find_program("nft").context("there is no nft; install what Debian calls nftables")?;
    rootfs.program("/usr/sbin/nft", &nft)?;
    // Both are where the agent makes files; with a read-only root something must be mounted there.
    for directory in ["/run", "/tmp", "/var/lib"] {
        rootfs.directory(directory, 0o755);
    }
    let labels = [
        ("org.opencontainers.image.title", "ringfence"),
        ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
        ("org.opencontainers.image.licenses", "Apache-2.0"),
    ];
    let config = Config { entrypoint: &["/usr/bin/ringfence"], labels: &labels, ..Config::default() };
    let written = archive(to, NAME, &rootfs, &config);
    // Beside the archive, so seen and harmless where it stays.
    let _ = std::fs::remove_file(&stripped);
    written
}
