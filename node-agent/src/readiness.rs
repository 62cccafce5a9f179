//! What the agent still waits for before it can say that the node is ready.

/// The conditions of readiness. Once true, each stays so: an agent whose source fails later keeps enforcing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// Every watch has synced.
    pub source: bool,
    /// The tables hold what a snapshot asks for and every device has its programs.
    pub policy: bool,
    /// Both WireGuard devices, routes and rules stand.
    pub mesh: bool,
}

impl Readiness {
    /// Whether nothing is missing.
    pub fn is_ready(self) -> bool {
        self.waiting_for().is_empty()
    }

    /// What is missing, in words.
    pub fn waiting_for(self) -> Vec<String> {
        let conditions = [
            (self.source, "the source of objects"),
            (self.policy, "policy to be programmed"),
            (self.mesh, "the mesh to stand"),
        ];
        conditions.into_iter().filter(|(met, _)| !met).map(|(_, what)| what.to_owned()).collect()
    }
}
