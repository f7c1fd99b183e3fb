//! Server-sent events: the `data` of each event out of a stream of bytes.

/// Longest event taken, in bytes: 1 MiB.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Collects bytes until they are whole events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    after_carriage_return: bool,
}

/// An event is longer than the limit.
#[derive(Debug, thiserror::Error)]
#[error("an event exceeds the limit of {EVENT_BYTES_MAX} bytes")]
pub(crate) struct TooLong;

impl Events {
    /// The data of the events that `bytes` complete, in order; comments, ids and other fields
    /// are read over.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut complete = Vec::new();
        for &byte in bytes {
            let after_carriage_return = std::mem::replace(&mut self.after_carriage_return, false);
            match byte {
                // `\r\n` is one line end.
                b'\n' if after_carriage_return => {}
                b'\n' | b'\r' => {
                    self.after_carriage_return = byte == b'\r';
                    complete.extend(self.end_line());
                }
                other => self.line.push(other),
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(complete)
    }

    /// The data of the event this line ends, if it ends one.
    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(data);
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field == "data" {
            if self.has_data {
                self.data.push('\n');
            }
            self.has_data = true;
            self.data.push_str(value.strip_prefix(' ').unwrap_or(value));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_wherever_the_bytes_are() {
        let text =
            "retry: 1\r\n: comment\n\nid: 7\ndata: {\"a\":\ndata:1}\r\n\r\ndata\n\nevent: x\n\n";
        for step in 1..text.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for bytes in text.as_bytes().chunks(step) {
                found.extend(events.take(bytes).unwrap());
            }
            assert_eq!(found, ["{\"a\":\n1}", ""], "in steps of {step}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        assert!(Events::default().take(&vec![b'x'; EVENT_BYTES_MAX + 1]).is_err());
    }
}
