//! The supervisor's loop: hear what has happened, do what is decided, sleep.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait, waitpid};
use tracing::{error, info, warn};

use super::children::{Decision, Who};
use super::signals::{Ask, Signals};
use super::{Supervisor, notify, watch};
use crate::channel::control::{Order, Report};
use crate::channel::{message, socket};
use crate::config::{Usr1, VERSION, exit};
use crate::listener::Address;
use crate::log;
use crate::os::clock;
use crate::scoreboard::{self, State};
use crate::shared::Phase;
use crate::table::WorkerId;
use crate::worker::app::Host;

/// The send buffer asked for at both ends of a worker's pair: one message of the largest kind, and
/// the small ones before it.
const ROOM: usize = 2 * message::MOST;

/// Asks a worker's application to die with a stack trace. No program sends it, and no kernel.
const INTERRUPT: Signal = Signal::STKFLT;

/// How the loop ends, and in which process.
#[derive(Debug)]
pub(super) enum Ended {
    /// In the supervisor: all are dead.
    Over(i32),
    /// In a new worker: its number, and its end of the pair to the manager.
    Born(WorkerId, OwnedFd),
}

/// Goes on until nobody is left, or until this process is a new worker.
pub(super) fn tend<H: Host>(
    supervisor: &mut Supervisor<'_>,
    host: &mut H,
    signals: &Signals,
    on_ready: &mut dyn FnMut(&mut H, &[Address]),
) -> Ended {
    // Whoever died while the application was loaded sent a signal that nobody read.
    supervisor.reap(Instant::now());
    loop {
        let now = Instant::now();
        supervisor.look_at_workers(now);
        while let Some(decision) = supervisor.children.decide(now) {
            if let Some(ended) = supervisor.carry_out(decision, host, now) {
                return ended;
            }
        }
        supervisor.sleep(signals, now);
        let now = Instant::now();
        // What the manager said before it died comes first, so that a drained one is not missed.
        supervisor.hear_manager(&mut |addresses| on_ready(host, addresses), now);
        while let Some(ask) = signals.next() {
            supervisor.answer(ask, now);
        }
    }
}

impl Supervisor<'_> {
    fn carry_out<H: Host>(
        &mut self,
        decision: Decision,
        host: &mut H,
        now: Instant,
    ) -> Option<Ended> {
        match decision {
            Decision::Begin => match self.begin() {
                Ok(()) => info!("a new manager has begun"),
                Err(why) => {
                    error!("cannot begin a new manager: {why}");
                    self.children.manager_not_born(now);
                }
            },
            Decision::Spawn(worker) => return self.spawn(worker, host, now),
            Decision::TellStop => {
                self.listeners.close();
                self.notify("STOPPING=1");
                self.tell(Order::Stop);
            }
            Decision::TellFast => self.tell(Order::Fast),
            Decision::TellDied(worker) => self.tell(Order::Died(worker)),
            Decision::Term(pid) => kill(pid, Signal::TERM),
            Decision::EndManager(pid) => kill(pid, Signal::KILL),
            Decision::Interrupt(pid) => kill(pid, INTERRUPT),
            Decision::Kill(pid) => {
                warn!(pid, "killed: it had not left in time");
                kill(pid, Signal::KILL);
            }
            Decision::Over(status) => return Some(Ended::Over(status)),
        }
        None
    }

    /// Ends who takes too long. A leftover of a dead manager has a deadline already.
    fn look_at_workers(&mut self, now: Instant) {
        let Some(set) = &self.set else { return };
        let (board, workers) = (&set.shared.scoreboard, self.children.workers());
        for overdue in self.watch.look(board, workers, clock::now()) {
            let watch::Overdue { worker, pid, connection, took, .. } = overdue;
            let seconds = Duration::from_millis(took).as_secs_f64();
            if overdue.was == State::Cleaning {
                warn!(worker, pid, %connection, seconds, "cleanup handlers have exceeded cleanup-timeout");
                self.children.overdue(pid);
            } else {
                let line = overdue.line;
                warn!(worker, pid, %connection, seconds, "request-timeout: {line}");
                self.children.interrupt(pid, now);
                self.tell(Order::Overdue(worker));
            }
        }
    }

    fn tell(&mut self, order: Order) {
        if let Some(set) = &mut self.set {
            set.tell(order);
        }
    }

    fn spawn<H: Host>(&mut self, worker: WorkerId, host: &mut H, now: Instant) -> Option<Ended> {
        let set = self.set.as_mut()?;
        let forked = socket::pair(ROOM).and_then(|(mine, managers)| {
            set.shared.scoreboard.begin(worker, clock::now());
            Ok((host.fork()?, mine, managers))
        });
        match forked {
            Ok((None, mine, _)) => return Some(Ended::Born(worker, mine)),
            Ok((Some(pid), _, socket)) => {
                self.children.born(worker, pid);
                set.tell(Order::Born { worker, pid, socket });
            }
            Err(why) => {
                error!("cannot fork worker {worker}: {why}");
                self.children.not_born(worker, now);
            }
        }
        None
    }

    fn sleep(&self, signals: &Signals, now: Instant) {
        let deadline = self.children.deadline(now).map(|deadline| deadline - now);
        let look = self.set.as_ref().and_then(|_| self.watch.patience(clock::now()));
        let patience = deadline.into_iter().chain(look).min();
        let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
        if let Some(set) = self.set.as_ref().filter(|set| !set.is_gone()) {
            let out = if set.is_behind() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(PollFd::new(set, PollFlags::IN | out));
        }
        // An error means that we wake early, and look.
        let _ = poll(&mut fds, patience.map(timespec).as_ref());
    }

    fn hear_manager(&mut self, on_ready: &mut dyn FnMut(&[Address]), now: Instant) {
        let Some(set) = &mut self.set else { return };
        set.send();
        while let Some(report) = self.set.as_mut().and_then(super::Set::hear) {
            match report {
                Report::Ready(worker) => {
                    if self.children.ready(worker) {
                        self.say_ready();
                        on_ready(&self.addresses);
                    }
                }
                Report::Buried(worker) => self.children.buried(worker),
                Report::Drained => {
                    self.enter(Phase::Over);
                    self.children.drained();
                }
            }
        }
        self.miss_manager(now);
    }

    fn say_ready(&self) {
        let address: Vec<_> = self.addresses.iter().map(|address| &*address.shown).collect();
        let address = address.join(",");
        info!(address, workers = self.config.workers, version = VERSION, "ready");
        self.notify(&format!("READY=1\nSTATUS=ready on {address}"));
    }

    /// Tells systemd, if it wants to be told.
    fn notify(&self, state: &str) {
        notify::tell(self.config.notify_socket.as_deref(), state);
    }

    /// A manager that has closed its end is of no use. Usually it is dead, and its SIGCHLD is on the
    /// way; but the application may have waited for it, while it was loaded, as for a child of its
    /// own.
    fn miss_manager(&mut self, now: Instant) {
        let Some(set) = self.set.as_ref().filter(|set| set.is_gone()) else { return };
        let manager = set.manager;
        match waitpid(Pid::from_raw(manager), WaitOptions::NOHANG) {
            Ok(None) => kill(manager, Signal::KILL),
            Ok(Some((_, status))) => self.died(manager, Some(status), now),
            Err(_) => self.died(manager, None, now),
        }
    }

    fn enter(&self, phase: Phase) {
        if let Some(set) = &self.set {
            set.shared.flags().enter(phase);
        }
    }

    fn answer(&mut self, ask: Ask, now: Instant) {
        match ask {
            Ask::Stop => {
                info!("stopping");
                self.listeners.close();
                self.children.stop(now);
            }
            Ask::Fast => {
                info!("stopping fast");
                self.notify("STOPPING=1");
                self.listeners.close();
                self.children.fast(now);
            }
            Ask::Recycle => {
                info!("recycling all workers");
                self.children.recycle();
            }
            Ask::More => say_wanted(self.children.more(), "there is no room for another worker"),
            Ask::Fewer => say_wanted(self.children.fewer(), "the last worker stays"),
            Ask::Reopen if self.config.signal_usr1 == Usr1::SlowStop => {
                info!("stopping slowly");
                self.children.stop_slowly(now);
            }
            Ask::Reopen => self.reopen(),
            Ask::Reap => self.reap(now),
            Ask::Tell => self.tell_all(),
            Ask::Nothing => {}
        }
    }

    /// What every worker is doing; the manager adds what its connections are.
    fn tell_all(&mut self) {
        let Some(set) = &self.set else { return };
        let (board, now) = (&set.shared.scoreboard, clock::now());
        for (worker, entry) in (0..).map_while(|worker| Some((worker, board.read(worker)?))) {
            if entry.state != State::Dead {
                let seconds = now.saturating_sub(entry.since) / 1000;
                let scoreboard::Entry { pid, state, connection, requests, .. } = entry;
                info!(worker, pid, ?state, seconds, %connection, requests, "scoreboard");
            }
        }
        info!("refused: {}", set.shared.tally);
        self.tell(Order::Count);
    }

    fn reopen(&self) {
        match log::reopen() {
            Ok(()) => info!("the log was opened anew"),
            Err(why) => error!("cannot open the log anew: {why}"),
        }
        if let Some(set) = &self.set {
            set.shared.flags().reopen_logs();
        }
    }

    /// Takes all that are dead, of whomever.
    fn reap(&mut self, now: Instant) {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.died(pid.as_raw_nonzero().get(), Some(status), now),
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn died(&mut self, pid: i32, status: Option<WaitStatus>, now: Instant) {
        let (left, signal) = (
            status.and_then(WaitStatus::exit_status),
            status.and_then(WaitStatus::terminating_signal),
        );
        let set = &self.set;
        let board =
            |worker| set.as_ref().is_some_and(|set| set.shared.scoreboard.was_ready(worker));
        match self.children.died(pid, board, now) {
            Who::Worker(worker, ready) => {
                if let Some(set) = &self.set {
                    if ready && set.shared.scoreboard.lived_in_vain(worker, clock::now()) {
                        self.children.lived_in_vain(now);
                    }
                    set.shared.scoreboard.set(worker, State::Dead, clock::now());
                }
                say_dead(worker, pid, left, signal);
                if !ready && left == Some(exit::LOAD) {
                    self.children.give_up(exit::LOAD, now);
                }
            }
            Who::Manager => {
                // Its workers serve what they have, and leave.
                self.enter(Phase::Over);
                self.set = None;
                match self.children.is_stopping() {
                    true => info!(pid, "the manager has left"),
                    false => error!(pid, left, signal, "the manager has died"),
                }
            }
            Who::Leftover | Who::Unknown => {}
        }
    }
}

fn say_wanted(wanted: Option<usize>, otherwise: &str) {
    match wanted {
        Some(workers) => info!(workers, "as many workers are wanted now"),
        None => warn!("{otherwise}"),
    }
}

fn say_dead(worker: WorkerId, pid: i32, left: Option<i32>, signal: Option<i32>) {
    match (left, signal) {
        (Some(0), _) => info!(worker, pid, "a worker has left"),
        (Some(status), _) => warn!(worker, pid, status, "a worker has left"),
        (None, signal) => error!(worker, pid, signal, "a worker has died"),
    }
}

/// Sends a signal to a child that was not reaped yet, so that the number is still its own.
pub(super) fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // The only error is that it is dead already.
        let _ = kill_process(pid, signal);
    }
}

/// Waits until this child is dead.
pub(super) fn wait_for(pid: i32) {
    while matches!(waitpid(Pid::from_raw(pid), WaitOptions::empty()), Err(Errno::INTR)) {}
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}
