//! What a run is to do.

use std::net::SocketAddr;
use std::time::Duration;

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Every kept connection has made so many requests. Newcomers stop then, too.
    RequestsPerConnection(u32),
    /// So much time has passed.
    Time(Duration),
}

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// What is asked for, with its query.
    pub path: String,
    /// Connections that are kept, each asking again as soon as it is answered.
    pub kept: usize,
    /// Clients that connect anew for each request, and ask for the connection to be closed.
    pub fresh: usize,
    /// A kept connection is closed and made anew after so many answers; 0: never.
    pub per_connection: u32,
    /// How long a kept client rests between an answer and its next request.
    pub rest: Duration,
    /// When it is over.
    pub amount: Amount,
    /// How long one request may take, with its connecting; longer is a failure.
    pub patience: Duration,
}

impl Plan {
    /// The keep-alive benchmark that the Perl Monoceros was introduced with: each of `kept`
    /// connections makes 250 requests and waits at most 5 s for each.
    pub fn keepalive(address: SocketAddr, kept: usize) -> Self {
        Self {
            address,
            path: "/foo?foo=bar&bar=baz&baz=hoge&hoge=foo".to_owned(),
            kept,
            fresh: 0,
            per_connection: 0,
            rest: Duration::ZERO,
            amount: Amount::RequestsPerConnection(250),
            patience: Duration::from_secs(5),
        }
    }
}
