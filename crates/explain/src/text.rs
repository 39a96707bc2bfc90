//! The explanation as text.

use std::fmt::Write as _;

use super::{CodeLocation, Explanation, Mode, Process, Step, page::Page};
use fault_trace_render::sanitize;

/// Renders an explanation in lines of at most `width` columns, where words allow it.
pub(super) fn render(explanation: &Explanation, width: usize) -> String {
    let mut page = Page::new(width);
    page.paragraph("", &explanation.sentence);
    page.text.push('\n');
    code(&mut page, explanation);
    place(&mut page, explanation);
    path(&mut page, &explanation.path);
    if !explanation.classes.is_empty() {
        let names: Vec<&str> = explanation
            .classes
            .iter()
            .map(|class| class.name())
            .collect();
        page.text.push('\n');
        page.labelled("classes", &names.join(", "));
    }
    for note in &explanation.notes {
        page.labelled("note", note);
    }
    page.text
}

fn code(page: &mut Page, explanation: &Explanation) {
    match explanation.error_code {
        Some(code) => page.labelled("code", &format!("{code:#x} = {code:#b}")),
        None => page.labelled("code", "known in part"),
    }
    for bit in explanation.bits.iter().filter(|bit| bit.set) {
        page.labelled("", &format!("{:<6} {}", bit.name, bit.meaning));
    }
    if explanation.unknown_bits != 0 {
        let unknown = format!("{:#x} without a meaning", explanation.unknown_bits);
        page.labelled("", &unknown);
    }
    let clear: Vec<&str> = explanation
        .bits
        .iter()
        .filter(|bit| !bit.set)
        .map(|bit| bit.name)
        .collect();
    if !clear.is_empty() {
        page.labelled("", &format!("clear: {}", clear.join(" ")));
    }
    if let (Some(mode), None) = (explanation.mode, explanation.error_code) {
        let name = match mode {
            Mode::User => "user mode",
            Mode::Kernel => "kernel mode",
        };
        page.labelled("mode", name);
    }
}

fn place(page: &mut Page, explanation: &Explanation) {
    if let Some(address) = &explanation.address {
        let line = format!("{:#x}, {}", address.value, address.region);
        page.labelled("address", &line);
        for hint in &address.hints {
            page.labelled("", hint);
        }
    }
    if let Some(Process { name, tid }) = &explanation.process {
        let mut line = format!("{}, tid {tid}", sanitize(name.as_bytes()));
        if let Some(cpu) = explanation.cpu {
            let _ = write!(line, ", on CPU {cpu}");
        }
        page.labelled("process", &line);
    }
    if let Some(location) = &explanation.code {
        instruction(page, location);
    }
}

fn instruction(page: &mut Page, location: &CodeLocation) {
    let mut line = String::new();
    if let Some(ip) = location.ip {
        let _ = write!(line, "{ip:#x}");
    }
    if let Some(symbol) = &location.symbol {
        line.push_str(&sanitize(symbol.as_bytes()));
    }
    let file = location
        .mapping
        .as_ref()
        .map(|mapping| sanitize(mapping.file.as_bytes()));
    if let Some(file) = &file {
        let _ = write!(line, " in {file}");
    }
    if let Some(offset) = location.mapping_offset {
        let _ = write!(line, ", {offset:#x} into the mapping");
    }
    if let Some(offset) = location.mapping.as_ref().and_then(|it| it.file_offset) {
        let _ = write!(line, ", {offset:#x} into the file");
    }
    page.labelled("code at", &line);
    if let (Some(address), Some(file)) = (location.addr2line, &file) {
        let command =
            format!("addr2line -Cfipe FILE {address:#x}, with the path of {file} as FILE");
        page.labelled("", &command);
    }
    if let Some(advice) = location.advice {
        page.labelled("", advice);
    }
}

/// Steps that end are marked: `=` where it is certain, `?` where it is one of several.
fn path(page: &mut Page, steps: &[Step]) {
    let ends = steps.iter().filter(|step| !step.endings.is_empty()).count();
    page.text.push('\n');
    page.paragraph(
        "",
        "The handler's path, x86-64, Linux 6.x (? may end here, = ends here):",
    );
    for step in steps {
        let mark = match (step.endings.is_empty(), ends) {
            (true, _) => ' ',
            (false, 1) => '=',
            (false, _) => '?',
        };
        let mut what = format!("{}: {}", step.function, step.what);
        if !step.endings.is_empty() {
            let names: Vec<&str> = step.endings.iter().map(|ending| ending.name()).collect();
            let _ = write!(what, " -> {}", names.join(" or "));
        }
        page.paragraph(&format!(" {mark} "), &what);
    }
}
