//! The access log's line about one request, after its answer.

use tracing::error;

use super::verdict::Finished;
use crate::http::head::{Head, Version};
use crate::log::access::{Access, AccessLog};
use crate::table::Row;

/// This worker's access log, if there is one.
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

    /// Writes a line; opens the file anew first if that was asked for since the last one.
    pub(crate) fn line(
        &mut self,
        reopened: u32,
        row: &Row,
        head: &Head<'_>,
        finished: &Finished,
        at: u64,
    ) {
        let Some(file) = &mut self.file else { return };
        if self.reopened != reopened {
            self.reopened = reopened;
            if let Err(why) = file.reopen() {
                error!("cannot reopen the access log: {why}");
            }
        }
        let field = |name: &str| {
            let same = |field: &&crate::http::head::Field<'_>| {
                field.name.eq_ignore_ascii_case(name.as_bytes())
            };
            head.fields.iter().find(same).map(|field| field.value)
        };
        file.line(&Access {
            peer: row.peer().map(|(ip, _)| ip.to_canonical()),
            at,
            method: head.method,
            uri: head.uri,
            protocol: match head.version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            status: u16::try_from(finished.status).unwrap_or(0),
            bytes: finished.bytes,
            referer: field("Referer"),
            agent: field("User-Agent"),
        });
    }
}
