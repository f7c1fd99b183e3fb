//! [`Mocked`]: operations that mocks answer to one engine, and to nobody else (decision 0052).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use gearshift_bus::Bus;
use gearshift_machine::machine::ContentHash;
use uuid::Uuid;

/// What mocks answer: `plugin.operation`, or `*` for everything. A clone is the same, so whoever
/// serves mocks may change them while an engine runs.
///
/// They are asked at [`Mocked::bus`], which is a bus of their own in this process: no plugin of the
/// same name has a part in that, nor has another engine.
#[derive(Clone, Debug, Default)]
pub struct Mocked(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    operations: RwLock<Operations>,
    /// Counts changes: what was found out before one is looked at again.
    turn: AtomicU64,
    bus: OnceLock<Bus>,
}

#[derive(Debug, Default)]
struct Operations {
    names: BTreeSet<String>,
    /// Marks what they gave, and is another one after each change.
    mark: [u8; 16],
}

impl Mocked {
    /// These are mocked from now on, and nothing else. Whoever answers them is to serve before.
    pub fn set(&self, operations: BTreeSet<String>) {
        let mark = Uuid::new_v4().into_bytes();
        let mut kept = self.0.operations.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Operations { names: operations, mark };
        // With the lock held, so that who sees the new turn sees what is new.
        self.0.turn.fetch_add(1, Ordering::Release);
    }

    /// Where they are asked, at the subjects of the operations.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        self.0.bus.get_or_init(Bus::in_memory)
    }

    /// `plugin.operation` of each, by name; `*` where everything is.
    pub(crate) fn names(&self) -> Vec<String> {
        self.read(|kept| kept.names.iter().cloned().collect())
    }

    /// Does no mock answer anything?
    pub(crate) fn is_idle(&self) -> bool {
        self.turn() == 0 || self.read(|kept| kept.names.is_empty())
    }

    /// How often it was changed.
    pub(crate) fn turn(&self) -> u64 {
        self.0.turn.load(Ordering::Acquire)
    }

    /// Does a mock answer the operation?
    pub(crate) fn answers(&self, plugin: &str, operation: &str) -> bool {
        self.any(|mock| mock.split_once('.') == Some((plugin, operation)))
    }

    /// Do mocks answer operations of the plugin?
    pub(crate) fn has_of(&self, plugin: &str) -> bool {
        self.any(|mock| mock.split_once('.').is_some_and(|(name, _)| name == plugin))
    }

    /// Where results of mocks are kept: never where a plugin's are, and nowhere after a change.
    pub(crate) fn apart(&self, under: ContentHash) -> ContentHash {
        let mark = self.read(|kept| kept.mark);
        let ContentHash(mut bytes) = under;
        for (byte, mark) in bytes.iter_mut().zip(mark.iter().cycle()) {
            *byte ^= mark;
        }
        ContentHash(bytes)
    }

    fn any(&self, is_it: impl Fn(&str) -> bool) -> bool {
        self.read(|kept| kept.names.iter().any(|mock| mock == "*" || is_it(mock)))
    }

    fn read<T>(&self, what: impl FnOnce(&Operations) -> T) -> T {
        what(&self.0.operations.read().unwrap_or_else(PoisonError::into_inner))
    }
}
