//! Cache of recent address lookups. Entries are valid until the address-space version changes.

use std::sync::Arc;

use crate::{
    address_space::{Certainty, Found},
    mapping::Mapping,
    spaces::Spaces,
};

/// Bound: mappings found lately. More would no longer stay in the cache of a CPU.
const MAPPINGS: usize = 1 << 10;
/// Mappings found lately are kept by the part of the address space of this size that a fault was in.
const PART_BITS: u32 = 21;

/// A [`Found`] that outlives the look-up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    pub mapping: Arc<Mapping>,
    pub since_ns: u64,
    certainty: Certainty,
    grew: bool,
    /// The mapping's id in this run, once it was asked for; the caller's.
    pub id: Option<Option<u32>>,
}

impl Kept {
    fn of(found: Found<'_>) -> Self {
        Self {
            mapping: Arc::clone(found.mapping),
            since_ns: found.since_ns,
            certainty: found.certainty,
            grew: found.grew,
            id: None,
        }
    }

    /// What the look-up found.
    #[must_use]
    #[inline]
    pub const fn found(&self) -> Found<'_> {
        Found {
            mapping: &self.mapping,
            since_ns: self.since_ns,
            certainty: self.certainty,
            grew: self.grew,
        }
    }
}

/// Something known for addresses of a process, from a moment on, until the address spaces change.
#[derive(Debug)]
struct Slot<V> {
    /// See [`Spaces::version`].
    version: u64,
    pid: u32,
    addresses: (u64, u64),
    from_ns: u64,
    value: V,
}

/// A fixed number of slots; each address of a process has one, which the last to come takes.
#[derive(Debug)]
pub struct Slots<V> {
    slots: Box<[Option<Slot<V>>]>,
    /// Addresses that differ in these lowest bits only share a slot.
    part_bits: u32,
}

impl<V> Slots<V> {
    /// `count` is a power of two.
    #[must_use]
    pub fn new(count: usize, part_bits: u32) -> Self {
        Self {
            slots: (0..count.next_power_of_two()).map(|_| None).collect(),
            part_bits,
        }
    }

    /// What holds at that moment, if it is known.
    #[inline]
    pub fn get(&self, version: u64, pid: u32, address: u64, time_ns: u64) -> Option<&V> {
        let slot = self.slots[self.index(pid, address)].as_ref()?;
        let (start, end) = slot.addresses;
        let holds = slot.version == version
            && slot.pid == pid
            && (start..end).contains(&address)
            && slot.from_ns <= time_ns;
        holds.then_some(&slot.value)
    }

    /// Keeps what was found at `address` and holds for `addresses` from `from_ns` on.
    #[inline]
    pub fn put(
        &mut self,
        version: u64,
        (pid, address): (u32, u64),
        (addresses, from_ns): ((u64, u64), u64),
        value: V,
    ) {
        self.slots[self.index(pid, address)] = Some(Slot {
            version,
            pid,
            addresses,
            from_ns,
            value,
        });
    }

    fn index(&self, pid: u32, address: u64) -> usize {
        let part = (address >> self.part_bits) ^ u64::from(pid).rotate_left(32);
        // Fibonacci hashing: the upper bits depend on all of them.
        let mixed = part.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        mixed as usize & (self.slots.len() - 1)
    }
}

/// The mappings that faults were in lately.
#[derive(Debug)]
pub struct Recent {
    slots: Slots<Kept>,
    /// One that may not hold for the next fault.
    once: Option<Kept>,
}

/// Where in [`Recent`] something was found.
#[derive(Clone, Copy, Debug)]
pub struct Place(Option<usize>);

impl Default for Recent {
    fn default() -> Self {
        Self {
            slots: Slots::new(MAPPINGS, PART_BITS),
            once: None,
        }
    }
}

impl Recent {
    /// As [`Spaces::lookup_fault`]; the place holds until the next look-up.
    #[inline]
    pub fn lookup_fault(
        &mut self,
        spaces: &mut Spaces,
        (pid, address): (u32, u64),
        start_ns: u64,
        end_ns: u64,
    ) -> Option<Place> {
        spaces.advance(end_ns);
        let version = spaces.version();
        let index = self.slots.index(pid, address);
        if self.slots.get(version, pid, address, start_ns).is_some() {
            return Some(Place(Some(index)));
        }
        let kept = Kept::of(spaces.lookup_fault(pid, address, start_ns, end_ns)?);
        let steady = spaces.steady(pid, address);
        match steady.filter(|steady| steady.from_ns <= start_ns) {
            Some(steady) => {
                let holds = (steady.addresses, steady.from_ns);
                self.slots.put(version, (pid, address), holds, kept);
                Some(Place(Some(index)))
            }
            None => Some(self.put_once(kept)),
        }
    }

    /// Keeps what was found by another look-up; the place holds until the next.
    #[inline]
    pub fn keep(&mut self, found: Found<'_>) -> Place {
        self.put_once(Kept::of(found))
    }

    fn put_once(&mut self, kept: Kept) -> Place {
        self.once = Some(kept);
        Place(None)
    }

    /// What was found.
    #[inline]
    pub fn at(&mut self, place: Place) -> Option<&mut Kept> {
        match place.0 {
            Some(index) => self.slots.slots[index].as_mut().map(|slot| &mut slot.value),
            None => self.once.as_mut(),
        }
    }
}

#[cfg(test)]
mod tests;
