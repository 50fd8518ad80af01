//! Step 5 of a request, when this worker has not met the connection yet: the manager sends a copy
//! of its descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::app::{App, Interest, Waited};
use super::cache::Cache;
use crate::channel::message::{self, Message};
use crate::steps::step;
use crate::table::ConnId;

/// Why a claimed connection has no descriptor here.
///
/// One variant per decision the worker can take.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The row has moved on. Not a fault: forget the event and claim the next thing.
    #[error("connection {0} was closed before it could be fetched")]
    Closed(ConnId),
    /// No descriptor is free here: the manager has to read the request.
    #[error("could not receive the descriptor of connection {0}")]
    Refused(ConnId, #[source] io::Error),
    /// The manager does not answer any more: leave, the supervisor knows why.
    #[error("the manager went away while connection {0} was being fetched")]
    Gone(ConnId, #[source] io::Error),
    /// The application ended the process while it waited.
    #[error("the application ended this worker while it waited for connection {0}")]
    Exit(ConnId, i32),
}

/// Asks for the descriptor of a connection that is Lent to this worker, and caches it.
pub(crate) fn fetch(
    app: &mut dyn App,
    manager: BorrowedFd<'_>,
    cache: &mut Cache,
    id: ConnId,
) -> Result<(), FetchError> {
    tell(app, manager, &Message::Fetch(id), None).map_err(|why| why.about(id))?;
    step("wait");
    loop {
        match message::receive_fetched(manager) {
            // An answer to a question that this worker has stopped asking is dropped.
            Ok((answered, _)) if answered != id => {}
            Ok((_, None)) => return Err(FetchError::Closed(id)),
            Ok((_, Some(fd))) => {
                cache.put(id, fd);
                step("fetched");
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Waited::Exit(status) = app.wait(manager, Interest::Readable, None) {
                    return Err(FetchError::Exit(id, status));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(FetchError::Refused(id, error));
            }
            Err(error) => return Err(FetchError::Gone(id, error)),
        }
    }
}

/// Why the manager could not be told something.
#[derive(Debug)]
pub(crate) enum TellError {
    /// It is dead.
    Gone(io::Error),
    /// The application ended the process while it waited for room.
    Exit(i32),
}

impl TellError {
    fn about(self, id: ConnId) -> FetchError {
        match self {
            Self::Gone(error) => FetchError::Gone(id, error),
            Self::Exit(status) => FetchError::Exit(id, status),
        }
    }
}

/// Sends one message to the manager; if it is behind, waits until there is room.
pub(crate) fn tell(
    app: &mut dyn App,
    manager: BorrowedFd<'_>,
    message: &Message<'_>,
    file: Option<BorrowedFd<'_>>,
) -> Result<(), TellError> {
    loop {
        match message.send(manager, file) {
            Ok(()) => {
                step(message.name());
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Waited::Exit(status) = app.wait(manager.as_fd(), Interest::Writable, None) {
                    return Err(TellError::Exit(status));
                }
            }
            Err(error) => return Err(TellError::Gone(error)),
        }
    }
}
