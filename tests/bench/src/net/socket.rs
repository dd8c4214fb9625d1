//! One TCP connection of the generator.

use anyhow::{Context, Result};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// The number of loopback addresses that connections come from, so that ten thousand of them find ports.
pub(super) const SOURCES: u16 = 200;

pub(super) struct Socket {
    stream: TcpStream,
    /// Bytes that were read and not yet consumed.
    pub(super) input: Vec<u8>,
}

impl Socket {
    /// Connects at once: on loopback the kernel answers before the call returns, unless the backlog is full.
    pub(super) fn connect(address: SocketAddr, source: u16, registry: &Registry, token: Token) -> Result<Self> {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let [_, _, high, low] = (u32::from(source) + 2).to_be_bytes();
        let from = SocketAddr::from(([127, 0, high, low], 0));
        socket.bind(&from.into()).context("binding a source address")?;
        socket.set_tcp_nodelay(true)?;
        // The socket resets when dropped: a closed connection must not keep its port for a minute.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.connect(&address.into()).context("connecting")?;
        socket.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(socket.into());
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, input: Vec::new() })
    }

    /// Reads all that is there; returns whether the other side has ended. `to_end` means that epoll has
    /// reported the end.
    pub(super) fn read(&mut self, scratch: &mut [u8], to_end: bool) -> Result<bool> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(true),
                Ok(read) => {
                    self.input.extend_from_slice(&scratch[..read]);
                    // A short read has emptied the socket; epoll reports what comes later.
                    if read < scratch.len() && !to_end {
                        return Ok(false);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return Ok(false),
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Ok(true),
                    _ => return Err(error.into()),
                },
            }
        }
    }

    pub(super) fn consume(&mut self, used: usize) {
        if used == self.input.len() {
            self.input.clear();
            // Ten thousand idle clients should not keep ten thousand buffers.
            if self.input.capacity() > 4096 {
                self.input = Vec::new();
            }
        } else {
            self.input.drain(..used);
        }
    }

    /// Writes as much as it can of `output`; returns how many writes the kernel took.
    pub(super) fn write(&mut self, output: &mut Vec<u8>) -> Result<u64> {
        let mut done = 0;
        let mut writes = 0;
        while done < output.len() {
            match self.stream.write(&output[done..]) {
                Ok(written) => {
                    done += written;
                    writes += 1;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    // The next read reports to the client that the connection has ended.
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => break,
                    _ => return Err(error.into()),
                },
            }
        }
        output.drain(..done);
        Ok(writes)
    }
}
