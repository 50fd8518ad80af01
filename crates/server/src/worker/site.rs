//! What a worker knows of the place it serves at: names, limits, the date.

use std::net::IpAddr;

use super::app::{Local, Peer};
use crate::access;
use crate::config::Config;
use crate::http::response::Common;
use crate::http::{Limits, date};
use crate::limits::limits;
use crate::listener::Address;
use crate::os::clock;
use crate::table::Row;

/// What is the same for all requests, or nearly.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) config: &'a Config,
    pub(crate) limits: Limits,
    pub(crate) readahead: u32,
    pub(crate) access: access::Log,
    /// By number: what it is called, and whether each connection has an address of its own.
    listeners: Vec<(Local, bool)>,
    nowhere: Local,
    /// The last connection's own address, which the next one usually shares.
    own: Option<(IpAddr, Local)>,
    second: u64,
    date: String,
}

impl<'a> Site<'a> {
    pub(crate) fn new(
        config: &'a Config,
        addresses: &[Address],
        readahead: u32,
        reopened: u32,
    ) -> Self {
        Self {
            config,
            limits: limits(config),
            readahead,
            access: access::Log::open(config.access_log.as_deref(), reopened),
            listeners: addresses
                .iter()
                .map(|at| (Local { name: at.name.clone(), port: at.port }, at.wildcard))
                .collect(),
            nowhere: Local { name: "localhost".into(), port: 80 },
            own: None,
            second: 0,
            date: String::new(),
        }
    }

    /// Looks at the clock for `Date`: it is made anew once a second.
    pub(crate) fn refresh(&mut self) -> u64 {
        let second = clock::unix_seconds();
        if second != self.second {
            self.second = second;
            self.date.clear();
            self.date.push_str(&String::from_utf8_lossy(&date::imf_fixdate(second)));
        }
        second
    }

    /// `Date` and `Server`.
    pub(crate) fn common(&self) -> Common<'_> {
        Common { date: &self.date, server: self.config.server_software.as_deref() }
    }

    /// Finds out our own name for this connection: see [`local`](Self::local).
    pub(crate) fn look_at(&mut self, row: &Row) {
        let Some((ip, port)) = row.local() else { return };
        if self.own.as_ref().is_none_or(|(known, local)| (*known, local.port) != (ip, port)) {
            self.own = Some((ip, Local { name: ip.to_canonical().to_string(), port }));
        }
    }

    /// Our own name and port for the connection that was looked at last.
    pub(crate) fn local(&self, row: &Row) -> &Local {
        let index = usize::try_from(row.listener()).unwrap_or(usize::MAX);
        match (self.listeners.get(index), &self.own) {
            (Some((_, true)), Some((_, own))) => own,
            (Some((local, _)), _) => local,
            (None, _) => &self.nowhere,
        }
    }
}

/// The client's end of a connection.
pub(crate) fn peer(row: &Row) -> Peer {
    match row.peer() {
        Some((ip, port)) => Peer::Tcp(ip.to_canonical(), port),
        None => Peer::Unix,
    }
}
