//! The table of faults.

use std::sync::LazyLock;

use fault_trace_common::{Class, Confidence, error_code::Access, phase::Phase};

use super::{
    super::column::{Column, Encoding, columns},
    Row,
};
use fault_trace_model::{Fault, Field};

impl Row for Fault {
    const TABLE: &'static str = "faults";

    fn columns() -> &'static [Column<Self>] {
        static COLUMNS: LazyLock<Vec<Column<Fault>>> = LazyLock::new(fault_columns);
        &COLUMNS
    }

    fn blank() -> Self {
        Self::BLANK
    }

    fn moment_ns(&self) -> u64 {
        self.time_ns
    }

    fn spent_ns(&self) -> u64 {
        let phases_ns = self.phases_ns.iter().copied();
        let phases_ns = phases_ns.fold(0, u64::saturating_add);
        phases_ns.max(self.latency_ns.unwrap_or(0))
    }
}

const MODES: [&str; 2] = ["user", "kernel"];

/// Without the family, which follows from the class and would cost 13 ns a row.
fn fault_columns() -> Vec<Column<Fault>> {
    let access = |name| {
        let names = Access::ALL.map(Access::name);
        Column::names(name, names, |fault: &Fault| fault.access() as u8)
    };
    let mode = |name| Column::names(name, MODES, |f: &Fault| u8::from(f.mode() == MODES[1]));
    let confidence = Confidence::ALL.map(Confidence::name);
    let mut columns = columns! { Fault;
        "time_ns" => number(time_ns, Delta) of Time,
        "latency_ns" => optional(latency_ns, Delta) of Latency,
        "address" => number(address, Delta) of Address,
        "ip" => number(ip, Dictionary) of Ip,
        "evidence" => number(evidence.word, Dictionary) of Evidence,
        "error_code" => number(error_code.0, Dictionary) of ErrorCode,
        "pid" => number(pid, Dictionary) of Pid,
        "tid" => number(tid, Dictionary) of Tid,
        "cpu" => number(cpu, Dictionary) of Cpu,
        "pages" => number(pages, Dictionary) of Pages,
        "class" => named(class, Class::ALL.map(Class::name), Class::from_name, Class::Unknown)
            of Class,
        "confidence" => named(confidence, confidence, Confidence::from_name, Confidence::Inferred)
            of Confidence,
        "access" => with(access),
        "mode" => with(mode),
        "major" => with(|name| Column::flag(name, Fault::is_major)),
        "around_pages" => nonzero(around_pages, Dictionary) of AroundPages,
    };
    columns.extend(Phase::MEASURED.map(|(phase, name)| time_in(name, phase)));
    columns.extend(columns! { Fault;
        "mapping_id" => optional(mapping_id, Dictionary) of Mapping,
        "location_id" => optional(location_id, Dictionary) of Location,
        "stack_id" => optional(stack_id, Dictionary) of Stack,
        // Nearly always null for all rows, which this encoding finds out at once.
        "evidence_more" => nonzero(evidence.more, Delta) of Evidence,
    });
    columns
}

/// The time in a phase; null for none.
fn time_in(name: &'static str, phase: Phase) -> Column<Fault> {
    let index = phase as usize;
    let spent = move |fault: &Fault| Some(fault.phases_ns[index]).filter(|&ns| ns != 0);
    let set = move |fault: &mut Fault, ns: Option<u64>| fault.phases_ns[index] = ns.unwrap_or(0);
    Column::optional_number(name, Encoding::Delta, spent, set).of(Field::Phases)
}
