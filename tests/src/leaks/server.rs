//! [`Served`]: what a NATS server keeps for others, as its monitoring tells.

use std::io::Error;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a server keeps for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Open connections.
    pub connections: u64,
    /// Subscriptions, those of the server itself among them.
    pub subscriptions: u64,
}

impl Served {
    /// Asks the monitoring at `url`, such as `http://127.0.0.1:8222`.
    ///
    /// # Errors
    /// It does not answer, or not this.
    pub async fn by(url: &str) -> Result<Self, Error> {
        let address = url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let told: Value = serde_json::from_str(body)?;
        let number = |name: &str| {
            told[name].as_u64().ok_or_else(|| Error::other(format!("/varz tells no `{name}`")))
        };
        Ok(Self { connections: number("connections")?, subscriptions: number("subscriptions")? })
    }

    /// Does it keep no more than `before`?
    #[must_use]
    pub const fn is_back_at(&self, before: &Self) -> bool {
        self.connections <= before.connections && self.subscriptions <= before.subscriptions
    }
}
