//! `audio_processor`: sound (WAV, 16 bits) as loud as it can be without being cut off.

use gearshift_plugins_sdk::{Context, Failure, State};

use super::{Batch, Made, each};
use crate::files::Folder;

pub(super) async fn batch_process(
    State(Folder(folder)): State<Folder>,
    _: Context,
    batch: Batch,
) -> Result<Made, Failure> {
    each(&folder, &batch, ("wav", "wav"), normalize).await
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(word.try_into().ok()?)).ok()
}

/// Where the chunk `name` begins and ends.
fn chunk(bytes: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let mut at = 12;
    loop {
        let length = number(bytes, at + 4)?;
        let (begin, end) = (at + 8, (at + 8).checked_add(length)?);
        if bytes.get(at..at + 4)? == name {
            return (end <= bytes.len()).then_some((begin, end));
        }
        // Chunks have even lengths.
        at = end + length % 2;
    }
}

fn normalize(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
        return None;
    }
    let (format, _) = chunk(bytes, b"fmt ")?;
    if bytes.get(format + 14..format + 16)? != [16, 0] {
        return None;
    }
    let (begin, end) = chunk(bytes, b"data")?;
    let mut louder = bytes.to_vec();
    let samples = louder.get_mut(begin..end)?;
    let loudness = |pair: &[u8]| match pair {
        [low, high] => i32::from(i16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    let most = samples.chunks(2).map(|pair| loudness(pair).abs()).max()?.max(1);
    for pair in samples.chunks_exact_mut(2) {
        let value = loudness(pair) * i32::from(i16::MAX) / most;
        let value = i16::try_from(value).unwrap_or(if value > 0 { i16::MAX } else { i16::MIN });
        pair.copy_from_slice(&value.to_le_bytes());
    }
    Some(louder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_sample_becomes_the_greatest_number() {
        let mut sound = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        sound.extend([1, 0, 1, 0, 64, 31, 0, 0, 128, 62, 0, 0, 2, 0, 16, 0]);
        sound.extend(b"data\x04\0\0\0");
        let head = sound.clone();
        sound.extend([1_i16.to_le_bytes(), (-2_i16).to_le_bytes()].concat());
        let louder = normalize(&sound).unwrap_or_default();
        let expected = [16_383_i16.to_le_bytes(), (-32_767_i16).to_le_bytes()].concat();
        assert_eq!(louder, [head, expected].concat());
        assert_eq!(normalize(b"RIFF"), None);
    }
}
