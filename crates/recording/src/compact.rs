//! Thrift's compact protocol, as far as it takes to look over what Parquet writes in it. Nothing is kept,
//! so that no claimed size costs memory; `None` stands for whatever is cut short or not understood.

/// The kind of a value, by the number that stands for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Bool,
    Byte,
    Int,
    Double,
    Binary,
    List,
    Struct,
}

impl Kind {
    /// Sets, maps and what came later are nowhere in Parquet.
    const fn new(number: u8) -> Option<Self> {
        Some(match number {
            1 | 2 => Self::Bool,
            3 => Self::Byte,
            4..=6 => Self::Int,
            7 => Self::Double,
            8 => Self::Binary,
            9 => Self::List,
            12 => Self::Struct,
            _ => return None,
        })
    }
}

/// Structures within structures: Parquet has five.
const DEEPEST: u32 = 16;

/// What has not been looked over yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compact<'a> {
    rest: &'a [u8],
}

impl<'a> Compact<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next field of a structure, whose last one was `id`; `None` within at the structure's end.
    pub(super) fn field(&mut self, id: &mut i64) -> Option<Option<Kind>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *id = match head >> 4 {
            0 => self.int()?,
            further => id.checked_add(further.into())?,
        };
        Kind::new(head & 0xf).map(Some)
    }

    /// The number and the kind of the elements of a list; no more than there are bytes.
    pub(super) fn list(&mut self) -> Option<(usize, Kind)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => usize::try_from(self.varint()?).ok()?,
            few => few.into(),
        };
        if count == 0 {
            return Some((0, Kind::Byte));
        }
        let kind = Kind::new(head & 0xf)?;
        (count <= self.rest.len()).then_some((count, kind))
    }

    pub(super) fn int(&mut self) -> Option<i64> {
        let zigzag = self.varint()?;
        Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// Passes over a value. Lists of flags are refused: readers differ in how long they are.
    pub(super) fn skip(&mut self, kind: Kind) -> Option<()> {
        self.skip_within(kind, DEEPEST)
    }

    fn skip_within(&mut self, kind: Kind, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // Its value is its kind.
            Kind::Bool => Some(()),
            Kind::Byte => self.pass(1),
            Kind::Int => self.varint().map(drop),
            Kind::Double => self.pass(8),
            Kind::Binary => {
                let length = self.varint()?;
                self.pass(usize::try_from(length).ok()?)
            }
            Kind::List => {
                let (count, kind) = self.list()?;
                if kind == Kind::Bool {
                    return None;
                }
                (0..count).try_for_each(|_| self.skip_within(kind, depth))
            }
            Kind::Struct => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip_within(kind, depth)?;
                }
                Some(())
            }
        }
    }

    fn pass(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_structures_are_passed_over() {
        // {1: -1, 2: "ab", 4: [1, 2], 20: {}} and one byte more.
        let bytes = [
            0x15, 0x01, 0x18, 0x02, b'a', b'b', 0x29, 0x25, 0x02, 0x04, 0x0c, 0x28, 0x00, 0x00,
            0x7f,
        ];
        let mut compact = Compact::new(&bytes);
        compact.skip(Kind::Struct).expect("is whole");
        assert_eq!(compact.remaining(), 1);
        let mut compact = Compact::new(&bytes);
        let mut id = 0;
        assert_eq!(compact.field(&mut id), Some(Some(Kind::Int)));
        assert_eq!((id, compact.int()), (1, Some(-1)));
    }

    #[test]
    fn a_list_cannot_claim_more_than_there_is() {
        assert_eq!(Compact::new(&[0xfc, 0xff, 0xff, 0x7f, 0x00]).list(), None);
        assert_eq!(Compact::new(&[0x11, 0x01]).skip(Kind::List), None);
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(Compact::new(&[0x1c; 1 << 20]).skip(Kind::Struct), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_soon(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut compact = Compact::new(&bytes);
            let _ = compact.skip(Kind::Struct);
            prop_assert!(compact.remaining() <= bytes.len());
        }
    }
}
