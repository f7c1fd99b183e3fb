//! What the limits of a plugin are counted by: `per:` of `plugins:`, for one call.

use std::sync::Arc;

use super::ids::EffectId;
use super::work::Work;
use crate::value::Value;

/// Bytes of a key that count.
const KEY_MAX: usize = 256;

impl Work<'_> {
    /// The key of the call that the sequence at `at` makes: the first attempt's, for all.
    pub(super) fn limit_key(&self, operation: &str, at: usize, call: EffectId) -> Option<Arc<str>> {
        let running = self.instance.sequences.get(at).and_then(|running| running.call.as_ref());
        match running.filter(|known| known.id == call) {
            Some(known) => known.per.clone(),
            None => self.limit_key_of(operation),
        }
    }

    /// The key of a call of `operation` that is made now; none where its limits are for all calls.
    ///
    /// A call whose key cannot be computed is limited like those whose key is empty: it is not for
    /// a limit to make an instance stuck, nor to let calls pass that nobody counts.
    pub(super) fn limit_key_of(&self, operation: &str) -> Option<Arc<str>> {
        let per = self.definition.rules_of(operation)?.per.as_ref()?;
        let key: Arc<str> = match per.template.eval(&self.scope(None)) {
            Ok(Value::String(text)) => text,
            Ok(Value::Null) | Err(_) => "".into(),
            Ok(other) => other.to_json().into(),
        };
        let cut = (0..=KEY_MAX.min(key.len())).rev().find(|at| key.is_char_boundary(*at));
        match cut.and_then(|cut| key.get(..cut)).filter(|_| key.len() > KEY_MAX) {
            Some(cut) => Some(cut.into()),
            None => Some(key),
        }
    }
}
