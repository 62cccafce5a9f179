//! Directories as people have them, and what is said of those that are wrong.
mod conformance;
mod support;
