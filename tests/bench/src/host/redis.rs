//! A server of Redis, on a free port, without any file.

use super::child::cpu_of;
use anyhow::{Context, Result, bail};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(10);
/// The time between two tries to connect.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Redis {
    child: Child,
    pub(super) port: u16,
}

impl Redis {
    /// Returns when it takes connections. It has the CPU of the generator, from which it inherits that.
    pub(super) fn start() -> Result<Self> {
        // The listener that found the port is closed again by the end of this line.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting redis-server")?;
        let mut redis = Self { child, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = redis.child.try_wait()? {
                bail!("redis-server has ended: {status}");
            }
            if start.elapsed() > START {
                bail!("redis-server takes no connection");
            }
            sleep(PAUSE);
        }
        Ok(redis)
    }

    pub(super) fn cpu(&self) -> Result<Duration> {
        cpu_of(self.child.id())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // This fails only if the process has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
