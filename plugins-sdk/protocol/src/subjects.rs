//! Subjects: who is addressed, and how a name becomes one subject token.

use std::fmt;
use std::str::FromStr;

/// Start of the subjects that ask the engine about an event; the event's type follows.
pub const EVENT: &str = "gearshift.event.";
/// Start of the subjects of operators' commands; user token and verb follow.
pub const COMMAND: &str = "gearshift.command.";
/// Start of the subjects of reads; what is read follows.
pub const QUERY: &str = "gearshift.query.";
/// Start of the subjects of plugin calls.
pub const PLUGIN: &str = "gearshift.plugin.";
/// Start of the subjects of late results; the call id follows.
pub const RESULT: &str = "gearshift.result.";
/// Start of the call ids of `gearshift plugin check`, which no instance waits for: engines pass
/// over results of such calls. No call of an instance has such an id.
pub const CHECK: &str = "check-";
/// Start of the subjects of signs of life of long calls; the call id follows.
pub const HEARTBEAT: &str = "gearshift.heartbeat.";
/// Start of the subjects of cancelled calls; the call id follows.
pub const CANCEL: &str = "gearshift.cancel.";
/// Start of the subjects of what plugins announce; the plugin's name follows.
pub const ANNOUNCE: &str = "gearshift.announce.";
/// Start of the subjects of notices; workflow token and kind follow.
pub const NOTICE: &str = "gearshift.notice.";
/// Start of the subjects that publish an event one way where no bus is at hand (the HTTP door);
/// the event's type follows.
pub const PUBLISH: &str = "gearshift.publish.";

/// The queue group all plugins serve in.
pub const PLUGIN_GROUP: &str = "q";

/// `gearshift.event.<type>`.
#[must_use]
pub fn event(event_type: &str) -> String {
    format!("{EVENT}{event_type}")
}

/// `gearshift.publish.<type>`.
#[must_use]
pub fn publish(event_type: &str) -> String {
    format!("{PUBLISH}{event_type}")
}

/// `gearshift.command.<user>.<verb>`; any user name will do.
#[must_use]
pub fn command(user: &str, verb: &str) -> String {
    format!("{COMMAND}{}.{verb}", escape(user))
}

/// The user and the verb of a command's subject, or `None` if it is not one.
#[must_use]
pub fn parse_command(subject: &str) -> Option<(String, &str)> {
    let (user, verb) = subject.strip_prefix(COMMAND)?.split_once('.')?;
    (!verb.is_empty() && !verb.contains('.')).then_some((unescape(user)?, verb))
}

/// `gearshift.query.<what>`.
#[must_use]
pub fn query(what: &str) -> String {
    format!("{QUERY}{what}")
}

/// `gearshift.result.<call id>`.
#[must_use]
pub fn result(call_id: &str) -> String {
    [RESULT, call_id].concat()
}

/// `gearshift.heartbeat.<call id>`.
#[must_use]
pub fn heartbeat(call_id: &str) -> String {
    format!("{HEARTBEAT}{call_id}")
}

/// `gearshift.cancel.<call id>`.
#[must_use]
pub fn cancel(call_id: &str) -> String {
    format!("{CANCEL}{call_id}")
}

/// `gearshift.announce.<name>`.
#[must_use]
pub fn announce(plugin: &str) -> String {
    format!("{ANNOUNCE}{plugin}")
}

/// The queue group of [`owner`]; a partition has one owner, so it has one member.
pub const OWNER_GROUP: &str = "owner";

/// Where the owner of a partition answers other engines: `gearshift.owner.3.<node>`. One that was
/// replaced and stands still may go on to subscribe, so nobody else has its subject.
#[must_use]
pub fn owner(partition: u16, node: &str) -> String {
    format!("gearshift.owner.{partition}.{node}")
}

/// `gearshift.notice.<workflow>.<kind>`; any workflow name will do.
#[must_use]
pub fn notice(workflow: &str, kind: &str) -> String {
    format!("{NOTICE}{}.{kind}", escape(workflow))
}

/// `gearshift.plugin.<name>.v<major>.<operation>`.
#[must_use]
pub fn plugin(name: &str, major: u64, operation: &str) -> String {
    format!("{PLUGIN}{name}.v{major}.{operation}")
}

/// Where one instance alone is asked, by the subject of the operation and the service id:
/// `gearshift.plugin.<name>.v<major>.<operation>.<id>`. Served where the plugin's metadata says so.
#[must_use]
pub fn plugin_instance(operation_subject: &str, id: &str) -> String {
    format!("{operation_subject}.{id}")
}

/// Any text as one legal subject token: letters, digits, `-`, `_` and `@` stay, every other
/// byte becomes `=` and two hexadecimal digits, and the empty text is `=`.
#[must_use]
pub fn escape(text: &str) -> String {
    use fmt::Write as _;

    if text.is_empty() {
        return "=".to_owned();
    }
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            token.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(token, "={byte:02X}").unwrap_or_default();
        }
    }
    token
}

/// Takes [`escape`] back; `None` for a token that `escape` does not make, so that no two tokens
/// name one user.
#[must_use]
pub fn unescape(token: &str) -> Option<String> {
    if token == "=" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'=' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        let digits = [*high, *low];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail;
    }
    let text = String::from_utf8(bytes).ok()?;
    (escape(&text) == token).then_some(text)
}

/// Can this be a plugin's or an operation's name: letters, digits, `-`, `_`, 1 to 64 of them?
#[must_use]
pub fn is_service_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@')
}

/// An operation as a definition names it: `validator.validate_document`, or with the versions
/// it can work with, `validator@^1.2.validate_document`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OperationRef {
    /// The plugin's name.
    pub plugin: String,
    /// Which versions will do, as semantic-version requirement such as `^1.2`; `None`: any.
    pub requirement: Option<String>,
    /// The operation's name.
    pub operation: String,
}

/// The text does not name an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` does not name an operation: {reason}")]
pub struct OperationRefError {
    text: String,
    reason: &'static str,
}

impl FromStr for OperationRef {
    type Err = OperationRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| Err(OperationRefError { text: text.to_owned(), reason });
        // The requirement has dots of its own, so the operation is what follows the last one.
        let Some((left, operation)) = text.rsplit_once('.') else {
            return fail("it has no `.`; write `plugin.operation`");
        };
        let (plugin, requirement) = match left.split_once('@') {
            Some((plugin, requirement)) => (plugin, Some(requirement)),
            None => (left, None),
        };
        if !is_service_name(plugin) {
            return fail("the plugin's name has 1 to 64 letters, digits, `-` or `_`");
        }
        // An operation of digits only is the tail of a requirement: `validator@^1.2`.
        if !is_service_name(operation) || operation.bytes().all(|byte| byte.is_ascii_digit()) {
            return fail("the operation's name has 1 to 64 letters, digits, `-` or `_`");
        }
        if requirement.is_some_and(|text| !is_requirement(text)) {
            return fail("the version requirement is not one; write `@^1.2`");
        }
        Ok(Self {
            plugin: plugin.to_owned(),
            requirement: requirement.map(str::to_owned),
            operation: operation.to_owned(),
        })
    }
}

impl fmt::Display for OperationRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.requirement {
            Some(requirement) => write!(f, "{}@{requirement}.{}", self.plugin, self.operation),
            None => write!(f, "{}.{}", self.plugin, self.operation),
        }
    }
}

impl OperationRef {
    /// The major version the requirement asks for, if it names one.
    #[must_use]
    pub fn major(&self) -> Option<u64> {
        let text = self.requirement.as_deref()?;
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Does a plugin of this version satisfy the requirement?
    #[must_use]
    pub fn accepts(&self, version: &str) -> bool {
        let Some(requirement) = &self.requirement else { return true };
        let wanted = semver::VersionReq::parse(requirement);
        let offered = semver::Version::parse(version);
        matches!((wanted, offered), (Ok(wanted), Ok(offered)) if wanted.matches(&offered))
    }

    /// The subject to call where the plugin has this major version.
    #[must_use]
    pub fn subject(&self, major: u64) -> String {
        plugin(&self.plugin, major, &self.operation)
    }
}

fn is_requirement(text: &str) -> bool {
    text.trim() == text && semver::VersionReq::parse(text).is_ok()
}
