//! Perl as the server's application: it calls, and decides what each way of ending means.
//!
//! ```text
//! returned   reply; cleanup handlers, harakiri and freeing follow in `finish`, when the
//!            connection is somebody else's already
//! died       printed on psgi.errors; 500 if no head went out, else the reply is broken off
//! exited     the client gets a reply all the same, then this worker leaves with that status
//! forked     a child of the application came back: it touches nothing, and leaves
//! ```
//!
//! Both doors host Perl with the same code. They differ in where the interpreter comes from (booted
//! here by the program, lent by perl under plackup), and in who ends it, which is theirs.

use std::cell::Cell;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use monoceros_perl::{self as perl, Boot, Family, Hook, Input, Left, Load, Perl, Source, Var};
use monoceros_server::http::head::Field;
use monoceros_server::os::process;
use monoceros_server::worker::app::{
    After, App, Body, Claimed, ConnId, Host, Interest, LoadError, Outcome, Peer, Reply, Request,
    Signals, Waited,
};
use tracing::error;

use crate::env::{self, Env};
use crate::lines;
use crate::plan::{Origin, Plan};
use crate::response::{self, Asked, Replied, ReplyStream};

/// The interpreter, and whose it is.
#[derive(Debug)]
enum Interpreter<'p> {
    /// Door one, before [`Host::load`].
    Unborn,
    /// Door one: booted here.
    Own(Perl),
    /// Door two: the perl that loaded us.
    Lent(&'p mut Perl),
}

impl Interpreter<'_> {
    fn perl(&mut self) -> &mut Perl {
        match self {
            Self::Own(perl) => perl,
            Self::Lent(perl) => perl,
            Self::Unborn => unreachable!("the supervisor loads the application before it forks"),
        }
    }
}

/// Perl, as what a worker runs.
#[derive(Debug)]
pub struct PerlApp<'p> {
    interpreter: Interpreter<'p>,
    plan: Plan,
    /// The number of the worker that this process is, once it is one.
    worker: u32,
    env: Env,
    /// The pairs of `%env`; empty between requests, kept for its room.
    vars: Vec<Var<'static>>,
    /// The first piece of a body, likewise.
    first: Vec<u8>,
    /// The request at hand, or the last one, as log lines call it.
    id: Rc<Cell<(ConnId, u32)>>,
}

impl PerlApp<'_> {
    fn load_application(&mut self) -> Result<(), String> {
        let perl = self.interpreter.perl();
        let load = Load {
            source: match &self.plan.origin {
                Origin::File(file) => Source::File(file),
                Origin::Text(text) => Source::Text(text),
                Origin::Given => Source::Given,
            },
            mount: self.plan.mount.as_deref(),
            development: self.plan.development,
        };
        perl.load(&load).map_err(|left| match left {
            Left::Died => String::from_utf8_lossy(perl.error()).trim_end().to_owned(),
            Left::Exit(status) => format!("it called exit({status}) while it was loaded"),
            // A copy of the supervisor, or of a worker at birth, that must not act like one.
            Left::Forked(status) => perl.vanish(status),
        })
    }

    /// What is to be called later, and came as text.
    fn take_hooks(&mut self) -> Result<(), String> {
        let Some(text) = &self.plan.child_exit else { return Ok(()) };
        let perl = self.interpreter.perl();
        perl.set_hook(Hook::ChildExit, text).map_err(|_| {
            let why = String::from_utf8_lossy(perl.error());
            format!("child_exit: {}", why.trim_end())
        })
    }

    /// The name of a worker's process.
    fn title(&mut self) {
        if self.plan.titles {
            let title = format!("monoceros: worker {}", self.worker);
            self.interpreter.perl().set_title(&title);
        }
    }

    /// Names and constants, once there is a perl.
    fn prepare(&mut self) {
        let perl = self.interpreter.perl();
        let names: Vec<&[u8]> = env::KEYS.iter().map(|name| name.as_bytes()).collect();
        perl.keys(&names);
        let constants = env::constants(&self.plan.software);
        let vars: Vec<_> = constants
            .iter()
            .map(|(name, value)| Var::named(name.as_bytes(), value.as_bytes()))
            .collect();
        perl.constants(&vars);
        if self.plan.limited {
            perl.offer_deadline();
        }
        let id = Rc::clone(&self.id);
        perl.log_to(Box::new(move |level, line| lines::say(level, line, id.get())));
    }

    /// Calls the application and sends what it returns.
    fn answer(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Replied {
        let asked =
            Asked { head_only: request.head.method == "HEAD", upgrade: env::may_upgrade(request) };
        self.id.set(request.id);
        let mut vars: Vec<Var<'_>> = std::mem::take(&mut self.vars);
        self.env.fill(request, &mut vars);
        let asking = perl::Request {
            vars: &vars,
            input: match request.body {
                Body::Memory(bytes) => Input::Memory(bytes),
                Body::File(file) => Input::File(file),
            },
            client: request.client,
            // What follows an ordinary request is the next one, which is the server's to read.
            behind: if asked.upgrade { request.behind } else { &[] },
            family: match request.peer {
                Peer::Tcp(address, _) if address.is_ipv4() => Family::Inet,
                Peer::Tcp(..) => Family::Inet6,
                Peer::Unix => Family::Unix,
            },
            write_timeout: Some(self.plan.write_timeout),
        };
        let mut stream = ReplyStream::new(reply, asked);
        let replied = match self.interpreter.perl().call(&asking, &mut stream) {
            Ok(answer) => response::send(answer, &mut stream, asked, &mut self.first),
            Err(left) => Replied::Left(left),
        };
        // Only the lifetime changes: the standard library keeps the vector's room.
        vars.clear();
        self.vars = vars.into_iter().map(|_| unreachable!("it is empty")).collect();
        replied
    }
}

/// The application cannot answer: 500 while that can still be said, else no answer that looks whole.
fn fail(reply: &mut Reply<'_>) {
    if reply.has_spoken() {
        reply.break_off();
        return;
    }
    let plain = [Field { name: b"Content-Type", value: b"text/plain" }];
    if let Err(error) = reply.whole(500, &plain, &[b"Internal Server Error"]) {
        error!("could not answer 500: {error}");
    }
}

impl App for PerlApp<'_> {
    fn born(&mut self, worker: u32) {
        self.worker = worker;
        self.interpreter.perl().born();
        self.title();
    }

    fn load(&mut self) -> Result<(), String> {
        if self.plan.preload {
            return Ok(());
        }
        self.load_application()?;
        // It may have set %SIG, and Plack sets $0 while it loads: pitfalls 9 and 18.
        self.interpreter.perl().born();
        self.title();
        Ok(())
    }

    fn call(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
        let (left, complete) = match self.answer(request, reply) {
            Replied::Done => return Outcome::Done,
            Replied::TakenOver => {
                reply.hand_over();
                return Outcome::Done;
            }
            Replied::TakenSilently => {
                reply.hand_over_silently();
                return Outcome::Done;
            }
            Replied::Unsendable(why) => {
                if !why.is_empty() {
                    error!("{} {}: {why}", request.head.method, request.head.uri.escape_ascii());
                }
                fail(reply);
                return Outcome::Done;
            }
            Replied::Left(left) => (left, false),
            Replied::LeftAfter(left) => (left, true),
        };
        let perl = self.interpreter.perl();
        match left {
            Left::Died => {
                let why = perl.error().to_vec();
                perl.complain(&why);
                if !complete {
                    fail(reply);
                }
                Outcome::Done
            }
            Left::Exit(status) => {
                if !complete {
                    fail(reply);
                }
                // Destructors may run, and may exit too: the first status counts.
                match perl.release() {
                    Err(Left::Forked(status)) => Outcome::Forked(status),
                    _ => Outcome::Exit(status),
                }
            }
            Left::Forked(status) => Outcome::Forked(status),
        }
    }

    fn has_cleanup(&mut self) -> bool {
        self.interpreter.perl().has_cleanup()
    }

    fn finish(&mut self) -> After {
        let perl = self.interpreter.perl();
        let cleaned = perl.cleanup();
        let released = match cleaned {
            // There is nothing to release for a child: everything it has is its parent's.
            Err(Left::Forked(_)) => Ok(()),
            _ => perl.release(),
        };
        match (cleaned, released) {
            (Err(Left::Forked(status)), _) | (_, Err(Left::Forked(status))) => {
                After::Forked(status)
            }
            (Err(Left::Exit(status)), _) | (_, Err(Left::Exit(status))) => After::Exit(status),
            (Ok(true), _) => After::Leave,
            (Ok(false) | Err(Left::Died), _) => After::Stay,
        }
    }

    fn claim(
        &mut self,
        list: BorrowedFd<'_>,
        patience: Option<Duration>,
        data: &mut [u64],
    ) -> Claimed {
        match self.interpreter.perl().claim(list, patience, data) {
            Ok(count) => Claimed::Events(count),
            Err(left) => Claimed::Exit(status(left)),
        }
    }

    fn wait(
        &mut self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        patience: Option<Duration>,
    ) -> Waited {
        match self.interpreter.perl().wait(fd, interest == Interest::Writable, patience) {
            Ok(true) => Waited::Ready,
            Ok(false) => Waited::TimedOut,
            Err(left) => Waited::Exit(status(left)),
        }
    }

    fn leaving(&mut self) {
        let perl = self.interpreter.perl();
        if perl.call_hook(Hook::ChildExit, &[]) == Err(Left::Died) {
            let why = perl.error().to_vec();
            perl.complain(&why);
        }
    }

    fn caught(&mut self) -> Signals {
        Signals { leave: self.interpreter.perl().caught().any() }
    }
}

/// What a process leaves with when Perl was left while it waited.
fn status(left: Left) -> i32 {
    match left {
        Left::Exit(status) | Left::Forked(status) => status,
        // As plain perl ends on a death that nobody catches.
        Left::Died => 255,
    }
}

/// Perl, as what the supervisor hosts and forks.
#[derive(Debug)]
pub struct PerlHost<'p> {
    app: PerlApp<'p>,
}

impl<'p> PerlHost<'p> {
    /// Door one: perl is booted when the supervisor says so, after the first manager was forked.
    pub fn new(plan: Plan) -> Self {
        Self::with(Interpreter::Unborn, plan)
    }

    /// Door two: perl is there already.
    pub fn inside(perl: &'p mut Perl, plan: Plan) -> Self {
        Self::with(Interpreter::Lent(perl), plan)
    }

    fn with(interpreter: Interpreter<'p>, plan: Plan) -> Self {
        let app = PerlApp {
            interpreter,
            plan,
            worker: 0,
            env: Env::default(),
            vars: Vec::new(),
            first: Vec::new(),
            id: Rc::new(Cell::new((ConnId { slot: 0, serial: 0 }, 0))),
        };
        Self { app }
    }

    /// The interpreter, if it has been booted: for hooks, and titles.
    pub fn perl(&mut self) -> Option<&mut Perl> {
        match &mut self.app.interpreter {
            Interpreter::Unborn => None,
            Interpreter::Own(perl) => Some(perl),
            Interpreter::Lent(perl) => Some(perl),
        }
    }

    /// Ends door one's interpreter, END blocks and destructors included: the status to leave with.
    /// In door two, and before perl is booted, that is `status`.
    pub fn shutdown(self, status: i32) -> i32 {
        match self.app.interpreter {
            Interpreter::Own(perl) => perl.shutdown(status),
            Interpreter::Unborn | Interpreter::Lent(_) => status,
        }
    }
}

impl<'p> Host for PerlHost<'p> {
    type App = PerlApp<'p>;

    fn load(&mut self) -> Result<(), LoadError> {
        let app = &mut self.app;
        if matches!(app.interpreter, Interpreter::Unborn) {
            let switches: Vec<&str> = app.plan.switches.iter().map(String::as_str).collect();
            let mut perl = Perl::boot(&Boot { switches: &switches })
                .map_err(|error| LoadError(error.to_string()))?;
            if let Some(value) = &app.plan.plack_env {
                perl.set_env("PLACK_ENV", value);
            }
            app.interpreter = Interpreter::Own(perl);
        }
        app.prepare();
        app.take_hooks().map_err(LoadError)?;
        if app.plan.preload {
            app.load_application().map_err(LoadError)?;
        }
        if app.plan.titles {
            app.interpreter.perl().set_title("monoceros: supervisor");
        }
        Ok(())
    }

    fn fork(&mut self) -> io::Result<Option<i32>> {
        match &mut self.app.interpreter {
            Interpreter::Unborn => process::fork(),
            Interpreter::Own(perl) => perl.fork(),
            Interpreter::Lent(perl) => perl.fork(),
        }
    }

    fn app(&mut self) -> &mut PerlApp<'p> {
        &mut self.app
    }
}
