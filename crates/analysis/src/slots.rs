//! A place in a list for each key.

use std::hash::{BuildHasher as _, Hash};

use rustc_hash::{FxBuildHasher, FxHashMap};

/// Keys found recently: faults come in bursts, one on each CPU.
const RECENT: usize = 64;

/// Numbers keys from 0 in the order in which they come.
#[derive(Debug)]
pub(super) struct Slots<K> {
    known: FxHashMap<K, u32>,
    /// A small cache in front of a large map: a key has one place, and shares it with others.
    recent: [Option<(K, u32)>; RECENT],
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self {
            known: FxHashMap::default(),
            recent: [const { None }; RECENT],
        }
    }
}

impl<K: Copy + Hash + Eq> Slots<K> {
    /// The number of `key`; `None` if it is new and there are `most` already.
    pub(super) fn of(&mut self, key: K, most: usize) -> Option<usize> {
        let recent = &mut self.recent[FxBuildHasher.hash_one(key) as usize % RECENT];
        if let Some((known, slot)) = recent
            && *known == key
        {
            return Some(*slot as usize);
        }
        let next = self.known.len();
        let slot = match self.known.get(&key) {
            Some(&slot) => slot,
            None if next < most => {
                let slot = u32::try_from(next).ok()?;
                self.known.insert(key, slot);
                slot
            }
            None => return None,
        };
        *recent = Some((key, slot));
        Some(slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_numbered_as_they_come(keys in prop::collection::vec(0..300_u32, 0..600), most in 0..300_usize) {
            let (mut slots, mut model) = (Slots::default(), Vec::new());
            for key in keys {
                if !model.contains(&key) && model.len() < most {
                    model.push(key);
                }
                let expected = model.iter().position(|known| *known == key);
                prop_assert_eq!(slots.of(key, most), expected);
            }
        }
    }
}
