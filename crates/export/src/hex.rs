//! Addresses as text.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends `0x` and the digits of `number`.
pub(super) fn append(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1) as usize;
    let first = out.len() + 2;
    out.extend_from_slice(&b"0x0000000000000000"[..2 + digits]);
    let mut rest = number;
    for digit in out[first..].iter_mut().rev() {
        *digit = DIGITS[(rest & 15) as usize];
        rest >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_standard_form(number in (0..64_u32).prop_flat_map(|bits| 0..=u64::MAX >> bits)) {
            let mut out = Vec::new();
            append(&mut out, number);
            prop_assert_eq!(String::from_utf8(out), Ok(format!("{number:#x}")));
        }
    }
}
