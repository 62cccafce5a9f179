//! Flows: who opened what, kept only where a reply would otherwise meet an isolated direction.
mod ensure;
mod find;
mod key;
mod prove;
mod recent;
mod time;

pub(crate) use ensure::ensure;
pub(crate) use find::{ANYONE, Found, find};
pub(crate) use recent::{Exchange, recent, remember};
pub(crate) use time::{SECOND, now};
