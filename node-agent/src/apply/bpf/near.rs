//! Copies of endpoints where programs find them without hashing; see [`NearEndpoint`] for the order of writes.
#[cfg(test)]
mod tests;

use super::{Datapath, DatapathError, Maps, grace_period};
use aya::maps::{Array, MapData};
use ringfence_abi::{EndpointValue, NearEndpoint, names};
use std::collections::BTreeMap;

impl Datapath {
    /// Makes the copies of endpoints that have changed since the last grace period. Until then programs find those
    /// endpoints by hashing, so this is never urgent. Blocks for 5 to 50 ms if there are any.
    ///
    /// # Errors
    /// [`DatapathError::Grace`], [`DatapathError::Map`].
    pub fn settle(&mut self) -> Result<(), DatapathError> {
        if self.maps.copies.due.is_empty() {
            return Ok(());
        }
        grace_period()?;
        self.maps.take_places()
    }
}

impl Maps {
    /// See [`Copies::leave`].
    pub(super) fn leave_place(
        &mut self,
        ifindex: u32,
        value: Option<&EndpointValue>,
    ) -> Result<(), DatapathError> {
        self.copies.leave(&mut self.near, ifindex, value)
    }

    /// See [`Copies::take`].
    pub(super) fn take_places(&mut self) -> Result<(), DatapathError> {
        self.copies.take(&mut self.near)
    }

    /// Finds out which copies are missing: an agent may have ended between giving one up and making it anew.
    pub(super) fn find_due(&mut self) -> Result<(), DatapathError> {
        let endpoints: Vec<(u32, EndpointValue)> = self
            .endpoints
            .iter()
            .collect::<Result<_, _>>()
            .map_err(DatapathError::map("read", names::ENDPOINTS))?;
        endpoints.iter().try_for_each(|(ifindex, value)| self.leave_place(*ifindex, Some(value)))
    }
}

/// Where copies lie: what is at a place is read and written as a whole, but programs may see half of it.
trait Places {
    fn read(&self, place: u32) -> Result<NearEndpoint, DatapathError>;
    fn write(&mut self, place: u32, near: &NearEndpoint) -> Result<(), DatapathError>;
}

impl Places for Array<MapData, NearEndpoint> {
    fn read(&self, place: u32) -> Result<NearEndpoint, DatapathError> {
        self.get(&place, 0).map_err(DatapathError::map("read", names::NEAR))
    }

    fn write(&mut self, place: u32, near: &NearEndpoint) -> Result<(), DatapathError> {
        self.set(place, near, 0).map_err(DatapathError::map("write", names::NEAR))
    }
}

/// Endpoints whose copies are to be made after a grace period.
#[derive(Default)]
pub(super) struct Copies {
    due: BTreeMap<u32, EndpointValue>,
}

impl Copies {
    /// Gives the copy of an endpoint up if it says anything else than `value`, and remembers to make it anew. To be
    /// called before the endpoint itself changes.
    fn leave(
        &mut self,
        places: &mut impl Places,
        ifindex: u32,
        value: Option<&EndpointValue>,
    ) -> Result<(), DatapathError> {
        self.due.remove(&ifindex);
        let place = NearEndpoint::place(ifindex);
        let present = places.read(place)?;
        let mine = present.ifindex == ifindex;
        if mine && value == Some(&present.value) {
            return Ok(());
        }
        if mine {
            places.write(place, &NearEndpoint { ifindex: 0, ..present })?;
        }
        self.due.extend(value.map(|value| (ifindex, *value)));
        Ok(())
    }

    /// Makes what is due with other tables due with these.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.due.append(&mut other.due);
    }

    /// Makes the copies that are due. No program may still be at work that was when a place was given up. A place that
    /// another endpoint has is left to it.
    fn take(&mut self, places: &mut impl Places) -> Result<(), DatapathError> {
        for (ifindex, value) in std::mem::take(&mut self.due) {
            let place = NearEndpoint::place(ifindex);
            if places.read(place)?.ifindex == 0 {
                places.write(place, &NearEndpoint { value, ..NearEndpoint::default() })?;
                places.write(place, &NearEndpoint { ifindex, value, ..NearEndpoint::default() })?;
            }
        }
        Ok(())
    }
}
