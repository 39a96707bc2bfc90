//! `fault-trace trace`: a line for every fault, live.

use std::io::{BufWriter, Write as _};

use anyhow::{Context as _, anyhow};

use crate::{
    analysis::{Report, Tables},
    exit::{self, Exit},
    host::signals,
    live::{self, Progress, Sink},
    messages,
    model::Batch,
    options::{CaptureOptions, Target},
    output::{self, PatientStdout},
    render::{self, LineOptions, Place},
};

struct Printer {
    /// `None` once it cannot be written.
    out: Option<BufWriter<PatientStdout>>,
    failure: Option<anyhow::Error>,
    /// Whether a launched command is waited for all the same: its status is wanted.
    goes_on: bool,
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
        let mut written = Ok(());
        for fault in batch.faults.drain(..) {
            let options = options(*self.base_ns.get_or_insert(fault.time_ns));
            let tables = &self.tables;
            let comm = tables.comm(fault.pid, fault.tid, fault.time_ns);
            let function = fault.location_id.map(|id| tables.innermost(id));
            let place = Place {
                mapping: fault.mapping_id.and_then(|id| tables.mapping_of(id)),
                function: function.as_ref(),
            };
            let Some(out) = &mut self.out else { continue };
            let line = render::line(&fault, comm.unwrap_or_default(), place, options);
            written = written.and_then(|()| writeln!(out, "{line}"));
        }
        if let Some(out) = &mut self.out {
            let written = written.and_then(|()| out.flush());
            if let Err(error) = written {
                self.give_up(error.into());
            }
        }
        if self.failure.is_some() && !self.goes_on {
            return Err(anyhow!("the faults cannot be printed"));
        }
        Ok(())
    }

    fn wants_symbols_live(&self) -> bool {
        true
    }

    fn tick(&mut self, _progress: &mut Progress<'_>) -> anyhow::Result<()> {
        Ok(())
    }
}

impl Printer {
    /// Prints nothing any more.
    fn give_up(&mut self, error: anyhow::Error) {
        // Without another try to write what is left.
        drop(self.out.take().map(BufWriter::into_parts));
        self.failure = Some(error.context("cannot write to standard output"));
    }
}

fn options(base_ns: u64) -> LineOptions {
    LineOptions {
        base_ns,
        style: output::style(),
    }
}

pub(super) fn run(capture: &CaptureOptions) -> anyhow::Result<Exit> {
    signals::listen().context("cannot listen for signals")?;
    let prepared = live::prepare(capture)?;
    let mut printer = Printer {
        out: Some(BufWriter::new(PatientStdout::new())),
        failure: None,
        goes_on: matches!(capture.target, Target::Launch(_)),
        tables: Tables::default(),
        base_ns: None,
    };
    match output::print(&(render::line_header(options(0)) + "\n")) {
        Err(error) if exit::is_closed_pipe(&error) && printer.goes_on => printer.give_up(error),
        printed => printed?,
    }
    let (run, outcome) = live::run(prepared, capture, &mut printer)?;
    let shown = printer.failure.map_or(outcome, Err);
    if !shown.as_ref().is_err_and(exit::is_closed_pipe) {
        messages::print(&render::accounting(&Report::new(&run), output::plain()));
    }
    output::end(&run, shown)
}
