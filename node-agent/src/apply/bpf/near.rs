//! Copies of endpoints where programs find them without hashing; see [`NearEndpoint`] for the order of writes.
use super::{Datapath, DatapathError, Maps, grace_period};
use ringfence_abi::{EndpointValue, NearEndpoint, names};

impl Datapath {
    /// Makes the copies of endpoints that have changed since the last grace period. Until then programs find those
    /// endpoints by hashing, so this is never urgent. Blocks for 5 to 50 ms if there are any.
    ///
    /// # Errors
    /// [`DatapathError::Grace`], [`DatapathError::Map`].
    pub fn settle(&mut self) -> Result<(), DatapathError> {
        if self.maps.copies_due.is_empty() {
            return Ok(());
        }
        grace_period()?;
        self.maps.take_places()
    }
}

impl Maps {
    /// Gives the copy of an endpoint up if it says anything else than `value`, and remembers to make it anew. To be
    /// called before the endpoint itself changes.
    pub(super) fn leave_place(
        &mut self,
        ifindex: u32,
        value: Option<&EndpointValue>,
    ) -> Result<(), DatapathError> {
        self.copies_due.remove(&ifindex);
        let present = self.at_place_of(ifindex)?;
        let mine = present.ifindex == ifindex;
        if mine && value == Some(&present.value) {
            return Ok(());
        }
        if mine {
            self.set_place(ifindex, NearEndpoint { ifindex: 0, ..present })?;
        }
        self.copies_due.extend(value.map(|value| (ifindex, *value)));
        Ok(())
    }

    /// Makes the copies that are due. No program may still be at work that was when a place was given up. A place that
    /// another endpoint has is left to it.
    pub(super) fn take_places(&mut self) -> Result<(), DatapathError> {
        for (ifindex, value) in std::mem::take(&mut self.copies_due) {
            if self.at_place_of(ifindex)?.ifindex == 0 {
                self.set_place(ifindex, NearEndpoint { value, ..NearEndpoint::default() })?;
                self.set_place(ifindex, NearEndpoint { ifindex, value, ..NearEndpoint::default() })?;
            }
        }
        Ok(())
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

    fn at_place_of(&self, ifindex: u32) -> Result<NearEndpoint, DatapathError> {
        self.near.get(&NearEndpoint::place(ifindex), 0).map_err(DatapathError::map("read", names::NEAR))
    }

    fn set_place(&mut self, ifindex: u32, near: NearEndpoint) -> Result<(), DatapathError> {
        let place = NearEndpoint::place(ifindex);
        self.near.set(place, &near, 0).map_err(DatapathError::map("write", names::NEAR))
    }
}
