//! What runs inside the machine: the initramfs's init, then the job under the host's own shell.

use std::ffi::{OsStr, OsString};

use super::Job;
use super::kernel::Machine;

/// Modules needed before the root file system is there; everything later loads on demand.
pub(super) const BOOT_MODULES: [&str; 3] = ["virtio_pci", "virtiofs", "overlay"];

/// The name under which the host's root is shared.
pub(super) const ROOT_TAG: &str = "hostroot";

/// Where the initramfs leaves the second script, on the guest's own /run.
const STAGE_TWO: &str = "/run/ringfence-vm";

/// The initramfs's `/init` for busybox: `modules` are loaded in order from `/modules`.
pub(super) fn init(job: &Job, modules: &[String]) -> String {
    let load: String = modules.iter().map(|name| format!("insmod /modules/{name} || exit 1\n")).collect();
    let (root, bind) = match &job.kernel.machine {
        Machine::Emulated { root } => {
            let there = format!("/new/lib/modules/{}", job.kernel.release);
            let here = root.join("lib/modules").join(&job.kernel.release);
            let here = quote(here.as_os_str());
            (
                format!("mount -t virtiofs -o ro {ROOT_TAG} /lower"),
                format!("mkdir -p {there}\nmount --bind /new{here} {there} || exit 1\n"),
            )
        }
        Machine::UserMode => ("mount -t hostfs -o ro none /lower".to_owned(), String::new()),
    };
    format!(
        "#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
{load}
{root} || exit 1
mount -t tmpfs -o size=75% rw /rw && mkdir /rw/upper /rw/work || exit 1
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /new || exit 1
# The host's own mounts do not come along; what a booted system has is made anew.
mount -t tmpfs run /new/run
mkdir /new{STAGE_TWO}
cp /job /new{STAGE_TWO}/job
{bind}mount --move /dev /new/dev
mount --move /proc /new/proc
exec switch_root /new /bin/sh {STAGE_TWO}/job
"
    )
}

/// What an emulated machine needs besides.
const EMULATED: &str = "modprobe tun
# The first socket that wants timestamps, as every ping does, makes the kernel patch its own code, the last one patches it
# back, and the emulator now and then runs the breakpoint that stands there meanwhile (int3 in dev_queue_xmit_nit, a
# panic). One that stays keeps it from being patched again.
ping -q -i 86400 127.0.0.1 >/dev/null 2>&1 &
";

/// The script that becomes process 1 on the host's root. It reports on the second serial port, in lines that begin
/// with `token`: "TOKEN up" before the job, "TOKEN exit N" after it.
pub(super) fn stage_two(job: &Job, token: &str) -> String {
    let environment: String = inherited_environment()
        .into_iter()
        .chain(job.environment.iter().cloned())
        .map(|(name, value)| format!("export {name}={}\n", quote(&value)))
        .collect();
    let directory = quote(job.directory.as_os_str());
    let series = &job.kernel.series;
    let script = quote(OsStr::new(&job.script));
    let extra = match job.kernel.machine {
        Machine::Emulated { .. } => EMULATED,
        Machine::UserMode => "",
    };
    format!(
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
mkdir -p /run/netns /run/lock
hostname ringfence-vm
ip link set lo up
{extra}{environment}export RINGFENCE_KERNEL={series}
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1
cd {directory} || exit 1
echo '{token} up'
/bin/sh -c {script}
echo \"
{token} exit $?\"
stty -F /dev/ttyS1 raw -echo # waits until the line above is out
echo b >/proc/sysrq-trigger
sleep 60
"
    )
}

/// What of this process's environment the guest gets: how tests behave, and nothing that may be secret.
fn inherited_environment() -> Vec<(String, OsString)> {
    const PREFIXES: [&str; 4] = ["RINGFENCE_", "PROPTEST_", "RUST_BACKTRACE", "RUST_LOG"];
    let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named.filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix))).collect()
}

/// A shell command of these words.
pub(super) fn quote_command(words: &[OsString]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}

/// One word for a POSIX shell.
pub(crate) fn quote(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_as_they_are() {
        let words = ["printf", "%s.", "it's", "$HOME", "a b", ""].map(OsString::from);
        let output = std::process::Command::new("sh").arg("-c").arg(quote_command(&words)).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's.$HOME.a b..");
    }
}
