//! The routes that other nodes can ask.

use std::{
    collections::HashMap,
    sync::{Mutex, Weak},
};

use axum::{extract::Request, response::Response};
use futures::future::BoxFuture;

use crate::{server::other_nodes::Serve, sync::lock};

/// Routes by their names. Several may have one name, and all nodes have the same.
#[derive(Default)]
pub(super) struct Mounts(Mutex<HashMap<String, Vec<Weak<Serve>>>>);

impl Mounts {
    pub(super) fn add(&self, name: &str, serve: Weak<Serve>) {
        let mut mounts = lock(&self.0);
        let served = mounts.entry(name.to_owned()).or_default();
        served.retain(|serve| serve.strong_count() > 0);
        served.push(serve);
    }

    /// Has the routes with this name answer a request; `None` if there are none.
    pub(super) fn serve(&self, name: &str, request: Request) -> Option<BoxFuture<'static, Response>> {
        let serve = lock(&self.0).get(name).and_then(|served| served.iter().find_map(Weak::upgrade))?;
        Some(serve(request))
    }
}
