//! The fixed workload: connections that ask one after the other, or together.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, bail};

use crate::answer::{Progress, progress};
use crate::read;

/// What every request asks for.
pub(crate) const PATH: &str = "/foo?foo=bar&bar=baz&baz=hoge&hoge=foo";

/// Some connections.
pub(crate) struct Clients {
    streams: Vec<TcpStream>,
    request: String,
}

impl Clients {
    /// Connects `count` of them; `close`: every request asks for the end of its connection.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub(crate) fn connect(address: SocketAddr, count: usize, close: bool) -> anyhow::Result<Self> {
        let one = |_| {
            let stream = TcpStream::connect(address).context("connecting")?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(super::PATIENCE))?;
            anyhow::Ok(stream)
        };
        let field = if close { "Connection: close\r\n" } else { "" };
        Ok(Self {
            streams: (0..count).map(one).collect::<anyhow::Result<_>>()?,
            request: format!(
                "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n{field}\r\n"
            ),
        })
    }

    /// One request on each: all ask, then all are answered.
    ///
    /// # Errors
    ///
    /// If one is not answered with 200.
    pub(crate) fn ask(&mut self) -> anyhow::Result<()> {
        for stream in &mut self.streams {
            stream.write_all(self.request.as_bytes()).context("asking")?;
        }
        for stream in &mut self.streams {
            let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                match progress(&bytes) {
                    Progress::Whole { status: 200, .. } => break,
                    Progress::Partial => {}
                    other => bail!("a request was answered with {other:?}"),
                }
                match read(stream, &mut buffer).context("waiting for an answer")? {
                    0 => bail!("a connection was closed without an answer"),
                    count => bytes.extend_from_slice(&buffer[..count]),
                }
            }
        }
        Ok(())
    }
}
