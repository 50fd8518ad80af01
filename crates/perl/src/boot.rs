//! How an interpreter comes into being, gets its application, and ends: both doors.
//!
//! Door one boots it ([`Perl::boot`]) and ends it ([`Perl::shutdown`]). In door two perl was there
//! before us: [`boot_xs`] registers the XS functions, and the server runs inside one of them.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::catch_unwind;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::call::{Left, Perl};
use crate::callback::{CALLS, slice_of};
use crate::ffi;

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
    /// Perl refused the switches, or lacks a module: why, in its words. (It has printed them, too.)
    Refused(String),
}

impl std::fmt::Display for BootError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Twice => f.write_str("there is a perl in this process already"),
            Self::Refused(why) => write!(f, "perl could not be started: {why}"),
        }
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

static RUN: OnceLock<Run> = OnceLock::new();
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Door two: registers `Plack::Handler::Monoceros::_run($app, \@options, \%hooks)`, which calls
/// `run`. To be called by the exported boot function and nothing else.
///
/// `@options` are pairs of name and value; `%hooks` may have `server_ready`, `child_exit` and
/// `psgi_app_builder`, each a CODE. `_run` returns the status of [`Ending::Return`].
///
/// # Safety
///
/// `perl` and `cv` are the two arguments that perl gives a boot function; one built without MULTIPLICITY
/// gives it the second alone, and then the first is null. The caller's frame has nothing to drop:
/// perl may jump over it.
pub unsafe fn boot_xs(perl: *mut c_void, cv: *mut c_void, run: Run) {
    RUN.get_or_init(|| run);
    TAKEN.store(true, Relaxed);
    // SAFETY: the arguments are perl's (this function's condition); this frame and its caller's
    // have nothing to drop, and the function is declared as one that may unwind.
    unsafe { ffi::perl_boot_xs(perl, cv, &raw const CALLS) };
}

/// The options, as the shim collected them.
///
/// # Safety
///
/// `options` points to `n` of them, alive until this returns.
unsafe fn settings(options: *const ffi::Field, n: usize) -> Vec<Setting> {
    // SAFETY: the slices are the XSUB's, as this function's condition has it.
    let text =
        |bytes: ffi::Bytes| unsafe { String::from_utf8_lossy(bytes.as_slice()) }.into_owned();
    // SAFETY: so many there are: this function's condition.
    let options = unsafe { slice_of(options, n) };
    let setting = |field: &ffi::Field| {
        let value = (!field.value.at.is_null()).then(|| text(field.value));
        (text(field.name), value)
    };
    options.iter().map(setting).collect()
}

/// Door two's main loop, called by the XSUB `_run`. Says in `leave` whether perl has to exit.
pub(crate) extern "C" fn rust_run(
    host: *mut ffi::Host,
    options: *const ffi::Field,
    n: usize,
    leave: *mut c_int,
) -> c_int {
    let trapped = catch_unwind(|| {
        // SAFETY: the XSUB passes its own mortal strings, which outlive this call.
        let settings = unsafe { settings(options, n) };
        let (Some(host), Some(run)) = (NonNull::new(host), RUN.get()) else {
            return Ending::Leave(255);
        };
        run(&mut Perl::new(host), &settings)
    });
    let (status, leaves) = match trapped {
        Ok(Ending::Return(status)) => (status, 0),
        Ok(Ending::Leave(status)) => (status, 1),
        Err(_) => (255, 1),
    };
    // SAFETY: points to a local variable of the XSUB's, which waits for us.
    unsafe { *leave = leaves };
    status
}

/// Why perl refused: the first line, because others only say where that was noticed.
fn reason() -> String {
    // SAFETY: a string of the shim's own that ends with NUL, never freed; it was written before
    // perl_boot came back, on this thread.
    let text = unsafe { CStr::from_ptr(ffi::perl_boot_reason()) }.to_string_lossy().into_owned();
    match text.lines().next() {
        Some(line) if !line.is_empty() => line.to_owned(),
        _ => "it has said why".to_owned(),
    }
}

impl Perl {
    /// Door one: boots perl. On the main thread, before there is any other, and only once. Collect
    /// `std::env::args` before: setting `$0` writes over them. From here on the environment is
    /// Perl's: use [`set_env`](Self::set_env).
    ///
    /// # Errors
    ///
    /// See [`BootError`].
    pub fn boot(boot: &Boot<'_>) -> Result<Perl, BootError> {
        if TAKEN.swap(true, Relaxed) {
            return Err(BootError::Twice);
        }
        let words = ["monoceros"].iter().chain(boot.switches);
        let words = words.chain(&["-e", "#line 1 \"monoceros\"\nlocal $_;"]);
        let mut argv: Vec<*mut c_char> = Vec::new();
        for word in words {
            let word = CString::new(*word).map_err(|why| BootError::Refused(why.to_string()))?;
            argv.push(word.into_raw());
        }
        let argc = c_int::try_from(argv.len());
        let argc = argc.map_err(|why| BootError::Refused(why.to_string()))?;
        argv.push(std::ptr::null_mut());
        // Perl keeps pointers to its arguments for as long as it lives: so they are never freed.
        let argv = argv.leak().as_mut_ptr();
        // SAFETY: the strings end in NUL and are never freed, nor is the array, which ends in NULL.
        // TAKEN sees to "once"; perl_boot has its own JMPENV (perl_parse and perl_run bring it).
        let host = unsafe { ffi::perl_boot(argc, argv, &raw const CALLS) };
        NonNull::new(host).map(Perl::new).ok_or_else(|| BootError::Refused(reason()))
    }

    /// Sets an environment variable where Perl's `%ENV` sees it.
    pub fn set_env(&mut self, name: &str, value: &str) {
        // SAFETY: thread and jumps as `Perl::host` says; the shim copies the strings.
        unsafe { ffi::perl_set_env(self.host(), name.into(), value.into()) };
    }

    /// Loads the application; the last one loaded is called.
    ///
    /// # Errors
    ///
    /// `Died`: it could not be loaded, or is no CODE; [`Perl::error`] says why.
    pub fn load(&mut self, load: &Load<'_>) -> Result<(), Left> {
        let (source, text) = match load.source {
            Source::File(path) => (0, path.into()),
            Source::Text(text) => (1, text.into()),
            Source::Given => (2, ffi::Bytes::NONE),
        };
        let mount = load.mount.map_or(ffi::Bytes::NONE, Into::into);
        let development = c_int::from(load.development);
        let wanted = ffi::Load { source, text, mount, development };
        // SAFETY: thread and jumps as `Perl::host` says; the shim copies the strings.
        let out = unsafe { ffi::perl_load(self.host(), &raw const wanted) };
        self.left(out)
    }

    /// Sets a hook to what program text evaluates to, a `sub { ... }`.
    ///
    /// # Errors
    ///
    /// `Died`: it does not compile, or is no CODE.
    pub fn set_hook(&mut self, hook: Hook, text: &str) -> Result<(), Left> {
        // SAFETY: thread and jumps as `Perl::host` says; the shim copies the strings.
        let out = unsafe { ffi::perl_set_hook(self.host(), number(hook), text.into()) };
        self.left(out)
    }

    /// Calls a hook with a hash of these pairs; does nothing if there is none.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn call_hook(&mut self, hook: Hook, pairs: &[(&str, &str)]) -> Result<(), Left> {
        let field =
            |&(name, value): &(&str, &str)| ffi::Field { name: name.into(), value: value.into() };
        let pairs: Vec<ffi::Field> = pairs.iter().map(field).collect();
        // SAFETY: thread and jumps as `Perl::host` says; the shim copies the strings.
        let out = unsafe { ffi::perl_hook(self.host(), number(hook), pairs.as_ptr(), pairs.len()) };
        self.left(out)
    }

    /// In a new worker: catches TERM, QUIT and HUP through `%SIG`, and INT and USR1, from which
    /// nothing follows (USR1 only if the application has no handler); ignores PIPE; CHLD is as at
    /// birth. Everything else in `%SIG` is the application's. Leaves the signal mask alone. Without `TZ`, local
    /// time is that of `/etc/localtime` as it is now, if that is a link into the zones.
    pub fn born(&mut self) {
        // SAFETY: thread and jumps as `Perl::host` says; nothing is passed.
        unsafe { ffi::perl_born(self.host()) };
    }

    /// The worker's signals since last asked. One that is still pending is seen after the next
    /// [`claim`](Self::claim) or [`wait`](Self::wait), which will not block then.
    pub fn caught(&mut self) -> Caught {
        // SAFETY: see `Perl::host`; this reads and clears a field.
        let bits = unsafe { ffi::perl_caught(self.host()) };
        Caught {
            term: bits & ffi::CAUGHT_TERM != 0,
            quit: bits & ffi::CAUGHT_QUIT != 0,
            hup: bits & ffi::CAUGHT_HUP != 0,
        }
    }

    /// Sets `$0`: the title in ps.
    pub fn set_title(&mut self, title: &str) {
        // SAFETY: thread and jumps as `Perl::host` says; the shim copies the strings.
        unsafe { ffi::perl_set_title(self.host(), title.into()) };
    }

    /// The status that the last `exit` was called with; 0 if there was none.
    pub fn status(&self) -> i32 {
        // SAFETY: see `Perl::host`; this reads a field.
        unsafe { ffi::perl_status(self.host()) }
    }

    /// Ends this process, a child that the application forked, where it stands: END blocks and
    /// destructors run, nothing of Rust's does. For [`Left::Forked`] while loading, when this
    /// process is a copy of the supervisor and must not act like it. Both doors.
    pub fn vanish(&mut self, status: i32) -> ! {
        // SAFETY: thread as `Perl::host` says; perl_destruct has its own JMPENV, and then _exit.
        unsafe { ffi::perl_vanish(self.host(), status) }
    }

    /// Door one: runs END blocks (which see `status` as `$?` and may change it) and destructors,
    /// and ends the interpreter. Returns the status to leave with. Not in door two: return
    /// [`Ending::Leave`] there.
    pub fn shutdown(self, status: i32) -> i32 {
        // SAFETY: see `Perl::host`; `self` is gone after this. perl_destruct has its own JMPENV.
        unsafe { ffi::perl_shutdown(self.host(), status) }
    }
}

/// `enum hook` of shim.h.
fn number(hook: Hook) -> c_int {
    match hook {
        Hook::ServerReady => 0,
        Hook::ChildExit => 1,
    }
}
