//! Black box: open a door, speak bytes. One binary, and a line on what belongs where.
//!
//! Each story runs through both doors (`both_doors!`), so each has two names: `keepalive::…::program`
//! and `keepalive::…::plackup`. What every story needs is in [`support`].
#![expect(clippy::unwrap_used, reason = "a test that fails may say so in any way")]
#![expect(clippy::print_stderr, reason = "a failing story tells everything it knew")]

mod support;

/// In the background.
mod background;
/// Content-Length, chunked, Expect: bodies on the way in.
mod bodies;
/// The table of conformance, row by row.
mod conformance;
/// Processes killed at bad moments.
mod deadline;
mod deaths;
/// The end of a request: cleanup handlers, harakiri, and the order of it all.
mod ends;
/// What env holds beside strings, and what an application does to it.
mod env_values;
/// psgix.informational, psgix.logger, exit.
mod extensions;
/// What the comparison with other servers writes.
mod figures;
/// Bodies that are files, X-Sendfile.
mod files;
/// What an application gives back, form by form.
mod forms;
/// Behind a proxy that is believed, and behind one that is not.
mod forwarded;
/// Applications as people write them: Mojolicious, Dancer2, Catalyst.
mod frameworks;
/// What is called as a worker leaves.
mod hooks;
/// Slow, hostile and very many clients, and what they cost.
mod hostile;
/// Who the server is: user and group.
mod identity;
/// Idle connections by the thousand.
mod idle;
/// What a connection costs, how long it lives, and who may serve it.
mod keepalive;
/// Bodies that are larger than memory should ever be.
mod large;
/// What the program is made of.
mod libperl;
/// Addresses: TCP, IPv6, UNIX, several, inherited.
mod listeners;
/// Exactly once, in order, while workers die; newcomers beside kept connections.
mod load;
/// What docs/migrating.md says to type.
mod migrating;
/// What an operator types, and what the server says to it.
mod options;
/// Several requests in one packet, halves that are closed, pieces.
mod pipelining;
/// %env, key by key.
mod psgi_env;
/// psgix.io: who looks at the socket, who takes it, and how that ends.
mod psgix_io;
/// What is refused, with which status: the table of requests that nobody should send.
mod refusals;
/// HEAD, lengths, framing, faults: answers on the way out.
mod responses;
/// What an operator sends.
mod signals;
/// Delayed answers, writers, slow readers.
mod streaming;
/// Plack::Test::Suite.
mod suite;
/// Sockets that systemd hands down, and what it is told.
mod systemd;
/// Workers that are old, or large.
mod wear;
/// The responder and the writer, used and abused.
mod writers;
