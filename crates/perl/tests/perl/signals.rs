//! Signals: pitfalls 5 to 7 and 9, and the waits.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::support::{Client, Recorder, boot, expect, leave};
use crate::{Case, case, ends};
use monoceros_perl::{Input, Left, Perl, Wrote};

pub(crate) const CASES: &[Case] = &[
    case("pitfall_5_alarm_interrupts_a_waiting_writer", alarm_in_write),
    case("pitfall_6_the_same_by_sigaction", sigaction_in_write),
    ends("pitfall_6_dying_while_idle", 255, &["idle death", "END sees 255"], || {
        idle("$SIG{ALRM} =")
    }),
    ends("pitfall_6_dying_while_idle_by_sigaction", 255, &["idle death", "END sees 255"], || {
        idle(
            "use POSIX (); POSIX::sigaction(POSIX::SIGALRM(), POSIX::SigAction->new($h)); my $x =",
        );
    }),
    case("pitfall_6_put_off_while_rust_runs", put_off),
    case("pitfall_6_unsafe_signals_are_put_off_too", put_off_unsafe),
    case("pitfall_7_five_hundred_signals", many),
    case("pitfall_9_local_term", local_term),
    case("pitfall_9_int_and_usr1_end_no_worker", harmless),
    case("claim_takes_one_event", claim),
    case("claim_takes_what_is_there", claim_several),
    case("wait_tells_ready_from_late", wait),
];

fn kill_me(signal: i32) {
    // SAFETY: raises a signal in this thread.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

/// A write that can not go on, an alarm of 1 s round it.
fn alarmed(app: &str) {
    let mut perl = boot(app);
    let client = Client::new();
    client.ours.set_nonblocking(true).unwrap();
    while std::io::Write::write(&mut &client.ours, &[0; 65536]).is_ok() {}
    let mut recorder = Recorder { answers: vec![Wrote::Again(1)], ..Recorder::default() };
    let begun = Instant::now();
    let came = client.ask_with(&mut perl, "/", Input::Memory(b""), &mut recorder);
    assert_eq!(came, "Live 200 ; a; timeout\n; close");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("SigBlk:\t0000000000000000"), "the mask is open again: {status}");
    expect(&mut perl, &[("fine", "200  fine")]);
}

const WRITES: &str = "sub { return [200, [], ['fine']] if $_[0]{PATH_INFO} eq 'fine'; sub {
    my $w = $_[0]->([200, []]);
    eval { alarm 1; $w->write('abc'); alarm 0; 1 } or $w->write($@); $w->close } }";

fn alarm_in_write() {
    alarmed(&format!("$SIG{{ALRM}} = sub {{ die qq(timeout\\n) }}; {WRITES}"));
}

fn sigaction_in_write() {
    alarmed(&format!(
        "use POSIX (); POSIX::sigaction(POSIX::SIGALRM(), POSIX::SigAction->new(sub {{ die qq(timeout\\n) }})); {WRITES}"
    ));
}

fn list() -> OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: a new descriptor that nobody else has.
    #[expect(clippy::disallowed_methods, reason = "std has no epoll")]
    unsafe {
        OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC))
    }
}

fn add(list: &OwnedFd, fd: &impl AsFd, data: u64) {
    use std::os::fd::AsRawFd;
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: data };
    #[expect(clippy::disallowed_methods, reason = "std has no epoll")]
    let (list, fd) = (list.as_raw_fd(), fd.as_fd().as_raw_fd());
    // SAFETY: both descriptors are open, the event is a local.
    let done = unsafe { libc::epoll_ctl(list, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
    assert_eq!(done, 0);
}

/// Asks for one event, and gives its data.
fn claim_one(
    perl: &mut Perl,
    list: BorrowedFd<'_>,
    patience: Option<Duration>,
) -> Result<Option<u64>, Left> {
    let mut data = [0];
    perl.claim(list, patience, &mut data).map(|count| (count > 0).then_some(data[0]))
}

fn idle(how: &str) {
    let mut perl = boot(&format!(
        "END {{ print STDERR qq(END sees $?\\n) }} my $h = sub {{ die \"idle death\\n\" }}; {how} $h; sub {{ alarm 3; [200, [], ['ok']] }}"
    ));
    expect(&mut perl, &[("/", "200  ok")]);
    let list = list();
    assert_eq!(claim_one(&mut perl, list.as_fd(), None), Err(Left::Exit(255)));
    leave(perl, 255);
}

fn put_off() {
    let mut perl = boot(
        "use POSIX (); our $n = 0; POSIX::sigaction(POSIX::SIGUSR1(), POSIX::SigAction->new(sub { $n++ }));
         sub { [200, [], [$n]] }",
    );
    kill_me(libc::SIGUSR1);
    let list = list();
    assert_eq!(claim_one(&mut perl, list.as_fd(), Some(Duration::ZERO)), Ok(None));
    expect(&mut perl, &[("/", "200  1")]);
}

fn put_off_unsafe() {
    // SAFETY: before perl is booted, and there is no other thread.
    unsafe { libc::setenv(c"PERL_SIGNALS".as_ptr(), c"unsafe".as_ptr(), 1) };
    let mut perl = boot("our $n = 0; $SIG{USR1} = sub { $n++ }; sub { [200, [], [$n]] }");
    kill_me(libc::SIGUSR1);
    let list = list();
    assert_eq!(claim_one(&mut perl, list.as_fd(), Some(Duration::ZERO)), Ok(None));
    expect(&mut perl, &[("/", "200  1")]);
}

fn many() {
    let mut perl = boot("our $n = 0; $SIG{USR1} = sub { $n++ }; sub { [200, [], [$n]] }");
    let list = list();
    for _ in 0..500 {
        kill_me(libc::SIGUSR1);
        assert_eq!(claim_one(&mut perl, list.as_fd(), Some(Duration::ZERO)), Ok(None));
    }
    expect(&mut perl, &[("/", "200  500")]);
}

fn local_term() {
    let mut perl = boot("sub { local $SIG{TERM} = sub { }; [200, [], ['ok']] }");
    perl.born();
    expect(&mut perl, &[("/", "200  ok")]);
    assert!(!perl.caught().any());
    let list = list();
    kill_me(libc::SIGTERM);
    kill_me(libc::SIGINT);
    assert_eq!(claim_one(&mut perl, list.as_fd(), None), Ok(None));
    let caught = perl.caught();
    assert!(caught.term && !caught.hup && !caught.quit);
    assert!(!perl.caught().any());
}

fn harmless() {
    let mut perl = boot("sub { [200, [], [$main::usr1 // 'none']] }");
    perl.born();
    for signal in [libc::SIGINT, libc::SIGUSR1] {
        kill_me(signal);
        assert!(claim_one(&mut perl, list().as_fd(), Some(Duration::ZERO)).is_ok());
    }
    assert!(!perl.caught().any(), "and nothing follows");
    expect(&mut perl, &[("/", "200  none")]);
}

fn claim() {
    let mut perl = boot("sub { }");
    let (list, client) = (list(), Client::new());
    add(&list, &client.ours, 0x1_0000_0007);
    assert_eq!(claim_one(&mut perl, list.as_fd(), Some(Duration::from_millis(20))), Ok(None));
    std::io::Write::write_all(&mut &client.theirs, b"x").unwrap();
    for patience in [None, Some(Duration::ZERO)] {
        assert_eq!(claim_one(&mut perl, list.as_fd(), patience), Ok(Some(0x1_0000_0007)));
    }
    client.theirs.shutdown(std::net::Shutdown::Both).unwrap();
    for patience in [None, Some(Duration::ZERO)] {
        let ended = claim_one(&mut perl, list.as_fd(), patience);
        assert_eq!(ended, Ok(Some(0x8000_0001_0000_0007)), "more than bytes");
    }
}

fn claim_several() {
    let mut perl = boot("sub { }");
    let list = list();
    let clients: Vec<Client> = (0..5).map(|_| Client::new()).collect();
    for (number, client) in (1..).zip(&clients) {
        add(&list, &client.ours, number);
        std::io::Write::write_all(&mut &client.theirs, b"x").unwrap();
    }
    let mut data = [0; 3];
    assert_eq!(perl.claim(list.as_fd(), Some(Duration::ZERO), &mut data), Ok(3));
    assert_eq!(data, [1, 2, 3]);
    let mut data = [0; 32];
    assert_eq!(perl.claim(list.as_fd(), Some(Duration::ZERO), &mut data), Ok(5));
    assert_eq!(perl.claim(list.as_fd(), None, &mut data), Ok(1));
}

fn wait() {
    let mut perl = boot("sub { }");
    let client = Client::new();
    let fd = client.ours.as_fd();
    assert_eq!(perl.wait(fd, false, Some(Duration::from_millis(20))), Ok(false));
    assert_eq!(perl.wait(fd, true, None), Ok(true));
    std::io::Write::write_all(&mut &client.theirs, b"x").unwrap();
    assert_eq!(perl.wait(fd, false, None), Ok(true));
}
