//! Random packets through random clusters: the real programs on the compiler's tables, against a slow oracle.
//!
//! - [`reading`]: packets read slowly, for the oracle.
//! - [`oracle`]: what must become of each packet, given what was sent before.
//! - [`scenario`]: random packets: new connections, answers, forgeries, damage, fragments, ICMP errors.
//! - [`exchange`]: one cluster and its packets, compared.

pub mod exchange;
pub mod oracle;
pub mod reading;
pub mod scenario;
