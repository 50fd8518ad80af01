//! What the configuration says to `http`: one reading of it for the manager and for the workers, so that
//! the same bytes get the same answer from both.

use crate::channel::job;
use crate::config::{Config, Underscores};
use crate::http::{self, Limits};

/// The limits of the wire. A head is never longer than a job can carry.
pub(crate) fn limits(config: &Config) -> Limits {
    Limits {
        max_request_line: config.max_request_line,
        max_header_size: config.max_header_size.min(job::MOST_OF_EACH),
        max_header_count: config.max_header_count,
        max_body_size: config.max_body_size,
        underscores: match config.underscores {
            Underscores::Drop => http::Underscores::Drop,
            Underscores::Reject => http::Underscores::Reject,
            Underscores::Allow => http::Underscores::Allow,
        },
    }
}
