//! The Go part. `kubernetes/go.mod` and `go.sum` pin every module, so nothing is built that was not built before.
use super::{PROGRAMS, Programs, VERSION};
use anyhow::{Context, Result, bail};
use ringfence_bootstrap::{find_program, progress};
use std::fs;
use std::process::Command;

/// The module that requires what is built.
pub(super) const MODULE: [(&str, &str); 3] = [
    ("go.mod", include_str!("../../kubernetes/go.mod")),
    ("go.sum", include_str!("../../kubernetes/go.sum")),
    ("programs.go", include_str!("../../kubernetes/programs.go")),
];

/// Builds what is not there.
pub(super) fn build(programs: &Programs) -> Result<()> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|program| !programs.path(program.name).is_file()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(go) = find_program("go") else {
        bail!(
            "Kubernetes is built with Go, which is not installed: unpack a release of https://go.dev/dl and put its bin \
             directory on PATH, then run this again"
        );
    };
    let module = programs.directory.join("module");
    let bin = programs.directory.join("bin");
    for directory in [&module, &bin] {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
    for (name, text) in MODULE {
        fs::write(module.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    println!(
        "cluster: building Kubernetes {VERSION} from its Go modules into {}: about ten minutes on two cores, and never \
         again for this version",
        programs.directory.display()
    );
    for program in missing {
        println!("cluster: {}: {}", program.name, program.why);
        // Renamed when it is whole.
        let next = bin.join(format!(".{}.new", program.name));
        let mut command = Command::new(&go);
        command.current_dir(&module).args(["build", "-trimpath", "-ldflags", &ldflags(), "-o"]);
        command.arg(&next).arg(program.package);
        command.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly -buildvcs=false").env("GOWORK", "off");
        progress::run(program.name, &mut command)?;
        let path = programs.path(program.name);
        fs::rename(&next, &path).with_context(|| format!("moving to {}", path.display()))?;
    }
    Ok(())
}

/// Programs that are told no version say v0.0.0, which kubectl and admission take for one.
fn ldflags() -> String {
    let (major, rest) = VERSION.split_once('.').unwrap_or((VERSION, "0"));
    let minor = rest.split('.').next().unwrap_or(rest);
    let set = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
    [
        "-s -w".to_owned(),
        set("gitVersion", &format!("v{VERSION}")),
        set("gitMajor", major),
        set("gitMinor", minor),
        set("gitTreeState", "clean"),
    ]
    .join(" ")
}
