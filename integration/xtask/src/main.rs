//! `cargo xtask`: sets a machine up, runs the tests by tier, boots distribution kernels.

mod bench;
mod cluster;
mod demo;
mod failures;
mod image;
mod kernel_tier;
mod lint;
mod repo;
mod runner;
mod setup;
mod summary;
mod test;
mod tier;
mod uml_tier;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Ringfence's development tasks. Each installs what it lacks on a plain Debian or Ubuntu, and says so.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what building, labs and (with --vm) virtual machines need
    Setup {
        /// Also QEMU and what makes an initramfs
        #[arg(long)]
        vm: bool,
        /// Also cargo-deny, which takes some minutes to compile
        #[arg(long)]
        lint: bool,
    },
    /// Run tests: all tiers, or one of lint, pure, programs, lab, api, cluster, uml, kernel
    Test(test::Args),
    /// Bring a small bank up on three nodes and show what protects it
    Demo(demo::Args),
    /// Measure what it costs next to nftables, all of it or one of packets, flat, throughput, change, memory, cni, rotation
    Bench(bench::Args),
    /// A real Kubernetes cluster on this machine, to play with: up, status, kubectl, exec, down
    Cluster(cluster::Args),
    /// Write Ringfence's image as an OCI archive, without a container engine
    Image(image::Args),
    /// Run a command under another kernel (Debian's in QEMU, or User-Mode Linux), on this machine's files, changing none of them
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Task::Setup { vm, lint } => setup::run(vm, lint).map(|()| ExitCode::SUCCESS),
        Task::Test(args) => test::run(&args),
        Task::Demo(args) => demo::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Cluster(args) => cluster::run(&args),
        Task::Image(args) => image::run(&args),
        Task::Vm(args) => vm::main(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
