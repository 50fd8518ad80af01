//! Who lives and who dies: binds, forks, reaps, and ends everything.
//!
//! The supervisor has one thread: it forks, and it hosts the application. Listeners are bound first,
//! so that a wrong address is told at once; then a manager is forked, while there is nothing of the
//! application in this process; then the application is loaded, and signals are taken over. From
//! then on it sleeps until a signal, a word of the manager or a deadline comes, and does what
//! [`children`] decides.
//!
//! [`run`] returns in every worker, too, because door two must get back to Perl's own frames there.

mod background;
pub mod children;
mod identity;
pub mod listen;
mod notify;
mod pid;
mod preload;
mod set;
mod signals;
mod tend;
mod watch;

use std::error::Error;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use tracing::{error, info, warn};

use self::background::Background;
use self::children::{Children, Policy};
use self::identity::Identity;
use self::listen::Listeners;
use self::pid::PidFile;
use self::preload::Preload;
use self::set::Set;
use self::signals::Signals;
use self::watch::Watch;
use crate::config::{Config, LogTo, exit};
use crate::listener::Address;
use crate::log::access::AccessLog;
use crate::log::{self, Role};
use crate::os::process;
use crate::os::signal::Mask;
use crate::roots;
use crate::spool;
use crate::table::WorkerId;
use crate::worker::app::Host;
use crate::worker::{self, Birth};

/// How [`run`] ends, and in which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// This is the supervisor, and nothing of what it began is left: exit with this status.
    Over(i32),
    /// This is a worker: exit with this status, END blocks and all.
    Worker(i32),
}

/// Binds, loads, forks, and serves until it is told to stop. Returns in the supervisor and in each
/// worker. `on_ready` is called once, in the supervisor, when the first worker can serve; it runs
/// with all signals blocked. In the background (`daemonize`) the supervisor is another process than
/// the one that called this, which does not come back.
pub fn run<H: Host>(
    config: &Config,
    host: &mut H,
    on_ready: &mut dyn FnMut(&mut H, &[Address]),
) -> End {
    log::start();
    log::this_is(Role::Supervisor, 0);
    let mut background = match Background::begin(config, host) {
        Ok(background) => background,
        Err(why) => {
            error!("cannot go into the background: {why}");
            return End::Over(exit::FAILED);
        }
    };
    let end = serve(config, host, on_ready, &mut background);
    if let End::Over(status) = end {
        background.tell(status);
    }
    end
}

fn serve<H: Host>(
    config: &Config,
    host: &mut H,
    on_ready: &mut dyn FnMut(&mut H, &[Address]),
    background: &mut Background,
) -> End {
    let mut preload = Preload::begin();
    let mut supervisor = match Supervisor::start(config) {
        Ok(supervisor) => supervisor,
        Err(status) => return End::Over(status),
    };
    preload.before();
    if let Err(why) = host.load() {
        error!("the application could not be loaded: {why}");
        return End::Over(supervisor.end_early(exit::LOAD));
    }
    preload.after();
    let signals = match Signals::take() {
        Ok(signals) => signals,
        Err(why) => {
            error!("cannot read signals: {why}");
            return End::Over(supervisor.end_early(exit::FAILED));
        }
    };
    // Only now: who reads the file may send a signal.
    supervisor.write_pid();
    let mut ready = |host: &mut H, addresses: &[Address]| {
        on_ready(host, addresses);
        background.tell(exit::STOPPED);
    };
    match tend::tend(&mut supervisor, host, &signals, &mut ready) {
        tend::Ended::Over(status) => {
            supervisor.clean_up();
            signals.give_back();
            End::Over(status)
        }
        tend::Ended::Born(worker, manager) => {
            let mask = signals.before();
            drop(signals);
            background.forget();
            End::Worker(supervisor.live(worker, manager, host, &mask))
        }
    }
}

/// What the supervisor has, beside the application.
#[derive(Debug)]
struct Supervisor<'a> {
    config: &'a Config,
    pid: i32,
    pid_file: Option<PidFile>,
    listeners: Listeners,
    addresses: Vec<Address>,
    /// The lifeline: what all others have the read end of, and the end that nobody else has.
    read_end: OwnedFd,
    write_end: OwnedFd,
    /// One number per worker that is wanted, and some to spare.
    numbers: u32,
    children: Children,
    watch: Watch,
    set: Option<Set>,
}

impl<'a> Supervisor<'a> {
    /// Everything up to the first manager. `Err` is the status to exit with; the reason is logged.
    fn start(config: &'a Config) -> Result<Self, i32> {
        let failed = |what: &str, why: &dyn Error| {
            error!("{what}: {why}");
            exit::FAILED
        };
        let identity = Identity::find(config).map_err(|why| {
            error!("{why}");
            exit::OPTIONS
        })?;
        open_log(config).map_err(|(what, why)| failed(&what, &why))?;
        config.notes.iter().for_each(|note| info!("{note}"));
        if let Err(why) = process::raise_descriptor_limit() {
            warn!("cannot raise the limit of descriptors: {why}");
        }
        spool::on_disk(&config.spool_dir).map_err(|why| {
            let dir = config.spool_dir.display();
            error!("cannot make files in {dir} (spool-dir): {why}");
            exit::OPTIONS
        })?;
        for root in &config.sendfile_roots {
            roots::check(root).map_err(|why| {
                error!("cannot send files below {} (sendfile-root): {why}", root.display());
                exit::OPTIONS
            })?;
        }
        let pid_file = config.pid.as_deref().map(take_pid_file).transpose();
        let pid_file = pid_file.map_err(|(what, why)| failed(&what, &why))?;
        let (read_end, write_end) = io::pipe().map_err(|why| failed("cannot make a pipe", &why))?;
        let listeners = Listeners::bind(&config.listen, &config.inherited, config.backlog)
            .map_err(|error| {
                error!("{error}: {}", error.source);
                exit::BIND
            })?;
        // Replacements are born before the old leave, and TTIN asks for more.
        let numbers = config.workers.saturating_mul(2).saturating_add(16);
        let mut supervisor = Self {
            config,
            pid: process::this(),
            pid_file,
            addresses: listeners.addresses(),
            listeners,
            read_end: read_end.into(),
            write_end: write_end.into(),
            numbers,
            children: Children::new(config.workers, numbers, policy(config)),
            watch: Watch::new(config.cleanup_timeout, config.request_timeout),
            set: None,
        };
        let done = identity.map_or(Ok(()), |identity| supervisor.become_it(&identity));
        let done = done.and_then(|()| supervisor.begin().map_err(|why| ("cannot begin", why)));
        if let Err((what, why)) = done {
            supervisor.clean_up();
            return Err(failed(what, &why));
        }
        Ok(supervisor)
    }

    /// Gives away what was made until now, and becomes who is asked for. `Err`: what could not be
    /// done, and why.
    fn become_it(&self, identity: &Identity) -> Result<(), (&'static str, io::Error)> {
        if let Some(path) = &self.config.access_log {
            // Each process opens it for itself; but root may make it where the others may not.
            let made = AccessLog::open(path).and_then(|_| identity.own(path));
            made.map_err(|why| ("cannot give away the access log", why))?;
        }
        if let Some(LogTo::File(path)) = &self.config.error_log {
            identity.own(path).map_err(|why| ("cannot give away the error log", why))?;
        }
        if let Some(file) = &self.pid_file {
            identity.own(file.path()).map_err(|why| ("cannot give away the pid file", why))?;
        }
        identity.take_on().map_err(|why| ("cannot become user and group", why))?;
        let spool = spool::on_disk(&self.config.spool_dir);
        spool.map_err(|why| ("as user and group, cannot make files in spool-dir", why))?;
        Ok(())
    }

    /// Begins a set.
    fn begin(&mut self) -> io::Result<()> {
        let set = Set::begin(self.config, &self.listeners, self.numbers, self.read_end.as_fd())?;
        self.children.manager_born(set.manager);
        self.set = Some(set);
        Ok(())
    }

    /// Ends what there is before the first worker.
    fn end_early(mut self, status: i32) -> i32 {
        if let Some(set) = self.set.take() {
            tend::kill(set.manager, rustix::process::Signal::KILL);
            tend::wait_for(set.manager);
        }
        self.clean_up();
        status
    }

    fn write_pid(&mut self) {
        let Some(file) = &mut self.pid_file else { return };
        if let Err(why) = file.write(self.pid) {
            warn!("cannot write the pid file {}: {why}", file.path().display());
        }
    }

    /// Leaves no file behind.
    fn clean_up(&mut self) {
        self.listeners.remove_paths();
        if let Some(file) = self.pid_file.take() {
            file.remove();
        }
    }

    /// The life of a worker, in its own process, from the fork on.
    fn live<H: Host>(self, me: WorkerId, manager: OwnedFd, host: &mut H, mask: &Mask) -> i32 {
        log::this_is(Role::Worker, me);
        process::die_with(self.pid);
        let Self { config, addresses, set, listeners, pid_file, read_end, write_end, .. } = self;
        // What is the supervisor's alone. The paths and the pid file stay, as files.
        drop((listeners, pid_file, read_end, write_end));
        let Some(set) = set else { return exit::FAILED };
        let shared = set.into_shared();
        shared.scoreboard.sign(me, process::this());
        if config.sched_batch
            && let Err(why) = process::sched_batch()
        {
            warn!("cannot run under SCHED_BATCH: {why}");
        }
        let (shared, addresses) = (&shared, &addresses[..]);
        worker::run(Birth { config, shared, me, manager, addresses, mask }, host.app())
    }
}

fn policy(config: &Config) -> Policy {
    Policy {
        spawn_interval: config.spawn_interval,
        err_respawn_interval: config.err_respawn_interval,
        graceful_timeout: config.graceful_timeout,
    }
}

/// `Err`: what could not be done, and why.
fn open_log(config: &Config) -> Result<(), (String, io::Error)> {
    if let Some(path) = &config.access_log {
        // Each process opens it for itself, later: an operator wants to hear of it now.
        log::access::AccessLog::open(path)
            .map_err(|why| (format!("cannot open the access log {}", path.display()), why))?;
    }
    match &config.error_log {
        None => Ok(()),
        Some(LogTo::File(path)) => log::to_file(path)
            .map_err(|why| (format!("cannot open the error log {}", path.display()), why)),
        Some(LogTo::Command(command)) => log::to_command(command)
            .map_err(|why| (format!("cannot start the error log's command {command}"), why)),
    }
}

/// `Err`: what could not be done, and why.
fn take_pid_file(path: &Path) -> Result<PidFile, (String, io::Error)> {
    PidFile::take(path).map_err(|why| {
        let shown = path.display();
        let what = match (why.kind(), pid::said(path)) {
            (io::ErrorKind::WouldBlock, Some(pid)) => {
                format!("the pid file {shown} belongs to a server that runs, pid {pid}")
            }
            (io::ErrorKind::WouldBlock, None) => {
                format!("the pid file {shown} belongs to a server that runs")
            }
            _ => format!("cannot make the pid file {shown}"),
        };
        (what, why)
    })
}
