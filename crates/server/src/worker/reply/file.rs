//! Answers whose body is a file: the application's own, or one that its `X-Sendfile` names.
//!
//! A small file leaves with its head in one piece. Of any other the kernel sends what the socket takes
//! now, and the manager has the rest, on a copy of the file's own descriptor: nothing is read here, and
//! nothing is spooled.
//!
//! Not here: which file a name means, and what is said of it ([`x_sendfile`](crate::worker)); bytes that
//! the application reads itself ([`Reply::write`]).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use tracing::warn;

use super::super::x_sendfile::{self, Instead};
use super::{GATHER, Pace, Reply, SMALL, State};
use crate::http::head::Field;
use crate::http::refusal::reason_phrase;
use crate::http::response::{HeadError, Length};

impl Reply<'_> {
    /// A finished answer whose body is `length` bytes of a regular file, from `offset`.
    ///
    /// # Errors
    ///
    /// As [`whole`](Self::whole).
    pub fn file(
        &mut self,
        status: i64,
        fields: &[Field<'_>],
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
    ) -> Result<(), HeadError> {
        if self.instead(status, fields)? {
            return Ok(());
        }
        self.part(status, fields, file, offset, length)
    }

    fn part(
        &mut self,
        status: i64,
        fields: &[Field<'_>],
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
    ) -> Result<(), HeadError> {
        self.head(status, fields, Length::Known(length), Pace::Finished)?;
        let State::Open { body, keep, .. } = &self.state else { return Ok(()) };
        let (keep, due) = (*keep, body.remaining());
        if body.none() {
            self.close();
        } else if let Some(due) = due.filter(|_| length > SMALL as u64) {
            let sending = due.min(length);
            if due < length {
                warn!("the body is longer than its Content-Length: cut");
            }
            self.outlet.put(&[self.out], Pace::Finished);
            self.out.clear();
            match self.outlet.put_file(file, offset, sending) {
                Ok(()) if sending == due => {
                    self.bytes += sending;
                    self.state = State::Ended { keep };
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    self.read_file(file, offset, length);
                }
                Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                    warn!("the file cannot be read: {error}");
                    self.state = State::Broken;
                }
                _ => {
                    warn!(length = due, "the file is shorter than the length promised");
                    self.state = State::Broken;
                }
            }
        } else {
            self.read_file(file, offset, length);
        }
        Ok(())
    }

    /// Sends the file that an `X-Sendfile` of the application names, or says why not. `false`: there
    /// is none, so nothing has happened.
    pub(super) fn instead(&mut self, status: i64, fields: &[Field<'_>]) -> Result<bool, HeadError> {
        match x_sendfile::look(self.outlet.sendfile_roots(), status, fields) {
            Instead::Nothing => return Ok(false),
            Instead::Empty(fields) => {
                self.head(status, &fields, Length::Known(0), Pace::Finished)?;
                self.close();
            }
            Instead::Part { mut fields, file, offset, length } => {
                // Said, not only known: it counts for HEAD, too.
                let said = length.to_string();
                fields.push(Field { name: b"Content-Length", value: said.as_bytes() });
                self.part(status, &fields, file.as_fd(), offset, length)?;
            }
            Instead::Failure(status) => {
                let plain = [Field { name: b"Content-Type", value: b"text/plain" }];
                let text = u16::try_from(status).map(reason_phrase).unwrap_or_default();
                self.whole(status, &plain, &[text.as_bytes()])?;
            }
        }
        Ok(true)
    }

    /// Sends a file as pieces: a small one, or one that must be framed.
    fn read_file(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) {
        let Ok(file) = file.try_clone_to_owned().map(File::from) else { return self.break_off() };
        let (mut at, end) = (offset, offset.saturating_add(length));
        let mut buffer = vec![0; GATHER.min(usize::try_from(length).unwrap_or(GATHER)).max(1)];
        while at < end {
            match file.read_at(&mut buffer, at) {
                Ok(n) if n > 0 => {
                    let n = n.min(usize::try_from(end - at).unwrap_or(n));
                    self.take(buffer.get(..n).unwrap_or_default(), false);
                    at += u64::try_from(n).unwrap_or(0);
                }
                _ => break,
            }
        }
        self.close();
    }
}
