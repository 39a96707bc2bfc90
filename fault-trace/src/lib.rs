//! fault-trace: an eBPF page-fault tracer and analyser for Linux.
//!
//! Data flows one way: [`capture`] -> [`pipeline`] -> [`recording`] -> [`analysis`] -> one report ->
//! [`render`] and [`export`]; what flows is the [`model`]'s. Pure modules know nothing of aya, tokio,
//! clap or /proc.

// Standard error is for `messages`, standard output for `output::stdout`: neither may panic.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod calibration;
pub mod capture;
pub mod cli;
pub mod exit;
mod live;
mod loading;
pub mod messages;
pub mod options;
mod output;
mod recorded;
pub mod session;
mod tracee;

pub use fault_trace_analysis as analysis;
pub use fault_trace_base::{folder, guarded};
pub use fault_trace_explain as explain;
pub use fault_trace_export as export;
pub use fault_trace_filter as filter;
pub use fault_trace_host as host;
pub use fault_trace_model as model;
pub use fault_trace_pipeline as pipeline;
pub use fault_trace_recording as recording;
pub use fault_trace_render as render;
pub use fault_trace_text::{choice, json, plain};
