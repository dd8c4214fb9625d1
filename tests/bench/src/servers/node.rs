//! One node of several, on a server of Redis: socketioxide with its adapter, or Anywire with its engine.

use super::{Place, Scene, Server};
use anyhow::{Result, bail};
use axum::Router;

#[cfg(not(feature = "nodes"))]
pub(super) async fn router(_server: Server, _scene: Scene, _place: Place) -> Result<Router> {
    bail!("built without the feature `nodes`")
}

#[cfg(feature = "nodes")]
pub(super) async fn router(server: Server, scene: Scene, place: Place) -> Result<Router> {
    match (server, scene) {
        (Server::SocketIoNode, Scene::NodeRoom) => nodes::socketioxide(place).await,
        (Server::AnywireNode, Scene::NodeRoom | Scene::Echo) => nodes::anywire(scene, place).await,
        (Server::AnywireSocketIoNode, Scene::NodeRoom) => nodes::anywire_socketio(place).await,
        _ => bail!("{} has no scene {} as a node", server.name(), scene.name()),
    }
}

#[cfg(feature = "nodes")]
mod nodes {
    use super::super::{ENTER, GREETING, Place, Scene};
    use anyhow::Result;
    use axum::Router;

    const EVENT: &str = "e";
    const ROOM: &str = "far";
    /// With its default, 128, socketioxide loses messages of the largest burst.
    const BUFFER: usize = 4096;

    pub(super) async fn socketioxide(place: Place) -> Result<Router> {
        use ::socketioxide::SocketIo;
        use ::socketioxide::adapter::Adapter;
        use ::socketioxide::extract::{Data, SocketRef};
        use socketioxide_redis::drivers::redis::redis_client::Client;
        use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};

        async fn enter<A: Adapter>(socket: SocketRef<A>) {
            socket.on(EVENT, send_on);
        }

        async fn send_on<A: Adapter>(socket: SocketRef<A>, Data(text): Data<String>) {
            // All of these fail only for sockets that are gone, or without the server of Redis.
            match text.as_bytes().first() {
                Some(&GREETING) => drop(socket.emit(EVENT, &text)),
                Some(&ENTER) => {
                    socket.join(ROOM);
                    let _ = socket.emit(EVENT, &text);
                }
                _ => drop(socket.to(ROOM).emit(EVENT, &text).await),
            }
        }

        let client = Client::open(format!("redis://127.0.0.1:{}?protocol=resp3", place.redis))?;
        let adapter = RedisAdapterCtr::new_with_redis(&client).await?;
        let (layer, io) =
            SocketIo::builder().max_buffer_size(BUFFER).with_adapter::<RedisAdapter<_>>(adapter).build_layer();
        io.ns("/", enter).await?;
        Ok(Router::new().layer(layer))
    }

    use ::anywire::{Anywire, Builder, Cluster, Data, Events, Redis, Session};

    fn builder(place: Place) -> Result<Builder> {
        let engine = Redis::new(&format!("redis://127.0.0.1:{}", place.redis))?;
        let cluster = Cluster::from(engine).peers("127.0.0.1:0", "the secret of a benchmark");
        Ok(Anywire::builder().cluster(cluster).node(&format!("node-{}", place.node)))
    }

    async fn send_on(Data(text): Data<String>, session: Session) {
        // Both emits to the session itself fail only when it is over.
        match text.as_bytes().first() {
            Some(&GREETING) => drop(session.emit(EVENT, &text).await),
            Some(&ENTER) => {
                session.join(ROOM);
                let _ = session.emit(EVENT, &text).await;
            }
            _ => {
                session.to(ROOM).emit(EVENT, &text);
            }
        }
    }

    async fn echo(session: Session) {
        while let Some(message) = session.recv().await {
            if session.send(message).await.is_err() {
                return;
            }
        }
    }

    pub(super) async fn anywire(scene: Scene, place: Place) -> Result<Router> {
        let builder = builder(place)?;
        let live = match scene {
            Scene::Echo => builder.handler(echo).build(),
            _ => builder.events(Events::new().on(EVENT, send_on)).build(),
        };
        live.live().ready().await;
        Ok(Router::new().nest("/live", live.routes()))
    }

    pub(super) async fn anywire_socketio(place: Place) -> Result<Router> {
        let live = builder(place)?.events(Events::new().on(EVENT, send_on)).build();
        live.live().ready().await;
        Ok(live.socketio("/socket.io"))
    }
}
