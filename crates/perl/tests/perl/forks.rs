//! Processes: pitfalls 10 to 14.

use crate::support::{Client, boot, expect, leave};
use crate::{Case, case, ends};
use monoceros_perl::{Left, Load, Perl, Source};

pub(crate) const CASES: &[Case] = &[
    ends("pitfall_12_the_applications_child_serves_nothing", 0, &["child died"], app_forks),
    ends("pitfall_13_print_before_the_fork_comes_once", 0, &["<once>"], printed_once),
    case("pitfall_14_rand_differs", rand_differs),
    case("pitfall_10_what_a_child_inherits", inherits),
    case("fork_keeps_the_mask", mask),
    ends("a_child_forked_at_load_vanishes", 0, &["child's END"], forks_at_load),
];

/// Runs `child` in a fork and gives its exit status.
pub(crate) fn in_child(perl: Perl, child: impl FnOnce(Perl) -> i32) -> (Perl, i32) {
    let mut perl = perl;
    match perl.fork().unwrap() {
        None => std::process::exit(child(perl)),
        Some(pid) => {
            let mut status = 0;
            // SAFETY: waits for a child of ours, into a local.
            let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
            assert_eq!(waited, pid);
            (perl, libc::WEXITSTATUS(status))
        }
    }
}

fn app_forks() {
    let mut perl = boot(
        r#"sub { my $p = $_[0]{PATH_INFO}; my $pid = fork;
            if (!$pid) { die "child died\n" if $p eq 'dies'; exit 5 if $p eq 'exits'; return [200, [], ['child']] if $p eq 'returns';
                return sub { eval { $_[0]->([200, [], ['child']]) }; exit($@ =~ /kept past/ ? 6 : 7) } }
            waitpid $pid, 0;
            [200, [], [$? >> 8]] }"#,
    );
    let client = Client::new();
    for (path, line, status) in [
        ("dies", "200  255", Left::Forked(255)),
        ("exits", "200  5", Left::Forked(5)),
        ("returns", "200  0", Left::Forked(0)),
        ("streams", "200  0", Left::Forked(0)),
    ] {
        let came = client.ask(&mut perl, path);
        if let Left::Forked(code) = status
            && came.starts_with("Forked")
        {
            assert_eq!(came, format!("{status:?} then {status:?}"));
            leave(perl, code);
        }
        assert_eq!(came, line, "{path}");
    }
}

fn printed_once() {
    let perl = boot("print '<once>'; sub { }");
    let (perl, status) = in_child(perl, |perl| perl.shutdown(0));
    assert_eq!(status, 0);
    leave(perl, 0);
}

fn rand_differs() {
    let mut perl = boot("rand; sub { [200, [], [int rand 250]] }");
    let ask = |mut perl: Perl| {
        let came = Client::new().ask(&mut perl, "/");
        came.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let mut seen = Vec::new();
    for _ in 0..6 {
        let (back, number) = in_child(perl, ask);
        perl = back;
        seen.push(number);
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 2, "the same numbers in every worker: {seen:?}");
}

fn inherits() {
    let mut perl = boot(
        r#"sub { my @l = grep /^Sig(?:Blk|Ign)/, `cat /proc/self/status`; s/\s+/ /g, s/: .{12}/: / for @l; [200, [], ["@l $?"]] }"#,
    );
    perl.born();
    // PIPE (13) is ignored in a worker.
    expect(&mut perl, &[("/", "200  SigBlk: 0000  SigIgn: 1000  0")]);
}

fn forks_at_load() {
    let mut perl = boot("sub { }");
    let text = "END { print \"child's END\\n\" if our $child }
        our $pid = fork; if (!$pid) { our $child = 1; exit 6 } waitpid $pid, 0; our $was = $? >> 8;
        sub { [200, [], [our $was]] }";
    let load = Load { source: Source::Text(text), mount: None, development: false };
    match perl.load(&load) {
        Err(Left::Forked(6)) => perl.vanish(6),
        other => other.unwrap(),
    }
    expect(&mut perl, &[("/", "200  6")]);
    leave(perl, 0);
}

fn mask() {
    let perl = boot("sub { }");
    // SAFETY: plain signal sets on the stack.
    let blocked = || unsafe {
        let mut now = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut now);
        libc::sigismember(&raw const now, libc::SIGTERM)
    };
    // SAFETY: a plain signal set on the stack, filled before it is read.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
    let (_, in_child) = in_child(perl, |_| blocked());
    assert_eq!((in_child, blocked()), (1, 1));
}
