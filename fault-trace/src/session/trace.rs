//! `fault-trace trace`: a line for every fault, live.

use std::io::{self, BufWriter, Stdout, Write as _};

use anyhow::Context as _;

use super::{
    live::{self, Progress, Sink},
    output, prepare,
};
use crate::{
    analysis::{Report, Tables},
    exit::{self, Exit},
    model::Batch,
    options::CaptureOptions,
    render::{self, LineOptions, Place},
};

struct Printer {
    out: BufWriter<Stdout>,
    /// What faults refer to.
    tables: Tables,
    /// Times are relative to the first fault's.
    base_ns: Option<u64>,
}

impl Sink for Printer {
    fn events(&mut self, batch: &mut Batch, _all: bool) -> anyhow::Result<()> {
        for event in batch.others.drain(..) {
            self.tables.ingest(&event);
        }
        for fault in batch.faults.drain(..) {
            let options = options(*self.base_ns.get_or_insert(fault.time_ns));
            let tables = &self.tables;
            let comm = tables.comm(fault.pid, fault.tid, fault.time_ns);
            let function = fault.location_id.map(|id| tables.innermost(id));
            let place = Place {
                mapping: fault.mapping_id.and_then(|id| tables.mapping_of(id)),
                function: function.as_ref(),
            };
            let line = render::line(&fault, comm.unwrap_or_default(), place, options);
            writeln!(self.out, "{line}").context("cannot write to standard output")?;
        }
        self.out.flush().context("cannot write to standard output")
    }

    fn wants_symbols_live(&self) -> bool {
        true
    }

    fn tick(&mut self, _progress: &mut Progress<'_>) -> anyhow::Result<()> {
        Ok(())
    }
}

fn options(base_ns: u64) -> LineOptions {
    LineOptions {
        base_ns,
        style: output::style(),
    }
}

pub(super) fn run(capture: &CaptureOptions) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(capture)?;
    let mut printer = Printer {
        out: BufWriter::new(io::stdout()),
        tables: Tables::default(),
        base_ns: None,
    };
    output::print(&(render::line_header(options(0)) + "\n"))?;
    let (run, outcome) = live::run(prepared, capture, &mut printer)?;
    match outcome {
        Err(error) if exit::is_closed_pipe(&error) => return Ok(Exit::Fine),
        outcome => outcome?,
    }
    let books = render::accounting(&Report::new(&run), output::plain());
    eprint!("{books}");
    Ok(run.exit_status.map_or(Exit::Fine, Exit::Command))
}
