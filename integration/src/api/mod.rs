//! A real kube-apiserver with its etcd, in a network namespace of its own: no controllers, no kubelets. Objects are what a
//! test makes them; tokens are real ones.

mod programs;
mod users;

pub use programs::Programs;

use crate::netns::Netns;
use anyhow::{Context, Result, bail, ensure};
use ringfence::lab::patience;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where the API server listens; an address of its namespace's loopback.
const ADDRESS: &str = "192.0.2.1";

/// An API server. It ends with the value.
#[derive(Debug)]
pub struct ApiServer {
    namespace: Netns,
    programs: Programs,
    directory: TempDir,
    etcd: Child,
    server: Option<Child>,
}

impl ApiServer {
    /// Starts one, with the CRDs, roles and admission policies of manifests/, and the agents' service account.
    ///
    /// # Errors
    /// Without root; if the programs are not built, or do not start.
    pub fn start(label: &str) -> Result<Self> {
        let programs = Programs::find()?;
        let namespace = Netns::new(label)?;
        run(namespace.command("ip").args(["address", "add", &format!("{ADDRESS}/32"), "dev", "lo"]), "")?;
        let directory = TempDir::new()?;
        run(
            Command::new("openssl").args(["genrsa", "-out"]).arg(directory.path().join("sa.key")).arg("2048"),
            "",
        )?;
        fs::write(directory.path().join("tokens.csv"), users::STATIC)?;
        let mut etcd = namespace.command("setpriv");
        etcd.args(["--pdeathsig", "KILL"]).arg(programs.path("etcd")).arg("--data-dir");
        etcd.arg(directory.path().join("etcd")).args(["--unsafe-no-fsync", "--log-level=error"]);
        let etcd = logged(&mut etcd, directory.path(), "etcd")?;
        let mut api = Self { namespace, programs, directory, etcd, server: None };
        api.resume()?;
        api.write_kubeconfig(&[])?;
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
        api.kubectl("admin", &["create", "namespace", "ringfence-system"], "")?;
        api.kubectl("admin", &["-n", "ringfence-system", "create", "serviceaccount", "ringfence"], "")?;
        for part in ["crds", "rbac", "admission"] {
            let part = manifests.join(part);
            api.kubectl("admin", &["apply", "-k", &part.display().to_string()], "")?;
        }
        api.wait("custom resources to be served", |api| {
            api.kubectl(
                "admin",
                &["get", "ringfencenodes,ringfencemeshes,ringfencerotations,ringfencerevocations"],
                "",
            )
            .map(drop)
        })?;
        Ok(api)
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Netns {
        &self.namespace
    }

    /// A kubeconfig with a context for each user.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// Stops the API server. etcd goes on.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill()?;
            server.wait()?;
        }
        Ok(())
    }

    /// Starts the API server again, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not come up; with the end of its log.
    pub fn resume(&mut self) -> Result<()> {
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        let mut command = self.namespace.command("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(self.programs.path("kube-apiserver"));
        command.args([
            "--etcd-servers=http://127.0.0.1:2379",
            "--secure-port=6443",
            "--bind-address=0.0.0.0",
        ]);
        command.arg(format!("--advertise-address={ADDRESS}"));
        command.arg(format!("--cert-dir={}", file("certificates")));
        command.arg(format!("--token-auth-file={}", file("tokens.csv")));
        command.arg(format!("--service-account-key-file={}", file("sa.key")));
        command.arg(format!("--service-account-signing-key-file={}", file("sa.key")));
        command.arg("--service-account-issuer=https://kubernetes.default.svc");
        command.args(["--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC"]);
        // Nobody here makes the default service accounts that pods would be given.
        command.args([
            "--enable-admission-plugins=NodeRestriction",
            "--disable-admission-plugins=ServiceAccount",
        ]);
        self.server = Some(logged(&mut command, self.directory.path(), "apiserver")?);
        self.write_kubeconfig(&[])?;
        self.wait("the API server", |api| api.kubectl("admin", &["get", "--raw", "/readyz"], "").map(drop))
    }

    /// kubectl as a user; what it prints.
    ///
    /// # Errors
    /// If it fails; with what it says then.
    pub fn kubectl(&self, user: &str, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = self.namespace.command("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(self.programs.path("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig()).args(["--context", user]).args(arguments);
        command.env("KUBECACHEDIR", self.directory.path().join("cache"));
        run(&mut command, input)
    }

    /// Tries until it works.
    fn wait(&self, what: &str, mut attempt: impl FnMut(&Self) -> Result<()>) -> Result<()> {
        let deadline = Instant::now() + patience(Duration::from_secs(60));
        loop {
            let Err(error) = attempt(self) else { return Ok(()) };
            if Instant::now() >= deadline {
                let log = fs::read_to_string(self.directory.path().join("apiserver.log")).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(20).collect();
                bail!(
                    "waited in vain for {what}: {error:#}\n{}",
                    end.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // Whatever could not be ended goes with this process.
        let _ = self.stop();
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

fn logged(command: &mut Command, directory: &Path, name: &str) -> Result<Child> {
    let log = fs::File::options().create(true).append(true).open(directory.join(format!("{name}.log")))?;
    let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("starting {name}"))
}

fn run(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().context("no input")?;
    // Who does not read its input is gone, which the outcome says better.
    let _ = std::io::Write::write_all(&mut pipe, input.as_bytes());
    drop(pipe);
    let done = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{command:?}: {}", said.trim());
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
