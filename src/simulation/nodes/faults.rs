//! The faults of nodes, of the engine, and of the links between nodes.

use super::{
    engine::LEASE,
    state::{Known, Lease, Node, NodeEvent},
};
use crate::simulation::{
    coverage::Fault,
    state::{Cut, World, WorldEvent},
};

impl World<'_> {
    /// All nodes start at once, and know of each other.
    pub(crate) fn start_nodes(&mut self, count: usize) {
        let everybody = 0..count;
        self.nodes.processes = count as u64;
        for node in everybody.clone() {
            let others = everybody.clone().filter(|other| *other != node);
            let known = others
                .map(|node| (node as u64 + 1, Known { node, listed: 0, beaten: 0, beats: 0, draining: false }))
                .collect();
            let (process, joined) = (node as u64 + 1, true);
            self.nodes.all.push(Node { process, known, joined, has_heard: true, ..Node::default() });
            if count > 1 {
                self.nodes.beaten.insert(process, 0);
                self.nodes.directory.leases.insert(
                    node as u64 + 1,
                    Lease {
                        node,
                        until: LEASE,
                        beats: 0,
                        knows: everybody.clone().map(|node| node as u64 + 1).collect(),
                        draining: false,
                        left: false,
                    },
                );
                self.after(node as u64 * 300, WorldEvent::Node(NodeEvent::Beat(node, node as u64 + 1)));
            }
        }
        self.node_deferred.resize_with(count, Vec::new);
    }

    pub(crate) fn node_fault(&mut self) {
        let node = self.any_node();
        let count = self.nodes.all.len() as u64;
        match self.random.below(20) {
            0..3 => {
                self.note(Fault::PeersCut);
                let other = (node + 1 + self.random.below(count - 1) as usize) % count as usize;
                let length = self.random.pick(&[1, 200, 3_000]);
                self.cut_peers(node, other, length);
            }
            3..6 => {
                self.note(Fault::EngineCut);
                let length = self.random.pick(&[300, 1_500, 4_000, 15_000]);
                let until = self.now + self.random.range(1, length);
                let all = self.random.one_in(2);
                for (at, one) in self.nodes.all.iter_mut().enumerate() {
                    if all || at == node {
                        one.cut_until = one.cut_until.max(until);
                    }
                }
            }
            6..9 => {
                self.note(Fault::EngineSlow);
                self.nodes.slow_until = self.now + self.random.range(100, 4_000);
            }
            9 => {
                self.note(Fault::NodeKilled);
                self.kill(node);
            }
            10..18 => self.drain(node),
            _ => self.node_sleeps(node),
        }
    }

    pub(crate) fn any_node(&mut self) -> usize {
        self.random.below(self.nodes.all.len() as u64) as usize
    }

    fn cut_peers(&mut self, one: usize, other: usize, length: u64) {
        let until = self.now + self.random.range(0, length);
        self.trace(|| format!("cut      node {one} from node {other} until {until}"));
        self.nodes.peers_cut.insert((one.min(other), one.max(other)), until);
        for conn in 0..self.conns.len() {
            let way = &self.conns[conn].way;
            let crosses = way.windows(2).any(|pair| pair == [one, other] || pair == [other, one]);
            if crosses && self.is_under_way(conn) {
                self.sever(conn);
            }
        }
    }

    fn is_under_way(&self, conn: usize) -> bool {
        let one = &self.conns[conn];
        !one.severed && (one.link.is_some() || one.session.is_some() || one.waiting.is_some() || one.parked.is_some())
    }

    pub(crate) fn node_sleeps(&mut self, node: usize) {
        self.note(Fault::ServerAsleep);
        let until = self.nap().max(self.nodes.all[node].asleep_until);
        self.nodes.all[node].asleep_until = until;
        self.at(until, 0, WorldEvent::NodeWakes(node));
    }

    /// A node's process ends, and its sessions with it. Another one starts in its place.
    pub(crate) fn kill(&mut self, node: usize) {
        self.trace(|| format!("node {node}   ends"));
        for session in self.server.sessions.iter_mut().filter(|session| session.node == node) {
            session.gone = true;
            session.conns.clear();
        }
        self.nodes.gives.retain(|_, gives| gives.node != node);
        self.nodes.takes.retain(|(taker, _), _| *taker != node);
        self.nodes.processes += 1;
        let pause = if self.is_cluster() { self.random.below(4_000) } else { 0 };
        let (process, asleep_until) = (self.nodes.processes, self.nodes.all[node].asleep_until);
        let (down_until, cut_until) = (self.now + pause, self.nodes.all[node].cut_until);
        let next = Node { process, down_until, asleep_until, cut_until, heard: down_until, ..Node::default() };
        self.nodes.all[node] = next;
        self.nodes.beaten.remove(&process);
        if self.is_cluster() {
            self.at(down_until, 1, WorldEvent::Node(NodeEvent::Beat(node, process)));
        }
        for conn in 0..self.conns.len() {
            let passes = self.conns[conn].way.contains(&node) && self.is_under_way(conn);
            if passes && self.here(conn) != node {
                self.sever(conn);
                continue;
            }
            let one = &mut self.conns[conn];
            let known = one.session.take_if(|_| passes).is_some()
                | one.waiting.take_if(|_| passes).is_some()
                | one.parked.take_if(|_| passes).is_some();
            if known {
                (one.answered, one.severed) = (true, one.way.len() > 1);
                let silent = self.conns[conn].way.len() == 1 && self.random.one_in(4) && self.calm.is_none();
                let lost = self.random.one_in(2);
                self.cut(conn, Cut { up: true, down: true, lost, silent });
            }
        }
    }

    /// Nothing stands between the nodes and the engine any more.
    pub(crate) fn end_node_faults(&mut self) {
        self.nodes.slow_until = 0;
        self.nodes.peers_cut.clear();
        self.nodes.all.iter_mut().for_each(|node| node.cut_until = 0);
    }
}
