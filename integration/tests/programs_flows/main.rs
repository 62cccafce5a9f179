//! Flows: how long they live, and how they prove themselves again when policy has moved on.

mod life;
mod one;
mod proof;
