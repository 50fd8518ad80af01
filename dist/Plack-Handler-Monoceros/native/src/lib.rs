//! What perl loads for `plackup -s Monoceros`: one exported symbol, one call inward.
//!
//! The call is [`run`]: plackup's options become the server's, and the server runs inside the C
//! frame of `Plack::Handler::Monoceros::_run`, in the interpreter that loaded us. It comes back in
//! the supervisor and in every worker, because only that frame may let perl exit.
//!
//! Not here: anything about libperl. Its symbols stay undefined, and the perl that loads this
//! library has them.
#![cfg_attr(
    not(test),
    expect(non_snake_case, reason = "XSLoader derives the library's name from the package's")
)]

use std::ffi::c_void;
use std::io::Write as _;

use monoceros_perl::{Ending, Hook, Perl, Setting, boot_xs};
use monoceros_psgi::{Origin, PerlHost, Plan};
use monoceros_server::config::{Config, HostFacts, OptionError, Options, exit, plackup};
use monoceros_server::listener::Address;
use monoceros_server::supervisor::{self, End};

/// What XSLoader calls.
///
/// # Safety
///
/// Only perl may call it, with its interpreter and the XSUB that stands for this function.
#[cfg(multiplicity)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn boot_Plack__Handler__Monoceros(perl: *mut c_void, cv: *mut c_void) {
    // SAFETY: the arguments are perl's own, passed on as they came; this frame has nothing to drop,
    // so perl may leave it by a jump (it does if it is not the perl we were compiled for).
    unsafe { boot_xs(perl, cv, run) }
}

/// What XSLoader calls in a perl that can have one interpreter only, and does not name it.
///
/// # Safety
///
/// Only perl may call it, with the XSUB that stands for this function.
#[cfg(not(multiplicity))]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn boot_Plack__Handler__Monoceros(cv: *mut c_void) {
    // SAFETY: as above; the interpreter, which nobody looks at there, is null.
    unsafe { boot_xs(std::ptr::null_mut(), cv, run) }
}

/// One run of the server, from plackup's options to the status it ends with.
fn run(perl: &mut Perl, settings: &[Setting]) -> Ending {
    let (options, config) = match decide(settings) {
        Ok(decided) => decided,
        Err(errors) => {
            for error in errors {
                // If standard error is closed there is nobody else to tell.
                drop(writeln!(std::io::stderr(), "monoceros: {error}"));
            }
            return Ending::Return(exit::OPTIONS);
        }
    };
    let plan = Plan { child_exit: options.perl.child_exit, ..Plan::of(&config, Origin::Given) };
    let mut host = PerlHost::inside(perl, plan);
    let mut ready = |host: &mut PerlHost<'_>, addresses: &[Address]| ready(host, addresses);
    match supervisor::run(&config, &mut host, &mut ready) {
        End::Over(status) => Ending::Return(status),
        End::Worker(status) => Ending::Leave(status),
    }
}

/// All mistakes in the options at once.
fn decide(settings: &[Setting]) -> Result<(Options, Config), Vec<OptionError>> {
    let options = plackup::options(settings.iter().cloned())?;
    let config = Config::decide(&options, &HostFacts::look())?;
    Ok((options, config))
}

/// plackup's `server_ready`, which prints where it is to be found.
fn ready(host: &mut PerlHost<'_>, addresses: &[Address]) {
    let Some((perl, address)) = host.perl().zip(addresses.first()) else { return };
    let port = address.port.to_string();
    let pairs = [
        ("host", address.name.as_str()),
        ("port", port.as_str()),
        ("proto", "http"),
        ("server_software", "Plack::Handler::Monoceros"),
    ];
    if perl.call_hook(Hook::ServerReady, &pairs).is_err() {
        let why = perl.error().to_vec();
        perl.complain(&why);
    }
}
