//! Plugins: looking at them, calls by hand, breakers closed by hand, kept results forgotten.

use std::time::Duration;

use gearshift_protocol::command::{
    ClearCache, ClearCacheReply, PluginCall, PluginCallReply, PluginReset, PluginResetReply, Verb,
};
use gearshift_protocol::query::{Plugins, What};
use gearshift_protocol::view::{Page, PluginView};

use crate::{Client, Error};

impl Client {
    /// Lists the plugins that run, by name and version.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn plugins(&self, list: &Plugins) -> Result<Page<PluginView>, Error> {
        self.query(What::Plugins, list).await
    }

    /// Calls an operation once, for no instance; that it failed is an answer.
    ///
    /// # Errors
    ///
    /// `bad_request` if it names no operation; and those of every request.
    pub async fn plugin_call(&self, call: &PluginCall) -> Result<PluginCallReply, Error> {
        let waits = call.timeout_ms.map(Duration::from_millis);
        self.command(Verb::PluginCall, call, waits).await
    }

    /// Closes the breakers of a plugin, or of one operation of it.
    ///
    /// # Errors
    ///
    /// Those of every request.
    pub async fn plugin_reset(&self, reset: &PluginReset) -> Result<PluginResetReply, Error> {
        self.command(Verb::PluginReset, reset, None).await
    }

    /// Has results of calls forgotten that are kept for the same calls again, or counts them.
    ///
    /// # Errors
    ///
    /// `bad_request` if it names a step without its workflow; and those of every request.
    pub async fn clear_cache(&self, clear: &ClearCache) -> Result<ClearCacheReply, Error> {
        self.command(Verb::CacheClear, clear, None).await
    }
}
