//! Our server with a function as application: what a request costs without Perl.

use monoceros_server::config::{Config, HostFacts, Options};
use monoceros_server::http::head::Field;
use monoceros_server::supervisor::{self, End};
use monoceros_server::worker::app::{Outcome, Reply, Request};
use monoceros_server::worker::plain::Plain;

/// Serves until it is ended; gives the exit status, in the supervisor and in every worker.
///
/// # Errors
///
/// If the options are refused.
pub(crate) fn serve(port: u16, workers: u32) -> anyhow::Result<i32> {
    let mut options = Options::default();
    let mut set = |name: &str, value: String| options.set(name, Some(value.as_str()));
    let settings = [
        ("listen", format!("127.0.0.1:{port}")),
        ("max-workers", workers.to_string()),
        ("max-reqs-per-child", "0".to_owned()),
    ];
    for (name, value) in settings {
        set(name, value).map_err(|why| anyhow::anyhow!("{name}: {why}"))?;
    }
    let config =
        Config::decide(&options, &HostFacts::look()).map_err(|why| anyhow::anyhow!("{why:?}"))?;
    let mut app = Plain(answer);
    Ok(match supervisor::run(&config, &mut app, &mut |_, _| {}) {
        End::Over(status) | End::Worker(status) => status,
    })
}

fn answer(_: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    let fields = [Field { name: b"Content-Type", value: b"text/plain" }];
    // What is refused here, the worker answers with 500, and nobody measures that.
    reply.returned();
    _ = reply.whole(200, &fields, &[b"Hello World!"]);
    Outcome::Done
}
