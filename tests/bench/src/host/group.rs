//! The servers of one measurement: one process, or two nodes and the server of Redis between them.

use super::child::{ServerProcess, Shares};
use super::redis::Redis;
use crate::row::Row;
use crate::servers::{Place, Scene};
use anyhow::Result;
use std::net::SocketAddr;
use std::time::Duration;

const NODES: u8 = 2;

pub(crate) struct Group {
    processes: Vec<ServerProcess>,
    redis: Option<Redis>,
}

impl Group {
    pub(crate) fn start(row: Row, scene: Scene) -> Result<Self> {
        if !row.contender.is_nodes() {
            return Ok(Self { processes: vec![ServerProcess::start(row, scene)?], redis: None });
        }
        let redis = Redis::start()?;
        let nodes = (1..=NODES).map(|node| {
            let place = Place { node, redis: redis.port };
            ServerProcess::start_at(row, scene, Some(place))
        });
        Ok(Self { processes: nodes.collect::<Result<_>>()?, redis: Some(redis) })
    }

    /// The address of the server, or of the first node.
    pub(crate) fn first(&self) -> SocketAddr {
        self.processes[0].address
    }

    /// The address of the last node.
    pub(crate) fn last(&self) -> SocketAddr {
        self.processes[self.processes.len() - 1].address
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(ServerProcess::pid).collect()
    }

    /// CPU time of all nodes, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.processes.iter().map(ServerProcess::cpu).sum()
    }

    /// The CPU time so far, divided between the programs and the kernel.
    pub(crate) fn shares(&self) -> Result<Shares> {
        self.processes.iter().try_fold(Shares::default(), |sum, process| Ok(sum + process.shares()?))
    }

    /// CPU time of the server of Redis. One server has none.
    pub(crate) fn redis_cpu(&self) -> Result<Duration> {
        self.redis.as_ref().map_or(Ok(Duration::ZERO), Redis::cpu)
    }
}
