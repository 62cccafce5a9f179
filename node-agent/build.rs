//! Builds the eBPF object, which `src/apply/bpf/object.rs` embeds. A cargo of its own does it, with a target of its own,
//! so nothing that this cargo was told about flags, wrappers or targets may reach it.
use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What cargo and its users set for the build of this crate only, as exact names or prefixes.
const NOT_OURS: [&str; 9] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC",
    "RUSTDOC",
    "CARGO_TARGET_",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_INCREMENTAL",
    "CARGO_UNSTABLE_",
];

fn main() -> Result<(), Box<dyn Error>> {
    let bpf = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../bpf");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for path in ["abi/src", "abi/Cargo.toml", "programs/src", "programs/Cargo.toml", "programs/Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", bpf.join(path).display());
    }
    println!("cargo::rerun-if-changed={}", bpf.join("programs/.cargo/config.toml").display());
    println!("cargo::rerun-if-env-changed=PATH");
    if !found("bpf-linker") {
        return Err("bpf-linker is not on PATH, and the eBPF programs cannot be linked without it: run \
                    `cargo xtask setup`, which installs it"
            .into());
    }
    let target = shared_target(&out);
    build(&bpf, [&target, &target], &[], &out.join("ringfence-programs.o"))?;
    // Only for tests: programs that can be told to make a mistake. They end up in a directory of their own, so that another
    // build at the same time cannot take them for the ones that are shipped.
    if env::var_os("CARGO_FEATURE_SEEDED_MISTAKES").is_some() {
        let apart = target.join("mistaken");
        let object = out.join("ringfence-programs-mistaken.o");
        build(&bpf, [&target, &apart], &["--features", "seeded-mistakes"], &object)?;
    }
    Ok(())
}

/// Builds the programs and copies them to `object`. Everything on the way there goes to the first of the directories, the
/// result to the second.
fn build(bpf: &Path, [way, end]: [&Path; 2], more: &[&str], object: &Path) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked"]).args(more).arg("--target-dir").arg(end);
    cargo.current_dir(bpf.join("programs"));
    for (name, _) in env::vars_os() {
        if not_ours(&name) {
            cargo.env_remove(name);
        }
    }
    // The BPF target has no prebuilt core, and building core is not stable.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_BUILD_BUILD_DIR", way);
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("building bpf/programs failed ({status}); the output above says why").into());
    }
    std::fs::copy(end.join("bpfel-unknown-none/release/ringfence-programs"), object)?;
    Ok(())
}

/// One target directory for all profiles of this crate, so that `core` is built once. Beside the profiles if OUT_DIR lies
/// where cargo has it, `target/PROFILE/build/NAME-HASH/out`; else inside it.
fn shared_target(out: &Path) -> PathBuf {
    match out.ancestors().find(|dir| dir.file_name() == Some(OsStr::new("build"))) {
        Some(build) => build.ancestors().nth(2).unwrap_or(out).join("bpf"),
        None => out.join("bpf"),
    }
}

fn not_ours(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    // RUSTC_WRAPPER and RUSTC_WORKSPACE_WRAPPER among them: clippy is one.
    NOT_OURS.iter().any(|of| name == *of || (of.ends_with('_') && name.starts_with(of)))
        || name.starts_with("RUSTC_")
}

fn found(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}
