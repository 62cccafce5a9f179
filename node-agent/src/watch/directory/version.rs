//! Which state of a directory something was read from, so that whoever wrote it can tell when it has been taken up.
use super::error::LoadErrors;
use super::files;
use crate::model::SourceVersion;
use std::path::Path;

/// The version of a directory as it is now: of the names below it and the texts of all manifests.
///
/// # Errors
/// [`LoadErrors`] if it cannot be read.
pub fn version(directory: &Path) -> Result<SourceVersion, LoadErrors> {
    let (mut digests, mut errors) = (Vec::new(), Vec::new());
    for file in files::list(directory).map_err(LoadErrors)? {
        match files::text(&file) {
            Ok(text) => digests.push(digest(directory, &file, &text)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(of(digests.into_iter())) } else { Err(LoadErrors(errors)) }
}

/// Of one file.
pub(super) fn digest(directory: &Path, file: &Path, text: &str) -> u64 {
    let name = file.strip_prefix(directory).unwrap_or(file).as_os_str().as_encoded_bytes();
    // A name holds no zero byte, so the two cannot run into each other.
    name.iter()
        .chain(&[0])
        .chain(text.as_bytes())
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// Of all files, in any order.
pub(super) fn of(digests: impl Iterator<Item = u64>) -> SourceVersion {
    SourceVersion(digests.fold(0, u64::wrapping_add))
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): the same in every build, which the standard library's hashes are not.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
