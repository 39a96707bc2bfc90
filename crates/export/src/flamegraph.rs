//! Flame graphs, drawn by inferno.

use std::io::{self, Write};

use fault_trace_common::{Class, Family};
use inferno::flamegraph::{
    self, Options, Palette,
    color::{BackgroundColor, BasicPalette, Color, PaletteMap},
};

use super::{
    definition::{Comparison, Definition},
    folded::{self, difference, fold},
};
use fault_trace_analysis::{Folded, FoldedSummary, Weight, resident::Bound};
use fault_trace_model::Run;
use fault_trace_render::{
    command_line, sanitize,
    units::{count, counted},
};

pub(super) static EXPORT: Definition = Definition {
    name: "flamegraph",
    meaning: "An SVG, interactive in a browser",
    has_stacks: true,
    has_names: true,
    write: |source, out| {
        let folded = fold(source)?;
        let out = io::BufWriter::new(out);
        flamegraph(&title(source.run), &folded, source.weight, out)
    },
    files: None,
    compares: Some(Comparison {
        meaning: "An SVG, interactive in a browser: red grew, blue shrank",
        write: |both, run, weight, out| {
            differential(&title(run), both, weight, io::BufWriter::new(out))
        },
    }),
};

/// What was traced.
fn title(run: &Run) -> String {
    let target = match run.command.as_slice() {
        [] => sanitize(run.target.as_bytes()).into_owned(),
        command => command_line(command),
    };
    format!("Page faults of {target}")
}

/// A flame graph as SVG. The innermost frames are the classes, in the colours of their families.
///
/// # Errors
/// What `out` reports; nothing to draw.
fn flamegraph(title: &str, folded: &Folded, weight: Weight, out: impl Write) -> io::Result<()> {
    let lines: Vec<String> = folded::lines(folded).collect();
    let mut colours = colours();
    let mut options = options(title, subtitle(&folded.summary, weight), weight);
    options.palette_map = Some(&mut colours);
    draw(&mut options, &lines, out)
}

/// A differential flame graph: as wide as in `after`, red where it grew from `before`, blue where it
/// shrank.
///
/// # Errors
/// What `out` reports; nothing to draw.
fn differential(
    title: &str,
    [before, after]: [&Folded; 2],
    weight: Weight,
    out: impl Write,
) -> io::Result<()> {
    let lines = difference(before, after)?;
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    let subtitle = format!(
        "{} before, {} after; red grew, blue shrank",
        amount(before.summary.weight, weight),
        amount(after.summary.weight, weight),
    );
    draw(&mut options(title, subtitle, weight), &lines, out)
}

fn draw(options: &mut Options<'_>, lines: &[String], out: impl Write) -> io::Result<()> {
    if lines.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is nothing to draw: no fault that was recorded and selected has a weight of this kind",
        ));
    }
    flamegraph::from_lines(options, lines.iter().map(String::as_str), out)
}

fn options(title: &str, subtitle: String, weight: Weight) -> Options<'static> {
    let mut options = Options::default();
    options.title = title.to_owned();
    options.subtitle = Some(subtitle);
    options.count_name = weight.unit().to_owned();
    options.name_type = "Frame:".to_owned();
    options.colors = Palette::Basic(BasicPalette::Yellow);
    options.bgcolors = Some(BackgroundColor::Grey);
    options.deterministic = true;
    options
}

/// Which faults these are, and what is missing.
fn subtitle(summary: &FoldedSummary, weight: Weight) -> String {
    let mut parts = vec![amount(summary.weight, weight)];
    if weight != Weight::Count {
        let faults = counted(summary.faults, "fault", "faults");
        parts[0] = match weight {
            Weight::Time => format!(
                "{} in {faults}",
                fault_trace_render::units::duration(summary.weight)
            ),
            _ => format!("{} by {faults}", parts[0]),
        };
    }
    if summary.faults < summary.of {
        parts.push(format!("selected from {}", count(summary.of)));
    }
    if weight == Weight::Pages && summary.resident.bound() != Bound::Exact {
        let most = summary
            .resident
            .at_most
            .map_or_else(|| "not known".to_owned(), count);
        parts.push(format!(
            "at least {}, at most {most}",
            count(summary.resident.at_least)
        ));
    }
    if weight == Weight::Time && summary.untimed > 0 {
        parts.push(format!(
            "{} without a latency left out",
            count(summary.untimed)
        ));
    }
    if summary.without_stack > 0 {
        parts.push(format!("{} without a stack", count(summary.without_stack)));
    }
    if summary.ungrouped > 0 {
        parts.push(format!(
            "{} in (other) for lack of room",
            count(summary.ungrouped)
        ));
    }
    parts.join("; ")
}

fn amount(sum: u64, weight: Weight) -> String {
    match weight {
        Weight::Count => counted(sum, "fault", "faults"),
        Weight::Time => format!("{} in faults", fault_trace_render::units::duration(sum)),
        Weight::Pages => format!("{} made resident", counted(sum, "page", "pages")),
    }
}

/// A colour for the frame of each class: its family's.
fn colours() -> PaletteMap {
    let mut colours = PaletteMap::default();
    for class in Class::ALL {
        colours.insert(format!("[{}]", class.name()), colour(class.family()));
    }
    for frame in ["[no stack]", "[truncated]", "(other)"] {
        colours.insert(frame, Color::new(190, 190, 190));
    }
    colours
}

/// From the palette of Okabe and Ito, which most colour-blind people can tell apart.
const fn colour(family: Family) -> Color {
    let (r, g, b) = match family {
        Family::Demand => (86, 180, 233),
        Family::Cow => (230, 159, 0),
        Family::Swap => (204, 121, 167),
        Family::Userfault => (0, 158, 115),
        Family::Placement => (240, 228, 66),
        Family::Raced => (153, 153, 153),
        Family::BadArea => (213, 94, 0),
        Family::Kernel => (0, 114, 178),
        Family::Retried => (170, 140, 220),
        Family::Unknown => (200, 200, 200),
    };
    Color { r, g, b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::{Reader, events::Event};

    use super::*;
    use fault_trace_analysis::{FaultFilter, Folder, view::made_up};
    use fault_trace_model::sample;

    fn folded(weight: Weight, faults: usize) -> Folded {
        let (tables, run) = (made_up::tables(), sample::database());
        let mut folder = Folder::new(weight, FaultFilter::default(), &tables, &run);
        let all = made_up::faults();
        folder.faults(&all[..faults.min(all.len())]);
        folder.finish()
    }

    fn svg(weight: Weight) -> String {
        let mut out = Vec::new();
        flamegraph("pgbench", &folded(weight, 99), weight, &mut out).expect("it is drawn");
        String::from_utf8(out).expect("SVG is UTF-8")
    }

    #[test]
    fn the_graph_names_its_unit_its_sum_and_what_is_missing() {
        let graph = svg(Weight::Count);
        assert!(graph.contains("69 faults; 4 without a stack"), "{graph}");
        assert!(
            graph.contains("<title>a (20 faults, 28.99%)</title>"),
            "{graph}"
        );
        let graph = svg(Weight::Time);
        assert!(graph.contains("4 without a latency left out"), "{graph}");
        let graph = svg(Weight::Pages);
        assert!(graph.contains("at least 65, at most not known"), "{graph}");
    }

    #[test]
    fn a_class_has_the_colour_of_its_family() {
        let graph = svg(Weight::Count);
        let class = graph
            .split("<g>")
            .find(|group| group.contains("[anon-alloc] ("));
        let class = class.expect("the frame is there");
        assert!(class.contains("rgb(86,180,233)"), "{class}");
    }

    #[test]
    fn the_same_faults_give_the_same_graph() {
        assert_eq!(svg(Weight::Count), svg(Weight::Count));
    }

    #[test]
    fn a_difference_has_both_weights() {
        let (before, after) = (folded(Weight::Count, 30), folded(Weight::Count, 99));
        insta::assert_snapshot!(difference(&before, &after).expect("it is made"));
        let mut out = Vec::new();
        differential("x", [&before, &after], Weight::Count, &mut out).expect("it is drawn");
        let graph = String::from_utf8(out).expect("SVG is UTF-8");
        assert!(
            graph.contains("30 faults before, 69 faults after"),
            "{graph}"
        );
    }

    /// One stack of one function of this name.
    fn of_name(name: &str) -> Folded {
        Folded {
            names: vec![name.to_owned()],
            stacks: vec![(Box::new([0]), 7)],
            ..Folded::default()
        }
    }

    /// The texts of the titles in a graph, by a reader of XML.
    fn titles(graph: &str) -> Vec<String> {
        let mut reader = Reader::from_str(graph);
        let (mut titles, mut title) = (Vec::new(), None);
        loop {
            match reader.read_event().expect("it is XML") {
                Event::Eof => return titles,
                Event::Start(tag) if tag.name().as_ref() == b"title" => title = Some(String::new()),
                Event::End(tag) if tag.name().as_ref() == b"title" => titles.extend(title.take()),
                Event::Text(text) => {
                    let text = text.decode().expect("it is UTF-8");
                    title = title.map(|title| title + &text);
                }
                Event::GeneralRef(reference) => {
                    let char = match reference.resolve_char_ref().expect("a reference") {
                        Some(char) => char.to_string(),
                        None => {
                            let name = reference.decode().expect("it is UTF-8");
                            let named = quick_xml::escape::resolve_predefined_entity(&name);
                            named.expect("a name that XML knows").to_owned()
                        }
                    };
                    title = title.map(|title| title + &char);
                }
                _ => {}
            }
        }
    }

    /// Whether XML 1.0 allows a character (its production 2, Char).
    fn is_xml(char: char) -> bool {
        matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    }

    proptest! {
        #[test]
        fn any_name_gives_xml_that_tells_it(name in any::<String>(), odd in any::<char>(), title in any::<Vec<u8>>()) {
            let name = format!("{name}{odd}\u{fffe}\u{1}<&>\"']]>");
            let folded = of_name(&name);
            let line = folded::lines(&folded).next().expect("a line");
            let (shown, _) = line.rsplit_once(' ').expect("a weight");
            let title = fault_trace_render::sanitize(&title);
            let mut out = Vec::new();
            flamegraph(&title, &folded, Weight::Count, &mut out).expect("it is drawn");
            let graph = String::from_utf8(out).expect("SVG is UTF-8");
            prop_assert!(graph.chars().all(is_xml));
            prop_assert!(!graph.contains(|char: char| char != '\n' && char != '\t' && !fault_trace_text::plain::is_plain(char)));
            let expected = format!("{shown} (7 faults, 100.00%)");
            let titles = titles(&graph);
            prop_assert!(titles.contains(&expected), "{expected:?} {titles:?}");
        }
    }

    #[test]
    fn nothing_to_draw_is_an_error_that_says_so() {
        let error = flamegraph("x", &Folded::default(), Weight::Count, io::sink());
        let error = error.expect_err("there is nothing");
        assert!(error.to_string().contains("nothing to draw"));
    }
}
