//! Which programs are attached to a device by TCX: `BPF_PROG_QUERY` of bpf(2).
//!
//! aya asks the same, but then opens each program to know more of it, which the kernel allows with `CAP_SYS_ADMIN` alone
//! (`bpf_prog_get_fd_by_id`, kernel/bpf/syscall.c). Numbers are enough for us, and `CAP_NET_ADMIN` for numbers.

use std::io;

/// `enum bpf_cmd`, include/uapi/linux/bpf.h.
const BPF_PROG_QUERY: libc::c_int = 16;
/// Programs that are asked for at once; the kernel attaches up to 64 (`BPF_MPROG_MAX`, include/linux/bpf_mprog.h).
const MOST: usize = 64;

/// A direction: `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS` of `enum bpf_attach_type`, include/uapi/linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Tcx {
    /// Into this network namespace.
    Ingress = 46,
    /// Out of it.
    Egress = 47,
}

/// The part of `union bpf_attr` (include/uapi/linux/bpf.h) that `BPF_PROG_QUERY` reads and writes; host byte order.
#[repr(C, align(8))]
#[derive(Default)]
struct Query {
    ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    program_ids: u64,
    count: u32,
    unused: u32,
    program_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Ids of the programs attached to device `ifindex` of the calling thread's network namespace, in the order in which they run.
///
/// # Errors
/// What bpf(2) says: `ENODEV` if there is no such device, `EPERM` without `CAP_NET_ADMIN`, `EINVAL` before Linux 6.6.
pub fn attached(ifindex: u32, direction: Tcx) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; MOST];
    let mut query = Query {
        ifindex,
        attach_type: direction as u32,
        program_ids: ids.as_mut_ptr() as u64,
        count: MOST as u32,
        ..Query::default()
    };
    // SAFETY: the command reads and writes `query`, whose size it is told and whose layout is the kernel's, and writes at
    // most `count` u32 to `program_ids`, which is as long and outlives the call.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_PROG_QUERY, &raw mut query, size_of::<Query>() as libc::c_uint)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(ids.iter().copied().take(query.count as usize).collect())
}

// As in the header: five words of 32 bits before the ids' count, then pairs.
const _: () = assert!(size_of::<Query>() == 64 && std::mem::offset_of!(Query, count) == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_an_error_and_never_an_empty_list() {
        let error = attached(u32::MAX >> 1, Tcx::Ingress).unwrap_err();
        // EPERM for whoever may not ask; EINVAL of kernels without TCX.
        let code = error.raw_os_error().unwrap();
        assert!([libc::ENODEV, libc::EPERM, libc::EINVAL].contains(&code), "{error}");
    }
}
