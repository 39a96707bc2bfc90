//! The arguments that say how recorded faults are grouped and named.

use std::path::PathBuf;

use clap::Args;

use super::values;
use crate::analysis::view::{By, SortBy};

#[derive(Args)]
pub(super) struct ViewArguments {
    /// Group the recorded faults [default: the exact totals by class]
    #[arg(long, value_parser = values::choice::<By>(), value_name = "WHAT")]
    pub(super) by: Option<By>,
    /// The order of the rows [default: count; by time: start]
    #[arg(long, value_parser = values::choice::<SortBy>(), value_name = "FIGURE")]
    pub(super) sort: Option<SortBy>,
    /// Show at most N rows and the sum of the others; 0 shows all [default: 20]
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
}

/// Where else to look for names.
#[derive(Args)]
pub(super) struct SymbolArguments {
    /// Also look for names in this folder: `.build-id/xx/yyyy.debug`, or files by their paths; can be
    /// given several times
    #[arg(long, value_name = "DIR", help_heading = "Symbols")]
    pub(super) debug_dir: Vec<PathBuf>,
}
