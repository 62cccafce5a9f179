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
mod memory {
    pub(super) const POD_EGRESS: u8 = 0;
    pub(super) const POD_INGRESS: u8 = 1;
    pub(super) const WG_EGRESS: u8 = 2;
    pub(super) const WG_INGRESS: u8 = 3;
    pub(super) const UNDERLAY_EGRESS: u8 = 4;
    pub(super) const UNDERLAY_INGRESS: u8 = 5;
}
