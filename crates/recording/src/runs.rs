//! Runs of equal numbers, and Parquet's hybrid of runs and bit-packed groups of eight that they are stored in.

/// Numbers in a row, as runs of equal ones.
#[derive(Default, Debug)]
pub(super) struct Runs {
    /// Number and length. Neighbours differ.
    runs: Vec<(u32, u32)>,
    count: usize,
}

impl Runs {
    #[inline]
    pub(super) fn push(&mut self, number: u32) {
        self.count += 1;
        match self.runs.last_mut() {
            Some((last, length)) if *last == number => *length += 1,
            _ => self.runs.push((number, 1)),
        }
    }

    /// Numbers, not runs.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn max(&self) -> Option<u32> {
        self.runs.iter().map(|&(number, _)| number).max()
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.count = 0;
    }

    /// Appends the encoded numbers, of which none takes more than `bits` bits.
    pub(super) fn encode(&self, out: &mut Vec<u8>, bits: u8) {
        const GROUP: usize = 8;
        let mut packed = Vec::new();
        for &(number, length) in &self.runs {
            let length = length as usize;
            // Groups are whole, but for the last: what fills this one up comes from the run.
            let fill = packed.len().wrapping_neg() % GROUP;
            if length < fill + GROUP {
                (0..length).for_each(|_| packed.push(number));
                continue;
            }
            packed.extend(std::iter::repeat_n(number, fill));
            pack(out, &packed, bits);
            packed.clear();
            put_length(out, (length - fill) << 1);
            out.extend(&number.to_le_bytes()[..usize::from(bits.div_ceil(8))]);
        }
        pack(out, &packed, bits);
    }
}

/// The bits that numbers up to `max` take; at least 1.
pub(super) const fn bits_for(max: u32) -> u8 {
    let bits = u32::BITS - max.leading_zeros();
    if bits == 0 { 1 } else { bits as u8 }
}

/// A run of bit-packed groups, the lowest bits first; what is missing in the last group is 0.
fn pack(out: &mut Vec<u8>, numbers: &[u32], bits: u8) {
    if numbers.is_empty() {
        return;
    }
    let groups = numbers.len().div_ceil(8);
    put_length(out, groups << 1 | 1);
    let ends = out.len() + groups * usize::from(bits);
    out.reserve(ends + size_of::<u64>() - out.len());
    let (mut word, mut filled) = (0_u64, 0);
    for &number in numbers {
        word |= u64::from(number) << filled;
        filled += u32::from(bits);
        if filled >= u32::BITS {
            out.extend(&(word as u32).to_le_bytes());
            word >>= u32::BITS;
            filled -= u32::BITS;
        }
    }
    out.extend(&word.to_le_bytes());
    out.resize(ends, 0);
}

/// A number in seven bits a byte, the lowest first.
fn put_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}
