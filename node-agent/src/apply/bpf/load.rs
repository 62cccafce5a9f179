//! Loading the object: maps from their pins, programs against them.
use super::error::TYPES;
use super::{DatapathError, sizes::Sizes};
use aya::maps::{MapData, MapError};
use aya::pin::PinError;
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfError, EbpfLoader};
use ringfence_abi::names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The programs of one set of tables, loaded and verified.
#[derive(Debug)]
pub(super) struct Programs {
    object: Ebpf,
    ids: BTreeMap<&'static str, u32>,
}

impl Programs {
    /// Loads `object` with the maps pinned in `dir`; those that are missing there are created with `sizes` and pinned.
    ///
    /// # Errors
    /// [`DatapathError::Load`], [`DatapathError::NoProgram`], [`DatapathError::Program`], [`DatapathError::NoTypes`].
    pub(super) fn load(
        object: &[u8],
        dir: &Path,
        sizes: &Sizes,
        mark_shift: u32,
    ) -> Result<Self, DatapathError> {
        let no_link_header = 0u32;
        let mut loader = EbpfLoader::new();
        loader.override_global(names::GLOBAL_MARK_SHIFT, &mark_shift, true).override_global(
            names::GLOBAL_WG_LINK_HEADER,
            &no_link_header,
            true,
        );
        for name in names::MAPS {
            loader.map_pin_path(name, dir.join(name)).map_max_entries(name, sizes.get(name));
        }
        let object =
            loader.load(object).map_err(|source| DatapathError::Load { source: Box::new(source) })?;
        let mut programs = Self { object, ids: BTreeMap::new() };
        for name in names::PROGRAMS {
            let refused = |source| DatapathError::Program { program: name, source: Box::new(source) };
            let program = programs.get(name)?;
            program.load().map_err(|source| match Path::new(TYPES).exists() {
                true => refused(source),
                false => DatapathError::NoTypes { program: name, source: Box::new(source) },
            })?;
            let id = program.info().map_err(refused)?.id();
            programs.ids.insert(name, id);
        }
        Ok(programs)
    }

    /// A program, to attach it.
    ///
    /// # Errors
    /// [`DatapathError::NoProgram`].
    pub(super) fn get(&mut self, name: &'static str) -> Result<&mut SchedClassifier, DatapathError> {
        let program = self.object.program_mut(name).and_then(|p| p.try_into().ok());
        program.ok_or(DatapathError::NoProgram { program: name })
    }

    /// Pins those of its maps that are not pinned in `dir` (any more).
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub(super) fn pin_missing(&self, dir: &Path) -> Result<(), DatapathError> {
        for name in names::MAPS.into_iter().filter(|name| !dir.join(name).exists()) {
            let Some(map) = self.object.map(name) else { continue };
            map.pin(dir.join(name)).map_err(|error| pin_error(name, error))?;
        }
        Ok(())
    }

    /// The kernel's number of a program.
    pub(super) fn id(&self, name: &str) -> u32 {
        self.ids.get(name).copied().unwrap_or(0)
    }
}

/// Pins the maps named in `shared` from `from` also in `to`, which makes them part of both sets.
///
/// # Errors
/// [`DatapathError::Map`].
pub(super) fn share(from: &Path, to: &Path, shared: &BTreeSet<&'static str>) -> Result<(), DatapathError> {
    for name in shared {
        let map = MapData::from_pin(from.join(name)).map_err(DatapathError::map("open", name))?;
        map.pin(to.join(name)).map_err(|error| pin_error(name, error))?;
    }
    Ok(())
}

fn pin_error(name: &'static str, error: PinError) -> DatapathError {
    DatapathError::map("pin", name)(MapError::PinError { name: Some(name.to_owned()), error })
}

/// The map that an existing pin is incompatible with, if that is why loading failed: another build's.
pub(super) fn incompatible_map(error: &DatapathError) -> Option<&'static str> {
    let DatapathError::Load { source } = error else { return None };
    let EbpfError::MapError(MapError::IncompatiblePinnedMap { name, .. }) = source.as_ref() else {
        return None;
    };
    names::MAPS.into_iter().find(|known| known == name)
}
