//! Plans: pure differences of what was observed and what is desired, as ordered lists of typed actions.

pub mod mesh;

/// Class numbers from here on belong to a plan: they tell an old class from a new one while a plan is carried out, and
/// are gone when it has been.
pub const FIRST_PASSING_CLASS: u32 = 1 << 31;
