//! An application that is a Rust function: for tests and benchmarks, and for nothing else.
//!
//! It waits as every application must: with signals blocked from the last look at them until the
//! wait itself opens the mask, so that none is lost in between.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::app::{
    App, Claimed, Host, Interest, LoadError, Outcome, Reply, Request, Signals, Waited,
};
use crate::os::{process, signal, wait};

/// A function as an application, and its host.
#[derive(Debug)]
pub struct Plain<F>(pub F);

impl<F: FnMut(&Request<'_>, &mut Reply<'_>) -> Outcome> App for Plain<F> {
    fn born(&mut self, _worker: u32) {
        signal::catch_leave();
    }

    fn call(&mut self, request: &Request<'_>, reply: &mut Reply<'_>) -> Outcome {
        (self.0)(request, reply)
    }

    fn claim(
        &mut self,
        list: BorrowedFd<'_>,
        patience: Option<Duration>,
        data: &mut [u64],
    ) -> Claimed {
        let claimed = if patience == Some(Duration::ZERO) {
            wait::claim(list, patience, None, data)
        } else {
            let open = signal::block_all();
            let patience = if signal::leave_caught() { Some(Duration::ZERO) } else { patience };
            let claimed = wait::claim(list, patience, Some(&open), &mut data[..1]);
            signal::restore(&open);
            claimed
        };
        match claimed {
            Ok(count) => Claimed::Events(count),
            Err(error) => {
                tracing::error!("cannot ask the ready list: {error}");
                Claimed::Exit(crate::config::exit::FAILED)
            }
        }
    }

    fn wait(
        &mut self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        patience: Option<Duration>,
    ) -> Waited {
        let events = match interest {
            Interest::Readable => wait::READABLE,
            Interest::Writable => wait::WRITABLE,
        };
        let open = signal::block_all();
        let ready = wait::poll_one(fd, events, patience, &open);
        signal::restore(&open);
        match ready {
            Ok(false) if patience.is_some() => Waited::TimedOut,
            _ => Waited::Ready,
        }
    }

    fn caught(&mut self) -> Signals {
        Signals { leave: signal::leave_caught() }
    }
}

impl<F: FnMut(&Request<'_>, &mut Reply<'_>) -> Outcome> Host for Plain<F> {
    type App = Self;

    fn load(&mut self) -> Result<(), LoadError> {
        Ok(())
    }

    fn fork(&mut self) -> io::Result<Option<i32>> {
        process::fork()
    }

    fn app(&mut self) -> &mut Self {
        self
    }
}
