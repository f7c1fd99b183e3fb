//! A journal as nasty as a bus may be.

/// What an append came to, as far as its caller learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// Stored, at this sequence.
    Stored(u64),
    /// Refused: the last sequence is another one.
    Fenced,
    /// No answer: stored or not.
    Unknown,
    /// Refused for now; certainly not stored.
    Refused,
}

/// What goes wrong with an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// It is stored, but the answer is lost.
    AckLost,
    /// It is lost on the way, and so is the answer.
    RequestLost,
    /// The bus is not available and says so.
    Unavailable,
}

/// The messages of one partition's journal; the first sequence is 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    messages: Vec<Vec<u8>>,
}

impl Journal {
    /// The last sequence; 0 when empty.
    pub(super) fn tail(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Appends when `expected` is the last sequence.
    pub(super) fn append(&mut self, expected: u64, frame: &[u8], fault: Fault) -> Appended {
        match fault {
            Fault::Unavailable => return Appended::Refused,
            Fault::RequestLost => return Appended::Unknown,
            Fault::None | Fault::AckLost => {}
        }
        if expected != self.tail() {
            return if fault == Fault::None { Appended::Fenced } else { Appended::Unknown };
        }
        self.messages.push(frame.to_vec());
        if fault == Fault::None { Appended::Stored(self.tail()) } else { Appended::Unknown }
    }

    /// Messages from `sequence` on, with their sequences.
    pub(super) fn read_from(&self, sequence: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let from = usize::try_from(sequence.saturating_sub(1)).unwrap_or(usize::MAX);
        (1_u64..).zip(&self.messages).skip(from).map(|(at, bytes)| (at, bytes.as_slice()))
    }
}
