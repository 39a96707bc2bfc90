//! Pieces of output that many lines share, made once each.

use std::{borrow::Borrow, hash::Hash, ops::Range};

use rustc_hash::FxHashMap;

/// Bytes kept of one kind of piece; beyond it all are made anew.
const MOST_BYTES: usize = 32 << 20;

/// Pieces of output by what they depend on.
#[derive(Debug)]
pub(super) struct Fragments<K> {
    places: FxHashMap<K, Range<usize>>,
    text: Vec<u8>,
    most_bytes: usize,
}

impl<K> Default for Fragments<K> {
    fn default() -> Self {
        Self::new(MOST_BYTES)
    }
}

impl<K> Fragments<K> {
    fn new(most_bytes: usize) -> Self {
        Self {
            places: FxHashMap::default(),
            text: Vec::new(),
            most_bytes,
        }
    }
}

impl<K: Hash + Eq> Fragments<K> {
    /// The piece for `key`, which `make` appends when it is not there.
    ///
    /// # Errors
    /// What `make` reports.
    pub(super) fn get<Q, E>(
        &mut self,
        key: &Q,
        make: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<&[u8], E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(place) = self.places.get(key) {
            return Ok(&self.text[place.clone()]);
        }
        if self.text.len() >= self.most_bytes {
            self.places.clear();
            self.text.clear();
        }
        let first = self.text.len();
        make(&mut self.text)?;
        let place = first..self.text.len();
        self.places.insert(key.to_owned(), place.clone());
        Ok(&self.text[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_made_once_as_long_as_there_is_room() {
        let mut fragments = Fragments::<Vec<u8>>::new(4);
        let mut made = Vec::new();
        for key in ["aa", "aa", "bb", "aa", "cc", "cc", "aa"] {
            let piece = fragments.get(key.as_bytes(), |out| {
                made.push(key);
                out.extend_from_slice(key.as_bytes());
                Ok::<(), ()>(())
            });
            assert_eq!(piece, Ok(key.as_bytes()));
        }
        assert_eq!(made, ["aa", "bb", "cc", "aa"], "four bytes are full");
    }
}
