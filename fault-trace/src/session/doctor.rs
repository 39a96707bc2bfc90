//! `fault-trace doctor`.

use super::output;
use crate::{
    exit::Exit,
    host::{
        checks,
        doctor::{Roots, System},
    },
    render,
};

pub(super) fn run(json: bool) -> anyhow::Result<Exit> {
    let system = System::read(&Roots::default());
    let findings = checks::evaluate(&system.facts);
    output::print(&if json {
        render::doctor::json(&findings)?
    } else {
        render::doctor::text(&findings)
    })?;
    Ok(if findings.fatal().next().is_some() {
        Exit::NotAllowed
    } else {
        Exit::Fine
    })
}
