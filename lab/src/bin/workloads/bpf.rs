//! A BPF program that lets the kernel probe an address on behalf of this thread: the least of
//! bpf(2), without a loader.

use std::{
    mem::size_of_val,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::errno::Errno;

use crate::syscall::descriptor;

const PROG_LOAD: libc::c_int = 5;
const PROG_TEST_RUN: libc::c_int = 10;
const RAW_TRACEPOINT: u64 = 17;

/// `bpf_probe_read_user`: copies with page faults disabled.
pub(crate) const PROBE_READ_USER: i32 = 112;
/// `bpf_probe_read_kernel`: the same for kernel addresses.
pub(crate) const PROBE_READ_KERNEL: i32 = 113;

/// A loaded program.
pub(crate) struct Program(OwnedFd);

/// An instruction: code, registers (destination in the low half), offset, immediate.
const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> u64 {
    code as u64
        | (registers as u64) << 8
        | (offset.cast_unsigned() as u64) << 16
        | (immediate.cast_unsigned() as u64) << 32
}

const EXIT: u64 = instruction(0x95, 0, 0, 0);

impl Program {
    /// Reads eight bytes at `address` with a helper, and returns what the helper does.
    pub(crate) fn probing(helper: i32, address: usize) -> anyhow::Result<Self> {
        let (low, high) = (address as u32, (address as u64 >> 32) as u32);
        Self::load(&[
            // r1 = r10 - 8; r2 = 8; r3 = address; call helper
            instruction(0xbf, 0xa1, 0, 0),
            instruction(0x07, 0x01, 0, -8),
            instruction(0xb7, 0x02, 0, 8),
            instruction(0x18, 0x03, 0, low.cast_signed()),
            instruction(0, 0, 0, high.cast_signed()),
            instruction(0x85, 0, 0, helper),
            EXIT,
        ])
    }

    /// Returns one half of its own frame pointer: an address in the thread's kernel stack. The helper
    /// reads it from the stack, as the verifier lets nobody take a pointer apart.
    fn frame_pointer_half(high: bool) -> anyhow::Result<Self> {
        Self::load(&[
            // *(u64 *)(r10 - 8) = r10
            instruction(0x7b, 0xaa, -8, 0),
            // r1 = r10 - 16; r2 = 4; r3 = r10 - 8 or r10 - 4; call bpf_probe_read_kernel
            instruction(0xbf, 0xa1, 0, 0),
            instruction(0x07, 0x01, 0, -16),
            instruction(0xb7, 0x02, 0, 4),
            instruction(0xbf, 0xa3, 0, 0),
            instruction(0x07, 0x03, 0, if high { -4 } else { -8 }),
            instruction(0x85, 0, 0, PROBE_READ_KERNEL),
            // r0 = *(u32 *)(r10 - 16)
            instruction(0x61, 0xa0, -16, 0),
            EXIT,
        ])
    }

    fn load(instructions: &[u64]) -> anyhow::Result<Self> {
        let license = c"GPL";
        let count = instructions.len() as u64;
        let attributes = [
            RAW_TRACEPOINT | count << 32,
            instructions.as_ptr().addr() as u64,
            license.as_ptr().addr() as u64,
            0,
            0,
            0,
        ];
        let fd = descriptor(|| {
            // SAFETY: the attributes name a program and a licence that outlive the call.
            Ok(unsafe {
                libc::syscall(
                    libc::SYS_bpf,
                    PROG_LOAD,
                    attributes.as_ptr(),
                    size_of_val(&attributes),
                )
            })
        })?;
        Ok(Self(fd))
    }

    /// Runs it once in this thread; what it returned.
    pub(crate) fn run(&self) -> nix::Result<u32> {
        let mut attributes = [0; 20];
        attributes[0] = self.0.as_raw_fd().cast_unsigned();
        // SAFETY: the attributes name a program and no buffers.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                PROG_TEST_RUN,
                attributes.as_mut_ptr(),
                size_of_val(&attributes),
            )
        };
        Errno::result(result)?;
        Ok(attributes[1])
    }
}

/// An address in this thread's kernel stack.
pub(crate) fn kernel_stack() -> anyhow::Result<usize> {
    let half = |high| anyhow::Ok(Program::frame_pointer_half(high)?.run()? as usize);
    Ok(half(true)? << 32 | half(false)?)
}
