//! Named, supervised tasks: one per concern. One that ends or panics while nobody asked it to stops the agent, which its
//! own supervisor (kubelet, systemd) then starts again; what is enforced stays enforced meanwhile.

mod tasks;
#[cfg(test)]
mod tests;

pub use tasks::{TaskError, Tasks};
