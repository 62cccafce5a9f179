//! The datapath: one classifier for each hook. DESIGN: docs/datapath.md.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod bytes;
mod class;
mod flow;
mod fragment;
mod globals;
mod hints;
mod hooks;
mod icmp_error;
mod judge;
mod maps;
mod mistake;
mod packet;
mod parse;
mod pass;
mod resume;
mod roles;
mod scene;
mod verdict;

/// Helpers that the kernel gives to GPL-compatible programs only are needed; this crate is under either licence.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
