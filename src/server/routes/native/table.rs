//! The native protocol's URLs over HTTP: one table of the ways down, and the few other routes.

use axum::http::Method;

use crate::config::Transport;

/// A route over HTTP.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    Open,
    Down(&'static Downlink),
    Send,
    FormPost,
    JsonpSend,
}

/// A way to carry down. Its route has the transport's name.
#[derive(Debug)]
pub(super) struct Downlink {
    pub(super) transport: Transport,
    pub(super) method: Method,
    pub(super) style: Style,
    pub(super) budget: Budget,
}

/// How an answer is wrapped; what varies from request to request is added by each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Events,
    Page,
    Call,
    Parts,
    /// An empty page: nothing can be read from it.
    Blank,
}

/// How much one answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Budget {
    /// One flush, for which it waits.
    Flush,
    /// What there is.
    AtOnce,
    /// Flush after flush, until so many bytes are spent as the server's configuration says.
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

impl Route {
    /// What the last part of a path means.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "open" => Route::Open,
            "send" => Route::Send,
            "form-post" => Route::FormPost,
            "jsonp-send" => Route::JsonpSend,
            _ => Route::Down(DOWNLINKS.iter().find(|row| row.transport.name() == name)?),
        })
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

    /// The answer is a frame of a document that Internet Explorer keeps apart from the page.
    pub(super) fn is_within_htmlfile(self) -> bool {
        matches!(self, Route::Down(Downlink { transport: Transport::HtmlFile, .. }))
    }

    /// What the client says, its secret too, stands in the URL.
    pub(super) fn is_get(self) -> bool {
        self.method() == Method::GET
    }

    /// As what a session opens here; `None` where none does.
    pub(super) fn opens(self) -> Option<Transport> {
        match self {
            Route::Open => Some(Transport::XhrPoll),
            // Who opens by a form reads by script tags.
            Route::FormPost => Some(Transport::JsonpPoll),
            Route::Down(Downlink { transport: Transport::JsonpPoll, .. }) => Some(Transport::JsonpPoll),
            _ => None,
        }
    }
}
