//! Reading the ring buffer.

use aya::maps::{Map, MapData, RingBuf};

use super::CaptureError;

/// The reading end of the ring buffer. The eBPF side never wakes the reader: call [`Ring::drain`] on
/// a timer.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    pub(super) fn new(map: Map) -> Result<Self, CaptureError> {
        RingBuf::try_from(map)
            .map(Self)
            .map_err(|source| CaptureError::Map {
                name: "EVENTS",
                source,
            })
    }

    /// Hands over what is there, at most `limit` records, oldest first. Returns how many.
    pub fn drain(&mut self, limit: usize, mut sink: impl FnMut(&[u8])) -> usize {
        for count in 0..limit {
            match self.0.next() {
                Some(record) => sink(&record),
                None => return count,
            }
        }
        limit
    }
}
