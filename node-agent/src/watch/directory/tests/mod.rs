//! Directories as people have them, and what is said of those that are wrong.
mod conformance;
mod documents;
mod equivalence;
mod errors;
mod expansion;
mod following;
mod placing;
mod properties;
mod scanning;
mod support;
mod versions;
