//! From faults to bytes in other formats. Pure: only the caller touches files.
//!
//! Each form is a file of its own; a new one is a file and a line in the list.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod chunks;
mod definition;
mod fragments;
mod hex;

pub use self::csv::CsvWriter;
pub use definition::{Batches, Comparison, Definition, Files, Source};
pub use folded::{fold, folded};
pub use jsonl::JsonlWriter;

use fault_trace_text::choice::Choice;

macro_rules! exports {
    ($($format:ident: $file:ident,)*) => {
        $(mod $file;)*

        /// A form of recorded faults.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum ExportFormat {
            $($format),*
        }

        impl ExportFormat {
            /// Every form.
            pub const ALL: [Self; [$(stringify!($format)),*].len()] = [$(Self::$format),*];

            /// What makes it.
            #[must_use]
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$format => &$file::EXPORT),*
                }
            }
        }
    };
}

exports! {
    Jsonl: jsonl,
    Csv: csv,
    Folded: folded,
    Flamegraph: flamegraph,
    Hgrm: hgrm,
}

impl Choice for ExportFormat {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.definition().name
    }

    fn meaning(self) -> &'static str {
        self.definition().meaning
    }
}
