//! `ringfence install-plugin`.
use super::arguments::PluginArguments;
use anyhow::Context;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

/// What CNI configurations call us by.
const NAME: &str = "ringfence";

pub(super) fn run(arguments: &PluginArguments) -> anyhow::Result<ExitCode> {
    let own = Path::new("/proc/self/exe");
    install(own, &arguments.bin_dir)
        .with_context(|| format!("cannot install the CNI plugin in {}", arguments.bin_dir.display()))?;
    eprintln!("ringfence: the CNI plugin is {}", arguments.bin_dir.join(NAME).display());
    Ok(ExitCode::SUCCESS)
}

/// Copies `program` to `directory` by a rename: a runtime that calls the plugin meanwhile finds a whole one.
fn install(program: &Path, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let next = directory.join(format!(".{NAME}.new"));
    // One that was left by an installer that was killed might run, and could not be written to.
    match fs::remove_file(&next) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut to = File::create_new(&next)?;
    io::copy(&mut File::open(program)?, &mut to)?;
    to.set_permissions(Permissions::from_mode(0o755))?;
    to.sync_all()?;
    fs::rename(&next, directory.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_replaced_whole_and_stays_a_program() {
        let dir = tempfile::tempdir().unwrap();
        let (program, bin) = (dir.path().join("new"), dir.path().join("bin"));
        fs::write(&program, "first").unwrap();
        install(&program, &bin).unwrap();
        let mut running = File::open(bin.join(NAME)).unwrap();
        fs::write(bin.join(".ringfence.new"), "left over").unwrap();
        fs::write(&program, "second").unwrap();
        install(&program, &bin).unwrap();
        assert_eq!(fs::read_to_string(bin.join(NAME)).unwrap(), "second");
        assert_eq!(fs::metadata(bin.join(NAME)).unwrap().permissions().mode() & 0o777, 0o755);
        let mut still = String::new();
        io::Read::read_to_string(&mut running, &mut still).unwrap();
        assert_eq!(still, "first");
        assert_eq!(fs::read_dir(&bin).unwrap().count(), 1);
    }
}
