//! Commands inside.
use super::machine::Machine;
use super::names;
use super::namespaces::Depth;
use super::{Lab, LabError};
use std::ffi::OsString;
use std::process::{Command, ExitStatus};

impl Lab {
    /// Where `target` (`NAMESPACE/POD`, `node/NAME`, `underlay`, `outside`) is: its machine, and its network namespace
    /// there.
    ///
    /// # Errors
    /// [`LabError::Unknown`]; [`LabError::Refused`] if it is down.
    pub(super) fn place(&self, target: &str) -> Result<(&Machine, Option<&str>), LabError> {
        let (machine, netns) = match target.split_once('/') {
            None => (self.machine(target)?, None),
            Some(("node", name)) => {
                self.node(name)?;
                (self.machine(name)?, None)
            }
            Some(_) => {
                let pod = self.pod(target)?;
                (self.machine(&pod.node)?, pod.netns.as_deref())
            }
        };
        if machine.init.alive() {
            return Ok((machine, netns));
        }
        let why = format!("{} is down; `ringfence lab node reboot {}` starts it", machine.name, machine.name);
        Err(LabError::Refused { what: target.to_owned(), why })
    }

    /// Runs a command there, with this process's standard streams, to its end.
    ///
    /// # Errors
    /// As [`LabError`] says; a command's own failure is its exit status.
    pub fn exec(&self, target: &str, program: &str, arguments: &[String]) -> Result<ExitStatus, LabError> {
        let (machine, netns) = self.place(target)?;
        let depth = netns.map_or(Depth::Machine, Depth::Netns);
        let mut command = Command::new(program);
        if let Some(path) = self.path_of(&machine.name) {
            command.env("PATH", path);
        }
        let hosts = target.split_once('/').filter(|_| netns.is_some()).map(|(ns, _)| self.hosts(ns));
        let names = || hosts.filter(|file| file.exists()).map_or(Ok(()), |file| names::see(&file));
        let mut child = machine.spawn_after(depth, names, command.args(arguments))?;
        child.wait().map_err(|source| LabError::Namespaces {
            operation: "enter",
            machine: target.to_owned(),
            source,
        })
    }

    /// On a node, `ringfence` is the program that its agent runs.
    fn path_of(&self, node: &str) -> Option<OsString> {
        self.nodes.get(node)?;
        let path = std::env::var_os("PATH")?;
        let own = self.node_dir(node).join("cni/bin");
        std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).ok()
    }
}
