//! sockjs-node, which takes the place of this process and so keeps its CPU, its limits and its number.

use super::Scene;
use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/sockjs-node.mjs");

pub(super) fn serve(scene: Scene) -> Result<()> {
    if matches!(scene, Scene::Requests | Scene::EventRoom | Scene::NodeRoom) {
        bail!("SockJS has no events");
    }
    let error = Command::new("node").args([SCRIPT, scene.name()]).exec();
    Err(error).context("starting node, whose modules come by `npm ci` in tests/clients")
}
