//! What leaves by a jump: pitfalls 1 to 4, 17 and 28.

use crate::support::{Client, boot, boot_with, expect, leave};
use crate::{Case, case, ends};
use monoceros_perl::Left;

pub(crate) const CASES: &[Case] = &[
    case("pitfall_1_die", die),
    ends("pitfall_1_complains_where_the_application_wants", 0, &["<mine>"], complains),
    ends("pitfall_2_exit", 7, &["END sees 7", "destroyed"], exit),
    ends("pitfall_2_exit_in_a_stream", 4, &["END sees 4"], exit_in_stream),
    ends("pitfall_2_exit_in_destroy_at_release", 9, &["END sees 9"], exit_in_destroy),
    case("pitfall_2_exit_from_everywhere", exit_from_everywhere),
    ends("pitfall_2_exit_at_load", 3, &["END sees 3"], exit_at_load),
    case("pitfall_3_last", last),
    ends("pitfall_17_end_may_change_the_status", 42, &["buffered"], end_changes_status),
    case("pitfall_19_traces_name_the_application", traces),
    case("pitfall_15_the_stack_is_the_main_threads", deep),
    case("pitfall_18_title", title),
    case("pitfall_28_panics", panics),
    ends("pitfall_29_out_of_memory", 1, &["Out of memory", "END sees 1"], out_of_memory),
];

const DEATHS: &str = r#"
    package Liar; use overload bool => sub { 0 }, '""' => sub { "liar" }, fallback => 1;
    package Mute; use overload '""' => sub { die "no words" }, fallback => 1;
    package BoolDies; use overload bool => sub { die "bool" }, '""' => sub { "booldies" };
    package main;
    sub { my $p = shift->{PATH_INFO};
        die "plain\n" if $p eq 'plain';
        die bless [], 'Liar' if $p eq 'liar';
        die bless [], 'Mute' if $p eq 'mute';
        die bless [], 'BoolDies' if $p eq 'booldies';
        die "wide \x{2603}\n" if $p eq 'wide';
        die { code => 1 } if $p eq 'hash';
        do { local $SIG{__DIE__} = sub { die "handled: $_[0]" }; die "it\n" } if $p eq 'sig';
        do { eval { die "inner\n" }; $@ = "left over" } if $p eq 'leftover';
        [200, [], ["s=$^S"]] }
"#;

fn die() {
    let mut perl = boot(DEATHS);
    let fine = ("fine", "200  s=1");
    expect(
        &mut perl,
        &[
            ("plain", "Died: plain"),
            fine,
            ("liar", "Died: liar"),
            fine,
            ("mute", "Died: (exception could not be stringified)"),
            fine,
            ("booldies", "Died: booldies"),
            ("wide", "Died: wide \u{2603}"),
            ("hash", "Died: HASH(0x*"),
            ("sig", "Died: handled: it"),
            fine,
        ],
    );
}

fn complains() {
    let mut perl = boot(
        r#"{ package Mine; sub print { shift; print STDERR "<mine> @_" } }
        sub { my $env = shift; $env->{'psgi.errors'} = bless {}, 'Mine'; die "oops" }"#,
    );
    let client = Client::new();
    let mut recorder = crate::support::Recorder::default();
    let input = monoceros_perl::Input::Memory(b"");
    assert_eq!(client.call(&mut perl, "/", input, &mut recorder).err(), Some(Left::Died));
    perl.complain_of_error();
    perl.release().unwrap();
}

const ENDS: &str = "END { print STDERR qq(END sees $?\\n) } ";

fn exit() {
    let mut perl = boot(&format!(
        "{ENDS} our $g = bless []; sub DESTROY {{ print STDERR 'destroyed' }}
         sub {{ my @x = map {{ eval {{ for (1..3) {{ exit 7 }} }} }} 1 }}"
    ));
    let client = Client::new();
    assert_eq!(client.ask(&mut perl, "/"), "Exit(7) then Exit(7)");
    assert_eq!(client.ask(&mut perl, "/"), "Exit(7) then Exit(7)");
    let status = perl.status();
    leave(perl, status);
}

fn exit_in_stream() {
    let mut perl = boot(&format!(
        "{ENDS} sub {{ sub {{ my $w = $_[0]->([200, []]); $w->write('x'); exit 4 }} }}"
    ));
    let client = Client::new();
    assert_eq!(client.ask(&mut perl, "/"), "Exit(4) in Open (Live 200 ; x) then Exit(4)");
    leave(perl, 4);
}

fn exit_in_destroy() {
    let mut perl = boot(&format!(
        "{ENDS} sub X::DESTROY {{ exit 9 }}
         sub {{ $_[0]{{kept}} = bless [], 'X'; [200, [], ['ok']] }}"
    ));
    assert_eq!(Client::new().ask(&mut perl, "/"), "200  ok then Exit(9)");
    leave(perl, 9);
}

const EXITS: &str = r#"{ package T; sub TIESCALAR { bless [] } sub FETCH { exit 11 } }
        { package O; use overload '""' => sub { exit 12 }, '<=>' => sub { exit 13 } }
        { package D; sub DESTROY { exit 14 } }
        { package I; sub getline { exit 15 } sub close { exit 16 } }
        { package C; sub getline { undef } sub close { exit 16 } }
        { package R; sub getline { 'x' } sub close { } }
        no warnings;
        our %r = (
            sort => sub { my @x = sort { exit 10 } 1 .. 3 },
            tie => sub { tie my $x, 'T'; [200, [], [my $y = $x]] },
            tiebody => sub { my @b; tie $b[0], 'T'; [200, [], \@b] },
            overload => sub { [200, [], [bless [], 'O']] },
            compare => sub { my $x = bless([], 'O') <=> 1 },
            destroy => sub { bless [], 'D'; [200, [], []] },
            getline => sub { [200, [], bless [], 'I'] },
            close => sub { [200, [], bless [], 'C'] },
            regex => sub { 'a' =~ /a(?{ exit 17 })/ },
            require => sub { unshift @INC, sub { exit 18 }; require Not::There },
            eval => sub { eval { eval "exit 19" } },
            signal => sub { local $SIG{USR1} = sub { exit 20 }; kill USR1 => $$; 1 for 1 .. 10; [200, [], []] },
            die => sub { local $SIG{__DIE__} = sub { exit 21 }; die },
            warn => sub { local $SIG{__WARN__} = sub { exit 22 }; warn },
            responder => sub { sub { my $b = bless [], 'I'; $_[0]->([200, [], $b]) } },
            thrown => sub { die bless [], 'O' },
            cleanup => sub { push @{$_[0]{'psgix.cleanup.handlers'}}, sub { exit 23 }; [200, [], []] },
            psgiinput => sub { $_[0]{'psgi.input'} = bless [], 'D'; [200, [], []] },
            writer => sub { sub { my $w = $_[0]->([200, []]); $w->write(bless [], 'O') } },
            map => sub { map { map { exit 24 } 1, 2 } 1, 2 },
            format => sub { local $_ = 'x'; s/x/exit 25/e },
        );
        sub { $r{$_[0]{PATH_INFO}}->($_[0]) }"#;

#[rustfmt::skip]
const EXIT_STATUS: &[(&str, i32)] = &[
    ("sort", 10), ("tie", 11), ("tiebody", 11), ("overload", 12),
    ("compare", 13), ("destroy", 14), ("getline", 15), ("close", 16),
    ("regex", 17), ("require", 18), ("eval", 19), ("signal", 20),
    ("die", 21), ("warn", 22), ("responder", 15), ("thrown", 12),
    ("cleanup", 23), ("psgiinput", 14), ("writer", 12), ("map", 24),
    ("format", 25),
];

fn exit_from_everywhere() {
    let mut perl = boot(EXITS);
    for (path, status) in EXIT_STATUS {
        let (back, ended) = crate::forks::in_child(perl, |mut perl| {
            let came = Client::new().ask(&mut perl, path);
            assert!(came.contains(&format!("Exit({status})")), "{path}: {came}");
            perl.release().unwrap_err();
            perl.shutdown(*status)
        });
        perl = back;
        assert_eq!(ended, *status, "{path}");
    }
}

fn exit_at_load() {
    let mut perl = boot("sub { }");
    let text = format!("{ENDS} exit 3;");
    let source = monoceros_perl::Source::Text(&text);
    let load = monoceros_perl::Load { source, mount: None, development: false };
    assert_eq!(perl.load(&load), Err(Left::Exit(3)));
    leave(perl, 3);
}

fn last() {
    let mut perl =
        boot("no warnings; sub { last if $_[0]{PATH_INFO} eq 'last'; [200, [], ['ok']] }");
    expect(&mut perl, &[("last", "Died: Can't \"last\" outside a loop block*"), ("x", "200  ok")]);
}

fn end_changes_status() {
    let perl = boot("END { $? = 42 } print STDOUT 'buffered'; sub { }");
    leave(perl, 0);
}

fn traces() {
    let mut perl = boot_with(
        &["-MCarp=longmess"],
        "#line 1 \"app.psgi\"\nsub inner { longmess('here') }\nsub { [200, [], [inner()]] }",
    );
    let came = Client::new().ask(&mut perl, "/");
    assert!(came.contains("app.psgi line"), "{came}");
    assert!(!came.contains("-e line 0"), "{came}");
}

fn deep() {
    let mut perl = boot(
        "no warnings; my $d; $d = sub { my $n = shift; $n ? 1 + $d->($n - 1) : 0 };
         sub { my $x; $x = [$x] for 1 .. 2_000_000; undef $x; [200, [], [$d->(100_000)]] }",
    );
    expect(&mut perl, &[("/", "200  100000")]);
}

fn title() {
    let me = std::env::args().next().unwrap(); // garbage once $0 was set
    let mut perl =
        boot("my $zero = $0; sub { my $was = $0; $0 = 'by the app'; [200, [], [$zero, $was]] }");
    perl.set_title("monoceros: worker 1 with a rather long title");
    let read = || String::from_utf8(std::fs::read("/proc/self/cmdline").unwrap()).unwrap();
    assert!(read().starts_with("monoceros: worker 1 with"), "{:?}", read());
    let title = "monoceros: worker 1 with a rather long title";
    expect(&mut perl, &[("/", &format!("200  {me}|{title}"))]);
    assert!(read().starts_with("by the app"), "{:?}", read());
}

fn panics() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut perl = boot(
        "sub { my $p = $_[0]{PATH_INFO};
            $p eq 'start' ? sub { $_[0]->([200, [], ['x']]) }
          : $p eq 'caught' ? sub { eval { $_[0]->([200, [], ['x']]) }; die 'saw: '.$@ }
          : [200, [], ['fine']] }",
    );
    let client = Client::new();
    let input = || monoceros_perl::Input::Memory(b"");
    let mut recorder = crate::support::Recorder { panics: true, ..Default::default() };
    let came = client.ask_with(&mut perl, "start", input(), &mut recorder);
    assert!(came.starts_with("Died in Broken ()"), "{came}");
    let came = client.ask_with(&mut perl, "caught", input(), &mut recorder);
    assert!(came.contains("saw: the server failed"), "{came}");
    expect(&mut perl, &[("fine", "200  fine")]);
}

fn out_of_memory() {
    let mut perl = boot(&format!("{ENDS} sub {{ my $x = 'x' x 2_000_000_000; [200, [], []] }}"));
    let limit = libc::rlimit { rlim_cur: 1 << 29, rlim_max: 1 << 29 };
    // SAFETY: takes a struct of ours.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    assert_eq!(Client::new().ask(&mut perl, "/"), "Exit(1) then Exit(1)");
    leave(perl, 1);
}
