//! [`Sizes`]: what a process holds.

use std::io::Error;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Tasks of one of its runtimes that have not ended.
    pub tasks: usize,
    /// Open files, sockets among them.
    pub files: usize,
    /// Resident memory, in kilobytes.
    pub memory_kb: u64,
}

/// What the crowd answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Calls that its instances answer at the moment.
    pub in_flight: usize,
    /// What its process holds.
    pub sizes: Sizes,
}

impl Sizes {
    /// What this process holds, with the tasks of this runtime.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn here(runtime: &Handle) -> Result<Self, Error> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|told| told.split_whitespace().next()?.parse().ok());
        Ok(Self {
            tasks: runtime.metrics().num_alive_tasks(),
            // The folder that is being read is open too, each time.
            files: std::fs::read_dir("/proc/self/fd")?.count(),
            memory_kb: memory.ok_or_else(|| Error::other("VmRSS is not told"))?,
        })
    }

    /// Does it hold no more than `before`, but for memory?
    #[must_use]
    pub const fn is_back_at(&self, before: &Self) -> bool {
        self.tasks <= before.tasks && self.files <= before.files
    }
}
