//! What is in an image.
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tar::{Builder, EntryType, Header};

/// Files by their paths in the image. All belong to root, and have no time.
#[derive(Clone, Debug, Default)]
pub struct Rootfs {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    File(PathBuf),
    Text(String),
    Link(String),
    Directory(u32),
}

impl Rootfs {
    /// A file of the host's; programs stay programs.
    ///
    /// # Errors
    /// If there is none.
    pub fn file(&mut self, at: &str, from: &Path) -> Result<()> {
        let real = from.canonicalize().with_context(|| format!("finding {}", from.display()))?;
        self.entries.insert(at.to_owned(), Entry::File(real));
        Ok(())
    }

    /// A text.
    pub fn text(&mut self, at: &str, text: &str) {
        self.entries.insert(at.to_owned(), Entry::Text(text.to_owned()));
    }

    /// A symbolic link.
    pub fn link(&mut self, at: &str, to: &str) {
        self.entries.insert(at.to_owned(), Entry::Link(to.to_owned()));
    }

    /// A directory with this mode; those above files are made by themselves.
    pub fn directory(&mut self, at: &str, mode: u32) {
        self.entries.insert(at.to_owned(), Entry::Directory(mode));
    }

    /// A program of the host's and, unless it is static, the libraries and the loader that it is linked with, where it looks
    /// for them.
    ///
    /// # Errors
    /// If there is none, or a library is missing.
    pub fn program(&mut self, at: &str, from: &Path) -> Result<()> {
        self.file(at, from)?;
        let output = Command::new("ldd").arg(from).env("LC_ALL", "C").output().context("starting ldd")?;
        // Of a static program it says so, and fails.
        for library in libraries(&String::from_utf8_lossy(&output.stdout))
            .with_context(|| format!("{} lacks a library", from.display()))?
        {
            self.file(&library, Path::new(&library))?;
        }
        Ok(())
    }

    /// Writes everything as a layer: directories before what is in them, in the order of names.
    pub(super) fn write(&self, to: impl Write) -> Result<()> {
        let mut tar = Builder::new(to);
        let mut made = BTreeSet::new();
        for (at, entry) in &self.entries {
            let name = at.trim_start_matches('/');
            let above: Vec<&Path> = Path::new(name).ancestors().skip(1).collect();
            for directory in above.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
                if made.insert(directory.to_owned()) {
                    let mut header = header(EntryType::Directory, 0o755, 0);
                    tar.append_data(&mut header, directory, std::io::empty())?;
                }
            }
            self.append(&mut tar, name, entry).with_context(|| format!("adding {at}"))?;
        }
        tar.into_inner()?.flush().context("writing a layer")
    }

    fn append(&self, tar: &mut Builder<impl Write>, name: &str, entry: &Entry) -> Result<()> {
        match entry {
            Entry::File(from) => {
                let found = fs::metadata(from)?;
                let mode = if found.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
                let mut header = header(EntryType::Regular, mode, found.len());
                tar.append_data(&mut header, name, File::open(from)?)?;
            }
            Entry::Text(text) => {
                let mut header = header(EntryType::Regular, 0o644, text.len() as u64);
                tar.append_data(&mut header, name, text.as_bytes())?;
            }
            Entry::Link(to) => tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), name, to)?,
            Entry::Directory(mode) => {
                tar.append_data(&mut header(EntryType::Directory, *mode, 0), name, std::io::empty())?;
            }
        }
        Ok(())
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

/// Paths in what ldd prints: `NAME => PATH (ADDRESS)`, or for the loader `PATH (ADDRESS)`. The kernel's own has none.
fn libraries(said: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for line in said.lines().map(str::trim) {
        if line.ends_with("not found") {
            anyhow::bail!("{line}");
        }
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        let path = path.split(" (").next().unwrap_or(path);
        if path.starts_with('/') {
            found.insert(path.to_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_taken_from_where_the_loader_finds_them() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found = libraries(said).unwrap();
        let wanted = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
        assert!(found.iter().map(String::as_str).eq(wanted), "{found:?}");
        assert!(libraries("\tstatically linked\n").unwrap().is_empty());
    }

    #[test]
    fn a_library_that_is_missing_is_named() {
        let error = libraries("\tlibfoo.so.1 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libfoo.so.1"), "{error}");
    }

    #[test]
    fn a_layer_has_directories_before_what_is_in_them() {
        let mut rootfs = Rootfs::default();
        rootfs.text("/usr/share/a", "a");
        rootfs.text("/usr/b", "b");
        let mut layer = Vec::new();
        rootfs.write(&mut layer).unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let name = |entry: tar::Entry<'_, _>| entry.path().unwrap().display().to_string();
        let names: Vec<String> = archive.entries().unwrap().map(|entry| name(entry.unwrap())).collect();
        let at = |wanted: &str| names.iter().position(|name| name.trim_end_matches('/') == wanted).unwrap();
        assert!(at("usr") < at("usr/b") && at("usr/share") < at("usr/share/a"), "{names:?}");
    }
}
