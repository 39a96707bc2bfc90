//! The report as JSON.

use fault_trace_analysis::Report;
use fault_trace_text::json::{write, write_pretty};

/// The report as JSON text without a final newline: indented for people, or in one line.
///
/// # Errors
/// None that a report can cause; the library's signature asks for it.
pub fn json(report: &Report, pretty: bool) -> Result<String, serde_json::Error> {
    let mut text = Vec::new();
    if pretty {
        write_pretty(&mut text, report)?;
    } else {
        write(&mut text, report)?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_model::sample::troubled;

    #[test]
    fn the_stable_form() {
        let mut run = troubled();
        run.totals.processes[0].comm = b"a\"b\xff\x1b".to_vec();
        let text = json(&Report::new(&run), true).expect("a report serialises");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn compact_is_one_line_of_the_same() {
        let report = Report::new(&troubled());
        let parse = |pretty| {
            let text = json(&report, pretty).expect("a report serialises");
            serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")
        };
        assert_eq!(parse(false), parse(true));
        assert!(
            !json(&report, false)
                .expect("a report serialises")
                .contains('\n')
        );
    }
}
