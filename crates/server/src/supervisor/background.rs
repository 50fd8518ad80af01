//! In the background (`daemonize`): whoever started the server waits for it, and goes when it is ready.
//!
//! The process that was started forks before anything else happens, and stays in front until the other
//! one, the supervisor, says through a pipe how it went: one byte, the exit status. So a script that
//! starts the server knows that it serves, or why it does not.
//!
//! Standard input and output are nothing's at once; standard error, unless a log has taken its place,
//! stays what it was until the server is ready, or there would be nobody to tell what went wrong.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};

use rustix::process::{Pid, WaitOptions, setsid, waitpid};

use crate::config::{Config, exit};
use crate::log;
use crate::os::process;
use crate::worker::app::Host;

/// The pipe to who waits in front, if somebody does.
#[derive(Debug)]
pub(super) struct Background(Option<PipeWriter>);

impl Background {
    /// Goes into the background, if that is asked: comes back in the process that is to be the
    /// supervisor. The one in front never comes back, and runs none of the application's END blocks.
    ///
    /// # Errors
    ///
    /// The kernel refuses: this process is still the one in front.
    pub(super) fn begin<H: Host>(config: &Config, host: &mut H) -> io::Result<Self> {
        if !config.daemonize {
            return Ok(Self(None));
        }
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let (reader, writer) = io::pipe()?;
        if let Some(pid) = host.fork()? {
            drop(writer);
            process::leave(outcome(reader, pid));
        }
        drop(reader);
        settle_down(&nothing)?;
        Ok(Self(Some(writer)))
    }

    /// The server is ready, or will never be: this is the status for who waits.
    pub(super) fn tell(&mut self, status: i32) {
        let Some(mut writer) = self.0.take() else { return };
        if status == exit::STOPPED {
            log::settle();
        }
        // Whoever was in front may have gone: that is as well.
        let _ = writer.write_all(&[u8::try_from(status).unwrap_or(u8::MAX)]);
    }

    /// In a worker: it is not its to tell.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// In front: what became of it.
fn outcome(mut reader: PipeReader, pid: i32) -> i32 {
    let mut status = [0];
    match reader.read_exact(&mut status) {
        Ok(()) => status[0].into(),
        // It died before it could say anything.
        Err(_) => {
            let ended = waitpid(Pid::from_raw(pid), WaitOptions::empty());
            let status = ended.ok().flatten().and_then(|(_, status)| status.exit_status());
            status.filter(|status| *status != exit::STOPPED).unwrap_or(exit::FAILED)
        }
    }
}

/// No terminal: neither its hang-ups and interrupts, nor its keys.
fn settle_down(nothing: &File) -> io::Result<()> {
    setsid()?;
    rustix::stdio::dup2_stdin(nothing)?;
    rustix::stdio::dup2_stdout(nothing)?;
    log::settle_later();
    Ok(())
}
