//! Steps 6 to 9 for what one claim has brought: requests one after another, as far as they are
//! complete and it is still this worker's turn.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::app::{After, App, Body, Outcome, Peer, Request};
use super::outlet::{Addressee, Outlet};
use super::read::{self, Whole};
use super::reply::Reply;
use super::unsent::Unsent;
use super::verdict::Finished;
use super::{Listed, Turn, Worker, forwarded, site};
use crate::channel::job::Job;
use crate::channel::message::{End, Message};
use crate::http::framing::Framing;
use crate::http::head::{self, Field, Head, Scan};
use crate::http::persist::Asked;
use crate::http::refusal::Refusal;
use crate::ledger;
use crate::os::{clock, usage};
use crate::scoreboard::State;
use crate::steps::step;
use crate::table::{ConnId, Row};
use crate::tally::Reason;

/// A complete request on its way to the application.
struct Ripe<'a> {
    id: ConnId,
    row: &'a Row,
    head: &'a Head<'a>,
    body: Body<'a>,
    content_length: Option<u64>,
    behind: &'a [u8],
    queue_time: Option<Duration>,
}

/// What the application made of a request.
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    pub(super) finished: Finished,
}

impl Worker<'_> {
    /// Serves a job, then what was pipelined behind it.
    pub(super) fn serve_job(
        &mut self,
        app: &mut dyn App,
        row: &Row,
        job: &Job<'_>,
        file: Option<BorrowedFd<'_>>,
    ) -> Turn {
        let now = clock::now();
        let queue_time = Duration::from_millis(now.saturating_sub(job.complete));
        if self.waited_in_vain(job.id, queue_time) {
            return self.closed(app, job.id, End::Gone);
        }
        let parsed = head::read(job.head, &self.site.limits, &mut Scan::default());
        let Ok(Some(head)) = parsed else {
            error!(connection = %job.id, "a job whose head is none");
            return self.closed(app, job.id, End::Reset);
        };
        let length = match (&file, head.framing) {
            (_, Framing::None) => None,
            (Some(file), _) => rustix::fs::fstat(file).ok().and_then(|s| s.st_size.try_into().ok()),
            (None, _) => u64::try_from(job.body.len()).ok(),
        };
        let ripe = Ripe {
            id: job.id,
            row,
            head: &head,
            body: file.map_or(Body::Memory(job.body), Body::File),
            content_length: length,
            behind: job.rest,
            queue_time: Some(queue_time),
        };
        let answered = self.answer(app, &ripe, now);
        match self.release(app, job.id, row, answered, job.rest, 1) {
            Ok(turn) => turn,
            Err(served) => self.serve_on(app, job.id, row, job.rest, served, None),
        }
    }

    /// Serves the requests in `bytes`, which have just been read, and are of this age.
    pub(super) fn serve(
        &mut self,
        app: &mut dyn App,
        id: ConnId,
        row: &Row,
        bytes: &[u8],
        age: Option<Duration>,
    ) -> Turn {
        if age.is_some_and(|age| self.waited_in_vain(id, age)) {
            return self.closed(app, id, End::Gone);
        }
        self.serve_on(app, id, row, bytes, 0, age)
    }

    /// Whether a client went while its request waited: the application need not run for nobody.
    fn waited_in_vain(&self, id: ConnId, queue_time: Duration) -> bool {
        let half_close = self.site.config.half_close;
        let gone = queue_time >= NOTICEABLE
            && self.cache.get(id).is_some_and(|client| read::has_gone(client, half_close));
        if gone {
            self.shared.tally.count_gone();
        }
        gone
    }

    /// The same, after `served` requests of this connection in a row.
    fn serve_on(
        &mut self,
        app: &mut dyn App,
        id: ConnId,
        row: &Row,
        mut bytes: &[u8],
        mut served: u32,
        mut queue_time: Option<Duration>,
    ) -> Turn {
        let mut decoded = std::mem::take(&mut self.decoded);
        let turn = loop {
            let complete = match read::complete(bytes, &self.site.limits, &mut decoded) {
                Err(refusal) => break self.refuse(app, id, row, &refusal),
                Ok(None) => break self.tell(app, &Message::Partial(id, bytes), None),
                Ok(Some(complete)) => complete,
            };
            let (body, announced) = match complete.body {
                Whole::None => (&[][..], false),
                Whole::Plain(body) => (body, true),
                Whole::Decoded => (&decoded[..], true),
            };
            let ripe = Ripe {
                id,
                row,
                head: &complete.head,
                body: Body::Memory(body),
                content_length: announced.then(|| u64::try_from(body.len()).unwrap_or(u64::MAX)),
                behind: bytes.get(complete.used..).unwrap_or_default(),
                queue_time: queue_time.take(),
            };
            let answered = self.answer(app, &ripe, clock::now());
            let used = complete.used;
            bytes = bytes.get(used..).unwrap_or_default();
            served += 1;
            match self.release(app, id, row, answered, bytes, served) {
                Ok(turn) => break turn,
                Err(so_far) => served = so_far,
            }
        };
        self.decoded = decoded;
        turn
    }

    /// Steps 7 and 8: calls the application, which writes its answer.
    fn answer(&mut self, app: &mut dyn App, ripe: &Ripe<'_>, now: u64) -> Answered {
        let Ripe { id, row, head, .. } = *ripe;
        let deadline = self.run_until(id, head, now);
        self.log.look(self.shared.flags().reopened());
        let second = self.site.refresh();
        self.site.look_at(row);
        let count = row.count_request();
        row.begin_request(head.method == "HEAD");
        self.count_dropped(head.dropped);
        let config = self.site.config;
        let most = config.max_keepalive_reqs;
        let peer = site::peer(row);
        let forwarded = forwarded::believed(&config.trusted_proxy, peer, &head.fields);
        let may_keep = config.keepalive.is_some() && (most == 0 || count < most);
        let mut out = std::mem::take(&mut self.out);
        let (outcome, finished) = match self.addressee(id, row) {
            None => return Answered { outcome: Outcome::Done, finished: Finished::lost() },
            Some(to) => {
                // What is pipelined behind it may take its time.
                let hold = to.hold && ripe.behind.is_empty();
                let to = Addressee { deadline, hold, ..to };
                let (common, flags) = (self.site.common(), self.shared.flags());
                let mut reply =
                    Reply::new(Outlet::new(to), Asked::of(head, may_keep), common, flags, &mut out);
                let request = Request {
                    id: (id, count),
                    head,
                    body: ripe.body,
                    content_length: ripe.content_length,
                    peer,
                    forwarded,
                    local: self.site.local(row),
                    client: to.client,
                    behind: ripe.behind,
                    queue_time: ripe.queue_time,
                };
                let outcome = match (config.queue_timeout, ripe.queue_time) {
                    (Some(most), Some(waited)) if waited > most => {
                        shed(&mut reply, waited, self.shared.tally.tell(Reason::Shed, now))
                    }
                    _ => call(app, &request, &mut reply),
                };
                step("reply");
                match outcome {
                    // The client's answer is the worker's to finish, of which this is a copy.
                    Outcome::Forked(_) => (outcome, Finished::lost()),
                    _ => (outcome, reply.finish()),
                }
            }
        };
        self.out = out;
        if !matches!(outcome, Outcome::Forked(_)) {
            self.given_up = deadline.is_some_and(|deadline| !deadline.end());
            self.shared.scoreboard.count_request(self.me);
            let reopened = self.shared.flags().reopened();
            let done = (finished.status, finished.bytes);
            let client = match (forwarded.client, peer) {
                (Some((address, _)), _) | (None, Peer::Tcp(address, _)) => Some(address),
                (None, Peer::Unix) => None,
            };
            self.site.access.answered(reopened, client, head, done, second);
        }
        Answered { outcome, finished }
    }

    /// Fields that did not pass the policy: a client, or a proxy, may miss them.
    fn count_dropped(&self, fields: usize) {
        let more = u64::try_from(fields).unwrap_or(u64::MAX);
        if fields > 0 && self.shared.tally.add(Reason::Fields, more) {
            info!("a request field was dropped: Proxy, or a name with _ (header-underscores)");
        }
    }

    fn addressee<'b>(&'b self, id: ConnId, row: &'b Row) -> Option<Addressee<'b>> {
        Some(Addressee {
            client: self.cache.get(id)?,
            row,
            id,
            list: (self.listed != Listed::No).then_some(&self.shared.ready),
            worker: self.me,
            spool_dir: &self.site.config.spool_dir,
            timeout: self.site.config.timeout,
            sendfile_roots: &self.site.config.sendfile_roots,
            // Whoever may keep nothing waits for what is kept, and not for nothing.
            high_water: self.site.config.stream_buffer_size.max(1),
            room: ledger::room(self.site.config, self.shared.flags()),
            tally: &self.shared.tally,
            deadline: None,
            hold: self.round.may_hold() && row.peer().is_some(),
            // A line of the access log comes before the end, and may have to wait for its reader.
            hold_last: !self.site.access.is_on(),
        })
    }

    /// Answers a request that is not let through, and ends the connection.
    fn refuse(&mut self, app: &mut dyn App, id: ConnId, row: &Row, refusal: &Refusal) -> Turn {
        debug!(connection = %id, status = refusal.status, "refused: {}", refusal.why);
        let second = self.site.refresh();
        self.site.access.refused(self.shared.flags().reopened(), row, refusal.status, second);
        if self.shared.tally.count(Reason::Refused(refusal.status)) {
            info!(status = refusal.status, "the first of its kind refused: {}", refusal.why);
        }
        let common = self.site.common();
        let bytes = refusal.render(common.date, common.server);
        let Some(to) = self.addressee(id, row) else { return Turn::On };
        let mut outlet = Outlet::new(to);
        outlet.put(&[&bytes], super::reply::Pace::Live);
        if outlet.is_lost() {
            return Turn::On;
        }
        match outlet.into_unsent() {
            Unsent::Nothing => self.closed(app, id, End::Linger),
            // The answers before this one fill the socket: their reader is slow.
            unsent => self.give_drain(app, id, Some(End::Linger), unsent, &[]),
        }
    }

    /// After the connection is released: cleanup handlers, harakiri, budget.
    pub(super) fn after(&mut self, app: &mut dyn App, outcome: Outcome) -> Turn {
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(1);
        }
        self.wear.served();
        self.tiny.served(usage::of_thread);
        let cleaning = app.has_cleanup().then(clock::now);
        if let Some(since) = cleaning {
            self.push_held();
            self.shared.scoreboard.set(self.me, State::Cleaning, since);
        }
        let after = app.finish();
        let overdue = !matches!(after, After::Forked(_))
            && cleaning.is_some_and(|since| {
                let (from, to) = ((State::Cleaning, since), (State::Idle, clock::now()));
                !self.shared.scoreboard.change(self.me, from, to)
            });
        match (outcome, after) {
            (_, After::Forked(status)) => Turn::Vanish(status),
            // The supervisor has given this worker up: a request that it took now would be lost.
            _ if overdue || self.given_up => Turn::Leave(crate::config::exit::STOPPED),
            (Outcome::Exit(status), _) | (_, After::Exit(status)) => Turn::Leave(status),
            (_, After::Leave) => Turn::Leave(crate::config::exit::STOPPED),
            (_, After::Stay) => Turn::On,
        }
    }
}

/// A wait from which on it is worth a system call to see whether the client is still there. Clients
/// that give up do so after seconds; under load every request waits for some milliseconds.
const NOTICEABLE: Duration = Duration::from_millis(50);

/// A request that has waited too long for a worker is answered and not run. Its connection is kept.
/// `told`: the log says so.
fn shed(reply: &mut Reply<'_>, waited: Duration, told: bool) -> Outcome {
    if told {
        warn!(seconds = waited.as_secs_f64(), "503: waited longer than queue-timeout");
    }
    let fields = [
        Field { name: b"Content-Type", value: b"text/plain" },
        Field { name: b"Retry-After", value: b"1" },
    ];
    let body = b"503 Service Unavailable: no worker was free in time (queue-timeout)\n";
    if let Err(error) = reply.whole(503, &fields, &[body]) {
        error!("cannot answer 503: {error}");
    }
    Outcome::Done
}

/// The application's turn. `OPTIONS *` is about the server, not about it.
fn call(app: &mut dyn App, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
    if request.head.asterisk {
        if let Err(error) = reply.whole(200, &[], &[]) {
            error!("cannot answer OPTIONS *: {error}");
        }
        return Outcome::Done;
    }
    let outcome = app.call(request, reply);
    if !reply.has_begun() && !matches!(outcome, Outcome::Forked(_)) {
        let fields = [Field { name: b"Content-Type", value: b"text/plain" }];
        if let Err(error) = reply.whole(500, &fields, &[b"Internal Server Error"]) {
            error!("cannot answer 500: {error}");
        }
    }
    outcome
}
