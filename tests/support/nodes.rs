//! Several nodes behind a balancer that draws one for each request.
//!
//! `ANYWIRE_NODES=3 cargo test --test switching` has the tests of a file on three nodes, of which each request and each
//! connection reaches any. The nodes are drawn by `ANYWIRE_SEED`, which a test that fails prints. With `ANYWIRE_ENGINE=host`
//! they are nodes of one machine, on sockets; without, of one process.

use std::{any::Any, cell::RefCell, time::SystemTime};

use anywire::{Server, Session};

thread_local! {
    static STATE: RefCell<Option<u64>> = const { RefCell::new(None) };
    /// The nodes of the servers of this test.
    static NODES: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// The number of nodes that each server of the tests is.
pub fn count() -> usize {
    std::env::var("ANYWIRE_NODES").map_or(1, |count| count.parse().expect("ANYWIRE_NODES is a number"))
}

/// The nodes of a server, of which it is the first.
pub fn nodes<S: Clone + Send + Sync + 'static>(server: &Server<S>) -> Vec<Server<S>> {
    if count() == 1 {
        return vec![server.clone()];
    }
    let known = NODES.with_borrow(|all| {
        let mut known = all.iter().filter_map(|nodes| nodes.downcast_ref::<Vec<Server<S>>>());
        known.find(|nodes| nodes.iter().any(|node| is_same(node, server))).cloned()
    });
    known.unwrap_or_else(|| {
        let nodes = together(server, count());
        NODES.with_borrow_mut(|all| all.push(Box::new(nodes.clone())));
        nodes
    })
}

/// The sessions of a server, on whatever node each is.
pub trait Everywhere {
    fn everywhere(&self) -> Vec<Session>;

    fn anywhere(&self, id: impl AsRef<str>) -> Option<Session>;
}

impl<S: Clone + Send + Sync + 'static> Everywhere for Server<S> {
    fn everywhere(&self) -> Vec<Session> {
        nodes(self).iter().flat_map(Server::sessions).collect()
    }

    fn anywhere(&self, id: impl AsRef<str>) -> Option<Session> {
        nodes(self).iter().find_map(|node| node.session(&id))
    }
}

#[cfg(feature = "cluster")]
fn together<S: Clone + Send + Sync + 'static>(server: &Server<S>, count: usize) -> Vec<Server<S>> {
    match std::env::var("ANYWIRE_ENGINE").as_deref() {
        Err(_) | Ok("in_process") => {
            let engine = anywire::InProcess::new();
            server.as_nodes((0..count).map(|_| engine.clone().into()))
        }
        #[cfg(all(unix, feature = "host"))]
        Ok("host") => {
            use std::sync::atomic::{AtomicU32, Ordering};
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name = format!("aw-nodes-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let folder = std::env::temp_dir().join(name);
            let engine = anywire::Host::at(&folder).unwrap();
            NODES.with_borrow_mut(|all| all.push(Box::new(Folder(folder))));
            server.as_nodes((0..count).map(|_| engine.clone().into()))
        }
        Ok(other) => panic!("ANYWIRE_ENGINE is {other:?}, which these tests cannot have"),
    }
}

/// A folder that goes with the test.
#[cfg(all(unix, feature = "host"))]
struct Folder(std::path::PathBuf);

#[cfg(all(unix, feature = "host"))]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(feature = "cluster")]
fn is_same<S: Clone + Send + Sync + 'static>(node: &Server<S>, server: &Server<S>) -> bool {
    node.is(server)
}

#[cfg(not(feature = "cluster"))]
fn is_same<S>(_: &Server<S>, _: &Server<S>) -> bool {
    false
}

#[cfg(not(feature = "cluster"))]
fn together<S: Clone + Send + Sync + 'static>(_: &Server<S>, _: usize) -> Vec<Server<S>> {
    panic!("several nodes need the feature `cluster`")
}

/// Draws one of them.
pub fn draw<T>(all: &[T]) -> &T {
    if all.len() == 1 {
        return &all[0];
    }
    let random = STATE.with_borrow_mut(|state| {
        let state = state.get_or_insert_with(seed);
        // xorshift64*
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    });
    &all[usize::try_from(random).unwrap() % all.len()]
}

fn seed() -> u64 {
    let given = std::env::var("ANYWIRE_SEED").ok().map(|seed| seed.parse().expect("ANYWIRE_SEED is a number"));
    let seed = given.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::from(since.subsec_nanos()) | 1
    });
    println!("nodes are drawn with ANYWIRE_SEED={seed}");
    seed.max(1)
}
