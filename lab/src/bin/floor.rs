//! What any tracer on these hooks costs at least: programs of two instructions (`r0 = 0; exit`) on
//! both page-fault tracepoints and on every CPU's minor and major faults. With `evidence` these read the
//! clock, and empty ones are on the hooks, too, that an anonymous fault's evidence comes from. Stays until
//! it is ended.

use std::{
    env,
    ffi::{CStr, c_char, c_long},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    path::Path,
    process::ExitCode,
    thread,
};

use fault_trace::host::kernel;
use perf_event_open_sys::{self as perf, bindings};

/// `enum bpf_cmd`, `enum bpf_prog_type` of the kernel's <linux/bpf.h>.
const BPF_PROG_LOAD: u32 = 5;
const BPF_RAW_TRACEPOINT_OPEN: u32 = 17;
const BPF_PROG_TYPE_PERF_EVENT: u32 = 7;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;

/// `r0 = 0; exit`, as the kernel encodes instructions.
static EMPTY_PROGRAM: [u64; 2] = [0xb7, 0x95];
/// The same after a call of `bpf_ktime_get_ns`.
static CLOCK_PROGRAM: [u64; 3] = [5 << 32 | 0x85, 0xb7, 0x95];

/// The first fields of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct Load {
    prog_type: u32,
    instruction_count: u32,
    instructions: *const u64,
    license: *const c_char,
    log: [u64; 3],
}

/// `union bpf_attr` for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct OpenTracepoint {
    name: *const c_char,
    program: u32,
    padding: u32,
}

fn main() -> ExitCode {
    let evidence = match env::args().nth(1).as_deref() {
        None => false,
        Some("evidence") => true,
        Some(_) => {
            eprintln!("usage: floor [evidence]");
            return ExitCode::from(2);
        }
    };
    match attach(evidence) {
        Ok(_held) => loop {
            thread::park();
        },
        Err(error) => {
            eprintln!("floor: cannot attach the empty programs: {error}; it takes root");
            ExitCode::FAILURE
        }
    }
}

/// They stay attached as long as these are open.
fn attach(evidence: bool) -> io::Result<Vec<OwnedFd>> {
    let mut held = Vec::new();
    let program: &[u64] = if evidence {
        &CLOCK_PROGRAM
    } else {
        &EMPTY_PROGRAM
    };
    let start = load(BPF_PROG_TYPE_RAW_TRACEPOINT, program)?;
    for name in [c"page_fault_user", c"page_fault_kernel"] {
        held.push(attach_raw(name, &start)?);
    }
    if evidence {
        let empty = load(BPF_PROG_TYPE_RAW_TRACEPOINT, &EMPTY_PROGRAM)?;
        for name in [c"rss_stat", c"mm_page_alloc"] {
            held.push(attach_raw(name, &empty)?);
        }
    }
    let end = load(BPF_PROG_TYPE_PERF_EVENT, program)?;
    for cpu in kernel::online_cpus(Path::new(kernel::CPUS_ONLINE))? {
        for event in [
            bindings::PERF_COUNT_SW_PAGE_FAULTS_MIN,
            bindings::PERF_COUNT_SW_PAGE_FAULTS_MAJ,
        ] {
            held.push(attach_event(event.into(), cpu, &end)?);
        }
    }
    held.extend([start, end]);
    Ok(held)
}

fn load(prog_type: u32, program: &'static [u64]) -> io::Result<OwnedFd> {
    bpf(
        BPF_PROG_LOAD,
        &Load {
            prog_type,
            instruction_count: program.len() as u32,
            instructions: program.as_ptr(),
            license: c"Dual MIT/GPL".as_ptr(),
            log: [0; 3],
        },
    )
}

fn attach_raw(name: &CStr, program: &OwnedFd) -> io::Result<OwnedFd> {
    bpf(
        BPF_RAW_TRACEPOINT_OPEN,
        &OpenTracepoint {
            name: name.as_ptr(),
            program: program.as_raw_fd().cast_unsigned(),
            padding: 0,
        },
    )
}

fn bpf<T>(command: u32, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the attributes belong to the command, and what they point to lives until it returns.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    owned(fd)
}

fn attach_event(event: u64, cpu: u32, program: &OwnedFd) -> io::Result<OwnedFd> {
    let cpu = i32::try_from(cpu).map_err(io::Error::other)?;
    let mut attributes = bindings::perf_event_attr {
        type_: bindings::PERF_TYPE_SOFTWARE,
        size: size_of::<bindings::perf_event_attr>() as u32,
        config: event,
        ..bindings::perf_event_attr::default()
    };
    attributes.__bindgen_anon_1.sample_period = 1;
    let flags = bindings::PERF_FLAG_FD_CLOEXEC.into();
    // SAFETY: the attributes live until the call returns.
    let fd =
        owned(unsafe { perf::perf_event_open(&raw mut attributes, -1, cpu, -1, flags).into() })?;
    // SAFETY: both are open; the call takes a number.
    let set = unsafe { perf::ioctls::SET_BPF(fd.as_raw_fd(), program.as_raw_fd().cast_unsigned()) };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd)
}

fn owned(fd: c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(fd) {
        // SAFETY: the kernel has just made it for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
