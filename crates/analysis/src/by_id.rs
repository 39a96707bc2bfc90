//! Values by id, where ids count from 1.

use rustc_hash::FxHashMap;

/// Ids below it are indices in any case.
const FEW: usize = 1 << 12;
/// Others are as long as there are so many values at least to so many ids.
const IDS_A_VALUE: usize = 4;

/// A map whose look-ups are an index. Ids that are far out of the sequence, as in a damaged recording,
/// are hashed.
#[derive(Debug)]
pub(super) struct ById<T> {
    len: usize,
    dense: Vec<Option<T>>,
    sparse: FxHashMap<u32, T>,
}

impl<T> Default for ById<T> {
    fn default() -> Self {
        Self {
            len: 0,
            dense: Vec::new(),
            sparse: FxHashMap::default(),
        }
    }
}

impl<T> ById<T> {
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        match self.dense.get(id as usize) {
            Some(value) => value.as_ref(),
            None if self.sparse.is_empty() => None,
            None => self.sparse.get(&id),
        }
    }

    pub(super) fn insert(&mut self, id: u32, value: T) {
        if self.is_dense(id) {
            let place = &mut self.dense[id as usize];
            self.len += usize::from(place.is_none());
            *place = Some(value);
        } else {
            self.len += usize::from(self.sparse.insert(id, value).is_none());
        }
    }

    /// The value of `id`, which is made if there is none.
    pub(super) fn entry(&mut self, id: u32) -> &mut T
    where
        T: Default,
    {
        if self.is_dense(id) {
            let place = &mut self.dense[id as usize];
            self.len += usize::from(place.is_none());
            place.get_or_insert_default()
        } else {
            let len = &mut self.len;
            self.sparse.entry(id).or_insert_with(|| {
                *len += 1;
                T::default()
            })
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `id` is an index; makes room for it if it is.
    fn is_dense(&mut self, id: u32) -> bool {
        let index = id as usize;
        if index < self.dense.len() {
            return true;
        }
        if index >= FEW.max(IDS_A_VALUE * self.len) {
            return false;
        }
        self.dense
            .resize_with((index + 1).next_power_of_two(), || None);
        // What was out of the sequence no longer is.
        let dense = &mut self.dense;
        let near = self.sparse.extract_if(|id, _| (*id as usize) < dense.len());
        let near: Vec<(u32, T)> = near.collect();
        for (id, value) in near {
            dense[id as usize] = Some(value);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map(ids in prop::collection::vec((0..32_u32).prop_flat_map(|bits| 0..=u32::MAX >> bits), 0..200)) {
            // Ids that would take memory are for `far_ids_take_no_memory`.
            let ids = ids.into_iter().map(|id| id % (1 << 22));
            let (mut map, mut model) = (ById::default(), BTreeMap::new());
            for (number, id) in ids.enumerate() {
                prop_assert_eq!(map.get(id), model.get(&id));
                if number % 2 == 0 {
                    map.insert(id, number);
                    model.insert(id, number);
                } else {
                    *map.entry(id) += number;
                    *model.entry(id).or_default() += number;
                }
            }
            for (id, value) in &model {
                prop_assert_eq!(map.get(*id), Some(value));
            }
            prop_assert_eq!(map.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn far_ids_take_no_memory() {
        let mut map = ById::default();
        map.insert(u32::MAX, 'a');
        map.insert(1, 'b');
        assert_eq!((map.get(u32::MAX), map.get(1)), (Some(&'a'), Some(&'b')));
        assert!(map.dense.len() <= 2 * FEW);
    }
}
