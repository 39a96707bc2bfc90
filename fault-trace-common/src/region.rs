//! The parts of the x86-64 address space (Documentation/arch/x86/x86_64/mm.rst).

pub use crate::catalogue::region::Region;

/// An address range: `start` inclusive, `end` exclusive, empty when equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Range {
    pub start: u64,
    pub end: u64,
}

impl Range {
    #[inline(always)]
    #[must_use]
    pub const fn contains(self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
}

/// Where this boot's kernel placed its regions. KASLR moves them, so user space finds them out and
/// hands them to the eBPF programs as a read-only global.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Regions {
    /// The first address beyond user space (`TASK_SIZE_MAX`).
    pub user_end: u64,
    pub direct_map: Range,
    pub vmalloc: Range,
    pub vmemmap: Range,
    pub kernel_text: Range,
}

/// The page of the legacy vsyscall entry points (`VSYSCALL_ADDR`).
pub const VSYSCALL: Range = Range {
    start: 0xffff_ffff_ff60_0000,
    end: 0xffff_ffff_ff60_1000,
};

impl Regions {
    /// The layout of four-level page tables without KASLR: what is assumed where the running
    /// kernel's own cannot be read.
    pub const DEFAULT: Self = Self {
        user_end: 0x0000_7fff_ffff_f000,
        direct_map: Range {
            start: 0xffff_8880_0000_0000,
            end: 0xffff_c880_0000_0000,
        },
        vmalloc: Range {
            start: 0xffff_c900_0000_0000,
            end: 0xffff_e900_0000_0000,
        },
        vmemmap: Range {
            start: 0xffff_ea00_0000_0000,
            end: 0xffff_eb00_0000_0000,
        },
        kernel_text: Range {
            start: 0xffff_ffff_8000_0000,
            end: 0xffff_ffff_c000_0000,
        },
    };

    /// The region that holds `address`.
    #[inline(always)]
    #[must_use]
    pub const fn of(&self, address: u64) -> Region {
        if address < self.user_end {
            Region::User
        } else if VSYSCALL.contains(address) {
            Region::Vsyscall
        } else if self.vmalloc.contains(address) {
            Region::Vmalloc
        } else if self.direct_map.contains(address) {
            Region::DirectMap
        } else if self.vmemmap.contains(address) {
            Region::Vmemmap
        } else if self.kernel_text.contains(address) {
            Region::KernelText
        } else {
            Region::KernelOther
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_holds_its_addresses() {
        let regions = Regions::DEFAULT;
        for (address, region) in [
            (0, Region::User),
            (0x7fff_ffff_efff, Region::User),
            (0x7fff_ffff_f000, Region::KernelOther),
            (0xffff_8880_0000_0000, Region::DirectMap),
            (0xffff_c900_0000_0000, Region::Vmalloc),
            (0xffff_e900_0000_0000, Region::KernelOther),
            (0xffff_ffff_8100_0000, Region::KernelText),
            (0xffff_ffff_ff60_0000, Region::Vsyscall),
            (u64::MAX, Region::KernelOther),
        ] {
            assert_eq!(regions.of(address), region, "{address:#x}");
        }
    }
}
