//! Pages: allocated, freed, made resident, migrated.

use aya_ebpf::programs::RawTracePointContext;
use fault_trace_common::Evidence;

use super::while_in;
use crate::{current::Current, states, task};

/// `enum migratetype`: movable pages are those of user space and of the page cache.
const MIGRATE_MOVABLE: u32 = 1;
/// `___GFP_ZERO_BIT` has been 8 in every supported kernel.
const GFP_ZERO: u32 = 1 << 8;
/// The order of a 2 MiB page.
const HUGE_ORDER: u32 = 9;
/// `enum migrate_reason`.
const MR_NUMA_MISPLACED: u32 = 5;

/// `kmem:mm_page_alloc`.
pub(crate) fn allocated(ctx: &RawTracePointContext) {
    let page: u64 = argument!(ctx, mm_page_alloc.page);
    let migratetype: u32 = argument!(ctx, mm_page_alloc.migratetype);
    if migratetype != MIGRATE_MOVABLE || page == 0 {
        return;
    }
    let order: u32 = argument!(ctx, mm_page_alloc.order);
    let pages = 1 << (order & 15);
    let mut bits = match order {
        0 => Evidence::ALLOC_PAGE,
        1..HUGE_ORDER => Evidence::ALLOC_LARGE,
        _ => Evidence::ALLOC_HUGE,
    };
    let current = Current::get();
    let gfp_flags: u32 = argument!(ctx, mm_page_alloc.gfp_flags);
    let zeroed = gfp_flags & GFP_ZERO != 0;
    if zeroed {
        bits |= Evidence::ALLOC_ZEROED;
    }
    // A thread that can leave the target is there from its first START on.
    let state = if zeroed && !task::may_cease_to_be_target() {
        task::target_state(current)
    } else {
        states::state(current)
    };
    let Some(state) = state else {
        return;
    };
    let Some(fault) = while_in::open_fault_of(state) else {
        if state.open.is_idle() {
            task::note_loose(state, Evidence::of(bits).word, pages);
        }
        return;
    };
    fault.evidence.set(bits);
    fault.page = page;
    fault.pages += pages;
}

/// `kmem:mm_page_free`.
pub(crate) fn freed(ctx: &RawTracePointContext) {
    let page: u64 = argument!(ctx, mm_page_free.page);
    if let Some(fault) = while_in::open_fault()
        && fault.page == page
    {
        fault.evidence.set(Evidence::PAGE_FREED);
    }
}

/// `kmem:rss_stat`.
pub(crate) fn resident(ctx: &RawTracePointContext) {
    // `enum` of include/linux/mm_types_task.h: MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES.
    let member: u32 = argument!(ctx, rss_stat.member);
    let moved = match member {
        0 => Evidence::RSS_FILE,
        1 => Evidence::RSS_ANON,
        2 => Evidence::RSS_SWAP,
        3 => Evidence::RSS_SHMEM,
        _ => return,
    };
    while_in::note_resident(moved);
}

/// `filemap:mm_filemap_map_pages`: the first and last offset, in pages. Fault-around looked at
/// these; which of them it mapped is not told.
pub(crate) fn mapped_around(ctx: &RawTracePointContext) {
    let first: u64 = argument!(ctx, mm_filemap_map_pages.index);
    let last: u64 = argument!(ctx, mm_filemap_map_pages.last_index);
    if let Some(fault) = while_in::open_fault() {
        let pages = last.saturating_sub(first).saturating_add(1);
        fault.around_pages = fault.around_pages.saturating_add(pages as u32);
    }
}

/// `migrate:mm_migrate_pages_start`.
pub(crate) fn migrating(ctx: &RawTracePointContext) {
    let reason: u32 = argument!(ctx, mm_migrate_pages_start.reason);
    if reason == MR_NUMA_MISPLACED {
        while_in::note(Evidence::MIGRATED);
    }
}
