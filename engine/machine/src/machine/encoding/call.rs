//! Calls in bytes.

use std::sync::Arc;

use super::codec::{Codec, DecodeError, Out, Reader};
use crate::machine::{CacheKey, CallRequest, Purpose, RunningCall, TraceContext};

/// Without `per` and trace, which not every call has: whoever holds the request writes them. What
/// is written here is a call that nobody waits for, which is never answered from the cache.
impl Codec for CallRequest {
    fn write(&self, out: &mut Out) {
        let Self { call, attempt, operation, input, deadline, step, .. } = self;
        call.write(out);
        attempt.write(out);
        operation.write(out);
        input.write(out);
        deadline.write(out);
        step.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            call: Codec::read(from)?,
            attempt: Codec::read(from)?,
            operation: Codec::read(from)?,
            input: Codec::read(from)?,
            deadline: Codec::read(from)?,
            step: Codec::read(from)?,
            purpose: Purpose::Work,
            per: None,
            cache: None,
            trace_context: None,
        })
    }
}

impl Codec for Arc<TraceContext> {
    fn write(&self, out: &mut Out) {
        self.parent.write(out);
        self.state.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::new(TraceContext { parent: Codec::read(from)?, state: Codec::read(from)? }))
    }
}

/// Marks of a call in front of its own ones: its result is kept, under the hash that follows.
const CACHE: u8 = 17;
/// The same, and what is kept does not count as its answer.
const CACHE_FRESH: u8 = 18;
/// In front of the mark: what limits count the call by, which follows.
const PER: u8 = 19;
/// Instead of 0: it waits until it is let go.
const HELD: u8 = 20;
/// In front of the mark, behind [`PER`]: an engine that is gone may have sent it.
const UNSURE: u8 = 21;
/// Behind that: how many attempts were made before the call was made again, which follows.
const BEFORE: u8 = 22;

impl Codec for RunningCall {
    fn write(&self, out: &mut Out) {
        let Self { id, attempt, sent, once, input, deadline, child, heartbeat_ms, .. } = self;
        let Self { per, cache, held, unsure, before, .. } = self;
        id.write(out);
        attempt.write(out);
        let waits = *held && !*sent && child.is_none();
        out.newer_if(cache.is_some() || per.is_some() || waits);
        out.newer_if(*unsure || *before != 0);
        out.newer_if(*sent && heartbeat_ms.is_some());
        if let Some(CacheKey { hash, fresh }) = cache {
            out.byte(if *fresh { CACHE_FRESH } else { CACHE });
            hash.write(out);
        }
        if let Some(per) = per {
            out.byte(PER);
            per.write(out);
        }
        if *unsure {
            out.byte(UNSURE);
        }
        if *before != 0 {
            out.byte(BEFORE);
            before.write(out);
        }
        match (child, heartbeat_ms) {
            (Some(child), _) => {
                out.byte(3);
                child.write(out);
            }
            (None, Some(heartbeat_ms)) if *sent => {
                out.byte(if *once { 14 } else { 13 });
                heartbeat_ms.write(out);
            }
            (None, _) => out.byte(match (sent, once) {
                (false, _) if waits => HELD,
                (false, _) => 0,
                (true, false) => 1,
                (true, true) => 2,
            }),
        }
        input.write(out);
        deadline.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, attempt) = (Codec::read(from)?, Codec::read(from)?);
        let (mut child, mut heartbeat_ms, mut per, mut cache) = (None, None, None, None);
        let mut mark = from.byte()?;
        if let CACHE | CACHE_FRESH = mark {
            let fresh = mark == CACHE_FRESH;
            cache = Some(CacheKey { hash: Codec::read(from)?, fresh });
            mark = from.byte()?;
        }
        if mark == PER {
            per = Some(Codec::read(from)?);
            mark = from.byte()?;
        }
        let unsure = mark == UNSURE;
        if unsure {
            mark = from.byte()?;
        }
        let mut before = 0;
        if mark == BEFORE {
            before = Codec::read(from)?;
            mark = from.byte()?;
        }
        let (sent, once) = match mark {
            0 | HELD => (false, false),
            1 => (true, false),
            2 => (true, true),
            3 => {
                child = Some(Codec::read(from)?);
                (true, false)
            }
            13 | 14 => {
                heartbeat_ms = Some(Codec::read(from)?);
                (true, mark == 14)
            }
            _ => return Err(DecodeError::Invalid("mark of a call")),
        };
        Ok(Self {
            id,
            attempt,
            before,
            sent,
            held: mark == HELD,
            unsure,
            once,
            input: Codec::read(from)?,
            deadline: Codec::read(from)?,
            child,
            heartbeat_ms,
            per,
            cache,
        })
    }
}
