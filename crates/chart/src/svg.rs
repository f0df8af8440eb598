//! The few shapes that a chart is made of, drawn by plotters as SVG.
//!
//! plotters only takes whole numbers, so it draws on a grid that is much finer than pixels. The
//! view box of the document tells how large that grid is.

use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::{
        Circle, DashedPathElement, Drawable, PathElement, PointCollection, Polygon, Rectangle, Text,
    },
    style::{
        Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::font;

/// A place in the drawing: distances from its left and its upper edge.
pub(super) type Place = (f64, f64);

/// How a line looks.
#[derive(Clone, Copy)]
pub(super) struct Stroke {
    pub(super) color: RGBColor,
    pub(super) width: f64,
    pub(super) dashed: bool,
}

/// How a surface looks.
#[derive(Clone, Copy)]
pub(super) struct Fill {
    pub(super) color: RGBColor,
    /// From 0, which is nothing, to 1.
    pub(super) opacity: f64,
}

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Lettering {
    pub(super) size: f64,
    pub(super) color: RGBColor,
    /// The end of the text that lies at its place.
    pub(super) anchor: HPos,
}

/// The number of grid lines in a pixel.
const FINENESS: u32 = 100;
/// The length of a dash, and of the gap after it.
const DASHES: (f64, f64) = (6.0, 3.5);
/// plotters' SVG makes text smaller by this factor.
const SHRINKING: f64 = 1.24;
/// The distance from the place of a text down to its baseline in plotters' SVG, as a fraction of
/// its size.
const ASCENT: f64 = 0.76;

/// A drawing that grows shape by shape.
pub(super) struct Svg<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    /// The number of grid lines in a unit of the drawing.
    fineness: f64,
}

/// A white document of `pixels`, on which `draw` draws in units of `scale` pixels.
pub(super) fn document(pixels: (u32, u32), scale: f64, draw: impl FnOnce(&Svg<'_>)) -> String {
    let (width, height) = pixels;
    let (columns, rows) = (width * FINENESS, height * FINENESS);
    let mut document = String::with_capacity(64 * 1024);
    let backend = SVGBackend::with_string(&mut document, (columns, rows));
    let svg = Svg {
        area: backend.into_drawing_area(),
        fineness: scale * f64::from(FINENESS),
    };
    written(svg.area.fill(&WHITE));
    draw(&svg);
    written(svg.area.present());
    drop(svg);
    // The root element is the first with this size; its view box stays. Joins are round, because
    // mitred peaks rise above their values.
    let of_grid = format!("width=\"{columns}\" height=\"{rows}\"");
    let of_pixels = format!("width=\"{width}\" height=\"{height}\" stroke-linejoin=\"round\"");
    document.replacen(&of_grid, &of_pixels, 1)
}

/// A white document of `pixels` around whole documents, which have their own places in it.
pub(super) fn stacked(pixels: (u32, u32), documents: &str) -> String {
    let (width, height) = pixels;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\"><rect width=\"{width}\" height=\"{height}\" \
         fill=\"#FFFFFF\"/>{documents}</svg>\n"
    )
}

impl<'a> Svg<'a> {
    pub(super) fn line(&self, from: Place, to: Place, stroke: Stroke) {
        self.polyline([from, to], stroke);
    }

    pub(super) fn polyline(&self, places: impl IntoIterator<Item = Place>, stroke: Stroke) {
        let places: Vec<_> = places.into_iter().map(|place| self.place(place)).collect();
        let style = stroke.color.stroke_width(self.length(stroke.width));
        if stroke.dashed {
            let (dash, gap) = (self.length(DASHES.0), self.length(DASHES.1));
            self.draw(&DashedPathElement::new(places, dash, gap, style));
        } else {
            self.draw(&PathElement::new(places, style));
        }
    }

    pub(super) fn dot(&self, center: Place, radius: f64, color: RGBColor) {
        self.circle(center, radius, color.filled());
    }

    pub(super) fn ring(&self, center: Place, radius: f64, stroke: Stroke) {
        let style = stroke.color.stroke_width(self.length(stroke.width));
        self.circle(center, radius, style);
    }

    fn circle(&self, center: Place, radius: f64, style: ShapeStyle) {
        let (center, radius) = (self.place(center), self.length(radius));
        self.draw(&Circle::new(center, radius, style));
    }

    pub(super) fn polygon(&self, places: impl IntoIterator<Item = Place>, fill: Fill) {
        let places: Vec<_> = places.into_iter().map(|place| self.place(place)).collect();
        self.draw(&Polygon::new(places, fill.color.mix(fill.opacity)));
    }

    pub(super) fn rectangle(&self, corner: Place, opposite: Place, fill: Fill) {
        let corners = [self.place(corner), self.place(opposite)];
        let style = fill.color.mix(fill.opacity).filled();
        self.draw(&Rectangle::new(corners, style));
    }

    /// A text whose baseline is at `y`.
    pub(super) fn text(&self, (x, y): Place, look: Lettering, text: &str) {
        let size = look.size * self.fineness * SHRINKING;
        let style = TextStyle::from((font::FAMILIES, size).into_font())
            .color(&look.color)
            .pos(Pos::new(look.anchor, VPos::Top));
        let top = self.place((x, y - look.size * ASCENT));
        self.draw(&Text::new(text, top, style));
    }

    fn draw<'e, E>(&self, element: &'e E)
    where
        E: Drawable<SVGBackend<'a>>,
        &'e E: PointCollection<'e, (i32, i32)>,
    {
        written(self.area.draw(element));
    }

    /// The grid lines of `place`.
    fn place(&self, (x, y): Place) -> (i32, i32) {
        let nearest = |at: f64| (at * self.fineness).round() as i32;
        (nearest(x), nearest(y))
    }

    /// `length` in grid lines.
    fn length(&self, length: f64) -> u32 {
        (length * self.fineness).round() as u32
    }
}

fn written(outcome: Result<(), DrawingAreaErrorKind<std::io::Error>>) {
    outcome.expect("nothing stands in the way of writing to a String");
}

#[cfg(test)]
mod tests {
    use super::{
        super::{tests::pixels, to_png},
        *,
    };

    const BLACK: RGBColor = RGBColor(0, 0, 0);

    const fn stroke(dashed: bool) -> Stroke {
        Stroke {
            color: BLACK,
            width: 4.0,
            dashed,
        }
    }

    #[test]
    fn places_and_lengths_are_exact_to_a_hundredth_of_a_pixel() {
        let look = Lettering {
            size: 10.0,
            color: BLACK,
            anchor: HPos::Right,
        };
        let document = document((300, 200), 1.5, |svg| {
            svg.line((0.01, 1.0), (10.25, 1.0), stroke(false));
            svg.dot((1.0, 2.0), 2.6, BLACK);
            svg.text((20.0, 17.6), look, "<a & b>");
        });
        for shape in [
            "<svg width=\"300\" height=\"200\" stroke-linejoin=\"round\" viewBox=\"0 0 30000 20000\"",
            "stroke-width=\"600\" points=\"2,150 1538,150 \"",
            "<circle cx=\"150\" cy=\"300\" r=\"390\"",
            "x=\"3000\" y=\"1500\" dy=\"0.76em\" text-anchor=\"end\"",
            "font-size=\"1500\" opacity=\"1\" fill=\"#000000\">\n&lt;a &amp; b&gt;\n<",
        ] {
            assert!(document.contains(shape), "{shape} in {document}");
        }
    }

    #[test]
    fn the_dashes_of_a_line_cover_their_part_of_it() {
        let dark = |dashed| {
            let draw = |svg: &Svg<'_>| svg.line((0.0, 50.0), (950.0, 50.0), stroke(dashed));
            let (_, _, counts) = pixels(&to_png(&document((950, 100), 1.0, draw)).unwrap());
            counts[&[0, 0, 0]] as f64
        };
        assert!((0.55..0.64).contains(&(dark(true) / dark(false))));
    }

    #[test]
    fn a_peak_rises_no_further_than_its_place() {
        let peak = [(35.0, 80.0), (50.0, 50.0), (65.0, 80.0)];
        let white = Stroke {
            color: WHITE,
            width: 52.5,
            dashed: false,
        };
        let document = document((100, 100), 1.0, |svg| {
            svg.polyline(peak, stroke(false));
            // Over all that may be dark: up to half the width of the line above its place.
            svg.line((0.0, 74.0), (100.0, 74.0), white);
        });
        let (_, _, counts) = pixels(&to_png(&document).unwrap());
        assert_eq!(counts, [([255; 3], 10_000)].into());
    }
}
