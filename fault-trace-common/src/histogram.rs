//! Log-linear histogram buckets: 16 a power of two, so a bucket is at most 1/16 (6.25 %) wide.

/// Sub-buckets a power of two, as a power of two.
const SUB_BITS: u32 = 4;
const SUB: u64 = 1 << SUB_BITS;
/// Values from 2^40 ns (18 minutes) on share the last bucket.
const MAX_BITS: u32 = 40;

/// How many buckets there are.
pub const BUCKETS: usize = ((MAX_BITS - SUB_BITS) as usize + 1) * SUB as usize;

/// The bucket that counts `value`.
#[inline(always)]
#[must_use]
pub const fn bucket_of(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    if value >> MAX_BITS != 0 {
        return BUCKETS - 1;
    }
    let exponent = 63 - value.leading_zeros();
    let shift = exponent - SUB_BITS;
    ((shift + 1) as usize) * SUB as usize + ((value >> shift) & (SUB - 1)) as usize
}

/// The smallest value that `bucket` counts.
#[must_use]
pub const fn bucket_low(bucket: usize) -> u64 {
    let (group, sub) = (bucket as u64 / SUB, bucket as u64 % SUB);
    if group == 0 {
        sub
    } else {
        (SUB + sub) << (group - 1)
    }
}

/// The largest value that `bucket` counts; the last bucket has no upper bound.
#[must_use]
pub const fn bucket_high(bucket: usize) -> u64 {
    if bucket + 1 >= BUCKETS {
        u64::MAX
    } else {
        bucket_low(bucket + 1) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_value_lies_in_its_bucket(value: u64) {
            let bucket = bucket_of(value);
            prop_assert!(bucket < BUCKETS);
            prop_assert!(bucket_low(bucket) <= value && value <= bucket_high(bucket));
        }

        #[test]
        fn a_bucket_is_at_most_a_sixteenth_wide(bucket in 16..BUCKETS - 1) {
            let (low, high) = (bucket_low(bucket), bucket_high(bucket));
            prop_assert!((high - low + 1) * 16 <= low);
        }
    }

    #[test]
    fn buckets_tile_the_range() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(bucket_low(bucket)), bucket);
            assert_eq!(bucket_of(bucket_high(bucket)), bucket);
        }
    }
}
