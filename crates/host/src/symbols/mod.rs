//! From the address of an instruction to the names of its functions.
//!
//! Traced programs choose what their files hold and where they lie, so the tracer touches none of
//! them. Three processes share the work:
//!
//! - The tracer knows mappings. [`Symbols`] turns addresses into places in files, which are numbers
//!   until a file was looked into, and asks the others without waiting.
//! - The [`opener`] opens files, keeps them open for as long as the run may need them, and looks into
//!   none. It may hang.
//! - The [`reader`] looks into open files and has no rights. It may crash, spin and grow, and is then
//!   ended and started anew; that costs the names of the file that did it.
//!
//! Names of the kernel are read by the tracer itself: see [`kernel`].

mod channel;
mod helper;
mod kernel;
mod opener;
mod protocol;
mod reader;
mod role;
mod service;

pub use protocol::{End, Loss, STACK_PATIENCE};
pub use role::run_if_helper;
pub use service::{
    Detail, KnownCode, Limits, Losses, ModuleCounts, News, Options, Registers, Symbols, Unwound,
};

#[cfg(test)]
mod tests;
