//! `cache:` of a call: how long its result is kept, and under what (decision 0034).

use std::sync::Arc;

use super::context::Context;
use super::transactions::is_transactions;
use super::values::Env;
use crate::definition::codes;
use crate::definition::duration;
use crate::definition::model::{CacheRules, CallSpec};
use crate::definition::parse::{Key, Node};
use crate::definition::problem::{Span, quoted};

impl<'t> Context<'t> {
    /// A duration alone, or `{ ttl, key }`.
    pub(super) fn cache(&self, node: &'t Node, env: Env<'_>) -> Option<Arc<CacheRules>> {
        if node.entries().is_none() {
            let ttl_ms = self.cache_ttl(node)?;
            return Some(Arc::new(CacheRules { key: None, ttl_ms }));
        }
        let (mut ttl_ms, mut key) = (None, None);
        let fields = self.fields(node, "cache", "`cache`");
        for (name, node) in &fields {
            match &*name.text {
                "ttl" => ttl_ms = self.cache_ttl(node),
                _ if node.is_null() => {
                    let message = "the key is nothing: all calls would be the same one";
                    self.report.add(codes::CACHE, node.span, message);
                }
                _ => key = self.data(None, node, env),
            }
        }
        if !fields.iter().any(|(name, _)| &*name.text == "ttl") {
            let start = Span::new(node.span.start, node.span.start + 1);
            self.report.add(codes::MISSING_FIELD, start, "`cache` has no `ttl`: how long");
        }
        Some(Arc::new(CacheRules { key, ttl_ms: ttl_ms? }))
    }

    fn cache_ttl(&self, node: &Node) -> Option<u64> {
        let ttl_ms = self.duration(node)?;
        let (least, most) = (CacheRules::TTL_MS_MIN, CacheRules::TTL_MS_MAX);
        if (least..=most).contains(&ttl_ms) {
            return Some(ttl_ms);
        }
        let (least, most) = (duration::format(least), duration::format(most));
        let ttl = duration::format(ttl_ms);
        let message = format!("a result is kept for {least} to {most}, not for {ttl}");
        self.report.add(codes::CACHE, node.span, message);
        None
    }

    /// What has to happen each time is not answered from the cache.
    pub(super) fn cached_call(&self, spec: &CallSpec, fields: &[(&'t Key, &'t Node)]) {
        let Some((key, _)) = fields.iter().find(|(key, _)| &*key.text == "cache") else { return };
        let operation = &*spec.operation;
        if fields.iter().any(|(key, _)| &*key.text == "undo") {
            let message = format!(
                "{} is to be taken back by `undo`, so it has to happen: its result cannot come \
                 from the cache",
                quoted(operation)
            );
            self.report.add(codes::CACHE, key.span, message);
        }
        if is_transactions(operation) {
            let message = format!("{} is never answered from the cache", quoted(operation));
            self.report.add(codes::CACHE, key.span, message);
        }
    }
}
