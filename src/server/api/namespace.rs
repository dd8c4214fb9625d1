//! The namespaces of a server, which its builder gets.

use super::{
    builder::Builder,
    handler::{AnyHandler, Handler, erase},
    handlers::SessionHandler,
};
use crate::server::events::Events;

/// # Namespaces
impl<S: Clone + Send + Sync + 'static> Builder<SessionHandler<S>> {
    /// Sets the handlers of a namespace. A client opens it as a channel of its session, besides the session
    /// itself, whose namespace is `/`; its events come and go on the same links. The handlers get a
    /// [`Session`](crate::Session) that is the channel: with rooms and values of its own, and whose end is not that
    /// of the session. [`root`](crate::Session::root) is the session, and
    /// [`Live::of`](crate::Live::of) finds the channels of a namespace.
    ///
    /// The name begins with `/`. One that ends in `*` stands for all that begin so, and
    /// [`namespace`](crate::Session::namespace) has the whole name; of several that fit the first one counts. A
    /// client that asks for a namespace without handlers is refused with the fault `unknown`.
    ///
    /// [`on_open`](Events::on_open) runs when the client opens the channel, with the request that opened the
    /// session and the auth data of the channel. The session keeps that request for it, as long as it lives.
    ///
    /// Channels of a session run beside each other, each with its events in order. Together they share the
    /// [`inbox`](Self::inbox): a channel whose handler is slow holds up others only when its events fill it.
    ///
    /// ```
    /// use anywire::{Anywire, Auth, Events, Fault, Session};
    ///
    /// async fn login(Auth(token): Auth<String>, session: Session) -> Result<(), Fault> {
    ///     if token != "sesame" {
    ///         return Err(Fault::new("login", "unknown token"));
    ///     }
    ///     session.join("operators");
    ///     Ok(())
    /// }
    ///
    /// let admin = Events::new().on_open(login).on("restart", async || {});
    /// let live = Anywire::builder().events(Events::new()).namespace("/admin", admin).build();
    /// # let _: axum::Router = axum::Router::new().nest("/live", live.routes());
    /// ```
    ///
    /// # Panics
    /// Panics if the name does not begin with `/`, is `/` alone, has more than 256 bytes or a comma, or if a `*`
    /// stands elsewhere than at the end.
    pub fn namespace(self, name: &str, events: Events<S>) -> Self {
        self.add_namespace(name, events.into_handler())
    }

    /// Sets the handler of a namespace, as [`namespace`](Self::namespace) sets handlers of events: an `async fn`
    /// that takes axum extractors, then the [`Session`](crate::Session) that is the channel. The channel ends when
    /// it returns.
    pub fn namespace_handler<H: Handler<T, S>, T>(self, name: &str, handler: H) -> Self {
        self.add_namespace(name, erase(handler))
    }

    fn add_namespace(mut self, name: &str, handler: AnyHandler<S>) -> Self {
        let plain = name.strip_suffix('*').unwrap_or(name);
        assert!(name.starts_with('/') && name != "/", "a namespace begins with `/` and has more, unlike {name:?}");
        assert!(!plain.contains(['*', ',']), "a namespace has no comma, and a `*` only at its end, unlike {name:?}");
        assert!(name.len() <= 256, "a namespace has at most 256 bytes");
        self.handler.namespaces.push((name.to_owned(), handler));
        self
    }
}
