//! The lab on the kernel's own WireGuard: the same tests, inside QEMU on Debian's kernels.
#[path = "lab_plaintext.rs"]
mod plaintext;
#[path = "lab_spoofing.rs"]
mod spoofing;
