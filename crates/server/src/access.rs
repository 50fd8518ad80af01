//! The access log's line about one request, after its answer: a worker's, or the manager's refusal.

use std::net::IpAddr;

use tracing::error;

use crate::http::head::{Field, Head, Version};
use crate::log::access::{Access, AccessLog, Asked};
use crate::table::Row;

/// This process's access log, if there is one.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<AccessLog>,
    /// How often the logs had been reopened when this one was.
    reopened: u32,
}

impl Log {
    /// Opens the file. If it cannot be opened that is logged, and requests are not.
    pub(crate) fn open(path: Option<&std::path::Path>, reopened: u32) -> Self {
        let open = |path: &std::path::Path| {
            let opened = AccessLog::open(path);
            opened
                .map_err(|why| error!("cannot open the access log {}: {why}", path.display()))
                .ok()
        };
        Self { file: path.and_then(open), reopened }
    }

    /// Whether there is one.
    pub(crate) fn is_on(&self) -> bool {
        self.file.is_some()
    }

    /// A request was answered by the application.
    pub(crate) fn answered(
        &mut self,
        reopened: u32,
        peer: Option<IpAddr>,
        head: &Head<'_>,
        (status, bytes): (i64, u64),
        at: u64,
    ) {
        let Some(file) = self.file(reopened) else { return };
        let field = |name: &str| {
            let same = |field: &&Field<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
            head.fields.iter().find(same).map(|field| field.value)
        };
        file.line(&Access {
            peer,
            at,
            asked: Some(Asked {
                method: head.method,
                uri: head.uri,
                protocol: match head.version {
                    Version::Http10 => "HTTP/1.0",
                    Version::Http11 => "HTTP/1.1",
                },
            }),
            status: u16::try_from(status).unwrap_or(0),
            bytes,
            referer: field("Referer"),
            agent: field("User-Agent"),
        });
    }

    /// A request was refused, by the manager or by a worker.
    pub(crate) fn refused(&mut self, reopened: u32, row: &Row, status: u16, at: u64) {
        let Some(file) = self.file(reopened) else { return };
        file.line(&Access {
            peer: row.peer().map(|(ip, _)| ip.to_canonical()),
            at,
            asked: None,
            status,
            bytes: 0,
            referer: None,
            agent: None,
        });
    }

    /// The file, opened anew if that was asked for since the last line.
    fn file(&mut self, reopened: u32) -> Option<&mut AccessLog> {
        let file = self.file.as_mut()?;
        if self.reopened != reopened {
            self.reopened = reopened;
            if let Err(why) = file.reopen() {
                error!("cannot reopen the access log: {why}");
            }
        }
        Some(file)
    }
}
