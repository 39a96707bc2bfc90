//! The only place that talks to the kernel's tracing interfaces.

pub mod sideband;
