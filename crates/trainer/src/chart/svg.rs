//! Writing SVG: the few shapes that a chart is made of.

use std::fmt::{self, Write};

use super::font;

/// A place in the drawing, from its upper left corner.
pub(super) type Place = (f64, f64);

/// How a line looks.
#[derive(Clone, Copy)]
pub(super) struct Stroke {
    pub(super) color: &'static str,
    pub(super) width: f64,
    pub(super) dashed: bool,
}

/// Which part of a text lies at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    End,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Lettering {
    pub(super) size: f64,
    pub(super) color: &'static str,
    pub(super) anchor: Anchor,
}

/// A drawing that grows shape by shape.
pub(super) struct Svg(String);

impl Svg {
    /// A white drawing of `pixels`, whose shapes are given in units of `scale` pixels.
    pub(super) fn new(pixels: (u32, u32), scale: f64) -> Self {
        let (width, height) = pixels;
        let (across, down) = (f64::from(width) / scale, f64::from(height) / scale);
        let mut svg = Self(String::with_capacity(64 * 1024));
        svg.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {across:.4} {down:.4}\" font-family=\"'{}', Verdana, sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            font::FAMILY
        ));
        svg
    }

    pub(super) fn line(&mut self, (x1, y1): Place, (x2, y2): Place, stroke: Stroke) {
        let (x, y) = (x2 - x1, y2 - y1);
        self.put(format_args!("<path d=\"M{x1:.2} {y1:.2}l{x:.2} {y:.2}\""));
        self.stroke(stroke);
    }

    pub(super) fn polyline(&mut self, places: impl Iterator<Item = Place>, stroke: Stroke) {
        self.put(format_args!("<polyline points=\""));
        for (x, y) in places {
            self.put(format_args!("{x:.2},{y:.2} "));
        }
        self.put(format_args!("\" stroke-linejoin=\"round\""));
        self.stroke(stroke);
    }

    fn stroke(&mut self, stroke: Stroke) {
        let Stroke { color, width, .. } = stroke;
        let dashes = if stroke.dashed {
            " stroke-dasharray=\"6 3.5\""
        } else {
            ""
        };
        self.put(format_args!(
            " fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"{dashes}/>\n"
        ));
    }

    pub(super) fn dot(&mut self, (x, y): Place, radius: f64, color: &str) {
        self.put(format_args!(
            "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{color}\"/>\n"
        ));
    }

    /// A text; `second`, if there is one, follows it after a gap, in a colour of its own.
    pub(super) fn text(
        &mut self,
        (x, y): Place,
        look: Lettering,
        text: &str,
        second: Option<(&str, &str)>,
    ) {
        let Lettering { size, color, .. } = look;
        let anchor = match look.anchor {
            Anchor::Start => "start",
            Anchor::End => "end",
        };
        let text = Escaped(text);
        self.put(format_args!(
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" fill=\"{color}\" text-anchor=\"{anchor}\">{text}"
        ));
        if let Some((second, color)) = second {
            let second = Escaped(second);
            self.put(format_args!(
                "<tspan dx=\"{}\" fill=\"{color}\">{second}</tspan>",
                size / 2.0
            ));
        }
        self.put(format_args!("</text>\n"));
    }

    /// The whole document.
    pub(super) fn finish(mut self) -> String {
        self.put(format_args!("</svg>\n"));
        self.0
    }

    fn put(&mut self, text: fmt::Arguments<'_>) {
        self.0
            .write_fmt(text)
            .expect("writing to a String cannot fail");
    }
}

/// Text that cannot end its element: ids are the client's.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
