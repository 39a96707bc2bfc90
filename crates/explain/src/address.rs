//! What an address tells about the mistake.

use fault_trace_common::{ErrorCode, Region, Regions};
use serde::Serialize;

use super::{clues::Clues, hex::hex};

/// The faulting address.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Address {
    #[serde(serialize_with = "hex")]
    pub value: u64,
    /// The name of its region, in a layout of four-level page tables without KASLR.
    pub region: &'static str,
    /// What the address gives away.
    pub hints: Vec<String>,
}

/// The two halves of the address space, as the handler tells them apart (`fault_in_kernel_space`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Space {
    User,
    /// Above user space, and yet handled as a user address.
    Vsyscall,
    Kernel,
}

const NEAR_NULL_BYTES: u64 = 64 << 10;
const PAGE_BYTES: u64 = 4096;
/// Non-canonical with four-level page tables, from here to the kernel's half.
const FOUR_LEVEL_END: u64 = 1 << 47;
const FIVE_LEVEL_END: u64 = 1 << 56;

/// Which half the handler takes the address for.
pub(super) fn space(address: u64) -> Space {
    match Regions::DEFAULT.of(address) {
        Region::User => Space::User,
        Region::Vsyscall => Space::Vsyscall,
        _ if (FOUR_LEVEL_END..FIVE_LEVEL_END).contains(&address) => Space::User,
        _ => Space::Kernel,
    }
}

impl Address {
    pub(super) fn of(value: u64, clues: &Clues) -> Self {
        let mut hints = Vec::new();
        near_null(value, clues, &mut hints);
        near_stack(value, clues, &mut hints);
        canonical(value, &mut hints);
        kernel_half(value, &mut hints);
        Self {
            value,
            region: match space(value) {
                Space::User => Region::User.name(),
                _ => Regions::DEFAULT.of(value).name(),
            },
            hints,
        }
    }
}

fn near_null(value: u64, clues: &Clues, hints: &mut Vec<String>) {
    if value >= NEAR_NULL_BYTES {
        return;
    }
    hints.push(
        if clues.bits.get(ErrorCode::INSTRUCTION) == Some(true) && value == 0 {
            "a call or jump through a null function pointer; the caller's address is at the top of \
         the stack"
                .to_owned()
        } else if value == 0 {
            "NULL itself: a null pointer was followed".to_owned()
        } else {
            format!("close to NULL: a field or element at offset {value:#x} of a null pointer")
        },
    );
}

fn near_stack(value: u64, clues: &Clues, hints: &mut Vec<String>) {
    let Some(sp) = clues.sp.filter(|&sp| sp >= NEAR_NULL_BYTES) else {
        return;
    };
    let is_missing_data = clues.bits.may_not(ErrorCode::PRESENT)
        && clues.bits.get(ErrorCode::INSTRUCTION) != Some(true);
    if is_missing_data && sp.abs_diff(value) <= PAGE_BYTES {
        hints.push(
            "within a page of the stack pointer: a stack overflow (deep recursion, a large local \
             variable) or a broken stack pointer"
                .to_owned(),
        );
    }
}

fn canonical(value: u64, hints: &mut Vec<String>) {
    if (FIVE_LEVEL_END..!FIVE_LEVEL_END + 1).contains(&value) {
        hints.push(
            "not canonical: such an access raises a general protection fault, not a page fault"
                .to_owned(),
        );
    } else if (FOUR_LEVEL_END..!FOUR_LEVEL_END + 1).contains(&value) {
        hints.push("canonical only with five-level page tables (LA57)".to_owned());
    }
}

fn kernel_half(value: u64, hints: &mut Vec<String>) {
    if value >= 0_u64.wrapping_sub(PAGE_BYTES) {
        hints.push(format!(
            "an error code used as a pointer: ERR_PTR({}), or a negative offset from NULL",
            value.cast_signed()
        ));
    } else if space(value) == Space::Kernel {
        hints.push("regions are those of a kernel without KASLR, which moves them".to_owned());
    }
}
