//! A machine that QEMU emulates.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Job, boot, guest};

/// Measured as the quickest for WireGuard: `max` has SIMD instructions, which emulation makes slow.
pub(super) fn command(job: &Job, initramfs: &Path, socket: &Path, console: &Path) -> Command {
    let memory = job.memory;
    let mut command = boot::bound_to_us();
    command.args(["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "qemu64"]);
    command.args(["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot", "-no-user-config"]);
    // virtiofsd reads the guest's memory: it must be shared.
    command.arg("-object").arg(format!("memory-backend-memfd,id=memory,size={memory}M,share=on"));
    command.args(["-machine", "q35,memory-backend=memory", "-m", &format!("{memory}M")]);
    command.arg("-chardev").arg(format!("socket,id=root,path={}", socket.display()));
    command.arg("-device").arg(format!("vhost-user-fs-pci,chardev=root,tag={}", guest::ROOT_TAG));
    command.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
    command.arg("-kernel").arg(&job.kernel.image).arg("-initrd").arg(initramfs);
    // An oops is a failure, and a panic ends the machine. Warnings (level 4) go to the console.
    command.args(["-append", "console=ttyS0 panic=-1 oops=panic loglevel=5 mitigations=off"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
