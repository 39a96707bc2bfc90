//! Loading and attaching the programs on this machine: what it takes, what it has room for, and what it refuses.

pub(crate) mod refusal;
pub(crate) mod shortage;
mod trial;

pub use trial::settings;
pub(crate) use trial::{Trial, load};
