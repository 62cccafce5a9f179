//! Copies of endpoints where programs find them without hashing; see [`NearEndpoint`] for the order of writes.
use super::{DatapathError, Maps};
use ringfence_abi::{EndpointValue, NearEndpoint, names};

impl Maps {
    /// Sets the copy of an endpoint, or gives its place up. A place that another endpoint has is left to it.
    ///
    /// # Errors
    /// [`DatapathError::Map`].
    pub(super) fn put_near(
        &mut self,
        ifindex: u32,
        value: Option<&EndpointValue>,
    ) -> Result<(), DatapathError> {
        let place = NearEndpoint::place(ifindex);
        let present = self.near.get(&place, 0).map_err(DatapathError::map("read", names::NEAR))?;
        let mut set = |ifindex, value| {
            let near = NearEndpoint { ifindex, pad: 0, value };
            self.near.set(place, &near, 0).map_err(DatapathError::map("write", names::NEAR))
        };
        match value {
            Some(value) if present.ifindex == ifindex => set(ifindex, *value),
            Some(value) if present.ifindex == 0 => {
                set(0, *value)?;
                set(ifindex, *value)
            }
            None if present.ifindex == ifindex => set(0, present.value),
            _ => Ok(()),
        }
    }
}
