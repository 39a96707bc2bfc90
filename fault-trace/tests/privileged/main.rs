//! Tests that trace: they need root and run one at a time.

mod sideband;
