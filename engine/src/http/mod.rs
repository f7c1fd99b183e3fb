//! The HTTP door of the embedded mode: the same requests and verdicts, on loopback, by token.

mod auth;
mod door;
mod notices;

pub use auth::{Token, TokenError};
pub use door::{Door, Error};
