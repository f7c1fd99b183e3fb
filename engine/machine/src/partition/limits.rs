//! Limits of one partition: each bound with its unit and reason (01 §10).

/// Bounds of one partition; reaching one makes it answer `busy`, it never drops anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionLimits {
    /// Inputs in one batch: what one frame may make wait.
    pub batch_inputs: usize,
    /// Bytes of one frame: below the bus's largest message with room for headers.
    pub frame_bytes: usize,
    /// Dead letters kept; people read them, so more is of no use.
    pub dead_letters: usize,
    /// Bytes of all dead letters: they are part of every snapshot.
    pub dead_letter_bytes: usize,
    /// Early events that wait for their instance.
    pub buffered: usize,
    /// Effects asked for and not yet confirmed: a bus that is away must not fill the memory.
    pub pending: usize,
    /// Self-sent events of one instance that wait; more is an endless loop (rule 12).
    pub self_events: usize,
    /// How long due timers rest after a limit refused one, in milliseconds.
    pub hold_ms: u64,
}

impl Default for PartitionLimits {
    fn default() -> Self {
        Self {
            batch_inputs: 256,
            frame_bytes: 512 * 1_024,
            dead_letters: 10_000,
            dead_letter_bytes: 16 * 1_024 * 1_024,
            buffered: 10_000,
            pending: 100_000,
            self_events: 1_000,
            hold_ms: 1_000,
        }
    }
}
