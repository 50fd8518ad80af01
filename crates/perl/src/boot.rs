//! How an interpreter comes into being, gets its application, and ends: both doors.
//!
//! Door one boots it ([`Perl::boot`]) and ends it ([`Perl::shutdown`]). In door two perl was there
//! before us: [`boot_xs`] registers the XS functions, and the server runs inside one of them.

use std::ffi::c_void;

use crate::call::{Left, Perl};

/// What door one starts perl with.
#[derive(Debug, Default)]
pub struct Boot<'a> {
    /// Perl's own switches, one word each: `-Ilib`, `-MFoo=bar`, `-w`.
    pub switches: &'a [&'a str],
}

/// Why perl could not be started.
#[derive(Debug)]
pub enum BootError {
    /// There is an interpreter in this process already.
    Twice,
    /// Perl refused the switches, or lacks a module it comes with; it has printed why.
    Refused,
}

impl std::fmt::Display for BootError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Twice => "there is a perl in this process already",
            Self::Refused => "perl could not be started",
        })
    }
}

impl std::error::Error for BootError {}

/// Where an application comes from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A file, as plackup loads it.
    File(&'a str),
    /// Program text: plackup's `-e`.
    Text(&'a str),
    /// Door two: what was given to `run`, or what its `psgi_app_builder` builds now.
    Given,
}

/// What to load, and what to wrap it in.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The application.
    pub source: Source<'a>,
    /// `--path`: mounted there by Plack::App::URLMap.
    pub mount: Option<&'a str>,
    /// `-E development`: Lint, StackTrace and AccessLog, as plackup wraps it.
    pub development: bool,
}

/// A CODE that door two was given as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `server_ready`: called with a hash of the arguments, once.
    ServerReady,
    /// `child_exit`: called as a worker leaves.
    ChildExit,
}

/// An option of door two, by Plack's name. A value that was undef is `None`.
pub type Setting = (String, Option<String>);

/// How the server's run came back, in door two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This is the supervisor: the status goes back to the caller of `run`.
    Return(i32),
    /// This is a worker, or a child of the application: perl exits here, with END blocks.
    Leave(i32),
}

/// The worker's signals that came since last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caught {
    /// SIGTERM.
    pub term: bool,
    /// SIGQUIT.
    pub quit: bool,
    /// SIGHUP.
    pub hup: bool,
}

impl Caught {
    /// Whether any of them came.
    pub fn any(self) -> bool {
        self.term || self.quit || self.hup
    }
}

/// What door two runs: gets the interpreter and the options, comes back in the supervisor and in
/// every worker. A panic is trapped, and ends the process with 255.
pub type Run = fn(&mut Perl, &[Setting]) -> Ending;

/// Door two: registers `Plack::Handler::Monoceros::_run($app, \@options, \%hooks)`, which calls
/// `run`. To be called by the exported boot function and nothing else.
///
/// # Safety
///
/// `perl` and `cv` are the two arguments that perl gives a boot function. The caller's frame has
/// nothing to drop: perl may jump over it.
pub unsafe fn boot_xs(_perl: *mut c_void, _cv: *mut c_void, _run: Run) {
    unimplemented!()
}

impl Perl {
    /// Door one: boots perl. On the main thread, before there is any other, and only once.
    ///
    /// # Errors
    ///
    /// See [`BootError`].
    pub fn boot(_boot: &Boot<'_>) -> Result<Perl, BootError> {
        unimplemented!()
    }

    /// Sets an environment variable where Perl's `%ENV` sees it.
    pub fn set_env(&mut self, _name: &str, _value: &str) {
        unimplemented!()
    }

    /// Loads the application; the last one loaded is called.
    ///
    /// # Errors
    ///
    /// `Died`: it could not be loaded, or is no CODE; [`Perl::error`] says why.
    pub fn load(&mut self, _load: &Load<'_>) -> Result<(), Left> {
        unimplemented!()
    }

    /// Door one: sets a hook to program text.
    ///
    /// # Errors
    ///
    /// `Died`: it does not compile.
    pub fn set_hook(&mut self, _hook: Hook, _text: &str) -> Result<(), Left> {
        unimplemented!()
    }

    /// Calls a hook with a hash of these pairs; does nothing if there is none.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn call_hook(&mut self, _hook: Hook, _pairs: &[(&str, &str)]) -> Result<(), Left> {
        unimplemented!()
    }

    /// In a new worker: catches TERM, QUIT and HUP through `%SIG`, ignores INT and PIPE, CHLD is as
    /// at birth. Everything else in `%SIG` is the application's. Leaves the signal mask alone.
    pub fn born(&mut self) {
        unimplemented!()
    }

    /// The worker's signals since last asked. One that is still pending is seen after the next
    /// [`claim`](Self::claim) or [`wait`](Self::wait), which will not block then.
    pub fn caught(&mut self) -> Caught {
        unimplemented!()
    }

    /// Sets `$0`: the title in ps.
    pub fn set_title(&mut self, _title: &str) {
        unimplemented!()
    }

    /// The status that the last `exit` was called with; 0 if there was none.
    pub fn status(&self) -> i32 {
        unimplemented!()
    }

    /// Door one: runs END blocks (which see `status` as `$?` and may change it) and destructors,
    /// and ends the interpreter. Returns the status to leave with. Not in door two: return
    /// [`Ending::Leave`] there.
    pub fn shutdown(self, _status: i32) -> i32 {
        unimplemented!()
    }
}
