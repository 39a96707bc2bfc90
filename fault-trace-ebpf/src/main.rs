//! The eBPF programs of fault-trace: the entry points. Each hands over to the probe of its subject.
#![no_std]
#![no_main]
// Inline assembly for the BPF target, for atomic additions.
#![feature(asm_experimental_arch)]

mod away;
mod close;
mod config;
mod current;
mod emit;
mod log;
mod maps;
mod names;
mod probes;
mod stack;
mod states;
mod task;

use aya_ebpf::{
    macros::{perf_event, raw_tracepoint},
    programs::{PerfEventContext, RawTracePointContext},
};
use fault_trace_common::{Evidence, phase::Phase};

use probes::{end, exit, fork, oom, page, rename, signal, sleep, start, vsyscall, while_in};

macro_rules! raw_tracepoints {
    ($($program:ident => $probe:expr;)*) => {
        $(
            #[raw_tracepoint]
            fn $program(ctx: RawTracePointContext) -> i32 {
                let probe: fn(&RawTracePointContext) = $probe;
                probe(&ctx);
                0
            }
        )*
    };
}

raw_tracepoints! {
    page_fault_user => start::user;
    page_fault_kernel => start::kernel;
    rss_stat => page::resident;
    mm_page_alloc => page::allocated;
    mm_page_free => page::freed;
    signal_generate => signal::generated;
    signal_deliver => signal::delivered;
    sched_process_exit => exit::exited;
    sched_process_free => exit::freed;
    sched_process_fork => fork::forked;
    task_rename => rename::renamed;
    sched_switch => sleep::switched;
    block_bio_queue => |_| while_in::note(Evidence::BIO_QUEUED);
    mm_filemap_add_to_page_cache => |_| while_in::note_cached();
    mm_filemap_fault => |_| while_in::note(Evidence::FILEMAP_FAULT);
    mm_filemap_map_pages => page::mapped_around;
    mark_victim => oom::marked;
    emulate_vsyscall => vsyscall::emulated;
    mm_migrate_pages_start => page::migrating;
    reclaim_begin => |_| {
        while_in::enter(Phase::Reclaim, Evidence::IN_RECLAIM, Evidence::RECLAIMED);
    };
    reclaim_end => |_| while_in::leave(Phase::Reclaim, Evidence::IN_RECLAIM);
    mm_compaction_begin => |_| {
        while_in::enter(Phase::Compaction, Evidence::IN_COMPACTION, Evidence::COMPACTED);
    };
    mm_compaction_end => |_| while_in::leave(Phase::Compaction, Evidence::IN_COMPACTION);
    contention_begin => |_| {
        while_in::enter(Phase::Lock, Evidence::IN_LOCK_WAIT, Evidence::LOCK_WAITED);
    };
    contention_end => |_| while_in::leave(Phase::Lock, Evidence::IN_LOCK_WAIT);
}

macro_rules! perf_events {
    ($($program:ident => $probe:expr;)*) => {
        $(
            #[perf_event]
            fn $program(ctx: PerfEventContext) -> u32 {
                let probe: fn(&PerfEventContext) = $probe;
                probe(&ctx);
                // 0: perf makes no sample of its own.
                0
            }
        )*
    };
}

perf_events! {
    minor_faults => end::minor;
    major_faults => end::major;
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
