//! `bus config`: a NATS server's configuration with one user per role.

use clap::{Args, ValueEnum};

use super::super::args::Global;
use super::super::failure::{Failure, Outcome};

/// The whole file; each role's user stands between `# role: NAME` and `# end`.
const FILE: &str = include_str!("nats-server.conf");

const EXAMPLES: &str = "\
Examples:
  gearshift bus config > nats-server.conf
  gearshift bus config --role plugin --name billing
  gearshift bus config --role operator --name bob

Each user receives replies below _INBOX_NAME only, so connect with its name and prefix:
  GEARSHIFT_NATS_USER=bob GEARSHIFT_NATS_PASSWORD=… gearshift ls \\
    -s nats://127.0.0.1:4222 --nats-inbox-prefix _INBOX_bob";

/// `gearshift bus config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct ConfigArgs {
    /// Print only the user of this role
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// The user's name: letters, digits, `-` and `_`
    #[arg(long, requires = "role", value_parser = name)]
    name: Option<String>,
}

/// Who connects to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Runs workflows.
    Engine,
    /// Publishes events.
    Service,
    /// Answers calls.
    Plugin,
    /// Gives commands.
    Operator,
}

impl Role {
    /// Its mark in the file, and the user that stands for it there.
    const fn example(self) -> (&'static str, &'static str) {
        match self {
            Self::Engine => ("engine", "engine"),
            Self::Service => ("service", "orders"),
            Self::Plugin => ("plugin", "validator"),
            Self::Operator => ("operator", "ann"),
        }
    }
}

/// A name that is one subject token wherever the file puts it.
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not 1 to 64 letters, digits, `-` or `_`"))
}

/// Prints the file, or one user of it.
pub(super) fn config(global: &Global, args: &ConfigArgs) -> Outcome {
    let text = match args.role {
        None => FILE.to_owned(),
        Some(role) => user(role, args.name.as_deref())?,
    };
    global.out().raw(&text)?;
    Ok(0)
}

/// The user of a role under this name.
fn user(role: Role, name: Option<&str>) -> Result<String, Failure> {
    let (mark, example) = role.example();
    let mark = format!("# role: {mark}\n");
    let block = FILE
        .split_once(&mark)
        .and_then(|(_, rest)| rest.split_once("# end"))
        .map(|(block, _)| block)
        .ok_or_else(|| Failure::new(super::super::failure::BUG, "the role is not in the file"))?;
    let lines = block.lines().map(|line| line.strip_prefix("      ").unwrap_or(line).trim_end());
    let text = lines.collect::<Vec<_>>().join("\n");
    let name = name.unwrap_or(example);
    let variable = |name: &str| {
        let upper = name.to_ascii_uppercase().replace('-', "_");
        format!("$NATS_PASSWORD_{upper}")
    };
    let mut text = text
        .replace(&variable(example), &variable(name))
        .replace(&format!("user: {example}"), &format!("user: {name}"))
        .replace(&format!("_INBOX_{example}."), &format!("_INBOX_{name}."))
        .replace(&format!(".{example}\""), &format!(".{name}\""))
        .replace(&format!(".{example}."), &format!(".{name}."));
    if role == Role::Service {
        // Which events are its own, only its author knows; its name is the best guess.
        text = text.replace("order.>", &format!("{name}.>"));
    }
    Ok(text.trim_end().to_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_gets_a_user_of_any_name() {
        let plugin = user(Role::Plugin, Some("bill-ing")).unwrap();
        assert!(plugin.contains("user: bill-ing\n"), "{plugin}");
        assert!(plugin.contains("$NATS_PASSWORD_BILL_ING"), "{plugin}");
        assert!(plugin.contains("\"gearshift.plugin.bill-ing.>\""), "{plugin}");
        assert!(plugin.contains("\"$SRV.INFO.bill-ing\""), "{plugin}");
        assert!(!plugin.contains("validator"), "{plugin}");
        let operator = user(Role::Operator, Some("bob")).unwrap();
        assert!(operator.contains("gearshift.command.bob.>") && !operator.contains("ann"));
        let service = user(Role::Service, Some("shop")).unwrap();
        assert!(service.contains("\"shop.>\", \"gearshift.event.shop.>\""), "{service}");
        assert!(!service.contains("order"), "{service}");
        for role in [Role::Engine, Role::Service, Role::Plugin, Role::Operator] {
            assert!(user(role, None).unwrap().contains("permissions {"));
        }
    }

    #[test]
    fn a_name_is_one_subject_token() {
        for wrong in ["", "a.b", "a*", ">", "a b", "ä"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
        assert!(name("ann_1-x").is_ok());
    }
}
