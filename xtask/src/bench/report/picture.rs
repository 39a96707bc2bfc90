//! What each mode adds to a fault, as bars in an SVG.

mod scale;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, anyhow};
use plotters::{
    coord::Shift,
    prelude::{
        DrawingArea, IntoDrawingArea as _, IntoFont as _, PathElement, RGBColor, Rectangle,
        SVGBackend, Text, WHITE,
    },
    style::{
        Color as _, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::bench::{
    Results,
    modes::{Maker, UNTRACED},
    statistics::Spread,
    summary::Rounds,
    workload::Workload,
};
use scale::{edge_ns, step_ns, thousands, x};

const WIDTH: i32 = 960;
/// Of the bars, left and right; names stand before, numbers behind.
const BARS: (i32, i32) = (230, 800);
/// Where the first row begins, and how high one is.
const TOP: i32 = 92;
const ROW: i32 = 27;
const BELOW: i32 = 40;

const INK: RGBColor = RGBColor(38, 42, 48);
const FAINT: RGBColor = RGBColor(110, 116, 124);
const GRID: RGBColor = RGBColor(224, 227, 231);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

struct Bar {
    name: &'static str,
    maker: Maker,
    added_ns: Spread,
    /// So dear that the others would be too short to see: its bar ends at the edge.
    is_cut: bool,
}

pub(in crate::bench) fn picture(results: &Results, file: &Path) -> Result<()> {
    let load = results.load(Workload::Anonymous);
    let load = load.context("the picture is of the workload `anon`: measure it, too")?;
    let rounds = Rounds { results, load };
    let bars: Vec<Bar> = results
        .modes
        .iter()
        .filter(|mode| mode.name != UNTRACED)
        .filter_map(|mode| {
            Some(Bar {
                name: mode.name,
                maker: mode.maker,
                added_ns: rounds.summary(mode.name)?.added_ns,
                is_cut: mode.is_slow,
            })
        })
        .collect();
    let untraced = rounds.summary(UNTRACED).context("nothing was measured")?;
    let svg = svg(&bars, untraced.whole_ns.median)?;
    fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))
}

fn svg(bars: &[Bar], untraced_ns: f64) -> Result<String> {
    let mut svg = String::new();
    let height = TOP + ROW * bars.len() as i32 + BELOW;
    {
        let size = (WIDTH.cast_unsigned(), height.cast_unsigned());
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // The backend's error is bound to the string that it writes to.
        draw(&area, bars, untraced_ns, height).map_err(|error| anyhow!("{error}"))?;
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &Area<'_>, bars: &[Bar], untraced_ns: f64, height: i32) -> Drawn {
    area.fill(&WHITE)?;
    let title = "What tracing adds to a page fault (ns)";
    text(area, title, (16, 24), 20, INK, HPos::Left)?;
    let untraced = thousands(untraced_ns);
    let below = format!(
        "One thread touches fresh anonymous pages; untraced, a fault takes {untraced} ns. \
         Bars: medians; lines: quartiles."
    );
    text(area, &below, (16, 48), 13, FAINT, HPos::Left)?;
    legend(area)?;
    let edge_ns = edge_ns(bars);
    grid(area, edge_ns, height - BELOW)?;
    for (row, bar) in bars.iter().enumerate() {
        self::bar(area, bar, TOP + ROW * row as i32, edge_ns)?;
    }
    Ok(())
}

fn bar(area: &Area<'_>, bar: &Bar, top: i32, edge_ns: f64) -> Drawn {
    let middle = top + ROW / 2;
    let Spread {
        lower,
        median,
        upper,
    } = bar.added_ns;
    let end = x(median, edge_ns);
    let shape = Rectangle::new(
        [(BARS.0, top + 4), (end, top + ROW - 5)],
        colour(bar.maker).filled(),
    );
    area.draw(&shape)?;
    if !bar.is_cut {
        let (from, to) = (x(lower, edge_ns), x(upper, edge_ns));
        area.draw(&PathElement::new(
            [(from, middle), (to, middle)],
            INK.stroke_width(1),
        ))?;
        for edge in [from, to] {
            let tick = [(edge, middle - 4), (edge, middle + 4)];
            area.draw(&PathElement::new(tick, INK.stroke_width(1)))?;
        }
    }
    text(area, bar.name, (BARS.0 - 10, middle), 14, INK, HPos::Right)?;
    let arrow = if bar.is_cut { " →" } else { "" };
    let number = format!("{}{arrow}", thousands(median));
    let behind = end.max(x(upper, edge_ns)) + 8;
    text(area, &number, (behind, middle), 14, INK, HPos::Left)
}

fn legend(area: &Area<'_>) -> Drawn {
    let mut left = 16;
    for (maker, name, width) in [
        (Maker::Ours, "fault-trace", 110),
        (
            Maker::Nobody,
            "floor: empty programs on the same hooks",
            290,
        ),
        (Maker::Perf, "perf", 70),
        (Maker::Bpftrace, "bpftrace", 90),
    ] {
        let square = Rectangle::new([(left, 64), (left + 12, 76)], colour(maker).filled());
        area.draw(&square)?;
        text(area, name, (left + 18, 70), 13, INK, HPos::Left)?;
        left += width;
    }
    Ok(())
}

fn grid(area: &Area<'_>, edge_ns: f64, bottom: i32) -> Drawn {
    let step = step_ns(edge_ns);
    let mut at_ns = 0.0;
    while at_ns <= edge_ns {
        let at = x(at_ns, edge_ns);
        let line = PathElement::new([(at, TOP), (at, bottom)], GRID.stroke_width(1));
        area.draw(&line)?;
        text(
            area,
            &thousands(at_ns),
            (at, bottom + 16),
            12,
            FAINT,
            HPos::Center,
        )?;
        at_ns += step;
    }
    Ok(())
}

fn text(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: u32,
    colour: RGBColor,
    side: HPos,
) -> Drawn {
    let style = TextStyle::from(("sans-serif", size).into_font())
        .color(&colour)
        .pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

const fn colour(maker: Maker) -> RGBColor {
    match maker {
        Maker::Nobody => RGBColor(150, 156, 164),
        Maker::Ours => RGBColor(38, 99, 168),
        Maker::Perf => RGBColor(217, 131, 36),
        Maker::Bpftrace => RGBColor(84, 153, 99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn bar(name: &'static str, median: f64, is_cut: bool) -> Bar {
        Bar {
            name,
            maker: Maker::Ours,
            added_ns: Spread::exactly(median),
            is_cut,
        }
    }

    #[test]
    fn every_mode_is_named_in_the_picture() {
        let bars = [
            bar("record <a>", 1000.0, false),
            bar("slow", 15_000.0, true),
        ];
        let svg = svg(&bars, 1195.0).expect("drawn");
        for part in ["<svg", "record &lt;a&gt;", "15,000 →", "1,195 ns", "</svg>"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }
}
