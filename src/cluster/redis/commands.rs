//! A connection for commands and their answers, which is kept.

use std::{sync::Arc, time::Duration};

use redis::{Cmd, ConnectionInfo, FromRedisValue, Pipeline};

use super::connection::{Link, connect};
use crate::cluster::{
    engine::EngineError,
    kept::{Connecting, Kept, Lost},
};

/// A connection that is made at the first command, and anew when it is lost.
pub(super) struct Commands(Kept<Link>);

impl Commands {
    pub(super) fn new(info: ConnectionInfo) -> Self {
        let info = Arc::new(info);
        Commands(Kept::new(Arc::new(move || -> Connecting<Link> {
            let info = info.clone();
            Box::pin(async move {
                let (link, driver) = connect(&info, None).await?;
                let used = link.clone();
                let lost: Lost = Box::pin(async move {
                    tokio::select! {
                        () = driver => {}
                        () = used.bad() => {}
                    }
                    EngineError::new("the connection to the server is lost")
                });
                Ok((link, lost))
            })
        })))
    }

    /// Asks for one thing. Fails at once while there is no connection.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, EngineError> {
        let mut link = self.0.link(Duration::ZERO).await?;
        command.query_async(&mut link.connection).await.map_err(|error| link.failed(&error))
    }

    /// Gives several commands in one write, and waits for all answers. Waits for a connection for so long.
    pub(super) async fn give(&self, commands: &Pipeline, patience: Duration) -> Result<(), EngineError> {
        let mut link = self.0.link(patience).await?;
        commands.exec_async(&mut link.connection).await.map_err(|error| link.failed(&error))
    }
}
