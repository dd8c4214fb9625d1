//! [`Events`]: handlers by the names of events.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::http::request::Parts;

use super::{
    handler::{AnyEventHandler, EventHandler, Plain, erase},
    incoming::Incoming,
    layer::{AnyLayer, Next},
    opening::{self, AnyOpenHandler, OpenHandler},
    reply::Answer,
    run::run,
    table::{Route, Table},
};
use crate::{
    dialect::{Fault, MESSAGE, Takes, check_name},
    server::api::{
        handler::{AnyHandler, Ready},
        session::Session,
    },
    shared::ChannelSet,
};

/// The handlers of a session's events, by name.
///
/// **Order.** The events of a session are handled one after the other, in the order in which the client sent
/// them: the next one waits until the handler of the last has returned. So a slow handler holds up the other
/// events of its own client, and of nobody else; the client is asked to pause meanwhile. A handler that may run
/// beside others is made [`concurrent`](crate::concurrent()).
///
/// **Answers.** What a handler returns answers the client's request; see [`IntoAnswer`](crate::IntoAnswer). A
/// [`Fault`] rejects it. An event that nobody handles is answered with the fault `unknown`. If the client did not
/// ask, an answer is dropped, and a fault is logged and counted.
///
/// **End.** A panic of a handler closes the session with code 1011.
///
/// ```
/// use anywire::{Anywire, Args, Data, Events, Fault, Reply, Session};
/// use axum::Extension;
///
/// #[derive(Clone)]
/// struct Name(String);
///
/// async fn name(Data(name): Data<String>, session: Session) -> Result<Reply<String>, Fault> {
///     if name.trim().is_empty() {
///         return Err(Fault::new("name", "a name has letters"));
///     }
///     session.insert(Name(name.clone()));
///     Ok(Reply(format!("welcome, {name}")))
/// }
///
/// async fn add(Args((a, b)): Args<(i64, i64)>) -> Reply<i64> {
///     Reply(a.saturating_add(b))
/// }
///
/// async fn left(name: Option<Extension<Name>>) {
///     if let Some(Extension(Name(name))) = name {
///         println!("{name} has left");
///     }
/// }
///
/// let events = Events::new().on("name", name).on("add", add).on_end(left);
/// let live = Anywire::builder().events(events).build();
/// let app: axum::Router = axum::Router::new().nest("/live", live.routes());
/// ```
#[must_use]
pub struct Events<S = ()> {
    routes: BTreeMap<Box<str>, Route<S>>,
    other: Route<S>,
    layers: Vec<AnyLayer<S>>,
    on_open: Option<AnyOpenHandler<S>>,
    on_end: Option<AnyEventHandler<S>>,
    on_fault: Option<AnyEventHandler<S>>,
}

impl<S: Send + Sync + 'static> Events<S> {
    /// Returns a router without handlers.
    pub fn new() -> Self {
        let other = Route::new(0, None, async || Fault::new("unknown", "no such event"));
        Events { routes: BTreeMap::new(), other, layers: Vec::new(), on_open: None, on_end: None, on_fault: None }
    }

    /// Sets the handler of the events of one name. The name is an [`Event`](crate::Event) or a
    /// [`Request`](crate::Request), which fix the types of the handler's data and reply, or a `&str`, which
    /// takes any handler. A plain message of the client is the event `message`.
    ///
    /// # Panics
    /// Panics if the name has a handler already, is empty, has more than 256 bytes, or is a reserved one other
    /// than `message`.
    #[expect(clippy::needless_pass_by_value, reason = "a name is a constant or a text, which nobody wants to borrow")]
    pub fn on<N, M, H>(mut self, name: N, handler: H) -> Self
    where
        N: Takes<H::Data, H::Output>,
        M: 'static,
        H: EventHandler<M, S>,
    {
        let name = name.name();
        if name != MESSAGE
            && let Err(error) = check_name(name)
        {
            panic!("{name:?}: {error}");
        }
        let route = Route::new(self.routes.len() + 1, Some(name), handler);
        let before = self.routes.insert(name.into(), route);
        assert!(before.is_none(), "the event {name:?} has a handler already");
        self
    }

    /// Sets the handler of all events that have no handler of their own. [`EventName`](crate::EventName) gives it
    /// the name. A later call replaces it. Default: the fault `unknown`.
    pub fn on_other<M: 'static>(mut self, handler: impl EventHandler<M, S>) -> Self {
        self.other = Route::new(0, None, handler);
        self
    }

    /// Sets the function that runs before a session opens: an `async fn` of axum's extractors, for the opening
    /// request, and the [`Session`], to log the client in, to [insert](Session::insert) values, to join rooms.
    /// The client receives first what it sends. A later call replaces it. Default: every session opens.
    ///
    /// If it returns a [`Fault`], the session is refused with code 4301, and the text of the close is the fault
    /// as JSON, of at most 1,024 bytes. A rejection of an extractor is as with a [`Handler`](crate::Handler). The
    /// extractors, and then the function, have the [open timeout](crate::Builder::open_timeout) each. It may be
    /// dropped at any await, because the client may give up.
    ///
    /// ```
    /// use anywire::{Auth, Events, Fault, Session};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Login { token: String }
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// async fn login(Auth(login): Auth<Login>, session: Session) -> Result<(), Fault> {
    ///     if login.token != "sesame" {
    ///         return Err(Fault::new("login", "unknown token"));
    ///     }
    ///     session.insert(User("ali".to_owned()));
    ///     Ok(())
    /// }
    ///
    /// let events: Events = Events::new().on_open(login);
    /// # let _ = events;
    /// ```
    pub fn on_open<T: 'static>(mut self, handler: impl OpenHandler<T, S>) -> Self {
        self.on_open = Some(opening::erase(handler));
        self
    }

    /// Sets the handler that runs when a session is over, whatever ended it, a panic of another handler
    /// included. It takes no data. The values of the session are still there, and nothing reaches the client any
    /// more. A later call replaces it. Default: none.
    ///
    /// It does not run if the runtime is shut down before, nor for a session that was refused, or whose client gave
    /// up before it was open.
    pub fn on_end<T: 'static>(mut self, handler: impl EventHandler<(Plain, T), S>) -> Self {
        self.on_end = Some(erase(handler));
        self
    }

    /// Sets the handler that runs behind each event that ended with a fault: data of a wrong type, a name that
    /// nobody handles, a parameter that cannot be made, or what a handler or layer returned. [`Fault`] is one of its
    /// parameters; the others are those of any handler: the data as it came, the [name](crate::EventName), the
    /// session. The client has its answer already, and the session's next event
    /// waits. A later call replaces it. Default: none.
    pub fn on_fault<M: 'static>(mut self, handler: impl EventHandler<M, S>) -> Self {
        self.on_fault = Some(erase(handler));
        self
    }

    /// Adds a layer around the handlers of all events: an `async fn` of the event and the [`Next`], which runs
    /// what is inside. The layer that was added last is the outermost. Layers are around handlers that are added
    /// later too, and around [`on_other`](Self::on_other), but not around what runs at the open, the end or a
    /// fault.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anywire::{Answer, Events, Fault, Incoming, Next};
    ///
    /// async fn slow(event: Incoming, next: Next) -> Answer {
    ///     let answer = tokio::time::timeout(Duration::from_secs(5), next.run(event)).await;
    ///     answer.unwrap_or(Err(Fault::new("timeout", "it took too long")))
    /// }
    ///
    /// let events = Events::new().on("ping", async || {}).layer(slow);
    /// # let _ = events;
    /// ```
    pub fn layer<F, Fut>(mut self, layer: F) -> Self
    where
        F: FnOnce(Incoming, Next<S>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        self.layers.push(Box::new(move |event, next| Box::pin(layer.clone()(event, next))));
        self
    }

    pub(super) fn into_table(self) -> Table<S> {
        let Events { routes, other, layers, on_open, on_end, on_fault } = self;
        Table { routes, other, layers: layers.into(), on_open, on_end, on_fault }
    }

    /// Converts the router to the handler of a session.
    pub(crate) fn into_handler(self) -> AnyHandler<S> {
        let table = Arc::new(self.into_table());
        Arc::new(move |parts, state| Box::pin(prepare(table.clone(), parts, state)))
    }
}

/// Runs the extractors of `on_open`.
async fn prepare<S: Send + Sync + 'static>(
    table: Arc<Table<S>>,
    parts: Parts,
    state: S,
) -> Result<Ready, axum::response::Response> {
    let opening = match &table.on_open {
        Some(on_open) => Some(on_open(parts, &state).await?),
        None => None,
    };
    let handler = move |session: Session| run(table, Arc::new(state), session);
    Ok(Ready { opening, channels: ChannelSet::None, handler: Box::new(handler) })
}

impl<S: Send + Sync + 'static> Default for Events<S> {
    fn default() -> Self {
        Events::new()
    }
}

impl<S> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.routes.keys().map(AsRef::as_ref).collect();
        f.debug_struct("Events").field("names", &names).field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
