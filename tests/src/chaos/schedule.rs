//! Which fault, when, and on what: all of it from one seed.

use std::time::Duration;

use fastrand::Rng;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// An engine is killed with SIGKILL.
    KillEngine,
    /// An engine is stopped with SIGSTOP, and goes on later as if nothing had been.
    PauseEngine,
    /// An engine is asked to end with SIGTERM.
    EndEngine,
    /// A plugin is killed.
    KillPlugin,
    /// A plugin is stopped for a while.
    PausePlugin,
    /// A plugin is asked to end.
    EndPlugin,
    /// A server is killed.
    KillServer,
    /// A server is stopped for a while.
    PauseServer,
    /// A server is asked to end.
    EndServer,
    /// Two of them are killed at once: an engine and a server, a plugin or another engine.
    KillPair,
    /// All servers are killed at once.
    KillAllServers,
    /// All engines are killed at once.
    KillAllEngines,
    /// The wires of an engine are slow.
    Delay,
    /// The wires of an engine are cut.
    Cut,
    /// The wires of an engine carry one direction only.
    CutOneWay,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::KillEngine,
        Self::PauseEngine,
        Self::EndEngine,
        Self::KillPlugin,
        Self::PausePlugin,
        Self::EndPlugin,
        Self::KillServer,
        Self::PauseServer,
        Self::EndServer,
        Self::KillPair,
        Self::KillAllServers,
        Self::KillAllEngines,
        Self::Delay,
        Self::Cut,
        Self::CutOneWay,
    ];

    /// The kind as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KillEngine => "kill_engine",
            Self::PauseEngine => "pause_engine",
            Self::EndEngine => "end_engine",
            Self::KillPlugin => "kill_plugin",
            Self::PausePlugin => "pause_plugin",
            Self::EndPlugin => "end_plugin",
            Self::KillServer => "kill_server",
            Self::PauseServer => "pause_server",
            Self::EndServer => "end_server",
            Self::KillPair => "kill_pair",
            Self::KillAllServers => "kill_all_servers",
            Self::KillAllEngines => "kill_all_engines",
            Self::Delay => "delay",
            Self::Cut => "cut",
            Self::CutOneWay => "cut_one_way",
        }
    }
}

/// One fault of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub kind: FaultKind,
    /// Which of the engines, plugins or servers it hits.
    pub which: usize,
    /// A second choice, for pairs and directions.
    pub other: usize,
    /// How long it lasts, or how long what was killed stays away.
    pub lasts: Duration,
    /// The rest before the next fault.
    pub rest: Duration,
}

/// The longest that something killed stays away.
const AWAY_MS_MAX: u64 = 1_000;

/// `count` faults: every kind once in each round, in an order of its own.
#[must_use]
pub fn schedule(seed: u64, count: usize, pause_ms_max: u64, rest_ms_max: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let mut steps = Vec::with_capacity(count);
    while steps.len() < count {
        let mut round = FaultKind::ALL;
        rng.shuffle(&mut round);
        for kind in round.into_iter().take(count - steps.len()) {
            steps.push(Step {
                kind,
                which: rng.usize(..3),
                other: rng.usize(..3),
                lasts: Duration::from_millis(match kind {
                    FaultKind::PauseEngine
                    | FaultKind::PausePlugin
                    | FaultKind::PauseServer
                    | FaultKind::Delay
                    | FaultKind::Cut
                    | FaultKind::CutOneWay => rng.u64(1_000..=pause_ms_max),
                    FaultKind::KillEngine
                    | FaultKind::EndEngine
                    | FaultKind::KillPlugin
                    | FaultKind::EndPlugin
                    | FaultKind::KillServer
                    | FaultKind::EndServer
                    | FaultKind::KillPair
                    | FaultKind::KillAllServers
                    | FaultKind::KillAllEngines => rng.u64(..AWAY_MS_MAX),
                }),
                rest: Duration::from_millis(rng.u64(..=rest_ms_max)),
            });
        }
    }
    steps
}
