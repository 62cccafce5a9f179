//! The pin directory: what lies where, and how one set of tables follows another without a moment between.
//!
//! | path | what |
//! |---|---|
//! | `sets/N/RF_*` | every table of set N; the highest N is in force, tables that did not grow are pinned in several |
//! | `sets/building/RF_*` | a set that is being filled; left behind by a killed agent, it is removed |
//! | `sets/aside/RF_*` | the same, while another is made from it |
//! | `links/IFINDEX-ingress`, `-egress` | TCX links of a device |
use super::DatapathError;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A pin directory on a bpffs.
#[derive(Clone, Debug)]
pub struct Pins {
    root: PathBuf,
}

impl Pins {
    /// Uses `root`, making it, and mounting a bpffs where there is none: at the nearest directory that exists and is
    /// named `bpf`, else at `root` itself.
    ///
    /// # Errors
    /// [`DatapathError::PinDirectory`].
    pub fn open(root: &Path) -> Result<Self, DatapathError> {
        let refuse = |source: io::Error| DatapathError::PinDirectory { dir: root.to_path_buf(), source };
        if !on_bpffs(root).map_err(refuse)? {
            let place = root.ancestors().find(|p| p.ends_with("bpf") && p.is_dir()).unwrap_or(root);
            fs::create_dir_all(place).map_err(refuse)?;
            mount(Some("bpf"), place, Some("bpf"), MsFlags::empty(), Some("mode=0700"))
                .map_err(|e| refuse(e.into()))?;
        }
        let pins = Self { root: root.to_path_buf() };
        for dir in [pins.root.join("sets"), pins.links()] {
            fs::create_dir_all(&dir).map_err(refuse)?;
        }
        Ok(pins)
    }

    /// An existing pin directory, for taking it away; `None` if there is none.
    pub fn existing(root: &Path) -> Option<Self> {
        root.join("sets").is_dir().then(|| Self { root: root.to_path_buf() })
    }

    /// Directory of the TCX links.
    pub fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    /// Directory of the set with this number.
    pub fn set(&self, number: u32) -> PathBuf {
        self.root.join("sets").join(number.to_string())
    }

    /// Directory of the set that is being filled.
    pub fn building(&self) -> PathBuf {
        self.root.join("sets").join("building")
    }

    /// Numbers of the complete sets, ascending.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn sets(&self) -> Result<Vec<u32>, DatapathError> {
        let dir = self.root.join("sets");
        let mut numbers: Vec<u32> = names(&dir)?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes an empty directory for a set to be filled; whatever was left of another is removed.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn begin(&self) -> Result<PathBuf, DatapathError> {
        let dir = self.building();
        remove_tree(&dir)?;
        fs::create_dir_all(&dir).map_err(DatapathError::pin("make", &dir))?;
        Ok(dir)
    }

    /// Puts the set that is being filled aside, so that another can be begun from it; returns where it is now.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn set_aside(&self) -> Result<PathBuf, DatapathError> {
        let (from, to) = (self.building(), self.aside());
        remove_tree(&to)?;
        fs::rename(&from, &to).map_err(DatapathError::pin("rename", &from))?;
        Ok(to)
    }

    /// Removes what was put aside.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn forget_aside(&self) -> Result<(), DatapathError> {
        remove_tree(&self.aside())
    }

    fn aside(&self) -> PathBuf {
        self.root.join("sets").join("aside")
    }

    /// Makes the set that was filled the one in force, atomically; returns its number.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn commit(&self) -> Result<u32, DatapathError> {
        let number = self.sets()?.last().map_or(1, |n| n + 1);
        let from = self.building();
        fs::rename(&from, self.set(number)).map_err(DatapathError::pin("rename", &from))?;
        Ok(number)
    }

    /// Removes every set but this one. Programs that still use an older one keep it alive until they are replaced.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn keep_only(&self, number: u32) -> Result<(), DatapathError> {
        remove_tree(&self.building())?;
        self.forget_aside()?;
        for other in self.sets()?.into_iter().filter(|n| *n != number) {
            remove_tree(&self.set(other))?;
        }
        Ok(())
    }

    /// Names of the pins in the directory of links.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn link_names(&self) -> Result<Vec<String>, DatapathError> {
        names(&self.links())
    }

    /// Takes the whole directory away. Pinned links are detached by that.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn remove_all(&self) -> Result<(), DatapathError> {
        remove_tree(&self.root)
    }
}

fn names(dir: &Path) -> Result<Vec<String>, DatapathError> {
    let read = || -> io::Result<Vec<String>> {
        if !dir.exists() {
            return Ok(Vec::new());
        }
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    read().map_err(DatapathError::pin("list", dir))
}

fn remove_tree(dir: &Path) -> Result<(), DatapathError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DatapathError::pin("remove", dir)(e)),
        _ => Ok(()),
    }
}

/// Whether `path`, or its nearest ancestor that exists, lies on a bpffs.
fn on_bpffs(path: &Path) -> io::Result<bool> {
    let nearest = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    Ok(statfs(nearest)?.filesystem_type() == BPF_FS_MAGIC)
}
