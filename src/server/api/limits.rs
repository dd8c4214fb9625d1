//! The builder's limits for each address and each key.

use std::sync::Arc;

use axum::http::request::Parts;

use super::builder::Builder;
use crate::config::{KeyLimits, Limits, RateLimit, Transport};

impl<H> Builder<H> {
    /// Does not serve a transport: its requests are answered with 404 and code 4010, and clients go on by another
    /// one. Without [`Transport::JsonpPoll`] there are no uploads by script tags either. Default: all are served.
    ///
    /// Transports that can only GET have the session's secret in their URLs, where logs of proxies may keep it:
    /// [`EventSource`](Transport::EventSource), [`HtmlFile`](Transport::HtmlFile), [`Iframe`](Transport::Iframe)
    /// and `JsonpPoll`. A page that must not use them says so in its option `transports` too, since a request
    /// that is refused has been logged by then. A route of [`raw`](crate::Server::raw) is served in any case.
    pub fn without(mut self, transport: Transport) -> Self {
        self.config.without.push(transport);
        self
    }

    /// Sets what each address may have at a time. An IPv6 address counts by its first 64 bits. Default:
    /// [`Limits::default`], which is 2,000 sessions and 200 openings a second.
    ///
    /// The address is that of the connection, or behind [trusted proxies](Self::trusted_proxies) the one that
    /// they name; without `ConnectInfo` there is none, and no limit. A peer in a loopback, private or
    /// link-local network that is no trusted proxy is exempt, because all clients may come through it; that is
    /// logged once, at the level `warn`, when it goes beyond the limits.
    ///
    /// In a [cluster](crate::guide::many_nodes) each node counts its own sessions. One that has moved to a node counts there
    /// for its address, and is not refused.
    pub fn limits_by_address(mut self, limits: Limits) -> Self {
        self.config.by_address = limits;
        self
    }

    /// Sets what each key may have at a time, besides what each address may. `key` names it, from the request
    /// that opens the session: an API key, say, or the user of a signed cookie. It sees what extractors see,
    /// runs before them, must not block, and returns `None` for a request that has no such limit. Default: no
    /// such limits.
    ///
    /// In a [cluster](crate::guide::many_nodes) each node counts the sessions that have opened on it. One that has moved to
    /// another node counts for no key there.
    ///
    /// ```
    /// use anywire::{Anywire, Limits};
    ///
    /// let builder = Anywire::builder().limits_by(Limits::default().sessions(10), |parts| {
    ///     let key = parts.headers.get("x-api-key")?.to_str().ok()?;
    ///     Some(key.to_owned())
    /// });
    /// # let _ = builder;
    /// ```
    pub fn limits_by(mut self, limits: Limits, key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.config.by_key = Some(KeyLimits { limits, key_of: Arc::new(key) });
        self
    }

    /// Sets how many messages and bytes a client may send in its session, whatever transport carries it. Above
    /// that it is asked to pause, and nothing is lost; if that goes on, the session ends with 4203, or as
    /// [`RateLimit::close`] says. Default: no limit.
    ///
    /// ```
    /// use anywire::{Anywire, RateLimit};
    ///
    /// let builder = Anywire::builder().rate_limit(RateLimit::none().messages(100).bytes(1 << 20));
    /// # let _ = builder;
    /// ```
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.config.rate_limit = Some(limit);
        self
    }
}
