//! The table of faults.

use std::sync::LazyLock;

use arrow_array::types::{UInt16Type, UInt32Type, UInt64Type};
use fault_trace_common::{Class, Confidence, ErrorCode, error_code::Access, phase::Phase};

use super::{
    super::column::{
        Column,
        Encoding::{Delta, Dictionary},
    },
    Row,
};
use crate::model::{Fault, Field};

impl Row for Fault {
    const TABLE: &'static str = "faults";

    fn columns() -> &'static [Column<Self>] {
        static COLUMNS: LazyLock<Vec<Column<Fault>>> = LazyLock::new(fault_columns);
        &COLUMNS
    }

    fn blank() -> Self {
        Self::BLANK
    }

    fn field(column: &str) -> Option<Field> {
        Some(match column {
            "time_ns" => Field::Time,
            "latency_ns" => Field::Latency,
            "address" => Field::Address,
            "ip" => Field::Ip,
            "evidence" | "evidence_more" => Field::Evidence,
            "error_code" => Field::ErrorCode,
            "pid" => Field::Pid,
            "tid" => Field::Tid,
            "cpu" => Field::Cpu,
            "pages" => Field::Pages,
            "class" => Field::Class,
            "confidence" => Field::Confidence,
            "around_pages" => Field::AroundPages,
            "mapping_id" => Field::Mapping,
            "location_id" => Field::Location,
            "stack_id" => Field::Stack,
            _ => {
                return Phase::MEASURED
                    .iter()
                    .any(|(_, name)| *name == column)
                    .then_some(Field::Phases);
            }
        })
    }
}

const MODES: [&str; 2] = ["user", "kernel"];

/// Without the family, which follows from the class and would cost 13 ns a row.
fn fault_columns() -> Vec<Column<Fault>> {
    let mut columns = vec![
        Column::number::<UInt64Type>(
            "time_ns",
            Delta,
            |f: &Fault| f.time_ns,
            |f, v| f.time_ns = v,
        ),
        Column::optional_number::<UInt64Type>(
            "latency_ns",
            Delta,
            |f: &Fault| f.latency_ns,
            |f, v| f.latency_ns = v,
        ),
        Column::number::<UInt64Type>(
            "address",
            Delta,
            |f: &Fault| f.address,
            |f, v| f.address = v,
        ),
        Column::number::<UInt64Type>("ip", Dictionary, |f: &Fault| f.ip, |f, v| f.ip = v),
        Column::number::<UInt64Type>(
            "evidence",
            Dictionary,
            |f: &Fault| f.evidence.word,
            |f, v| f.evidence.word = v,
        ),
        Column::number::<UInt32Type>(
            "error_code",
            Dictionary,
            |f: &Fault| f.error_code.0,
            |f, v| f.error_code = ErrorCode(v),
        ),
        Column::number::<UInt32Type>("pid", Dictionary, |f: &Fault| f.pid, |f, v| f.pid = v),
        Column::number::<UInt32Type>("tid", Dictionary, |f: &Fault| f.tid, |f, v| f.tid = v),
        Column::number::<UInt16Type>("cpu", Dictionary, |f: &Fault| f.cpu, |f, v| f.cpu = v),
        Column::number::<UInt32Type>("pages", Dictionary, |f: &Fault| f.pages, |f, v| f.pages = v),
        Column::names("class", Class::ALL.map(Class::name), |f: &Fault| {
            f.class as u8
        })
        .read_names(Class::from_name, Class::Unknown, |f, class| f.class = class),
        Column::names(
            "confidence",
            Confidence::ALL.map(Confidence::name),
            |f: &Fault| f.confidence as u8,
        )
        .read_names(Confidence::from_name, Confidence::Inferred, |f, v| {
            f.confidence = v;
        }),
        Column::names("access", Access::ALL.map(Access::name), |f: &Fault| {
            f.access() as u8
        }),
        Column::names("mode", MODES, |f: &Fault| u8::from(f.mode() == MODES[1])),
        Column::flag("major", Fault::is_major),
        Column::optional_number::<UInt32Type>(
            "around_pages",
            Dictionary,
            |f: &Fault| (f.around_pages != 0).then_some(f.around_pages),
            |f, v| f.around_pages = v.unwrap_or(0),
        ),
    ];
    columns.extend(Phase::MEASURED.map(|(phase, name)| time_in(name, phase)));
    columns.extend([
        Column::optional_number::<UInt32Type>(
            "mapping_id",
            Dictionary,
            |f: &Fault| f.mapping_id,
            |f, v| f.mapping_id = v,
        ),
        Column::optional_number::<UInt32Type>(
            "location_id",
            Dictionary,
            |f: &Fault| f.location_id,
            |f, v| f.location_id = v,
        ),
        Column::optional_number::<UInt32Type>(
            "stack_id",
            Dictionary,
            |f: &Fault| f.stack_id,
            |f, v| f.stack_id = v,
        ),
        // Nearly always null for all rows, which this encoding finds out at once.
        Column::optional_number::<UInt64Type>(
            "evidence_more",
            Delta,
            |f: &Fault| Some(f.evidence.more).filter(|&more| more != 0),
            |f, v| f.evidence.more = v.unwrap_or(0),
        ),
    ]);
    columns
}

/// The time in a phase; null for none.
fn time_in(name: &'static str, phase: Phase) -> Column<Fault> {
    let index = phase as usize;
    Column::optional_number::<UInt64Type>(
        name,
        Delta,
        move |f: &Fault| Some(f.phases_ns[index]).filter(|&spent_ns| spent_ns != 0),
        move |f, v| f.phases_ns[index] = v.unwrap_or(0),
    )
}
