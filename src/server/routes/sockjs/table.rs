//! The URLs of SockJS: what each is for, and how it answers.

use axum::http::Method;

use crate::{
    config::Transport,
    transport::wrapping::{self, Row},
};

/// A session's name is no longer.
const LONGEST_NAME: usize = 256;

/// A URL below the mount.
#[derive(Clone, Copy, Debug)]
pub(super) enum Endpoint {
    Greeting,
    /// The page for iframe transports.
    Iframe,
    Info,
    /// A bare WebSocket.
    RawSocket,
    Socket,
    Receive(&'static Receiver),
    Send(&'static Sender),
}

/// A URL by which a client receives.
#[derive(Debug)]
pub(super) struct Receiver {
    name: &'static str,
    pub(super) transport: Transport,
    pub(super) method: Method,
    pub(super) row: &'static Row,
    /// The answer is a stream, and no single frame.
    pub(super) streams: bool,
    /// The most characters of the callback that the query names; 0 if it names none.
    pub(super) callback: usize,
    pub(super) cors: bool,
}

/// A URL by which a client sends.
#[derive(Debug)]
pub(super) struct Sender {
    name: &'static str,
    pub(super) transport: Transport,
    /// The body may be a form, and the answer has something in it: old browsers mistake an answer that has not.
    pub(super) scripts: bool,
}

static RECEIVERS: [Receiver; 5] = [
    Receiver {
        name: "xhr",
        transport: Transport::XhrPoll,
        method: Method::POST,
        row: &wrapping::SOCKJS_POLL,
        streams: false,
        callback: 0,
        cors: true,
    },
    Receiver {
        name: "xhr_streaming",
        transport: Transport::XhrStream,
        method: Method::POST,
        row: &wrapping::SOCKJS_LINES,
        streams: true,
        callback: 0,
        cors: true,
    },
    Receiver {
        name: "eventsource",
        transport: Transport::EventSource,
        method: Method::GET,
        row: &wrapping::SOCKJS_EVENTS,
        streams: true,
        callback: 0,
        cors: true,
    },
    Receiver {
        name: "htmlfile",
        transport: Transport::HtmlFile,
        method: Method::GET,
        row: &wrapping::SOCKJS_PAGE,
        streams: true,
        callback: 128,
        cors: false,
    },
    Receiver {
        name: "jsonp",
        transport: Transport::JsonpPoll,
        method: Method::GET,
        row: &wrapping::SOCKJS_CALL,
        streams: false,
        callback: 32,
        cors: false,
    },
];

static SENDERS: [Sender; 2] = [
    Sender { name: "xhr_send", transport: Transport::XhrPoll, scripts: false },
    Sender { name: "jsonp_send", transport: Transport::JsonpPoll, scripts: true },
];

impl Endpoint {
    /// The endpoint at this path below the mount, and the name of the session. A slash may be at its end.
    pub(super) fn of(path: &str) -> Option<(Self, &str)> {
        let path = match path {
            "" | "/" => return Some((Endpoint::Greeting, "")),
            path => path.strip_prefix('/')?,
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        let (first, rest) = (segments.next()?, [segments.next(), segments.next(), segments.next()]);
        match rest {
            [None, ..] => Some(match first {
                "info" => (Endpoint::Info, ""),
                "websocket" => (Endpoint::RawSocket, ""),
                page if is_iframe(page) => (Endpoint::Iframe, ""),
                _ => return None,
            }),
            [Some(session), Some(transport), None] if is_name(first) && is_name(session) => {
                Some((Endpoint::of_session(transport)?, session))
            }
            _ => None,
        }
    }

    fn of_session(transport: &str) -> Option<Self> {
        if transport == "websocket" {
            return Some(Endpoint::Socket);
        }
        let receiver = RECEIVERS.iter().find(|receiver| receiver.name == transport).map(Endpoint::Receive);
        receiver.or_else(|| SENDERS.iter().find(|sender| sender.name == transport).map(Endpoint::Send))
    }

    /// The methods that it answers.
    pub(super) fn allows(self) -> &'static str {
        match self {
            Endpoint::Info => "OPTIONS, GET",
            Endpoint::Send(Sender { scripts: true, .. }) => "POST",
            Endpoint::Send(_) => "OPTIONS, POST",
            Endpoint::Receive(receiver) if receiver.method == Method::POST => "OPTIONS, POST",
            _ => "GET",
        }
    }

    /// Whether other origins' scripts may read its answers, as far as the policy allows it.
    pub(super) fn has_cors(self) -> bool {
        match self {
            Endpoint::Info => true,
            Endpoint::Receive(receiver) => receiver.cors,
            Endpoint::Send(sender) => !sender.scripts,
            _ => false,
        }
    }

    /// Whether it is one of a session over HTTP.
    pub(super) fn is_of_session(self) -> bool {
        matches!(self, Endpoint::Receive(_) | Endpoint::Send(_))
    }
}

fn is_name(segment: &str) -> bool {
    (1..=LONGEST_NAME).contains(&segment.len()) && !segment.contains('.')
}

/// Whether this is a name of the iframe page: a client puts its version into it.
fn is_iframe(page: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b"-._".contains(&byte);
    let version = page.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    version.is_some_and(|version| version.bytes().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Option<(String, &str)> {
        let (endpoint, session) = Endpoint::of(path)?;
        let name = match endpoint {
            Endpoint::Receive(receiver) => receiver.name.to_owned(),
            Endpoint::Send(sender) => sender.name.to_owned(),
            other => format!("{other:?}"),
        };
        Some((name, session))
    }

    #[test]
    fn urls_of_sessions() {
        for name in ["xhr", "xhr_send", "xhr_streaming", "eventsource", "htmlfile", "jsonp", "jsonp_send"] {
            assert_eq!(of(&format!("/000/a/{name}")), Some((name.to_owned(), "a")));
            assert_eq!(of(&format!("/_/a%20b-_/{name}/")), Some((name.to_owned(), "a%20b-_")));
        }
        assert_eq!(of("/0/0/websocket"), Some(("Socket".to_owned(), "0")));
        for path in ["//a/xhr", "/a//xhr", "///xhr", "/a./a/xhr", "/a/a./xhr", "/./a/xhr", "/a/xhr", "/a/a/a/xhr"] {
            assert_eq!(of(path), None, "{path}");
        }
        assert_eq!(of("/a/a/xhr//"), None);
        assert_eq!(of("/a/a/XHR"), None);
        assert_eq!(of(&format!("/a/{}/xhr", "a".repeat(257))), None);
    }

    #[test]
    fn other_urls() {
        assert_eq!(
            [of(""), of("/")].map(|found| found.map(|(name, _)| name)),
            [(); 2].map(|()| Some("Greeting".into()))
        );
        for (path, name) in [("/info", "Info"), ("/info/", "Info"), ("/websocket", "RawSocket")] {
            assert_eq!(of(path), Some((name.to_owned(), "")));
        }
        for version in ["", "-a", "-", "-0.1.2", "-0.1.2abc-dirty.2144", "_1"] {
            assert_eq!(of(&format!("/iframe{version}.html")), Some(("Iframe".to_owned(), "")));
        }
        for path in
            ["//", "/a", "/iframe.htm", "/iframe", "/IFRAME.HTML", "/iframe.HTML", "/iframe-/.html", "/iframe%.html"]
        {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
