//! The six programs, one file each.
mod neighbour;
mod pod_egress;
mod pod_ingress;
mod quick;
mod underlay_egress;
mod underlay_ingress;
mod wg_egress;
mod wg_ingress;

/// Which memory of fragments a hook has.
pub(crate) mod memory {
    pub(crate) const POD_EGRESS: u8 = 0;
    pub(crate) const POD_INGRESS: u8 = 1;
    pub(crate) const WG_EGRESS: u8 = 2;
    pub(crate) const WG_INGRESS: u8 = 3;
    pub(crate) const UNDERLAY_EGRESS: u8 = 4;
    pub(crate) const UNDERLAY_INGRESS: u8 = 5;
}
