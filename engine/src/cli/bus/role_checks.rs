//! What this login may do, tried with requests that change nothing.

use gearshift_bus::Bus;
use gearshift_protocol::subjects;

use super::super::finding::Finding;
use super::api::{ask, may_create};

/// A token that no journal, user, plugin or partition has.
const NOBODY: &str = "doctor-probe";

/// What the login may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct May {
    /// Write journals.
    pub(super) journals: bool,
    /// Make streams.
    pub(super) streams: bool,
    /// Call plugins.
    pub(super) plugins: bool,
    /// Read what engines tell.
    pub(super) queries: bool,
    /// Command in its own name.
    pub(super) commands: bool,
    /// Command in anybody's name.
    pub(super) commands_of_others: bool,
}

/// Tries. A request that is let through finds nobody, or an engine that knows no such thing; one
/// that is not is met with silence.
pub(super) async fn may(bus: &Bus, user: &str) -> May {
    let journal = format!("gearshift.journal.{NOBODY}");
    let plugin = subjects::plugin(NOBODY, 0, NOBODY);
    let query = subjects::query(NOBODY);
    let own = subjects::command(user, NOBODY);
    let others = subjects::command(NOBODY, NOBODY);
    let passes = async |subject: &str| ask(bus, subject, b"{}".to_vec()).await.passed();
    let (journals, plugins, queries, commands, commands_of_others, streams) = tokio::join!(
        passes(&journal),
        passes(&plugin),
        passes(&query),
        passes(&own),
        passes(&others),
        may_create(bus),
    );
    May { journals, streams, plugins, queries, commands, commands_of_others }
}

impl May {
    /// The role that this amounts to.
    pub(super) fn findings(self, user: &str, logged_in: bool) -> Vec<Finding> {
        let engine = [self.journals, self.streams, self.plugins, self.commands_of_others];
        let none = Self {
            journals: false,
            streams: false,
            plugins: false,
            queries: false,
            commands: false,
            commands_of_others: false,
        };
        if self == none {
            return vec![Finding::ok(
                "role",
                format!("`{user}` may neither command nor look: a service or a plugin"),
            )];
        }
        if engine == [true; 4] && !logged_in {
            return vec![Finding::ok(
                "role",
                "no login is needed, so everybody may do everything; `gearshift bus config` \
                 prints a user per role",
            )];
        }
        if engine == [true; 4] {
            return vec![Finding::ok("role", format!("`{user}` may do all that an engine does"))];
        }
        let mut list = Vec::new();
        if !engine.contains(&true) && self.commands && self.queries {
            let message = format!("`{user}` may look, and command in this name: an operator");
            list.push(Finding::ok("role", message));
        } else if !engine.contains(&true) && self.queries {
            list.push(Finding::warning(
                "role",
                format!("`{user}` may look, but not command in this name"),
                format!("allow it to publish `{}>`", subjects::command(user, "")),
            ));
        }
        let too_much = [
            (self.journals, "write journals"),
            (self.streams, "make streams"),
            (self.commands_of_others, "command in anybody's name"),
        ];
        let too_much: Vec<&str> =
            too_much.iter().filter(|(may, _)| *may).map(|(_, what)| *what).collect();
        if !too_much.is_empty() {
            list.push(Finding::warning(
                "role",
                format!("`{user}` is no engine, and may {}", too_much.join(", ")),
                "`gearshift bus config --role operator` prints what an operator needs",
            ));
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::finding::Level;
    use super::*;

    const ALL: May = May {
        journals: true,
        streams: true,
        plugins: true,
        queries: true,
        commands: true,
        commands_of_others: true,
    };

    const OPERATOR: May =
        May { journals: false, streams: false, plugins: false, commands_of_others: false, ..ALL };

    fn said(may: May) -> (Level, String) {
        let found = may.findings("ann", true);
        let worst = found.into_iter().max_by_key(|one| one.level).unwrap();
        (worst.level, worst.message)
    }

    #[test]
    fn the_role_is_what_one_may() {
        assert!(said(ALL).1.contains("an engine"));
        assert!(ALL.findings("ann", false)[0].message.starts_with("no login"));
        let (level, message) = said(OPERATOR);
        assert_eq!(level, Level::Ok);
        assert!(message.contains("an operator"), "{message}");
        let nothing = May { queries: false, commands: false, ..OPERATOR };
        assert!(said(nothing).1.contains("a service or a plugin"));
        let reader = May { commands: false, ..OPERATOR };
        assert_eq!(said(reader).0, Level::Warning);
    }

    #[test]
    fn an_operator_that_may_more_is_told() {
        let (level, message) = said(May { commands_of_others: true, ..OPERATOR });
        assert_eq!(level, Level::Warning);
        assert!(message.contains("command in anybody's name"), "{message}");
    }
}
