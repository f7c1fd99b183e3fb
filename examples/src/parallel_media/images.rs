//! `image_processor`: pictures in color (PPM) to half as large ones in gray (PGM).

use gearshift_plugins_sdk::{Context, Failure, State};

use super::{Batch, Made, each};
use crate::files::Folder;

pub(super) async fn batch_process(
    State(Folder(folder)): State<Folder>,
    _: Context,
    batch: Batch,
) -> Result<Made, Failure> {
    each(&folder, &batch, ("ppm", "pgm"), thumbnail).await
}

/// The words of a plain PPM: sizes and colors, without comments.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(str::split_whitespace)
}

fn thumbnail(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut words = words(text);
    if words.next()? != "P3" {
        return None;
    }
    let mut numbers = words.map(|word| word.parse::<usize>().ok());
    let (width, height) = (numbers.next()??, numbers.next()??);
    let most = numbers.next()??;
    let colors = numbers.collect::<Option<Vec<usize>>>()?;
    if colors.len() != width.checked_mul(height)?.checked_mul(3)? || most == 0 {
        return None;
    }
    let gray = |x: usize, y: usize| {
        let at = (y * width + x) * 3;
        let part = |offset: usize| colors.get(at + offset).copied().unwrap_or_default();
        // What the eye makes of red, green and blue.
        (299 * part(0) + 587 * part(1) + 114 * part(2)) / 1_000
    };
    let mut picture = format!("P2\n{} {}\n{most}\n", width / 2, height / 2);
    for y in 0..height / 2 {
        let row = (0..width / 2).map(|x| {
            let around = [(0, 0), (1, 0), (0, 1), (1, 1)];
            let sum: usize = around.iter().map(|(dx, dy)| gray(2 * x + dx, 2 * y + dy)).sum();
            (sum / 4).to_string()
        });
        picture.push_str(&row.collect::<Vec<_>>().join(" "));
        picture.push('\n');
    }
    Some(picture.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_points_become_their_mean() {
        let picture = "P3\n# two by two\n2 2\n255\n0 0 0 255 255 255\n255 255 255 0 0 0\n";
        assert_eq!(thumbnail(picture.as_bytes()), Some(b"P2\n1 1\n255\n127\n".to_vec()));
        assert_eq!(thumbnail(b"P3 2 2 255 0 0 0"), None);
        assert_eq!(thumbnail(b"P6 2 2 255"), None);
    }
}
