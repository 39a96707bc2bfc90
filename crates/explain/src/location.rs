//! Where the faulting instruction lies, and how to find its source line.

use serde::Serialize;

use super::{
    clues::{Clues, Mapping},
    hex::hex_option,
};

/// The faulting instruction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CodeLocation {
    #[serde(serialize_with = "hex_option")]
    pub ip: Option<u64>,
    /// Function and offset, for kernel code. Untrusted.
    pub symbol: Option<String>,
    pub mapping: Option<Mapping>,
    /// From the mapping's start to the instruction, bytes.
    #[serde(serialize_with = "hex_option")]
    pub mapping_offset: Option<u64>,
    /// What to give `addr2line`, together with the file.
    #[serde(serialize_with = "hex_option")]
    pub addr2line: Option<u64>,
    /// When that address must be corrected first.
    pub advice: Option<&'static str>,
}

/// Programs linked to run at a fixed address are mapped low, all others high.
const FIXED_ADDRESS_END: u64 = 1 << 32;

impl CodeLocation {
    pub(super) fn of(clues: &Clues) -> Option<Self> {
        if clues.ip.is_none() && clues.symbol.is_none() {
            return None;
        }
        let mut location = Self {
            ip: clues.ip,
            symbol: clues.symbol.clone(),
            mapping: clues.mapping.clone(),
            mapping_offset: None,
            addr2line: None,
            advice: None,
        };
        if let (Some(ip), Some(mapping)) = (clues.ip, &clues.mapping) {
            location.resolve(ip, mapping);
        } else if clues.ip.is_some() && clues.process.is_some() {
            location.advice = Some(
                "the kernel names no file here: generated code, the vDSO, or a jump to a wrong \
                 address; look at the callers on the stack",
            );
        }
        Some(location)
    }

    fn resolve(&mut self, ip: u64, mapping: &Mapping) {
        let Some(offset) = ip
            .checked_sub(mapping.start)
            .filter(|&offset| offset < mapping.size_bytes)
        else {
            self.advice = Some(
                "the instruction lies outside this mapping: older kernels name the next one above",
            );
            return;
        };
        self.mapping_offset = Some(offset);
        let (address, advice) = if mapping.start < FIXED_ADDRESS_END {
            let advice = "the program is mapped low, so it runs at the addresses it was linked for";
            (ip, advice)
        } else if let Some(file_offset) = mapping.file_offset {
            let advice = "this is the offset in the file; where `readelf -lW` shows another \
                          VirtAddr than Offset for the executable LOAD segment, add the difference";
            (file_offset, advice)
        } else {
            let advice = "this is the offset in the mapping; add the VirtAddr of the executable \
                          LOAD segment (`readelf -lW`) where that is not 0";
            (offset, advice)
        };
        self.addr2line = Some(address);
        self.advice = Some(advice);
    }
}
