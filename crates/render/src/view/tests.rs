use super::*;
use crate::Style;
use fault_trace_analysis::{
    Content, Sampling,
    view::{By, Keep, Label, Name, SortBy, made_up},
};
use fault_trace_model::{ClassTotals, sample};

fn shown(by: By, width: usize) -> String {
    let mut run = sample::database();
    run.totals.counts.recorded = 69;
    run.options.sample = 10;
    let options = SummaryOptions {
        width,
        style: Style::default(),
        live: false,
    };
    view(&Report::new(&run), &made_up::view(by), options)
}

#[test]
fn every_view_at_100_columns() {
    for by in By::ALL {
        insta::assert_snapshot!(format!("by_{}_at_100_columns", by.name()), shown(by, 100));
    }
}

#[test]
fn views_at_other_widths() {
    for (by, width) in [
        (By::File, 80),
        (By::Function, 80),
        (By::Mapping, 140),
        (By::Function, 140),
    ] {
        insta::assert_snapshot!(
            format!("by_{}_at_{width}_columns", by.name()),
            shown(by, width)
        );
    }
}

#[test]
fn rows_that_are_not_shown_are_added_up() {
    let options = made_up::options(By::Page, SortBy::Time, 3);
    let made = made_up::view_of(options, &made_up::faults());
    let options = SummaryOptions {
        width: 100,
        style: Style::default(),
        live: false,
    };
    let report = Report::new(&sample::database());
    insta::assert_snapshot!("a_remainder_as_text", view(&report, &made, options));
    insta::assert_snapshot!("a_remainder_as_markdown", markdown::view(&made));
    let bytes = csv::view(&made).expect("a view is writable");
    let text = String::from_utf8(bytes).expect("CSV is UTF-8");
    insta::assert_snapshot!("a_remainder_as_csv", text);
}

#[test]
fn every_view_as_csv() {
    for by in By::ALL {
        let bytes = csv::view(&made_up::view(by)).expect("a view is writable");
        let text = String::from_utf8(bytes).expect("CSV is UTF-8");
        insta::assert_snapshot!(format!("by_{}_as_csv", by.name()), text);
    }
}

#[test]
fn every_view_as_json() {
    for by in By::ALL {
        let mut report = Report::new(&sample::database());
        let options = made_up::options(by, SortBy::Count, 2);
        report.content = Content::View(Box::new(made_up::view_of(options, &made_up::faults())));
        let value = serde_json::to_value(&report).expect("a report serialises");
        let text = serde_json::to_string_pretty(&value["view"]).expect("it is JSON");
        insta::assert_snapshot!(format!("by_{}_as_json", by.name()), text);
    }
}

#[test]
fn a_sample_is_shown_with_what_it_stands_for() {
    let mut run = sample::database();
    let all: u64 = run.totals.classes.iter().map(ClassTotals::count).sum();
    run.options.sample = 10;
    run.totals.counts.recorded = all / 10;
    let sampling = Sampling::of(&run);
    let mut made = made_up::view(By::Process);
    made.sampling = sampling;
    for row in &mut made.rows {
        row.figures.estimated = sampling.map(|sampling| sampling.estimate(&row.figures.tally));
    }
    let options = SummaryOptions {
        width: 120,
        style: Style::default(),
        live: false,
    };
    let text = view(&Report::new(&run), &made, options);
    insta::assert_snapshot!("a_sample_as_text", text);
}

#[test]
fn nothing_to_show_is_said() {
    let made = made_up::view_of(made_up::options(By::File, SortBy::Count, 20), &[]);
    let options = SummaryOptions {
        width: 100,
        style: Style::default(),
        live: false,
    };
    let text = view(&Report::new(&sample::database()), &made, options);
    assert!(text.contains("all 0 recorded faults by file"), "{text}");
}

#[test]
fn hostile_names_are_shown_as_escapes() {
    let mut made = made_up::view(By::File);
    let file = made.rows[0].subject.get_mut("file").expect("it has one");
    *file = Value::Label(Label {
        name: Name(b"/tmp/\x1b[2J|\n".to_vec()),
        mark: " (deleted)".into(),
        keep: Keep::End,
    });
    let options = SummaryOptions {
        width: 100,
        style: Style::default(),
        live: false,
    };
    let text = view(&Report::new(&sample::database()), &made, options);
    assert!(text.contains(r"/tmp/\x1b[2J|\n (deleted)"), "{text}");
    let table = markdown::view(&made);
    assert!(table.contains(r"/tmp/\\x1b\[2J\|\\n (deleted)"), "{table}");
}
