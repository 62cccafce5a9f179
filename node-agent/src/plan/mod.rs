//! Plans: pure differences of what was observed and what is desired, as ordered lists of typed actions.

pub mod datapath;
pub mod mesh;

pub use datapath::FIRST_PASSING;
