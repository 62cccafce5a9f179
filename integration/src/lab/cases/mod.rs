//! What a lab must do on either WireGuard: the tests in `integration/tests` call these.

pub mod bypass;
pub mod change;
pub mod full;
pub mod plaintext;
pub mod reboot;
pub mod reports;
pub mod revocation;
pub mod rotation;
pub mod spoofing;
