//! What a runtime tells a plugin by environment variables (CNI spec, section 2, "Parameters").
use super::CniError;
use crate::control::Sandbox;
use crate::model::ObjectName;
use std::collections::BTreeMap;

/// The `CNI_*` variables, unchecked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        std::env::vars().collect()
    }

    /// `CNI_COMMAND`, if this is an invocation by a runtime.
    pub fn command(&self) -> Option<&str> {
        self.0.get("CNI_COMMAND").map(String::as_str).filter(|c| !c.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, CniError> {
        let missing = || {
            let message = format!("environment variable {name} is missing");
            CniError::new(CniError::ENVIRONMENT, message, "a container runtime sets it")
        };
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(missing)
    }

    /// Container and interface.
    ///
    /// # Errors
    /// [`CniError::ENVIRONMENT`] for a missing or malformed one; both become part of file names.
    pub fn sandbox(&self) -> Result<Sandbox, CniError> {
        let (container_id, ifname) = (self.required("CNI_CONTAINERID")?, self.required("CNI_IFNAME")?);
        let sandbox = Sandbox { container_id: container_id.to_owned(), ifname: ifname.to_owned() };
        match sandbox.check() {
            Ok(()) => Ok(sandbox),
            Err(what) => {
                Err(CniError::new(CniError::ENVIRONMENT, format!("{what} is malformed"), "see the CNI spec"))
            }
        }
    }

    /// `CNI_NETNS`.
    ///
    /// # Errors
    /// [`CniError::ENVIRONMENT`].
    pub fn netns(&self) -> Result<&str, CniError> {
        self.required("CNI_NETNS")
    }

    /// Which pod, and its UID if the runtime says it: of `CNI_ARGS`, as kubelet's runtimes set them.
    ///
    /// # Errors
    /// [`CniError::ENVIRONMENT`] where namespace or name is missing.
    pub fn pod(&self) -> Result<(ObjectName, Option<String>), CniError> {
        let args: BTreeMap<&str, &str> =
            self.required("CNI_ARGS")?.split(';').filter_map(|pair| pair.split_once('=')).collect();
        let get = |name: &str| args.get(name).copied().filter(|value| !value.is_empty());
        let need = |name: &str| {
            get(name).ok_or_else(|| {
                let message = format!("CNI_ARGS has no {name}");
                CniError::new(CniError::ENVIRONMENT, message, "only pods of Kubernetes can be attached")
            })
        };
        let pod = ObjectName::new(need("K8S_POD_NAMESPACE")?, need("K8S_POD_NAME")?);
        Ok((pod, get("K8S_POD_UID").map(str::to_owned)))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(vars: T) -> Self {
        Self(vars.into_iter().filter(|(name, _)| name.starts_with("CNI_")).collect())
    }
}

impl Sandbox {
    /// Whether both parts are as the spec wants them; they become part of file names.
    ///
    /// # Errors
    /// Which of them is not.
    pub fn check(&self) -> Result<(), &'static str> {
        let word = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let id = &self.container_id;
        let starts_well = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if !starts_well || id.len() > 200 || !id.chars().all(word) {
            return Err("CNI_CONTAINERID");
        }
        // dev_valid_name, net/core/dev.c
        let name = &self.ifname;
        let bad = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.chars().any(bad) {
            return Err("CNI_IFNAME");
        }
        Ok(())
    }
}
