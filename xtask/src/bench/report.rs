//! The results as text, as JSON and as a picture.

mod json;
mod markdown;
mod picture;
pub(super) mod table;
mod text;

pub(super) use json::json;
pub(super) use markdown::markdown;
pub(super) use picture::picture;
pub(super) use text::text;

use super::{
    modes::{Mode, Shape},
    setting::Setting,
    workload::Workload,
};

/// As it was run with one thread.
fn command_line(mode: &Mode, setting: &Setting) -> String {
    let load = Workload::Anonymous;
    let workload = load.line(setting).join(" ");
    let tracer = load.tracer(&mode.tracer, setting).join(" ");
    match mode.shape {
        Shape::Alone => workload,
        Shape::Launches => format!("{tracer} -- {workload}"),
        Shape::Beside => format!("{tracer} & {workload}"),
    }
}
