//! The servers under test, each as its users would write it.

#[cfg(feature = "anywire")]
mod anywire;
mod floor;
mod members;
mod node;
mod plain;
mod socketio;
mod sockjs;
mod tuned;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::serve::ListenerExt;
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;
use tokio::net::TcpListener;

/// A message that begins with this byte is echoed to its sender in the fan-out scene too, so that a
/// subscriber knows that it has joined.
pub(crate) const GREETING: u8 = b'?';

/// A client whose message begins with this byte enters the room of many nodes.
pub(crate) const ENTER: u8 = b'!';

/// A node among others: its number, and the port of the server of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: u8,
    pub(crate) redis: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.node, self.redis)
    }
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (node, redis) = text.split_once('@').context("a place is a number, @ and a port")?;
        Ok(Self { node: node.parse()?, redis: redis.parse()? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// A bare WebSocket, with nothing but what the kernel and the framing need.
    Floor,
    Plain,
    Tuned,
    SocketIo,
    Anywire,
    /// The same with handlers of events, for the clients of Socket.IO.
    AnywireSocketIo,
    /// sockjs-node, in a process of Node.
    SockJs,
    /// Anywire for the clients of SockJS.
    AnywireSockJs,
    /// One node of socketioxide with its adapter of Redis.
    SocketIoNode,
    /// One node of Anywire, on Redis.
    AnywireNode,
    /// The same for the clients of Socket.IO.
    AnywireSocketIoNode,
}

impl Server {
    const ALL: [Self; 11] = [
        Self::Floor,
        Self::Plain,
        Self::Tuned,
        Self::SocketIo,
        Self::Anywire,
        Self::AnywireSocketIo,
        Self::SockJs,
        Self::AnywireSockJs,
        Self::SocketIoNode,
        Self::AnywireNode,
        Self::AnywireSocketIoNode,
    ];

    pub(crate) fn is_anywire(self) -> bool {
        matches!(
            self,
            Self::Anywire | Self::AnywireSocketIo | Self::AnywireSockJs | Self::AnywireNode | Self::AnywireSocketIoNode
        )
    }

    /// Whether it is one node of several.
    pub(crate) fn is_node(self) -> bool {
        matches!(self, Self::SocketIoNode | Self::AnywireNode | Self::AnywireSocketIoNode)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Plain => "plain",
            Self::Tuned => "tuned",
            Self::SocketIo => "socketio",
            Self::Anywire => "anywire",
            Self::AnywireSocketIo => "anywire-socketio",
            Self::SockJs => "sockjs",
            Self::AnywireSockJs => "anywire-sockjs",
            Self::SocketIoNode => "socketio-node",
            Self::AnywireNode => "anywire-node",
            Self::AnywireSocketIoNode => "anywire-socketio-node",
        }
    }
}

impl FromStr for Server {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|server| server.name() == name)
            .ok_or_else(|| anyhow::anyhow!("no server is called {name}"))
    }
}

/// A server's treatment of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// The server sends it back.
    Echo,
    /// The server sends it to everybody, the sender included.
    Fanout,
    /// It is a request, which the server answers with its value.
    Requests,
    /// It is an event, whose value the server sends on to everybody in an event.
    EventRoom,
    /// It is an event, whose value the server sends on to those who have entered, on another node.
    NodeRoom,
}

impl Scene {
    const ALL: [Self; 5] = [Self::Echo, Self::Fanout, Self::Requests, Self::EventRoom, Self::NodeRoom];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Fanout => "fanout",
            Self::Requests => "requests",
            Self::EventRoom => "event-room",
            Self::NodeRoom => "node-room",
        }
    }
}

impl FromStr for Scene {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|scene| scene.name() == name)
            .ok_or_else(|| anyhow::anyhow!("no scene is called {name}"))
    }
}

/// Serves until standard input ends, which happens when the generator exits for any reason.
pub(crate) fn serve(server: Server, scene: Scene, place: Option<Place>) -> Result<()> {
    crate::host::pin_server();
    crate::host::raise_file_limit();
    if server == Server::SockJs {
        return sockjs::serve(scene);
    }
    // The runtime is made after the pinning, so that it starts one worker and not one for each CPU.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    runtime.block_on(async {
        if server == Server::Floor {
            return floor::serve(listen().await?, scene).await;
        }
        let app = match place {
            Some(place) => node::router(server, scene, place).await?,
            None => router(server, scene)?,
        };
        let listener = listen().await?;
        #[cfg(feature = "anywire")]
        if server.is_anywire() {
            if server == Server::Anywire {
                let (app, live) = anywire::with_live(scene)?;
                return Ok(::anywire::serve(listener, app).shortcut("/live", &live).await?);
            }
            return Ok(::anywire::serve(listener, app).await?);
        }
        let listener = listener.tap_io(|stream| {
            // This fails only on a connection that is already gone.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, app).await?;
        Ok(())
    })
}

/// Listens, and tells the generator where.
async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?)?;
    stdout.flush()?;
    Ok(listener)
}

fn router(server: Server, scene: Scene) -> Result<Router> {
    Ok(match server {
        Server::Plain | Server::Tuned if matches!(scene, Scene::Requests | Scene::EventRoom | Scene::NodeRoom) => {
            bail!("a WebSocket of axum has no events")
        }
        Server::Plain => plain::router(scene),
        Server::Tuned => tuned::router(scene),
        Server::SocketIo => socketio::router(scene)?,
        Server::Floor => bail!("the floor has no router"),
        Server::SockJs => bail!("this server is another program"),
        Server::SocketIoNode | Server::AnywireNode | Server::AnywireSocketIoNode => bail!("a node has a place"),
        #[cfg(feature = "anywire")]
        Server::Anywire => anywire::router(scene)?,
        #[cfg(feature = "anywire")]
        Server::AnywireSocketIo => anywire::socketio(scene)?,
        #[cfg(feature = "anywire")]
        Server::AnywireSockJs => anywire::sockjs(scene)?,
        #[cfg(not(feature = "anywire"))]
        Server::Anywire | Server::AnywireSocketIo | Server::AnywireSockJs => {
            bail!("built without the feature `anywire`")
        }
    })
}
