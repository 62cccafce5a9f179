//! Directories made for a test.
use crate::watch::directory::{LoadErrors, Loaded, Mode, read};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A directory with these files.
pub(crate) fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// What accepting a directory with this one file gives.
pub(crate) fn accept(text: &str) -> Result<Loaded, LoadErrors> {
    read(directory(&[("a.yaml", text)]).path(), Mode::Accept)
}

/// As [`accept`], for an agent.
pub(crate) fn watch(text: &str) -> Result<Loaded, LoadErrors> {
    read(directory(&[("a.yaml", text)]).path(), Mode::Watch)
}

/// Writes every object of a cluster into a file of its own.
pub(crate) fn write_all(loaded: &Loaded, directory: &Path) {
    for (i, object) in loaded.objects().iter().enumerate() {
        fs::write(directory.join(format!("{i:04}.json")), object.to_string()).unwrap();
    }
}

/// Everything that decides something, comparably.
pub(crate) fn essence(loaded: &Loaded) -> String {
    let s = loaded.snapshot();
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
        s.pods, s.namespaces, s.nodes, s.services, s.slices, s.policies, s.publications
    )
}
