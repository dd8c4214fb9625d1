//! The URLs of the native protocol over HTTP: a table of the downlinks, and the few other routes.

use axum::http::Method;

use crate::config::Transport;

/// The name of these routes for the nodes of a cluster: all that a server has serve all of its sessions.
pub(super) const MOUNT: &str = "native";

/// A route over HTTP.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    Open,
    Down(&'static Downlink),
    Send,
    FormPost,
    JsonpSend,
}

/// A downlink. Its route has the transport's name.
#[derive(Debug)]
pub(super) struct Downlink {
    pub(super) transport: Transport,
    pub(super) method: Method,
    pub(super) style: Style,
    pub(super) budget: Budget,
}

/// The wrapping of an answer, without the parts that vary from request to request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Events,
    Page,
    Call,
    Parts,
    /// An empty page, from which the client can read nothing.
    Blank,
}

/// The amount that one answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// One flush. The answer waits for it.
    Flush,
    /// Everything that is ready. The answer does not wait.
    AtOnce,
    /// Flush after flush, until the stream budget of the configuration is spent.
    Bytes,
}

static DOWNLINKS: [Downlink; 9] = [
    row(Transport::XhrPoll, Method::POST, Style::Plain, Budget::Flush),
    row(Transport::Poll, Method::POST, Style::Plain, Budget::AtOnce),
    row(Transport::FetchStream, Method::POST, Style::Plain, Budget::Bytes),
    row(Transport::XhrStream, Method::POST, Style::Plain, Budget::Bytes),
    row(Transport::Multipart, Method::POST, Style::Parts, Budget::Bytes),
    row(Transport::EventSource, Method::GET, Style::Events, Budget::Bytes),
    row(Transport::HtmlFile, Method::GET, Style::Page, Budget::Bytes),
    row(Transport::Iframe, Method::GET, Style::Page, Budget::Bytes),
    row(Transport::JsonpPoll, Method::GET, Style::Call, Budget::Flush),
];

const fn row(transport: Transport, method: Method, style: Style, budget: Budget) -> Downlink {
    Downlink { transport, method, style, budget }
}

/// The routes that are no downlinks.
const OTHERS: [Route; 4] = [Route::Open, Route::Send, Route::FormPost, Route::JsonpSend];

impl Route {
    /// Returns the names of all routes.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        OTHERS.iter().map(|route| route.name()).chain(DOWNLINKS.iter().map(|row| row.transport.name()))
    }

    /// Returns the route of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        let other = OTHERS.iter().find(|route| route.name() == name).copied();
        other.or_else(|| DOWNLINKS.iter().find(|row| row.transport.name() == name).map(Route::Down))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Route::Open => "open",
            Route::Send => "send",
            Route::FormPost => "form-post",
            Route::JsonpSend => "jsonp-send",
            Route::Down(row) => row.transport.name(),
        }
    }

    pub(super) fn method(self) -> &'static Method {
        match self {
            Route::Open | Route::Send | Route::FormPost => &Method::POST,
            Route::Down(row) => &row.method,
            Route::JsonpSend => &Method::GET,
        }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Route::Open | Route::Send => Style::Plain,
            Route::Down(row) => row.style,
            Route::FormPost => Style::Blank,
            Route::JsonpSend => Style::Call,
        }
    }

    /// Returns whether the answer is a frame of a document that Internet Explorer keeps apart from the page.
    pub(super) fn is_within_htmlfile(self) -> bool {
        matches!(self, Route::Down(Downlink { transport: Transport::HtmlFile, .. }))
    }

    /// Returns whether the URL contains the data of the client and its secret.
    pub(super) fn is_get(self) -> bool {
        self.method() == Method::GET
    }

    /// Returns whether the answer is a stream.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Route::Down(Downlink { budget: Budget::Bytes, .. }))
    }

    /// Returns whether the route serves a transport that is among these.
    pub(super) fn is_of(self, transports: &[Transport]) -> bool {
        match self {
            Route::Down(row) => transports.contains(&row.transport),
            Route::JsonpSend => transports.contains(&Transport::JsonpPoll),
            Route::Open | Route::Send | Route::FormPost => false,
        }
    }

    /// Returns whether all requests of the route are of sessions that are open.
    pub(super) fn is_of_open_sessions(self) -> bool {
        matches!(self, Route::Send | Route::JsonpSend | Route::Down(_)) && self.opens().is_none()
    }

    /// Returns the transport of a session that opens here, or `None` if no session opens here.
    pub(super) fn opens(self) -> Option<Transport> {
        match self {
            Route::Open => Some(Transport::XhrPoll),
            // A client that opens with a form reads with JSONP.
            Route::FormPost => Some(Transport::JsonpPoll),
            Route::Down(Downlink { transport: Transport::JsonpPoll, .. }) => Some(Transport::JsonpPoll),
            _ => None,
        }
    }
}
