//! `fault-trace doctor`.

use super::{output, trial};
use crate::{
    exit::{self, Exit},
    host::{
        checks,
        doctor::{Roots, System},
        findings::Findings,
    },
    model::support::Support,
    render,
};

pub(super) fn run(json: bool) -> anyhow::Result<Exit> {
    let system = System::read(&Roots::default());
    let (findings, support) = examine(&system);
    output::print(&if json {
        render::doctor::json(&findings, support.as_ref())?
    } else {
        render::doctor::text(&findings, support.as_ref())
    })?;
    Ok(if findings.fatal().next().is_some() {
        Exit::NotAllowed
    } else {
        Exit::Fine
    })
}

/// Where nothing speaks against it, the programs are really loaded and attached, for no thread at all.
fn examine(system: &System) -> (Findings, Option<Support>) {
    let findings = checks::evaluate(&system.facts);
    if findings.fatal().next().is_some() {
        return (findings, None);
    }
    let tried = trial::settings(system)
        .and_then(|settings| trial::load(settings, system))
        .and_then(|mut trial| {
            trial.capture.start().map_err(super::prepare::not_allowed)?;
            Ok(trial.support)
        });
    match tried {
        Ok(support) => (
            findings.after_trial(&system.facts, &support.hooks),
            Some(support),
        ),
        Err(error) => (findings.after_failure(exit::describe(&error)), None),
    }
}
