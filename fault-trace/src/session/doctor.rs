//! `fault-trace doctor`.

use crate::{
    calibration,
    exit::{self, Exit},
    host::{checks, doctor::System, roots::Roots},
    loading::{self, refusal},
    model::{findings::Findings, support::Support},
    output, render,
};

pub(super) fn run(json: bool, calibrate: bool) -> anyhow::Result<Exit> {
    let system = System::read(&Roots::default());
    let (findings, support) = examine(&system);
    let calibration = match &support {
        Some(_) if calibrate => Some(calibration::of_all_modes()?),
        _ => None,
    };
    output::print(&if json {
        render::doctor::json(&findings, support.as_ref(), calibration.as_ref())?
    } else {
        let mut text = render::doctor::text(&findings, support.as_ref());
        if let Some(measured) = &calibration {
            let (width, style) = (output::width(), output::style());
            text += "\n";
            text += &render::calibration::calibration(measured, width, style);
        }
        text
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
    let tried = loading::settings(system)
        .and_then(|settings| loading::load(settings, system))
        .and_then(|mut trial| {
            trial
                .capture
                .start(crate::host::kernel::monotonic_ns)
                .map_err(refusal::not_allowed)?;
            Ok(trial.support)
        });
    match tried {
        Ok(support) => (
            checks::after_trial(findings, &system.facts, &support.hooks),
            Some(support),
        ),
        Err(error) => (
            checks::after_failure(findings, exit::describe(&error)),
            None,
        ),
    }
}
