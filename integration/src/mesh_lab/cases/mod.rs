//! What the mesh must do, for either WireGuard: the tests in `integration/tests` call these with a backend each.

pub mod change;
pub mod heal;
pub mod leak;
pub mod process;
pub mod reach;
pub mod source;
