//! Tables of the documents that repeat what the catalogue says: each is made from it, between two marks.
//!
//! With `FAULT_TRACE_WRITE_DOCS=1` the tests write them instead of comparing.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use fault_trace_common::{
    Class, Closer, Evidence, Family, Hook, Region,
    catalogue::{class::Mapping, kernel::Version},
    hooks::Attach,
};

/// Compares what stands between the marks of `name` in a document with what should, or writes it.
fn hold(document: &str, name: &str, table: &str) {
    // Several tests may write to one document.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let (begin, end) = (
        format!("<!-- {name}: generated -->\n"),
        format!("<!-- {name}: end -->"),
    );
    let (before, rest) = text.split_once(&begin).expect("the first mark");
    let (found, after) = rest.split_once(&end).expect("the second mark");
    let table = format!("\n{}\n\n", table.trim());
    if env::var_os("FAULT_TRACE_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{before}{begin}{table}{end}{after}")).expect("writes");
    } else {
        assert_eq!(
            found, table,
            "{document} differs from the catalogue: run the tests with FAULT_TRACE_WRITE_DOCS=1"
        );
    }
}

/// A table of Markdown.
fn table<const N: usize>(titles: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        for cell in cells {
            assert!(!cell.contains('|'), "{cell}");
            match cell {
                "" => text.push_str("| "),
                cell => write!(text, "| {cell} ").expect("writes"),
            }
        }
        text.push_str("|\n");
    };
    line(titles);
    line(["---"; N]);
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text.replace("| --- |", "|---|")
        .replace("--- |", "---|")
        .replace("| ---", "|---")
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

/// When a class is exact.
fn certainty(class: Class) -> String {
    let info = class.info();
    if info.proven_by.is_none() {
        return "no, always inferred".to_owned();
    }
    let since = info.proven_since();
    let mut text = since.map_or_else(|| "yes".to_owned(), |version| version.to_string());
    if info.mapping != Mapping::Unneeded {
        text += ", with V";
    }
    if !info.but.is_empty() {
        text += "; ";
        text += info.but;
    }
    text
}

#[test]
fn the_classes_are_those_of_the_catalogue() {
    let mut text = String::new();
    for family in Family::ALL {
        let classes = Class::ALL
            .into_iter()
            .filter(|class| class.family() == family);
        let rows = classes.map(|class| {
            let info = class.info();
            [
                code(class.name()),
                class.meaning().to_owned(),
                info.evidence.to_owned(),
                certainty(class),
                info.advice.to_owned(),
            ]
        });
        let titles = [
            "class",
            "what it is and what causes it",
            "evidence",
            "exact",
            "what to do",
        ];
        let (name, meaning) = (family.name(), family.meaning());
        write!(text, "\n## {name}: {meaning}\n\n{}", table(titles, rows)).expect("writes");
    }
    hold("classes.md", "classes", &text);
}

#[test]
fn the_hooks_are_those_of_the_catalogue() {
    let rows = Hook::ALL.map(|hook| {
        let info = hook.info();
        let name = match info.attach {
            Attach::RawTracepoint { category } => format!("`{category}:{}`", info.name),
            Attach::Software => format!("software `{}`", info.name),
        };
        let arguments = hook.arguments().iter();
        let read: Vec<String> = arguments
            .clone()
            .map(|argument| code(argument.name))
            .collect();
        let mut notes = Vec::new();
        notes.extend(info.required.then(|| "required".to_owned()));
        notes.extend(info.since.map(|since| format!("since {since}")));
        let usable = info.usable_since;
        notes.extend(
            usable.map(|(since, before)| format!("used since {since}; before, it {before}")),
        );
        notes.extend(arguments.filter_map(|argument| {
            let since = argument.since?;
            Some(format!("`{}` since {since}", argument.name))
        }));
        [
            name,
            info.gives.to_owned(),
            read.join(", "),
            notes.join(", "),
        ]
    });
    hold(
        "kernels.md",
        "hooks",
        &table(["hook", "shows", "arguments", ""], rows),
    );
}

#[test]
fn the_versions_are_those_of_the_catalogue() {
    let rows =
        Version::ALL.map(|(version, meaning)| [version.to_string(), meaning.trim().to_owned()]);
    hold(
        "kernels.md",
        "versions",
        &table(["Linux", "what changed"], rows),
    );
}

#[test]
fn the_evidence_is_that_of_the_catalogue() {
    let rows = Evidence::FLAGS.map(|(flag, name, meaning)| {
        [
            flag.trailing_zeros().to_string(),
            code(name),
            meaning.to_owned(),
        ]
    });
    hold(
        "recording.md",
        "evidence",
        &table(["bit", "name", "meaning"], rows),
    );
}

#[test]
fn what_closes_a_fault_is_that_of_the_catalogue() {
    let rows = Closer::ALL.map(|closer| {
        [
            (closer as u8).to_string(),
            code(closer.name()),
            closer.meaning().to_owned(),
            if closer.is_timely() { "yes" } else { "" }.to_owned(),
        ]
    });
    hold(
        "recording.md",
        "closers",
        &table(["number", "name", "meaning", "timely"], rows),
    );
}

#[test]
fn the_regions_are_those_of_the_catalogue() {
    let rows = Region::ALL.map(|region| {
        [
            (region as u8).to_string(),
            code(region.name()),
            region.meaning().to_owned(),
        ]
    });
    hold(
        "recording.md",
        "regions",
        &table(["number", "name", "meaning"], rows),
    );
}
