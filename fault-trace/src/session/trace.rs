//! `fault-trace trace`: a line for every fault, live.

use std::io::{self, BufWriter, Stdout, Write as _};

use anyhow::Context as _;

use super::{
    live::{self, Progress, Sink},
    output, prepare,
};
use crate::{
    analysis::Report,
    exit::{self, Exit},
    model::{Event, TaskNames},
    options::CaptureOptions,
    render::{self, LineOptions},
};

struct Printer {
    out: BufWriter<Stdout>,
    names: TaskNames,
    /// Times are relative to the first fault's.
    base_ns: Option<u64>,
}

impl Sink for Printer {
    fn events(&mut self, events: Vec<Event>) -> anyhow::Result<()> {
        for event in events {
            match event {
                Event::Task(task) => self.names.ingest(&task),
                Event::Fault(fault) => {
                    let options = options(*self.base_ns.get_or_insert(fault.time_ns));
                    let comm = self.names.name(fault.pid, fault.tid, fault.time_ns);
                    let line = render::line(&fault, comm.unwrap_or_default(), options);
                    writeln!(self.out, "{line}").context("cannot write to standard output")?;
                }
                _ => {}
            }
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
        ip: true,
        style: output::style(),
    }
}

pub(super) fn run(capture: &CaptureOptions) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(capture)?;
    let mut printer = Printer {
        out: BufWriter::new(io::stdout()),
        names: TaskNames::default(),
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
