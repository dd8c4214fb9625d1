//! The rows of the comparison: each is a server and the protocol of its clients.

use crate::clients::native_ways::Way;
use crate::clients::{Client, Dial, engineio, native_http, native_ways, native_ws, raw, sockjs};
use crate::servers::Server;

/// One row of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    Floor,
    Plain,
    Tuned,
    SocketIo,
    AnywireWs,
    AnywireStream,
    SocketIoPoll,
    AnywirePoll,
    AnywireXhrStream,
    AnywireEventSource,
    AnywireHtmlFile,
    AnywireIframe,
    AnywireMultipart,
    AnywireJsonp,
    AnywireShortPoll,
    AnywireSocketIo,
    AnywireSocketIoPoll,
    SockJsWs,
    SockJsStream,
    SockJsPoll,
    AnywireSockJsWs,
    AnywireSockJsStream,
    AnywireSockJsPoll,
    SocketIoNodes,
    AnywireNodesWs,
    AnywireNodesSocketIo,
    /// A poll that reaches the node of its session.
    AnywireNodesPoll,
    /// A poll that reaches the other node, which forwards it.
    AnywireNodesForwarded,
}

impl Contender {
    /// All contenders that this build can run, WebSocket first.
    pub(crate) fn all() -> Vec<Self> {
        let (anywire, nodes) = (cfg!(feature = "anywire"), cfg!(feature = "nodes"));
        [
            Self::Floor,
            Self::Plain,
            Self::Tuned,
            Self::SocketIo,
            Self::AnywireWs,
            Self::AnywireStream,
            Self::SocketIoPoll,
            Self::AnywirePoll,
            Self::AnywireXhrStream,
            Self::AnywireEventSource,
            Self::AnywireHtmlFile,
            Self::AnywireIframe,
            Self::AnywireMultipart,
            Self::AnywireJsonp,
            Self::AnywireShortPoll,
            Self::AnywireSocketIo,
            Self::AnywireSocketIoPoll,
            Self::SockJsWs,
            Self::SockJsStream,
            Self::SockJsPoll,
            Self::AnywireSockJsWs,
            Self::AnywireSockJsStream,
            Self::AnywireSockJsPoll,
            Self::SocketIoNodes,
            Self::AnywireNodesWs,
            Self::AnywireNodesSocketIo,
            Self::AnywireNodesPoll,
            Self::AnywireNodesForwarded,
        ]
        .into_iter()
        .filter(|contender| anywire || !contender.server().is_anywire())
        .filter(|contender| nodes || !contender.server().is_node())
        .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Plain => "axum plain",
            Self::Tuned => "axum tuned",
            Self::SocketIo => "socketioxide ws",
            Self::AnywireWs => "anywire websocket",
            Self::AnywireStream => "anywire fetch-stream",
            Self::SocketIoPoll => "socketioxide polling",
            Self::AnywirePoll => "anywire xhr-poll",
            Self::AnywireXhrStream => "anywire xhr-stream",
            Self::AnywireEventSource => "anywire eventsource",
            Self::AnywireHtmlFile => "anywire htmlfile",
            Self::AnywireIframe => "anywire iframe",
            Self::AnywireMultipart => "anywire multipart",
            Self::AnywireJsonp => "anywire jsonp-poll",
            Self::AnywireShortPoll => "anywire poll",
            Self::AnywireSocketIo => "anywire socket.io ws",
            Self::AnywireSocketIoPoll => "anywire socket.io polling",
            Self::SockJsWs => "sockjs-node ws",
            Self::SockJsStream => "sockjs-node xhr-streaming",
            Self::SockJsPoll => "sockjs-node xhr",
            Self::AnywireSockJsWs => "anywire sockjs ws",
            Self::AnywireSockJsStream => "anywire sockjs xhr-streaming",
            Self::AnywireSockJsPoll => "anywire sockjs xhr",
            Self::SocketIoNodes => "socketioxide ws, nodes",
            Self::AnywireNodesWs => "anywire websocket, nodes",
            Self::AnywireNodesSocketIo => "anywire socket.io ws, nodes",
            Self::AnywireNodesPoll => "anywire xhr-poll, direct",
            Self::AnywireNodesForwarded => "anywire xhr-poll, forwarded",
        }
    }

    pub(crate) fn server(self) -> Server {
        match self {
            Self::Floor => Server::Floor,
            Self::Plain => Server::Plain,
            Self::Tuned => Server::Tuned,
            Self::SocketIo | Self::SocketIoPoll => Server::SocketIo,
            Self::AnywireWs | Self::AnywireStream | Self::AnywirePoll => Server::Anywire,
            Self::AnywireXhrStream
            | Self::AnywireEventSource
            | Self::AnywireHtmlFile
            | Self::AnywireIframe
            | Self::AnywireMultipart
            | Self::AnywireJsonp
            | Self::AnywireShortPoll => Server::Anywire,
            Self::AnywireSocketIo | Self::AnywireSocketIoPoll => Server::AnywireSocketIo,
            Self::SockJsWs | Self::SockJsStream | Self::SockJsPoll => Server::SockJs,
            Self::AnywireSockJsWs | Self::AnywireSockJsStream | Self::AnywireSockJsPoll => Server::AnywireSockJs,
            Self::SocketIoNodes => Server::SocketIoNode,
            Self::AnywireNodesWs | Self::AnywireNodesPoll | Self::AnywireNodesForwarded => Server::AnywireNode,
            Self::AnywireNodesSocketIo => Server::AnywireSocketIoNode,
        }
    }

    /// Whether a session is a sequence of HTTP requests, one of them usually parked.
    pub(crate) fn is_http(self) -> bool {
        let is_other = matches!(
            self,
            Self::SocketIoPoll
                | Self::AnywireSocketIoPoll
                | Self::SockJsStream
                | Self::SockJsPoll
                | Self::AnywireSockJsStream
                | Self::AnywireSockJsPoll
        );
        is_other || self.way().is_some()
    }

    /// The transport over HTTP by which its clients speak the native protocol.
    fn way(self) -> Option<&'static Way> {
        Some(match self {
            Self::AnywireStream => &native_ways::FETCH_STREAM,
            Self::AnywirePoll | Self::AnywireNodesPoll | Self::AnywireNodesForwarded => &native_ways::XHR_POLL,
            Self::AnywireXhrStream => &native_ways::XHR_STREAM,
            Self::AnywireEventSource => &native_ways::EVENT_SOURCE,
            Self::AnywireHtmlFile => &native_ways::HTML_FILE,
            Self::AnywireIframe => &native_ways::IFRAME,
            Self::AnywireMultipart => &native_ways::MULTIPART,
            Self::AnywireJsonp => &native_ways::JSONP_POLL,
            Self::AnywireShortPoll => &native_ways::POLL,
            _ => return None,
        })
    }

    /// Whether it is one of the transports of one server, by the native protocol.
    pub(crate) fn is_transport(self) -> bool {
        self.server() == Server::Anywire
    }

    /// Whether it is a transport of old browsers. Those are measured apart, beside the others.
    pub(crate) fn is_fallback(self) -> bool {
        self.is_transport() && !matches!(self, Self::AnywireWs | Self::AnywireStream | Self::AnywirePoll)
    }

    /// Whether its clients get a message without asking for it.
    pub(crate) fn is_pushed(self) -> bool {
        self != Self::AnywireShortPoll
    }

    /// Whether its clients speak SockJS. Those are measured apart, since one of their servers needs Node.
    pub(crate) fn is_sockjs(self) -> bool {
        matches!(self.server(), Server::SockJs | Server::AnywireSockJs)
    }

    /// Whether its server is many nodes. Those are measured apart, since they need a server of Redis.
    pub(crate) fn is_nodes(self) -> bool {
        self.server().is_node()
    }

    /// Whether its clients come back to another node than the one that has their sessions.
    pub(crate) fn is_forwarded(self) -> bool {
        self == Self::AnywireNodesForwarded
    }

    /// Whether its server writes to sockets by `write`. The other servers never do.
    pub(crate) fn writes_by_write(self) -> bool {
        self.server() == Server::SockJs
    }

    /// Whether its protocol has events and requests; those over a WebSocket alone are measured.
    pub(crate) fn has_events(self) -> bool {
        matches!(self, Self::SocketIo | Self::AnywireWs | Self::AnywireSocketIo)
    }

    /// A client that has not connected yet.
    pub(crate) fn client(self, dial: &Dial) -> Box<dyn Client> {
        if let Some(way) = self.way() {
            return Box::new(native_http::Http::new(dial, way));
        }
        match self {
            Self::SocketIo | Self::AnywireSocketIo | Self::SocketIoNodes | Self::AnywireNodesSocketIo => {
                Box::new(engineio::Socket::new(dial))
            }
            Self::SocketIoPoll | Self::AnywireSocketIoPoll => Box::new(engineio::Polling::new(dial)),
            Self::AnywireWs | Self::AnywireNodesWs => Box::new(native_ws::Socket::new(dial)),
            Self::SockJsWs | Self::AnywireSockJsWs => Box::new(sockjs::Socket::new(dial)),
            Self::SockJsStream | Self::AnywireSockJsStream => Box::new(sockjs::Http::new(dial, "xhr_streaming")),
            Self::SockJsPoll | Self::AnywireSockJsPoll => Box::new(sockjs::Http::new(dial, "xhr")),
            // The servers that are left have no protocol of their own.
            _ => Box::new(raw::Raw::new(dial)),
        }
    }
}
