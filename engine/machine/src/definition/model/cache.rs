//! Cache: how long the result of a call answers the same call again (decision 0034).

use crate::definition::expr::Template;

/// `cache:` of a call.
#[derive(Clone, Debug)]
pub struct CacheRules {
    /// `key:`; the whole input of the call where absent.
    pub key: Option<Template>,
    /// `ttl:`, in milliseconds.
    pub ttl_ms: u64,
}

impl CacheRules {
    /// The shortest `ttl:`, in milliseconds: one second, which is as exact as the bus is.
    pub const TTL_MS_MIN: u64 = 1_000;
    /// The longest `ttl:`, in milliseconds: 30 days.
    pub const TTL_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
}
