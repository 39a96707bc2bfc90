//! From the one report, or one fault, to text. Pure: widths and colour are passed in.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod accounting;
pub mod calibration;
mod classes;
pub mod csv;
pub mod diff;
pub mod doctor;
mod headline;
pub mod histogram;
pub mod json;
pub mod line;
pub mod markdown;
mod phases;
mod processes;
pub mod sanitize;
pub mod short;
pub mod slowest;
pub mod style;
pub mod summary;
pub mod table;
pub mod units;
pub mod view;

pub use accounting::accounting;
pub use diff::diff;
pub use headline::command_line;
pub use json::json;
pub use line::{LineOptions, Place, line, line_header};
pub use sanitize::{sanitize, sanitize_lines};
pub use slowest::slowest;
pub use style::{Paint, Style, SummaryOptions};
pub use summary::{summary, summary_scaled};
pub use view::view;
