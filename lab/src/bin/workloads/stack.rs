//! Stacks that grow.

use std::fs;

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use crate::{
    expect::Faults,
    memory::{PAGE, Pages, READ_WRITE, write},
    scenario::{Run, Scenario, require},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stack-growth",
        class: Some(Class::StackGrowth),
        about: "writes below the main thread's stack, page by page",
        needs: "a stack limit that leaves room",
        count: 64,
        run: main_stack,
    },
    Scenario {
        name: "stack-growth-mapping",
        class: Some(Class::StackGrowth),
        about: "writes below a MAP_GROWSDOWN mapping, page by page",
        needs: "nothing",
        count: 64,
        run: growing_mapping,
    },
];

/// `stack_guard_gap`: pages that must stay free below a stack.
const GUARD_PAGES: usize = 256;

/// `lock_mm_and_find_vma` finds no mapping but a VM_GROWSDOWN one above, and `expand_stack` moves
/// its start down to the page; then it is an anonymous page like any other.
fn grow(run: &mut Run, below: usize) -> anyhow::Result<()> {
    let pages = Pages::at(below - run.count * PAGE, run.count);
    let expected = Faults::new(Class::StackGrowth, Access::Write, pages);
    run.provoke([expected], || {
        (1..=pages.count()).for_each(|index| write(below - index * PAGE));
    })
}

fn main_stack(run: &mut Run) -> anyhow::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let stack = maps
        .lines()
        .find(|line| line.ends_with("[stack]"))
        .context("the process has no [stack]")?;
    let range: Vec<_> = stack
        .split(['-', ' '])
        .take(2)
        .map(|text| usize::from_str_radix(text, 16))
        .collect::<Result<_, _>>()?;
    let [start, end] = range[..] else {
        anyhow::bail!("cannot read {stack:?}")
    };
    let (limit, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK)?;
    let size = u64::try_from(end - start + run.count * PAGE)?;
    require(size < limit, "the stack limit (ulimit -s) is too small")?;
    grow(run, start)
}

/// A mapping of one page at the top of room that was free a moment ago.
fn growing_mapping(run: &mut Run) -> anyhow::Result<()> {
    let room = Pages::map_anonymous(
        GUARD_PAGES + run.count + 2,
        ProtFlags::PROT_NONE,
        MapFlags::MAP_PRIVATE,
    )?;
    room.unmap()?;
    let top = room.without_first(room.count() - 1);
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_GROWSDOWN | MapFlags::MAP_FIXED_NOREPLACE;
    let length = std::num::NonZero::new(PAGE).context("a page is not empty")?;
    let address = std::num::NonZero::new(top.start);
    // SAFETY: MAP_FIXED_NOREPLACE replaces nothing.
    unsafe { mmap_anonymous(address, length, READ_WRITE, flags) }.context("MAP_GROWSDOWN")?;
    write(top.start);
    grow(run, top.start)
}
