//! Sets of tables: taking up the last one, and growing into a bigger one.
use super::kept::fit_flows;
use super::load::{Programs, incompatible_map, share};
use super::maps::pinned_sizes;
use super::{Datapath, DatapathError, Maps, Options, Pins, Sizes, need};
use crate::plan::datapath::Peak;
use aya::maps::{IterableMap, MapError};
use ringfence_abi::names;
use std::collections::BTreeSet;
use std::path::Path;

/// What an executor starts with.
pub(super) struct Start {
    pub(super) sizes: Sizes,
    pub(super) maps: Maps,
    pub(super) programs: Programs,
    pub(super) building: bool,
}

/// Loads the programs against the newest complete set. Tables that this build lays out otherwise than the last one, or
/// that are missing, begin anew in a set that is only being filled: hooks keep the old one until it is complete.
pub(super) fn take_up(options: &Options, pins: &Pins) -> Result<Start, DatapathError> {
    let Some(number) = pins.sets()?.last().copied() else {
        let (maps, programs) = build(options, pins, None, &BTreeSet::new(), &options.sizes)?;
        return Ok(Start { sizes: options.sizes.clone(), maps, programs, building: true });
    };
    let dir = pins.set(number);
    let sizes = pinned_sizes(&dir, &options.sizes)?;
    let mut shared: BTreeSet<&'static str> =
        names::MAPS.into_iter().filter(|name| dir.join(name).exists()).collect();
    if shared.len() == names::MAPS.len() {
        match Programs::load(options.object, &dir, &sizes, options.mark_shift) {
            Ok(programs) => {
                return Ok(Start { maps: Maps::open(&dir)?, sizes, programs, building: false });
            }
            Err(e) => shared.remove(incompatible_map(&e).ok_or(e)?),
        };
    }
    loop {
        if !shared.contains(names::ENDPOINTS) {
            // Hooks of the old set would read copies of what is only being filled.
            shared.remove(names::NEAR);
        }
        let mut sizes = sizes.clone();
        for name in names::MAPS.into_iter().filter(|name| !shared.contains(name)) {
            sizes.set(name, options.sizes.get(name));
        }
        match build(options, pins, Some(&dir), &shared, &sizes) {
            Ok((maps, programs)) => return Ok(Start { sizes, maps, programs, building: true }),
            // Each turn drops one map, so this ends.
            Err(e) => shared.remove(incompatible_map(&e).ok_or(e)?),
        };
    }
}

/// Fills the directory of the next set: `shared` tables are those of `from`, the others are created.
fn build(
    options: &Options,
    pins: &Pins,
    from: Option<&Path>,
    shared: &BTreeSet<&'static str>,
    sizes: &Sizes,
) -> Result<(Maps, Programs), DatapathError> {
    let dir = pins.begin()?;
    if let Some(from) = from {
        share(from, &dir, shared)?;
    }
    let programs = Programs::load(options.object, &dir, sizes, options.mark_shift)?;
    let mut maps = Maps::open(&dir)?;
    fit_flows(&dir, &mut maps, shared)?;
    Ok((maps, programs))
}

impl Datapath {
    /// Makes room for a plan: tables that would come to be more than three quarters full are built anew, bigger, with the
    /// same entries, and programs loaded against them. The hooks still use the old
    /// ones when this returns; call [`Datapath::ensure_hooks`] before anything is written. Returns which tables grew.
    ///
    /// # Errors
    /// [`DatapathError`]; then nothing has changed.
    pub fn reserve(&mut self, peak: &Peak) -> Result<Vec<&'static str>, DatapathError> {
        let (sizes, which) = self.sizes.grown(&need(peak));
        if which.is_empty() {
            return Ok(which);
        }
        // A set that is only being filled stays that: hooks keep the old one until it is complete.
        let from = if self.building { self.pins.set_aside()? } else { self.current_dir()? };
        let shared = names::MAPS.into_iter().filter(|name| !which.contains(name)).collect();
        let (mut maps, programs) = build(&self.options, &self.pins, Some(&from), &shared, &sizes)?;
        for name in &which {
            copy(&self.maps, &mut maps, name)?;
        }
        maps.copies.append(&mut self.maps.copies);
        if self.building {
            self.pins.forget_aside()?;
        } else {
            self.pins.commit()?;
        }
        (self.maps, self.programs, self.sizes) = (maps, programs, sizes);
        self.attached.clear();
        Ok(which)
    }

    /// Whether the tables are only being filled, so that hooks must not move to them yet; see [`Datapath::commit`].
    pub fn is_building(&self) -> bool {
        self.building
    }

    /// Whether a plan can be carried out without growing.
    pub fn fits(&self, peak: &Peak) -> bool {
        self.sizes.hold(&need(peak))
    }

    /// Declares the first set filled: from now on hooks may use it, and a restarted agent takes it up.
    ///
    /// # Errors
    /// [`DatapathError::Pin`].
    pub fn commit(&mut self) -> Result<(), DatapathError> {
        if self.building {
            self.pins.commit()?;
            self.building = false;
        }
        Ok(())
    }

    /// Pins again what somebody removed from the set in force: the next agent must find it.
    pub(super) fn pin_again(&self) -> Result<(), DatapathError> {
        if self.building {
            return Ok(());
        }
        match self.pins.sets()?.last() {
            Some(number) => self.programs.pin_missing(&self.pins.set(*number)),
            None => {
                self.programs.pin_missing(&self.pins.begin()?)?;
                self.pins.commit().map(|_| ())
            }
        }
    }

    fn current_dir(&self) -> Result<std::path::PathBuf, DatapathError> {
        let number = self.pins.sets()?.last().copied().unwrap_or(0);
        Ok(self.pins.set(number))
    }
}

/// Copies one growing table entry by entry.
fn copy(from: &Maps, to: &mut Maps, name: &'static str) -> Result<(), DatapathError> {
    let copied = match name {
        names::ADDRESSES => each(&from.addresses, |k, v| to.addresses.insert(k, v, 0)),
        names::PREFIXES => from.prefixes.iter().try_for_each(|entry| {
            let (key, value) = entry?;
            to.prefixes.insert(&key, &value, 0)
        }),
        names::ENDPOINTS => each(&from.endpoints, |k, v| to.endpoints.insert(k, v, 0)),
        names::ROLES => each(&from.roles, |k, v| to.roles.insert(k, v, 0)),
        names::SERVICES => each(&from.services, |k, v| to.services.insert(k, v, 0)),
        names::POLICY => each(&from.policy, |k, v| to.policy.insert(k, v, 0)),
        _ => (0..from.ports.len()).try_for_each(|i| to.ports.set(i, &from.ports.get(&i, 0)?, 0)),
    };
    copied.map_err(DatapathError::map("copy", name))
}

fn each<K, V, M>(map: &M, mut put: impl FnMut(&K, &V) -> Result<(), MapError>) -> Result<(), MapError>
where
    K: aya::Pod,
    V: aya::Pod,
    M: IterableMap<K, V>,
    for<'a> &'a M: IntoIterator<Item = Result<(K, V), MapError>>,
{
    for entry in map {
        let (key, value) = entry?;
        put(&key, &value)?;
    }
    Ok(())
}
