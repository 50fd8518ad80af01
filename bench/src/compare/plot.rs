//! A plot of lines, as SVG.
//!
//! Written by hand: an axis, ticks, lines and their names are all that is needed, and every crate that
//! draws brings a hundred times that. Colours and text follow the page's, light or dark.

use std::fmt::Write;

use super::table::escaped;

/// How values are laid along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// By powers; values must be positive.
    Log,
    /// One after the other, whatever their values are.
    Steps,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// From left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What is along the horizontal and the vertical axis.
    pub(crate) labels: [String; 2],
    pub(crate) scales: [Scale; 2],
    /// Where the horizontal axis is marked, and with what.
    pub(crate) marks: Vec<(f64, String)>,
    pub(crate) lines: Vec<Line>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// The rectangle of the lines: left, top, right, bottom.
const BOX: [f64; 4] = [80.0, 40.0, 580.0, 370.0];

/// Colours that people who see few of them can tell apart (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#d55e00", "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#8c6d1f", "#777777"];

impl Plot {
    /// The whole file.
    pub(crate) fn svg(&self) -> String {
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <style>svg {{ background: #fff; color: #222 }} text {{ fill: currentColor }}</style>\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{}\" y=\"22\" font-size=\"15\" text-anchor=\"middle\">{}</text>\n",
            f64::midpoint(BOX[0], BOX[2]),
            escaped(&self.title)
        );
        let down = self.down();
        self.draw_axes(&mut out, &down);
        for (number, line) in self.lines.iter().enumerate() {
            self.draw_line(&mut out, &down, number, line);
        }
        out.push_str("</svg>\n");
        out
    }

    fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().flat_map(|line| line.points.iter().copied())
    }

    /// The vertical axis: marks, and the lowest and highest value that are drawn.
    fn down(&self) -> Vec<f64> {
        let most = self.values().map(|(_, y)| y).fold(f64::MIN, f64::max);
        let least = self.values().map(|(_, y)| y).fold(f64::MAX, f64::min);
        if most <= 0.0 {
            return vec![0.0, 1.0];
        }
        match self.scales[1] {
            Scale::Log => decades(least, most),
            Scale::Linear | Scale::Steps => even(most),
        }
    }

    fn x(&self, value: f64) -> f64 {
        let all: Vec<f64> = self.marks.iter().map(|(x, _)| *x).collect();
        let first = all.first().copied().unwrap_or_default();
        let last = all.last().copied().unwrap_or(1.0);
        let share = match self.scales[0] {
            Scale::Linear => (value - first) / (last - first),
            Scale::Log => (value / first).ln() / (last / first).ln(),
            Scale::Steps => {
                let before = all.iter().filter(|x| **x < value).map(|_| 1.0).sum::<f64>();
                before / all.iter().skip(1).map(|_| 1.0).sum::<f64>()
            }
        };
        BOX[0] + (BOX[2] - BOX[0]) * if share.is_finite() { share } else { 0.5 }
    }

    fn y(&self, down: &[f64], value: f64) -> f64 {
        let low = down.first().copied().unwrap_or_default();
        let high = down.last().copied().unwrap_or(1.0);
        let share = match self.scales[1] {
            Scale::Log => (value / low).ln() / (high / low).ln(),
            Scale::Linear | Scale::Steps => (value - low) / (high - low),
        };
        BOX[3] - (BOX[3] - BOX[1]) * if share.is_finite() { share } else { 0.0 }
    }

    fn draw_axes(&self, out: &mut String, down: &[f64]) {
        let [left, top, right, bottom] = BOX;
        for value in down {
            let y = self.y(down, *value);
            _ = writeln!(
                out,
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 8.0,
                y + 4.0,
                short(*value)
            );
        }
        for (value, label) in &self.marks {
            let x = self.x(*value);
            _ = writeln!(
                out,
                "<path d=\"M{x:.1} {bottom}v5\" stroke=\"#888\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                escaped(label)
            );
        }
        let [along, up] = &self.labels;
        _ = writeln!(
            out,
            "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(left, right),
            bottom + 38.0,
            escaped(along),
            f64::midpoint(top, bottom),
            escaped(up)
        );
    }

    fn draw_line(&self, out: &mut String, down: &[f64], number: usize, line: &Line) {
        let colour = COLOURS[number % COLOURS.len()];
        let place = |(x, y): &(f64, f64)| [self.x(*x), self.y(down, *y)];
        let places: Vec<[f64; 2]> = line.points.iter().map(place).collect();
        let path: Vec<String> = places.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let width = if line.name.starts_with("monoceros") { 3.0 } else { 1.5 };
        _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
            path.join(" ")
        );
        for [x, y] in places {
            _ = write!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let row = BOX[1] + 10.0 + 20.0 * f64::from(u32::try_from(number).unwrap_or(0));
        _ = writeln!(
            out,
            "\n<path d=\"M{:.1} {row}h20\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            BOX[2] + 18.0,
            BOX[2] + 44.0,
            row + 4.0,
            escaped(&line.name)
        );
    }
}

/// Marks from zero to at least `most`, in steps of 1, 2 or 5 times a power of ten.
fn even(most: f64) -> Vec<f64> {
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| most / step <= 6.0).unwrap_or(power * 10.0);
    let mut marks = vec![0.0];
    while marks.last().is_some_and(|last| *last < most) {
        marks.push(marks.last().unwrap_or(&0.0) + step);
    }
    marks
}

/// Powers of ten around all values.
fn decades(least: f64, most: f64) -> Vec<f64> {
    let mut value = 10_f64.powf(least.max(1e-6).log10().floor());
    let mut marks = vec![value];
    while value < most {
        value *= 10.0;
        marks.push(value);
    }
    marks
}

/// A mark's text: `20,000`, `0.1`.
fn short(value: f64) -> String {
    if value >= 10.0 { grouped(value) } else { format!("{}", (value * 1e6).round() / 1e6) }
}

/// A whole figure with commas between thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(scales: [Scale; 2], points: &[(f64, f64)]) -> Plot {
        Plot {
            title: "a & b".to_owned(),
            labels: ["workers", "requests/s"].map(str::to_owned),
            scales,
            marks: points.iter().map(|(x, _)| (*x, x.to_string())).collect(),
            lines: vec![Line { name: "one".to_owned(), points: points.to_vec() }],
        }
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let svg =
            plot([Scale::Log, Scale::Linear], &[(1.0, 0.0), (10.0, 5.0), (100.0, 10.0)]).svg();
        assert!(svg.contains("points=\"80.0,370.0 330.0,205.0 580.0,40.0\""), "{svg}");
        assert!(svg.contains("a &amp; b") && svg.contains(">100<"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_an_empty_plot() {
        for scale in [Scale::Linear, Scale::Log, Scale::Steps] {
            let svg = plot([scale, scale], &[]).svg();
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
            let svg = plot([scale, scale], &[(7.0, 3.0)]).svg();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn marks_are_round() {
        assert_eq!(even(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(even(54_000.0), [0.0, 1e4, 2e4, 3e4, 4e4, 5e4, 6e4]);
        assert_eq!(decades(0.3, 40.0).len(), 4);
        assert_eq!((short(20_000.0), short(0.1)), ("20,000".to_owned(), "0.1".to_owned()));
        assert_eq!((grouped(-1234.0), grouped(123.0)), ("-1,234".to_owned(), "123".to_owned()));
    }
}
