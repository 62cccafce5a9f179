//! Who does not take part is waited for, named, and not cut. `RINGFENCE_WIREGUARD` chooses the WireGuard. Needs root.
use anyhow::Result;
use ringfence_integration::lab::cases::rotation;

#[test]
fn an_agent_that_is_dead_throughout_is_waited_for_while_its_pods_serve() -> Result<()> {
    rotation::absent::dead_agent()
}

#[test]
fn a_blocked_second_port_is_waited_for_and_nobody_is_cut() -> Result<()> {
    rotation::absent::blocked_port()
}

#[test]
fn a_node_that_joins_in_the_middle_comes_along() -> Result<()> {
    rotation::absent::joins()
}

#[test]
fn a_node_that_is_down_is_given_up_after_three_minutes_and_comes_along_when_it_is_back() -> Result<()> {
    rotation::absent::down()
}
