//! The command line. `cargo xtask cluster` and `cargo xtask image` install what is missing, build this, and call it.
use crate::cluster::{self, Cluster, DEFAULT_ROOT, Families, NodeStatus, Options, ProxyMode};
use crate::machine::{self, Plan};
use crate::{build, image};
use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A real Kubernetes cluster on this machine, each node in namespaces of its own.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask cluster", bin_name = "cargo xtask cluster", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Build Kubernetes from its Go modules, unless the cache has it
    Build(Cache),
    /// Take a cluster up, with Ringfence as its network
    Up(Up),
    /// Install Ringfence, or another build of it, in a cluster that is up
    Install(Install),
    /// Show what there is
    Status(Which),
    /// Ask the cluster, as its administrator
    Kubectl {
        #[command(flatten)]
        which: Which,
        /// What kubectl is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a command on a machine: control-plane, node-1, ...
    Exec {
        #[command(flatten)]
        which: Which,
        /// The machine
        machine: String,
        /// The command
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Give every node an image, from an archive
    Import {
        #[command(flatten)]
        which: Which,
        /// As `docker save`, `podman save` or `cargo xtask image` write it
        archive: PathBuf,
    },
    /// Restart every kube-proxy in another mode
    Proxy {
        #[command(flatten)]
        which: Which,
        /// The mode
        #[arg(value_enum)]
        mode: ProxyMode,
    },
    /// Take it away; nothing is left, also after a crash
    Down(Which),
    /// Write Ringfence's image as an OCI archive
    #[command(hide = true)]
    Image {
        /// The binary to pack
        #[arg(long)]
        binary: PathBuf,
        /// Where to
        #[arg(long, short)]
        output: PathBuf,
    },
    /// The first process of a machine
    #[command(hide = true)]
    Machine {
        #[arg(long)]
        root: PathBuf,
        #[arg(long)]
        name: String,
        #[arg(long)]
        share: Vec<PathBuf>,
        #[arg(long)]
        node: bool,
    },
}

#[derive(Debug, Args)]
struct Cache {
    /// Where built programs are kept
    #[arg(long, env = "RINGFENCE_KUBERNETES", value_name = "DIR")]
    cache: PathBuf,
}

#[derive(Debug, Args)]
struct Which {
    /// The cluster's name
    #[arg(long, default_value = "play")]
    name: String,
    /// Where clusters are
    #[arg(long, default_value = DEFAULT_ROOT, value_name = "DIR")]
    root: PathBuf,
}

impl Which {
    fn root(&self) -> Result<PathBuf> {
        let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(fit) {
            bail!("--name {:?}: a name is made of lower-case letters, digits and dashes", self.name);
        }
        Ok(std::path::absolute(&self.root)?.join(&self.name))
    }

    fn open(&self) -> Result<Cluster> {
        Cluster::open(&self.root()?)
    }
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    cache: Cache,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=200))]
    nodes: u8,
    /// Which kinds of addresses
    #[arg(long, value_enum, default_value_t)]
    families: Families,
    /// How kube-proxy works
    #[arg(long, value_enum, default_value_t)]
    proxy: ProxyMode,
    /// Without Ringfence: the nodes have no pod network, and are not ready
    #[arg(long)]
    bare: bool,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct Install {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    what: What,
}

/// What is installed.
#[derive(Debug, Args)]
struct What {
    /// The binary that is packed into an image
    #[arg(long, env = "RINGFENCE_BIN", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// An image that was packed before, instead
    #[arg(long, value_name = "ARCHIVE")]
    image: Option<PathBuf>,
    /// A directory for kubectl apply -k
    #[arg(long, env = "RINGFENCE_MANIFESTS", value_name = "DIR")]
    manifests: Option<PathBuf>,
}

/// Runs the process; errors go to standard error.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Machine { root, name, share, node } => {
            machine::init(&Plan { root: &root, name: &name, shared: &share, node })?;
        }
        Verb::Image { binary, output } => image::agent(&output, &binary)?,
        Verb::Build(cache) => {
            let programs = prepare(&cache)?;
            println!("cluster: Kubernetes {} is in {}", build::VERSION, programs.directory.display());
        }
        Verb::Up(arguments) => up(&arguments)?,
        Verb::Install(arguments) => install(&arguments.which.open()?, &arguments.what)?,
        Verb::Status(which) => show(&which.open()?)?,
        Verb::Kubectl { which, arguments } => {
            return Err(replaced_by(which.open()?.kubectl(&[])?.args(arguments)));
        }
        Verb::Exec { which, machine, command } => {
            let cluster = which.open()?;
            let (program, arguments) = command.split_first().context("no command")?;
            return Err(replaced_by(cluster.machine(&machine)?.command(program).args(arguments)));
        }
        Verb::Import { which, archive } => which.open()?.import(&archive)?,
        Verb::Proxy { which, mode } => which.open()?.set_proxy_mode(mode)?,
        Verb::Down(which) => cluster::down(&which.root()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Becomes another program, so that signals, the terminal and the exit status are its own.
fn replaced_by(command: &mut Command) -> anyhow::Error {
    anyhow::Error::new(command.exec()).context("starting nsenter")
}

fn prepare(cache: &Cache) -> Result<build::Programs> {
    build::prepare(&std::path::absolute(&cache.cache)?)
}

fn up(arguments: &Up) -> Result<()> {
    let programs = prepare(&arguments.cache)?;
    let options = Options { nodes: arguments.nodes, families: arguments.families, proxy: arguments.proxy };
    let rig = std::env::current_exe().context("finding this program")?;
    let cluster = cluster::up(&arguments.which.root()?, options, programs, &rig)?;
    if !arguments.bare {
        install(&cluster, &arguments.what)?;
    }
    show(&cluster)
}

fn install(cluster: &Cluster, what: &What) -> Result<()> {
    let manifests = what.manifests.as_deref().context("--manifests is missing")?;
    match (&what.image, &what.binary) {
        (Some(image), _) => cluster.install(image, manifests),
        (None, Some(binary)) => {
            let packed = cluster.root.join("ringfence.tar");
            image::agent(&packed, binary)?;
            cluster.install(&packed, manifests)
        }
        (None, None) => bail!("--binary or --image is missing"),
    }
}

fn show(cluster: &Cluster) -> Result<()> {
    let status = cluster.status()?;
    println!("directory   {}", status.root.display());
    println!("kubeconfig  {}", status.kubeconfig.display());
    println!("machines    {}", status.machines.join(" "));
    for NodeStatus { name, ready, why, addresses, pod_cidrs } in &status.nodes {
        let state = if *ready { "ready".to_owned() } else { format!("not ready: {why}") };
        println!("{name:11} {:28} pods {:20} {state}", addresses.join(" "), pod_cidrs.join(" "));
    }
    Ok(())
}
