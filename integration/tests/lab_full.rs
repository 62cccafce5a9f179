//! P3 where tables are full, or grow. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::full;

#[test]
fn a_flood_that_fills_the_flow_table_breaks_no_connection_and_opens_nothing() -> Result<()> {
    full::flow_table()
}

#[test]
fn policy_prefix_and_address_tables_grow_without_a_loss_and_nothing_forbidden_passes() -> Result<()> {
    full::growing_tables()
}
