//! Disjoint pieces of address space, each part of a mapping.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Certainty, Found, Mapping};

/// A range that one mapping holds; its start is its key.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) end: u64,
    pub(super) mapping: Arc<Mapping>,
    pub(super) since_ns: u64,
    pub(super) certainty: Certainty,
}

impl Piece {
    pub(super) fn found(&self, certainty: Certainty, grew: bool) -> Found<'_> {
        Found {
            mapping: &self.mapping,
            since_ns: self.since_ns,
            certainty,
            grew,
        }
    }

    fn until(&self, end: u64) -> Self {
        Self {
            end,
            ..self.clone()
        }
    }
}

/// Pieces by their start, none overlapping another.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces(BTreeMap<u64, Piece>);

impl Pieces {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Piece)> {
        self.0.iter().map(|(start, piece)| (*start, piece))
    }

    pub(super) fn has_code(&self) -> bool {
        let mut pieces = self.0.values();
        pieces.any(|piece| piece.mapping.protection.execute)
    }

    pub(super) fn at(&self, address: u64) -> Option<&Piece> {
        self.entry_at(address).map(|(_, piece)| piece)
    }

    /// The piece at `address` and where it starts.
    pub(super) fn entry_at(&self, address: u64) -> Option<(u64, &Piece)> {
        let (&start, piece) = self.0.range(..=address).next_back()?;
        (address < piece.end).then_some((start, piece))
    }

    pub(super) fn next_above(&self, address: u64) -> Option<&Piece> {
        self.0.range(address..).next().map(|(_, piece)| piece)
    }

    /// Puts a piece where nothing is.
    pub(super) fn put(&mut self, start: u64, piece: Piece) {
        self.0.insert(start, piece);
    }

    /// Puts pieces where nothing is.
    pub(super) fn extend(&mut self, pieces: &Self) {
        self.0
            .extend(pieces.iter().map(|(start, piece)| (start, piece.clone())));
    }

    /// Takes out what lies in `start..end`, cutting the pieces at its edges.
    pub(super) fn carve(&mut self, start: u64, end: u64) -> Self {
        self.cut(start);
        self.cut(end);
        let mut taken = Self::default();
        while let Some((&at, _)) = self.0.range(start..end).next() {
            if let Some(piece) = self.0.remove(&at) {
                taken.0.insert(at, piece);
            }
        }
        taken
    }

    /// Makes `address` an edge.
    fn cut(&mut self, address: u64) {
        let Some((_, piece)) = self.0.range_mut(..address).next_back() else {
            return;
        };
        if address < piece.end {
            let right = piece.clone();
            piece.end = address;
            self.0.insert(address, right);
        }
    }

    /// Keeps the newer half; how many were evicted.
    pub(super) fn evict_older_half(&mut self) -> u64 {
        let before = self.len();
        let mut times: Vec<u64> = self.0.values().map(|piece| piece.since_ns).collect();
        let (_, &mut median_ns, _) = times.select_nth_unstable(before / 2);
        // Among equals, those at lower addresses go.
        let mut surplus = before / 2;
        self.0.retain(|_, piece| {
            let keep = piece.since_ns > median_ns || surplus == 0;
            surplus -= usize::from(!keep);
            keep
        });
        (before - self.len()) as u64
    }

    /// These pieces, judged by what was found later: what is still the same is confirmed, what is not
    /// is uncertain, and what is new may have been there since `since_ns`.
    pub(super) fn in_hindsight(&self, later: &Self, since_ns: u64) -> Self {
        let mut edges = BTreeSet::new();
        for (start, piece) in self.iter().chain(later.iter()) {
            edges.extend([start, piece.end]);
        }
        let mut judged = Self::default();
        for (&start, &end) in edges.iter().zip(edges.iter().skip(1)) {
            let (known, found) = (self.at(start), later.at(start));
            let (piece, certainty) = match (known, found) {
                (Some(known), Some(found)) if known.mapping.agrees_with(&found.mapping) => {
                    (known.until(end), Certainty::Confirmed)
                }
                (Some(known), _) => (known.until(end), Certainty::Uncertain),
                (None, Some(found)) => {
                    let appeared = Piece {
                        since_ns,
                        ..found.until(end)
                    };
                    (appeared, Certainty::Uncertain)
                }
                (None, None) => continue,
            };
            judged.put(start, Piece { certainty, ..piece });
        }
        judged
    }
}
