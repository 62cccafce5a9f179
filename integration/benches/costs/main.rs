//! What Ringfence costs, next to what others cost: `cargo xtask bench`.

mod agent;
mod alone;
mod attach;
mod change;
mod changes;
mod cluster;
mod empty;
mod flat;
mod flood;
mod frames;
mod labs;
mod machine;
mod manifests;
mod measure;
mod netns;
mod nft;
mod ours;
mod packets;
mod pin;
mod report;
mod rig;
mod scenario;
mod stream;
mod throughput;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};

use machine::Machine;
use report::Section;

/// Benches as ratios: contenders run in turns in one run.
#[derive(Debug, Parser)]
struct Args {
    /// Which; all of them if none is named
    names: Vec<Name>,
    /// A tenth of the time: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Where to write the results as a document
    #[arg(long)]
    write: Option<PathBuf>,
    /// The agent's binary, for the benches that run it
    #[arg(long, value_name = "PATH")]
    ringfence: Option<PathBuf>,
    /// Only runs this contender of `packets` for some seconds, to be looked at with a profiler
    #[arg(long, value_name = "PART OF ITS NAME")]
    profile: Option<String>,
    /// Only takes streams on this port: the receiving end of `throughput`
    #[arg(long, hide = true)]
    sink: Option<u16>,
    /// Only sends a stream there
    #[arg(long, hide = true)]
    blast: Option<SocketAddr>,
    /// For so long
    #[arg(long, hide = true, default_value_t = 1)]
    seconds: u64,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Name {
    /// Added nanoseconds per packet
    Packets,
    /// The same with ten thousand of everything
    Flat,
    /// Milliseconds from a change to its enforcement
    Change,
    /// An encrypted stream with enforcement, next to one without
    Throughput,
    /// The agent's memory
    Memory,
    /// What CNI ADD waits for
    Cni,
    /// Milliseconds from a changed manifest to its enforcement
    Directory,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    quick: bool,
}

impl Effort {
    /// The first if it is to be quick, else the second.
    fn of<T>(self, quick: T, thorough: T) -> T {
        if self.quick { quick } else { thorough }
    }
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<()> {
    if let Some(port) = args.sink {
        return stream::sink(port);
    }
    if let Some(to) = args.blast {
        return stream::blast(to, args.seconds);
    }
    let names = if args.names.is_empty() { Name::value_variants() } else { &args.names };
    let machine = Machine::this()?;
    ours::prepare()?;
    if let Some(contender) = &args.profile {
        pin::to_one_core()?;
        return packets::profile(contender, Path::new(ours::PINS));
    }
    let (mut sections, mut measured, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        println!("== {name:?}");
        match run(*name, args) {
            Ok(section) => {
                println!("{section}");
                sections.push(section);
                measured.push(*name);
            }
            // What the others take many minutes to measure is not lost by it.
            Err(error) => {
                eprintln!("error: {name:?}: {error:#}");
                failed.push(format!("{name:?}").to_lowercase());
            }
        }
    }
    let summary = summary(&machine, args.quick, &measured, &sections)?;
    println!("{summary}");
    if let Some(path) = &args.write {
        let document = sections.iter().fold(summary, |text, section| format!("{text}\n{section}"));
        std::fs::write(path, document).with_context(|| format!("writing {}", path.display()))?;
    }
    if !failed.is_empty() {
        bail!("could not be measured, for the reasons above: {}", failed.join(", "));
    }
    Ok(())
}

fn run(name: Name, args: &Args) -> Result<Section> {
    let effort = Effort { quick: args.quick };
    let ringfence =
        || args.ringfence.as_deref().context("this bench runs the agent: say which by --ringfence");
    let pins = Path::new(ours::PINS).join("ringfence-bench");
    let alone = |bench: fn(Effort, &Path) -> Result<Section>| on_one_core(|| bench(effort, &pins));
    match name {
        Name::Packets => alone(packets::run),
        Name::Flat => alone(flat::run),
        Name::Change => change::run(effort, &pins),
        Name::Throughput => throughput::run(effort, ringfence()?),
        Name::Memory => alone::memory(effort, ringfence()?, &pins),
        Name::Cni => alone::cni(effort, ringfence()?, &pins),
        Name::Directory => alone::directory(effort, ringfence()?, &pins),
    }
}

fn on_one_core<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let bench = scope.spawn(|| {
            pin::to_one_core()?;
            work()
        });
        bench.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What ratios mean.
const READING: &str = "Ratios of packets are of what is *added* to a packet that nothing filters, the stricter reading: of a packet's \
                       whole time all of them would be near 1.";

/// How a document begins: where it was measured, and what of the design's costs holds.
fn summary(machine: &Machine, quick: bool, names: &[Name], sections: &[Section]) -> Result<String> {
    let mut text = String::from("# Benchmarks\n\n");
    writeln!(text, "Written by `cargo xtask bench`; all of it is measured anew, or nothing.\n\n{machine}")?;
    if quick {
        writeln!(text, "A quick run: too short to quote.\n")?;
    }
    let missing = Name::value_variants().iter().filter(|name| !names.contains(name));
    let missing: Vec<String> = missing.map(|name| format!("{name:?}").to_lowercase()).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        writeln!(
            text,
            "Not measured in this run, so without figures: {missing}. `cargo xtask bench` measures all.\n"
        )?;
    }
    writeln!(text, "{READING}\n")?;
    report::musts(&mut text, sections)?;
    Ok(text)
}
