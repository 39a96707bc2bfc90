//! What the sideband tells, against what the kernel says in /proc/PID/maps.

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    os::fd::AsRawFd,
    process::{Child, Command, Stdio},
};

use fault_trace::{
    capture::sideband::{RING_BYTES, Sideband},
    model::{
        address_space::{AddressSpace, Certainty},
        mapping::{Devices, Kind, Mapping, Names, parse_maps},
        space_event::Origin,
        spaces::{HORIZON_NS, Spaces},
    },
    pipeline::sideband::Decoder,
};
use nix::{
    sys::{signal, wait::waitpid},
    unistd::{ForkResult, Pid, fork, getpid, gettid, pipe},
};

use super::{is_root, now_ns, online_cpus};

const PAGE: usize = 4096;

fn devices() -> Devices {
    let mountinfo = File::open("/proc/self/mountinfo").expect("mounts");
    Devices::parse_mountinfo(BufReader::new(mountinfo)).expect("reads")
}

fn maps(pid: u32) -> Vec<Mapping> {
    let maps = File::open(format!("/proc/{pid}/maps")).expect("the process lives");
    let mut all = parse_maps(BufReader::new(maps), &devices(), &mut Names::default())
        .expect("every line is understood");
    // The legacy vsyscall page is listed for all, but is no mapping of the process.
    all.retain(|mapping| mapping.name() != b"[vsyscall]");
    all
}

/// The sideband of one origin, its decoder, and what they led to.
struct Watch {
    origin: Origin,
    sideband: Sideband,
    decoder: Decoder,
    spaces: Spaces,
}

impl Watch {
    /// Of the machine, or of this thread and what it forks from now on.
    fn open(origin: Origin) -> Self {
        let mut sideband = Sideband::open(RING_BYTES).expect("root may");
        if origin == Origin::Tasks {
            let tid = gettid().as_raw().cast_unsigned();
            let opened = sideband.add_task(tid, &online_cpus(), RING_BYTES);
            assert!(opened.expect("root may"));
        }
        Self {
            origin,
            sideband,
            decoder: Decoder::new(devices()),
            spaces: Spaces::new(HORIZON_NS),
        }
    }

    fn read(&mut self) {
        let until_ns = now_ns();
        let spaces = &mut self.spaces;
        let counts = self.sideband.read(
            self.origin,
            &mut self.decoder,
            |_| true,
            |event| {
                spaces.push(event);
            },
        );
        assert_eq!((counts.undecodable, counts.lost), (0, 0));
        spaces.advance(until_ns);
    }

    fn space(&self, pid: u32) -> &AddressSpace {
        self.spaces.space(pid).expect("the process was seen")
    }
}

/// Whatever /proc shows is known, and as what it is.
fn assert_known(space: &AddressSpace, maps: &[Mapping]) {
    let now_ns = now_ns();
    for mapping in maps {
        for address in [mapping.start, mapping.end - 1] {
            let found = space.lookup(address, now_ns);
            let found = found.unwrap_or_else(|| panic!("{address:#x} unknown: {mapping:?}"));
            assert!(found.mapping.agrees_with(mapping), "{found:?} {mapping:?}");
            assert!(!found.grew);
        }
    }
}

/// A process that ended when this does.
struct Ended(Pid);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = signal::kill(self.0, signal::Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// Starts `cat` and waits until it echoes a byte, so that it has loaded everything.
fn running_cat() -> Child {
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat starts");
    let mut echo = [0];
    let stdin = child.stdin.as_mut().expect("piped");
    stdin.write_all(b"x").expect("written");
    let stdout = child.stdout.as_mut().expect("piped");
    stdout.read_exact(&mut echo).expect("echoed");
    child
}

#[test]
fn an_executed_programs_mappings_are_all_known() {
    if is_root() {
        executed(Origin::Machine);
    }
}

#[test]
fn a_tasks_own_records_tell_as_much_of_what_it_executes() {
    if is_root() {
        executed(Origin::Tasks);
    }
}

fn executed(origin: Origin) {
    let mut watch = Watch::open(origin);
    let mut child = running_cat();
    watch.read();
    let maps = maps(child.id());
    assert_known(watch.space(child.id()), &maps);
    // The loader unmapped its cache of library names, which no record tells.
    let stale = |watch: &Watch| {
        let cache = b"/etc/ld.so.cache";
        let ranges: Vec<_> = watch.space(child.id()).ranges().collect();
        ranges.iter().any(|(_, _, mapping)| mapping.name() == cache)
    };
    let unmapped = stale(&watch);
    watch.spaces.snapshot(child.id(), now_ns(), maps);
    assert!(!stale(&watch));
    drop(child.stdin.take());
    child.wait().expect("ends");
    if !unmapped {
        eprintln!("NOTE: this loader left no unmapped file behind");
    }
}

/// What the forked child did, as numbers in a pipe.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Done {
    unmapped: usize,
    moved_from: usize,
    moved_to: usize,
    guarded: usize,
    shared: usize,
    below_stack: usize,
}

/// Makes, changes and removes mappings; only system calls, for it runs in a forked child.
fn change_mappings(stack_start: usize) -> Done {
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let map = |pages: usize, flags| {
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        unsafe { libc::mmap(std::ptr::null_mut(), pages * PAGE, rw, flags, -1, 0) }
    };
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let (first, second, third) = (map(16, private), map(64, private), map(16, private));
    let shared = map(8, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    let below_stack = stack_start - 8 * PAGE;
    // SAFETY: every range lies in a mapping made above; the break and the main stack belong to this
    // process, and nobody else uses them after a fork.
    unsafe {
        libc::mprotect(first.byte_add(3 * PAGE), PAGE, libc::PROT_NONE);
        libc::mprotect(first.byte_add(5 * PAGE), PAGE, libc::PROT_READ);
        libc::mprotect(first.byte_add(5 * PAGE), PAGE, rw);
        libc::munmap(third.byte_add(4 * PAGE), 4 * PAGE);
        libc::sbrk(100 * PAGE as libc::intptr_t);
        libc::sbrk(100 * PAGE as libc::intptr_t);
        let moved = libc::mremap(second, 64 * PAGE, 4096 * PAGE, libc::MREMAP_MAYMOVE);
        std::ptr::write_volatile(below_stack as *mut u8, 1);
        Done {
            unmapped: third as usize + 4 * PAGE,
            moved_from: second as usize,
            moved_to: moved as usize,
            guarded: first as usize + 3 * PAGE,
            shared: shared as usize,
            below_stack,
        }
    }
}

/// Forks a child that changes its mappings and then waits to be killed.
fn forked_child() -> (Ended, Done) {
    let all = maps(getpid().as_raw().cast_unsigned());
    let stack = all.iter().find(|mapping| mapping.kind == Kind::Stack);
    let stack_start = stack.expect("the main thread's").start as usize;
    let (read_end, write_end) = pipe().expect("a pipe");
    // SAFETY: the child makes system calls only.
    match unsafe { fork() }.expect("forks") {
        ForkResult::Child => {
            let done = change_mappings(stack_start);
            // SAFETY: plain numbers to an open descriptor; then nothing but waiting.
            unsafe {
                libc::write(
                    write_end.as_raw_fd(),
                    (&raw const done).cast(),
                    size_of::<Done>(),
                );
                loop {
                    libc::pause();
                }
            }
        }
        ForkResult::Parent { child } => {
            let child = Ended(child);
            let mut bytes = [0; size_of::<Done>()];
            File::from(read_end)
                .read_exact(&mut bytes)
                .expect("the child is done");
            let number = |index: usize| {
                let (numbers, _) = bytes.as_chunks();
                usize::from_ne_bytes(numbers[index])
            };
            let done = Done {
                unmapped: number(0),
                moved_from: number(1),
                moved_to: number(2),
                guarded: number(3),
                shared: number(4),
                below_stack: number(5),
            };
            (child, done)
        }
    }
}

#[test]
fn a_forked_childs_changes_are_known_but_for_munmap_and_mremap() {
    if is_root() {
        forked(Origin::Machine);
    }
}

#[test]
fn a_tasks_own_records_tell_as_much_of_what_it_forks() {
    if is_root() {
        forked(Origin::Tasks);
    }
}

fn forked(origin: Origin) {
    let mut watch = Watch::open(origin);
    let own = getpid().as_raw().cast_unsigned();
    watch.spaces.snapshot(own, now_ns(), maps(own));
    let (child, done) = forked_child();
    let changed_ns = now_ns();
    watch.read();
    let pid = child.0.as_raw().cast_unsigned();

    // The destination of mremap is all that is unknown.
    let moved = done.moved_to as u64;
    assert_ne!(
        done.moved_to, done.moved_from,
        "4096 pages fitted where 64 were"
    );
    let (unknown, others): (Vec<_>, Vec<_>) = maps(pid)
        .into_iter()
        .partition(|mapping| mapping.contains(moved));
    assert_eq!(unknown.len(), 1);
    assert_known(watch.space(pid), &others);

    let kinds = |watch: &mut Watch, address: usize| {
        let found = watch.spaces.lookup(pid, address as u64, changed_ns)?;
        Some((
            found.certainty,
            found.mapping.is_guard(),
            found.mapping.shared,
        ))
    };
    let reported = Some((Certainty::Reported, false, false));
    assert_eq!(kinds(&mut watch, done.moved_to), None);
    assert_eq!(
        kinds(&mut watch, done.unmapped),
        reported,
        "stale, and not known to be"
    );
    assert_eq!(
        kinds(&mut watch, done.moved_from),
        reported,
        "stale, and not known to be"
    );
    assert_eq!(
        kinds(&mut watch, done.guarded),
        Some((Certainty::Reported, true, false))
    );
    assert_eq!(
        kinds(&mut watch, done.shared),
        Some((Certainty::Reported, false, true))
    );
    assert_eq!(
        kinds(&mut watch, done.below_stack),
        reported,
        "its growth was told"
    );
    assert_eq!(watch.spaces.take_wanting(), [pid].into());

    watch.spaces.snapshot(pid, now_ns(), maps(pid));
    let doubted = Some((Certainty::Uncertain, false, false));
    assert_eq!(kinds(&mut watch, done.moved_to), doubted);
    assert_eq!(kinds(&mut watch, done.unmapped), doubted);
    assert_eq!(kinds(&mut watch, done.moved_from), doubted);
    assert_eq!(
        kinds(&mut watch, done.guarded),
        Some((Certainty::Confirmed, true, false))
    );
}
