//! `video_processor`: every second frame of a film (YUV4MPEG2) in gray.

use gearshift_plugins_sdk::{Context, Failure, State};

use super::{Batch, Made, each};
use crate::files::Folder;

/// What stands before each frame.
const FRAME: &[u8] = b"FRAME\n";

pub(super) async fn batch_process(
    State(Folder(folder)): State<Folder>,
    _: Context,
    batch: Batch,
) -> Result<Made, Failure> {
    each(&folder, &batch, ("y4m", "y4m"), halve).await
}

fn halve(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let header = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut words = header.split(' ');
    if words.next()? != "YUV4MPEG2" {
        return None;
    }
    let side = |letter: char| {
        let word = header.split(' ').skip(1).find_map(|word| word.strip_prefix(letter))?;
        word.parse::<usize>().ok()
    };
    let light = side('W')?.checked_mul(side('H')?)?;
    // Two colors at a quarter of the points each.
    let size = light.checked_add(light / 2)?.checked_add(FRAME.len())?;
    let frames = bytes.get(end + 1..)?;
    if frames.is_empty() || frames.len() % size != 0 {
        return None;
    }
    let colorless = words.map(|word| if word.starts_with('C') { "Cmono" } else { word });
    let mut film = b"YUV4MPEG2 ".to_vec();
    film.extend(colorless.collect::<Vec<_>>().join(" ").bytes());
    film.push(b'\n');
    for frame in frames.chunks(size).step_by(2) {
        let picture = frame.strip_prefix(FRAME)?;
        film.extend(FRAME);
        film.extend(picture.get(..light)?);
    }
    Some(film)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_frame_stays_and_colors_go() {
        let mut film = b"YUV4MPEG2 W2 H2 F12:1 C420jpeg\n".to_vec();
        for frame in 0..3 {
            film.extend(FRAME);
            film.extend([frame; 6]);
        }
        let mut half = b"YUV4MPEG2 W2 H2 F12:1 Cmono\n".to_vec();
        for frame in [0, 2] {
            half.extend(FRAME);
            half.extend([frame; 4]);
        }
        assert_eq!(halve(&film), Some(half));
        film.pop();
        assert_eq!(halve(&film), None);
        assert_eq!(halve(b"RIFF\n"), None);
    }
}
