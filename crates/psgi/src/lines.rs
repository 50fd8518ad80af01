//! Lines of `psgix.logger` in the error log.

use monoceros_perl as perl;
use monoceros_server::log::APPLICATION;
use monoceros_server::worker::app::ConnId;
use tracing::{debug, error, info, warn};

/// A line of `psgix.logger`, and the request that it is about.
pub(crate) fn say(level: perl::Level, line: &[u8], (connection, request): (ConnId, u32)) {
    let line = String::from_utf8_lossy(line);
    macro_rules! say {
        ($log:ident $(, $level:tt)?) => {
            $log!(target: APPLICATION, %connection, request, $(level = $level,)? "{line}")
        };
    }
    match level {
        perl::Level::Debug => say!(debug),
        perl::Level::Info => say!(info),
        perl::Level::Warn => say!(warn),
        perl::Level::Error => say!(error),
        perl::Level::Fatal => say!(error, "fatal"),
    }
}
