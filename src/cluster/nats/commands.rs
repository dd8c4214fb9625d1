//! A connection for publications, or for questions and their answers, which is kept.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use super::{
    connection::{Target, beside},
    link::Link,
};
use crate::cluster::{
    engine::EngineError,
    kept::{Connecting, Kept, Lost},
};

/// It is called with a new connection before others use that.
pub(super) type Prepare = Arc<dyn Fn(Link) -> BoxFuture<'static, Result<(), EngineError>> + Send + Sync>;

/// A connection that is made at its first use, and anew when it is lost.
pub(super) struct Commands(Kept<Link>);

impl Commands {
    pub(super) fn new(target: Arc<Target>, prepare: Prepare) -> Self {
        Commands(Kept::new(Arc::new(move || -> Connecting<Link> {
            let (target, prepare) = (target.clone(), prepare.clone());
            Box::pin(async move {
                let (link, mut driver) = target.connect(Box::new(drop)).await?;
                beside(&mut driver, prepare(link.clone())).await?;
                let used = link.clone();
                let lost: Lost = Box::pin(async move {
                    tokio::select! {
                        error = driver => error,
                        error = used.bad() => error,
                    }
                });
                Ok((link, lost))
            })
        })))
    }

    /// The connection. The first one is waited for; one that is lost is waited for so long.
    pub(super) async fn link(&self, patience: Duration) -> Result<Link, EngineError> {
        self.0.link(patience).await
    }
}
