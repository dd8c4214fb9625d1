//! A connection to a server of Redis.

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, PushInfo, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use tokio::{net::TcpStream, sync::Notify, time::timeout};

use crate::cluster::{engine::EngineError, kept::CONNECT, wires::Wire};

/// The time within which the server answers.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// Moves the bytes of a connection; it ends with it. When it is dropped, the connection is closed.
pub(super) type Driver = BoxFuture<'static, ()>;

/// A connection that others use while its driver runs.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    is_bad: Arc<Notify>,
}

impl Link {
    /// Somebody has found that the connection is of no use any more.
    pub(super) fn set_bad(&self) {
        self.is_bad.notify_one();
    }

    /// Waits until the connection is of no use any more.
    pub(super) async fn bad(&self) {
        self.is_bad.notified().await;
    }

    /// An answer was an error, or there was none. Where that says that another connection is needed, this one ends.
    pub(super) fn failed(&self, error: &RedisError) -> EngineError {
        let moved =
            matches!(error.kind(), redis::ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown));
        if moved || error.is_timeout() || error.is_unrecoverable_error() {
            self.set_bad();
        }
        EngineError::new(error)
    }
}

/// Connects. `push` gets what comes between the answers; without it, each request has its answer within [`ANSWER`] or
/// fails.
pub(super) async fn connect(
    info: &ConnectionInfo,
    push: Option<Box<dyn Fn(PushInfo) + Send + Sync>>,
) -> Result<(Link, Driver), EngineError> {
    let connected = timeout(CONNECT, async {
        let wire = reach(info.addr()).await.map_err(EngineError::new)?;
        let config = AsyncConnectionConfig::new();
        let config = match push {
            None => config.set_response_timeout(Some(ANSWER)),
            Some(push) => config.set_response_timeout(None).set_push_sender(move |info| {
                push(info);
                Ok::<(), ()>(())
            }),
        };
        let opened = MultiplexedConnection::new_with_config(info.redis_settings(), wire, config).await;
        let (connection, driver) = opened.map_err(EngineError::new)?;
        let link = Link { connection, is_bad: Arc::default() };
        let mut driver: Driver = Box::pin(driver);
        beside(&mut driver, check(&link)).await?;
        Ok((link, driver))
    });
    connected.await.map_err(|_| EngineError::new("the server does not answer"))?
}

async fn reach(address: &ConnectionAddr) -> io::Result<Box<dyn Wire>> {
    match address {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Waits for something that needs the connection.
async fn beside<T>(driver: &mut Driver, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => done,
        () = driver => Err(EngineError::new("the server has closed the connection")),
    }
}

/// Asks the server for what it is. Fails if it cannot be an engine.
pub(super) async fn check(link: &Link) -> Result<(), EngineError> {
    let mut connection = link.connection.clone();
    let answer = redis::cmd("HELLO").query_async::<Value>(&mut connection).await;
    let Value::Map(fields) = answer.map_err(|error| link.failed(&error))? else { return Ok(()) };
    for (key, value) in &fields {
        match (text(key), text(value)) {
            (b"mode", b"cluster") => {
                return Err(EngineError::new("the server is one of Redis Cluster, which is not there yet"));
            }
            (b"role", b"replica" | b"slave") => return Err(EngineError::new("the server is a replica")),
            _ => {}
        }
    }
    Ok(())
}

fn text(value: &Value) -> &[u8] {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.as_bytes(),
        _ => &[],
    }
}
