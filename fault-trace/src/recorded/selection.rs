//! The filter of a recording's faults.

use std::time::Duration;

use crate::{
    exit::Unusable,
    filter::{Condition, FaultFilter, Filter, NonePass, ProcessName, shortened, write_duration},
    messages,
    model::Run,
    render::units,
};

/// `filter` on the faults of `run`.
///
/// # Errors
/// No fault can pass.
pub(crate) fn filter(filter: &Filter, run: &Run) -> Result<FaultFilter, Unusable> {
    let compiled = filter.for_recording(run).map_err(|why| match why {
        NonePass::NoSuchProcess(text) => Unusable(text),
        NonePass::Over { from_ns, took_ns } => Unusable(format!(
            "--from {} is after the end of the run, which took {}",
            write_duration(&Duration::from_nanos(from_ns)),
            units::duration(took_ns)
        )),
    })?;
    for condition in filter.conditions() {
        if let Condition::Process(ProcessName::Comm(name)) = condition
            && let Some(shortened) = shortened("--process", name)
        {
            messages::say(shortened);
        }
    }
    Ok(compiled)
}
