//! SVG plots: a bar for each ratio, and curves of time over size.

use std::fmt::Write;

use crate::engine::Result;
use crate::figure::workload_of;
use crate::report::Report;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 56.0;
const BAR: f64 = 20.0;
const COLOURS: [&str; 6] = [
    "#2563eb", "#d97706", "#059669", "#7c3aed", "#dc2626", "#475569",
];

/// The ratio that reaches the right edge; longer bars are cut and say their number.
const RATIO_MAX: f64 = 4.0;

struct Svg(String);

impl Svg {
    fn new(height: f64, title: &str) -> Result<Svg> {
        let mut text = String::new();
        writeln!(
            text,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>"#
        )?;
        let mut svg = Svg(text);
        svg.text(16.0, 26.0, "start", 15, title)?;
        Ok(svg)
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, size: u32, text: &str) -> Result<()> {
        writeln!(
            self.0,
            r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}" fill="#111827" stroke="white" stroke-width="3" paint-order="stroke">{text}</text>"##
        )?;
        Ok(())
    }

    fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) -> Result<()> {
        writeln!(
            self.0,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}" fill="{colour}"/>"#,
            width.max(0.5)
        )?;
        Ok(())
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) -> Result<()> {
        writeln!(
            self.0,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}"/>"#,
            from.0, from.1, to.0, to.1
        )?;
        Ok(())
    }

    fn curve(&mut self, points: &[(f64, f64)], colour: &str) -> Result<()> {
        write!(
            self.0,
            r#"<polyline fill="none" stroke-width="2" stroke="{colour}" points=""#
        )?;
        for (x, y) in points {
            write!(self.0, "{x:.1},{y:.1} ")?;
        }
        writeln!(self.0, r#""/>"#)?;
        Ok(())
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

fn colour(place: usize) -> &'static str {
    COLOURS.get(place % COLOURS.len()).unwrap_or(&"black")
}

/// How much better the report's engine is than `peer`, figure by figure. Where less is better,
/// the ratio is turned over, so a longer bar is always the better one.
pub fn ratios(report: &Report, peer: &str) -> Result<String> {
    let rows: Vec<(String, f64)> = report
        .figure_names()
        .into_iter()
        // Growth has plots of its own.
        .filter(|name| workload_of(name) != "W18")
        .filter_map(|name| {
            let comparison = report.compare(&name, peer)?;
            let ratio = comparison.ratio?.median;
            let better = if comparison.less_is_better {
                1.0 / ratio
            } else {
                ratio
            };
            Some((name, better)).filter(|_| better.is_finite())
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "few rows")]
    let height = TOP + rows.len() as f64 * BAR + 40.0;
    let title = format!(
        "{} over {peer}: times better (right of the line at 1)",
        report.engine()
    );
    let mut svg = Svg::new(height, &title)?;
    let scale = (WIDTH - LEFT - RIGHT) / RATIO_MAX;
    for tick in [0.0, 1.0, 2.0, 3.0, 4.0] {
        let x = LEFT + tick * scale;
        let colour = if tick == 1.0 { "#111827" } else { "#e5e7eb" };
        svg.line((x, TOP - 6.0), (x, height - 34.0), colour)?;
        svg.text(x, height - 18.0, "middle", 11, &format!("{tick}"))?;
    }
    let mut y = TOP;
    for (name, better) in rows {
        let width = better.min(RATIO_MAX) * scale;
        let colour = if better >= 1.0 { "#059669" } else { "#dc2626" };
        svg.text(LEFT - 8.0, y + 12.0, "end", 11, &name)?;
        svg.bar(LEFT, y + 2.0, width, BAR - 6.0, colour)?;
        svg.text(
            LEFT + width + 5.0,
            y + 12.0,
            "start",
            11,
            &format!("{better:.2}"),
        )?;
        y += BAR;
    }
    Ok(svg.end())
}

/// Time of one kind of operation over the number of keys, a curve for each engine; none if W18
/// was not run. Both axes are logarithmic.
pub fn growth(report: &Report, what: &str) -> Result<Option<String>> {
    let curves: Vec<(&str, Vec<(f64, f64)>)> = report
        .settings
        .engines
        .iter()
        .map(|engine| (engine.as_str(), report.growth(engine, what)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let (Some(keys), Some(times)) = (bounds(all().map(|p| p.0)), bounds(all().map(|p| p.1))) else {
        return Ok(None);
    };
    let (height, bottom) = (380.0, 320.0);
    let x = |keys_now: f64| {
        let share = (keys_now / keys.0).log10() / (keys.1 / keys.0).log10().max(1.0);
        80.0 + share * (WIDTH - 200.0)
    };
    let y = |time: f64| {
        let share = (time / times.0).log10() / (times.1 / times.0).log10().max(1.0);
        bottom - share * (bottom - TOP)
    };
    let title = format!("W18: microseconds of one {what} over keys in the store");
    let mut svg = Svg::new(height, &title)?;
    for (low_to_high, vertical) in [(keys, true), (times, false)] {
        let mut tick = low_to_high.0;
        while tick <= low_to_high.1 * 1.01 {
            if vertical {
                svg.line((x(tick), TOP), (x(tick), bottom), "#e5e7eb")?;
                svg.text(x(tick), bottom + 18.0, "middle", 11, &format!("{tick}"))?;
            } else {
                svg.line((80.0, y(tick)), (WIDTH - 120.0, y(tick)), "#e5e7eb")?;
                svg.text(72.0, y(tick) + 4.0, "end", 11, &format!("{tick}"))?;
            }
            tick *= 10.0;
        }
    }
    for (place, (engine, points)) in curves.iter().enumerate() {
        let drawn: Vec<(f64, f64)> = points.iter().map(|(k, t)| (x(*k), y(*t))).collect();
        svg.curve(&drawn, colour(place))?;
        #[expect(clippy::cast_precision_loss, reason = "few engines")]
        let row = TOP + 20.0 * place as f64;
        svg.bar(WIDTH - 108.0, row, 12.0, 12.0, colour(place))?;
        svg.text(WIDTH - 90.0, row + 10.0, "start", 12, engine)?;
    }
    svg.text((WIDTH - 40.0) / 2.0, height - 18.0, "middle", 11, "keys")?;
    Ok(Some(svg.end()))
}

/// The powers of ten around `values`.
fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let values: Vec<f64> = values.filter(|value| *value > 0.0).collect();
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    let power = |exponent: f64| 10_f64.powf(exponent);
    Some((power(least.log10().floor()), power(most.log10().ceil())))
}
