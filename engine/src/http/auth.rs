//! The bearer token: 32 random bytes, kept as a hash, compared in constant time.

use sha2::{Digest as _, Sha256};

/// A door's token, as its hash.
#[derive(Clone)]
pub struct Token([u8; 32]);

/// Why a token is none.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Too short to be a secret.
    #[error("token of {size} characters is shorter than {least}")]
    Short {
        /// Its length.
        size: usize,
        /// The least length.
        least: usize,
    },
}

/// The fewest characters of a chosen token.
const LENGTH_MIN: usize = 16;

impl Token {
    /// A token that somebody chose.
    ///
    /// # Errors
    /// [`TokenError::Short`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let size = text.chars().count();
        if size < LENGTH_MIN {
            return Err(TokenError::Short { size, least: LENGTH_MIN });
        }
        Ok(Self(hash(text)))
    }

    /// A fresh token, as text to print once.
    #[must_use]
    pub fn generate() -> String {
        // Two version 4 ids are 244 random bits from the system.
        let half = || uuid::Uuid::new_v4().simple();
        format!("gearshift_{}{}", half(), half())
    }

    /// Is `presented` the token? Takes the same time whatever it is.
    #[must_use]
    pub fn accepts(&self, presented: &str) -> bool {
        let given = hash(presented);
        let different =
            self.0.iter().zip(given).fold(0_u8, |seen, (own, other)| seen | (own ^ other));
        different == 0
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
