//! One journal message taken apart: head, changes of instances, dead letters.

use serde_json::Value;

use super::bytes::{Bytes, Wrong};

/// What a journal message is.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// Not one of the engine's.
    Foreign,
    /// A frame.
    Frame(Box<Frame>),
}

/// A frame: the decisions of one batch, or the opening of an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Whether it opens its epoch.
    pub opens: bool,
    /// The partition it says it is of.
    pub partition: u16,
    /// The epoch of the owner who wrote it.
    pub epoch: u64,
    /// The hash of the frame before it.
    pub previous: [u8; 16],
    /// The hash of itself.
    pub hash: [u8; 16],
    /// The owner's time, in milliseconds since 1970.
    pub at: i64,
    /// What changed, in order.
    pub changes: Vec<Change>,
    /// Dead letters that were added.
    pub letters: Vec<Letter>,
}

/// What a decision changed of an instance, as far as the checker looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `workflow/key`.
    pub instance: String,
    /// Whether it is the whole instance: the first of its life.
    pub whole: bool,
    /// The life's number, where it is told.
    pub generation: Option<u64>,
    /// The status' number, where it is told.
    pub status: Option<u8>,
    /// The step counter, where it is told.
    pub step: Option<u64>,
    /// The variables.
    pub vars: Vars,
    /// All of it, as it stands in the frame.
    pub delta: Vec<u8>,
    /// The line of the instance's history, as it stands in the frame.
    pub trace: Vec<u8>,
}

/// What is told of the variables.
#[derive(Clone, Debug, PartialEq)]
pub enum Vars {
    /// Nothing.
    Same,
    /// How many there are, and those that changed, by place.
    Changed(usize, Vec<(usize, Value)>),
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The event's name.
    pub event: String,
    /// Its payload.
    pub data: Value,
    /// Why nobody took it.
    pub reason: String,
}

/// Takes a journal message apart.
///
/// # Errors
/// What is wrong with a frame.
pub fn open(bytes: &[u8]) -> Result<Opened, String> {
    if !bytes.starts_with(b"GSFR") {
        return Ok(Opened::Foreign);
    }
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or("a frame without a checksum")?;
    let made = crc32c::crc32c(body);
    if made != u32::from_le_bytes(*sum) {
        return Err(format!(
            "its checksum is {made:08x}, it says {:08x}",
            u32::from_le_bytes(*sum)
        ));
    }
    let mut from = Bytes(body);
    from.take(4)?;
    let version = from.byte()?;
    // A frame of version 2 has tags that the first programs did not write; all that is looked at
    // here stands where it stood.
    if !matches!(version, 1 | 2) {
        return Err(format!("version {version} is not known"));
    }
    let mut frame = Frame {
        opens: from.flag()?,
        partition: u16::from_le_bytes(from.array()?),
        epoch: u64::from_le_bytes(from.array()?),
        previous: from.array()?,
        hash: xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes(),
        at: i64::from_le_bytes(from.array()?),
        changes: Vec::new(),
        letters: Vec::new(),
    };
    // What opens an epoch tells of its owner and nothing else.
    while !frame.opens && !from.0.is_empty() {
        item(&mut from, &mut frame)?;
    }
    Ok(Opened::Frame(Box::new(frame)))
}

fn item(from: &mut Bytes<'_>, frame: &mut Frame) -> Result<(), Wrong> {
    match from.byte()? {
        0 => {
            let instance = instance(from)?;
            let delta = from.blob()?;
            let mut change = change(instance, &mut Bytes(delta))?;
            delta.clone_into(&mut change.delta);
            if from.flag()? {
                from.blob()?.clone_into(&mut change.trace);
                from.varint()?;
            }
            frame.changes.push(change);
        }
        1 => {
            instance(from)?;
            from.varint()?;
        }
        2 => {
            from.varint()?;
            instance(from)?;
            event(from)?;
        }
        3 | 9 => drop(from.varint()?),
        4 => {
            from.varint()?;
            instance(from)?;
            pending(from)?;
        }
        5 => drop(from.array::<16>()?),
        6 => {
            from.varint()?;
            let letter = letter(from)?;
            frame.letters.push(letter);
        }
        7 => {
            from.varint()?;
            from.text()?;
        }
        8 => {
            from.varint()?;
            instance(from)?;
            event(from)?;
            from.zigzag()?;
        }
        10 => {
            from.varint()?;
            from.varint()?;
            from.array::<8>()?;
        }
        11 | 12 => {
            from.varint()?;
            from.varint()?;
        }
        other => return Err(format!("{other} is no item of a frame")),
    }
    Ok(())
}

fn instance(from: &mut Bytes<'_>) -> Result<String, Wrong> {
    Ok(from.text()?.replacen('\0', "/", 1))
}

/// The front fields of a delta: all that the checker looks at stands before the rest.
fn change(instance: String, from: &mut Bytes<'_>) -> Result<Change, Wrong> {
    let mut change = Change {
        instance,
        whole: from.byte()? == 0,
        generation: None,
        status: None,
        step: None,
        vars: Vars::Same,
        delta: Vec::new(),
        trace: Vec::new(),
    };
    let mask = if change.whole {
        from.byte()?;
        u64::MAX
    } else {
        from.varint()?
    };
    let has = |bit: u32| mask & (1 << bit) != 0;
    if has(0) {
        change.generation = Some(from.varint()?);
    }
    if has(1) {
        from.varint()?;
        from.array::<8>()?;
    }
    if has(2) {
        change.status = Some(from.byte()?);
    }
    if change.whole && from.flag()? {
        return Err("a life that begins stuck is not expected here".to_owned());
    }
    if has(3) {
        change.step = Some(from.varint()?);
    }
    if has(4) {
        for _ in 0..from.length()? {
            from.varint()?;
        }
    }
    if has(5) && !change.whole {
        from.zigzag()?;
    }
    if has(6) {
        change.vars = vars(from, change.whole)?;
    }
    Ok(change)
}

fn vars(from: &mut Bytes<'_>, whole: bool) -> Result<Vars, Wrong> {
    let total = from.length()?;
    if whole {
        let values = (0..total).map(|at| Ok((at, from.value()?)));
        return Ok(Vars::Changed(total, values.collect::<Result<_, Wrong>>()?));
    }
    let mut changed = Vec::new();
    for _ in 0..from.length()? {
        changed.push((from.length()?, from.value()?));
    }
    Ok(Vars::Changed(total, changed))
}

fn letter(from: &mut Bytes<'_>) -> Result<Letter, Wrong> {
    let (event, data) = event(from)?;
    if from.flag()? {
        instance(from)?;
    }
    let reason = from.text()?.to_owned();
    from.zigzag()?;
    if from.flag()? {
        from.varint()?;
        from.varint()?;
    }
    Ok(Letter { event, data, reason })
}

/// Name and payload of an event; the rest is read over.
fn event(from: &mut Bytes<'_>) -> Result<(String, Value), Wrong> {
    let mask = from.varint()?;
    let has = |bit: u32| mask & (1 << bit) != 0;
    let name = from.text()?.to_owned();
    let data = if has(0) { from.value()? } else { Value::Null };
    if has(7) {
        from.value()?;
    }
    for bit in [1, 2, 6, 8, 9] {
        if has(bit) {
            from.text()?;
        }
    }
    if has(4) {
        from.zigzag()?;
    }
    if has(3) {
        principal(from)?;
    }
    if has(11) {
        from.text()?;
    }
    Ok((name, data))
}

fn principal(from: &mut Bytes<'_>) -> Result<(), Wrong> {
    from.text()?;
    for _ in 0..from.length()? {
        from.text()?;
    }
    Ok(())
}

fn pending(from: &mut Bytes<'_>) -> Result<(), Wrong> {
    let kind = from.byte()?;
    from.array::<16>()?;
    match kind {
        0 => {
            from.text()?;
            from.value()?;
        }
        1 => {
            // Attempt, operation, input, deadline, step.
            from.varint()?;
            from.text()?;
            from.value()?;
            from.zigzag()?;
            from.text()?;
        }
        2 => {
            // Number, receiver.
            from.varint()?;
            instance(from)?;
            said(from)?;
        }
        other => return Err(format!("{other} is nothing that waits")),
    }
    Ok(())
}

/// What one instance has for another.
fn said(from: &mut Bytes<'_>) -> Result<(), Wrong> {
    match from.byte()? {
        0 => {
            event(from)?;
            from.flag()?;
        }
        1 => {
            from.array::<16>()?;
            event(from)?;
        }
        2 => {
            if from.flag()? {
                from.varint()?;
            }
            from.value()?;
            // The parent: key, life, call, its name for the child, depth.
            instance(from)?;
            from.varint()?;
            from.array::<16>()?;
            from.text()?;
            from.varint()?;
            if from.flag()? {
                from.text()?;
            }
        }
        3 => {
            from.array::<16>()?;
            from.flag()?;
        }
        4 => {
            from.array::<16>()?;
            from.text()?;
            from.varint()?;
            outcome(from)?;
        }
        other => return Err(format!("{other} is no letter")),
    }
    Ok(())
}

fn outcome(from: &mut Bytes<'_>) -> Result<(), Wrong> {
    match from.byte()? {
        0 => drop(from.value()?),
        1 => {
            // Kind, code, message, when to try again.
            from.byte()?;
            from.text()?;
            from.text()?;
            if from.flag()? {
                from.varint()?;
            }
        }
        other => return Err(format!("{other} is no outcome")),
    }
    Ok(())
}
