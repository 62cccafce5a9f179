//! What Ringfence costs, next to what others cost: `cargo xtask bench`.

mod cluster;
mod empty;
mod flood;
mod frames;
mod machine;
mod measure;
mod netns;
mod nft;
mod ours;
mod packets;
mod pin;
mod report;
mod rig;
mod scenario;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
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
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Name {
    /// Added nanoseconds per packet
    Packets,
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

fn main() -> Result<()> {
    let args = Args::parse();
    let names = if args.names.is_empty() { Name::value_variants() } else { &args.names };
    let machine = Machine::this()?;
    let scratch = tempfile::tempdir().context("making a directory for pins")?;
    ours::prepare(scratch.path())?;
    if let Some(contender) = &args.profile {
        pin::to_one_core()?;
        return packets::profile(contender, scratch.path());
    }
    let mut sections = Vec::new();
    for name in names {
        println!("== {name:?}");
        let section = run(*name, Effort { quick: args.quick }, scratch.path())?;
        println!("{section}");
        sections.push(section);
    }
    let document = document(&machine, args.quick, &sections)?;
    println!("{}", document.split("\n## Pac").next().unwrap_or_default());
    if let Some(path) = args.write {
        std::fs::write(&path, &document).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn run(name: Name, effort: Effort, scratch: &Path) -> Result<Section> {
    let pins = scratch.join("packets");
    std::thread::scope(|scope| {
        let bench = scope.spawn(|| {
            pin::to_one_core()?;
            match name {
                Name::Packets => packets::run(effort, &pins),
            }
        });
        bench.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn document(machine: &Machine, quick: bool, sections: &[Section]) -> Result<String> {
    let mut text = String::from("# Benchmarks\n\n");
    writeln!(text, "{machine}")?;
    if quick {
        writeln!(text, "A quick run.\n")?;
    }
    report::musts(&mut text, sections)?;
    for section in sections {
        write!(text, "\n{section}")?;
    }
    Ok(text)
}
