//! The responder and the writer: pitfall 24, and psgix.informational.

use std::time::Duration;

use crate::support::{Client, Recorder, boot, expect};
use crate::{Case, case};
use monoceros_perl::{Input, Wrote};

pub(crate) const CASES: &[Case] = &[
    case("pitfall_24_streams", streams),
    case("pitfall_24_kept_past_the_request", kept),
    case("pitfall_24_in_a_thread_of_the_application", ithread),
    case("pitfall_24_responder_with_a_body", bodies),
    case("writer_waits_for_its_client", waits),
    case("writer_gives_up_after_the_timeout", gives_up),
    case("writer_is_told_that_the_client_has_gone", gone),
    case("a_look_at_the_socket_is_told", look),
    case("informational", informational),
    case("informational_from_a_getline_leaves_the_fields", inform_in_getline),
];

fn streams() {
    let mut perl = boot(
        r#"no warnings; my %r = (
            whole => sub { $_[0]->([200, ['a' => 'b'], ['x', 'y']]) },
            written => sub { my $w = $_[0]->([200, ['a' => 'b']]); $w->write('x'); $w->write(''); $w->write(undef); $w->write(0); $w->close; $w->close },
            open => sub { $_[0]->([200, []])->write('x') },
            twice => sub { $_[0]->([200, [], []]); $_[0]->([200, [], []]) },
            before => sub { die "before\n" },
            amid => sub { $_[0]->([200, []])->write('x'); die "amid\n" },
            wide => sub { my $w = $_[0]->([200, []]); eval { $w->write("\x{2603}") }; $w->write($@ =~ /^Wide character in write/ ? 'caught' : $@); $w->close },
            ref => sub { my $w = $_[0]->([200, []]); eval { $w->write([]) }; $w->write($@ =~ /^A reference/ ? 'caught' : $@); $w->close },
            closed => sub { my $w = $_[0]->([200, []]); $w->close; $w->write('x') },
            never => sub { },
            bad => sub { $_[0]->([200, [a => "b\nc"], []]) },
            again => sub { eval { $_[0]->([200, [a => "b\nc"], []]) }; $_[0]->([500, [], ['again']]) },
            nested => sub { $_[0]->(sub { }) },
            nothing => sub { $_[0]->() },
            cb => sub { my $w = $_[0]->([200, []]); $w->write($w->can('poll_cb') ? 'can' : 'cannot'); $w->close },
            true => sub { my $w = $_[0]->([200, []]); $w->write($w->write('x') ? 'true' : 'false'); $w->close },
        );
        sub { $r{$_[0]{PATH_INFO}} }"#,
    );
    expect(
        &mut perl,
        &[
            ("whole", "whole 200 a=b; x|y"),
            ("written", "Live 200 a=b; x; 0; close"),
            ("open", "Open: Live 200 ; x"),
            ("twice", "Died in Complete (whole 200 ; ): The responder was called twice at *"),
            ("before", "Died in Nothing (): before"),
            ("amid", "Died in Open (Live 200 ; x): amid"),
            ("wide", "Live 200 ; caught; close"),
            ("ref", "Live 200 ; caught; close"),
            ("closed", "Died in Complete (Live 200 ; close): The writer is closed at *"),
            ("never", "Nothing: "),
            ("bad", "Died in Nothing (): a field has a newline at *"),
            ("again", "whole 500 ; again"),
            ("nested", "Died in Nothing (): The response is CODE, not an array*"),
            ("nothing", "Died in Nothing (): The responder takes one array*"),
            ("cb", "Live 200 ; cannot; close"),
            ("true", "Live 200 ; x; true; close"),
        ],
    );
}

fn kept() {
    let mut perl = boot(
        r#"our ($r, $w, $i); sub { my $env = shift; my $p = $env->{PATH_INFO};
            if ($p eq 'keep') { $i = $env->{'psgix.informational'}; return sub { $r = $_[0]; $w = $r->([200, []]) } }
            my $try = sub { eval { $_[0]->(); 1 } ? 'worked' : $@ =~ /kept past its request/ ? 'croaked' : $@ };
            my @t = ($try->(sub { $r->([200, [], []]) }), $try->(sub { $w->write('x') }), $try->(sub { $i->(103, []) }));
            return [200, [], ["@t"]] if $p eq 'call';
            sub { push @t, $try->(sub { $r->([200, [], []]) }), $try->(sub { $w->write('x') }); $_[0]->([200, [], ["@t"]]) } }"#,
    );
    expect(
        &mut perl,
        &[
            ("keep", "Open: Live 200 "),
            ("call", "200  croaked croaked croaked"),
            ("stream", "whole 200 ; croaked croaked croaked croaked croaked"),
        ],
    );
}

fn ithread() {
    let mut perl = boot(
        r#"use Config; BEGIN { require threads if $Config{useithreads} }
            sub { my $env = shift;
            return [200, [], ['one']] if !$Config{useithreads};
            sub { my $r = $_[0];
            my @e = threads->create({ context => 'list' }, sub {
                eval { $r->([200, [], []]) }; my $e = $@;
                eval { $env->{'psgix.logger'}->({level => 'info', message => 'x'}) };
                ($e, $@, defined $env->{'psgix.io'} ? 'io' : '') })->join;
            my $w = $r->([200, []]);
            push @e, threads->create(sub { eval { $w->write('x') }; $@ })->join;
            $w->write(join ' ', map { /kept past|another thread/ ? 'croaked' : "<$_>" } @e); $w->close } }"#,
    );
    // A perl that knows no threads has nothing to prove.
    if Client::new().ask(&mut perl, "/") == "200  one" {
        return;
    }
    let line = "Live 200 ; croaked croaked <> croaked; close";
    expect(&mut perl, &[("/", line), ("/", line)]);
}

fn bodies() {
    let mut perl = boot(
        r#"our $closed = 0; { package B; sub new { bless [@_[1..$#_]] } sub getline { my $x = shift @{$_[0]}; ref $x ? $x->() : $x } sub close { $main::closed++ } }
        my %r = (
            object => sub { $_[0]->([200, [], B->new('a', '', 'b')]) },
            file => sub { open my $h, '<', '/etc/passwd'; seek $h, 5, 0; $_[0]->([200, [], $h]) },
            dies => sub { $_[0]->([200, [], B->new('a', sub { die "mid\n" })]) },
            caught => sub { eval { $_[0]->([200, [], B->new('a', sub { die "mid\n" })]) } },
        );
        sub { my $p = $_[0]{PATH_INFO}; $r{$p} || [200, [], [$closed]] }"#,
    );
    expect(
        &mut perl,
        &[
            ("object", "Finished 200 ; a; b; close"),
            ("closed", "200  1"),
            ("file", "file 200 ; 5+*"),
            ("dies", "Died in Broken (Finished 200 ; a): mid"),
            ("closed", "200  2"),
            ("caught", "Broken: Finished 200 ; a"),
            ("closed", "200  3"),
        ],
    );
}

const WRITER: &str = r#"sub { sub { my $w = $_[0]->([200, []]); my $t = $w->write('abcdef') ? 1 : 0;
    my $u = $w->write('more') ? 1 : 0; $::said = "$t$u"; $w->close } }"#;

fn said(perl: &mut monoceros_perl::Perl) -> String {
    crate::support::load(perl, "sub { [200, [], [$::said]] }");
    Client::new().ask(perl, "/")
}

fn waits() {
    let mut perl = boot(WRITER);
    let answers = vec![Wrote::Again(2), Wrote::Again(0), Wrote::Again(3), Wrote::All];
    let mut recorder = Recorder { answers, ..Recorder::default() };
    let came = Client::new().ask_with(&mut perl, "/", Input::Memory(b""), &mut recorder);
    assert_eq!(came, "Live 200 ; ab; ; cde; f; more; close");
    assert_eq!(said(&mut perl), "200  11");
}

/// A client whose socket has no room left.
fn full() -> Client {
    let client = Client::new();
    client.ours.set_nonblocking(true).unwrap();
    while std::io::Write::write(&mut &client.ours, &[0; 65536]).is_ok() {}
    client
}

fn gives_up() {
    let mut perl = boot(WRITER);
    let mut client = full();
    client.timeout = Duration::from_millis(50);
    let mut recorder = Recorder { answers: vec![Wrote::Again(2)], ..Recorder::default() };
    let came = client.ask_with(&mut perl, "/", Input::Memory(b""), &mut recorder);
    assert_eq!(came, "Live 200 ; ab; close");
    assert_eq!(said(&mut perl), "200  00");
}

fn gone() {
    let mut perl = boot(WRITER);
    let mut recorder = Recorder { answers: vec![Wrote::Gone], ..Recorder::default() };
    let came = Client::new().ask_with(&mut perl, "/", Input::Memory(b""), &mut recorder);
    assert_eq!(came, "Live 200 ; (gone); close");
    assert_eq!(said(&mut perl), "200  00");
}

/// Once, whenever it happens; and what is printed and not flushed leaves before CODE is over.
fn look() {
    let mut perl = boot(
        r#"sub { my $env = shift; my $p = $env->{PATH_INFO};
            my $look = sub { my $io = $env->{'psgix.io'}; my %c = %$env; $io };
            $look->() if $p eq 'call';
            sub { if ($p eq 'stream') { my $io = $look->(); $io->autoflush(0); print $io "hello\n" }
                $_[0]->([200, [], [$p]]) } }"#,
    );
    for (path, looks) in [("none", 0), ("call", 1), ("stream", 1)] {
        let (mut client, mut recorder) = (Client::new(), Recorder::default());
        let came = client.ask_with(&mut perl, path, Input::Memory(b""), &mut recorder);
        assert_eq!((came, recorder.looks), (format!("whole 200 ; {path}"), looks));
        if path == "stream" {
            client.theirs.set_nonblocking(true).unwrap();
            let mut line = [0; 6];
            std::io::Read::read_exact(&mut client.theirs, &mut line).unwrap();
            assert_eq!(&line, b"hello\n");
        }
    }
}

fn informational() {
    let mut perl = boot(
        r#"sub { my $i = $_[0]{'psgix.informational'}; my $p = $_[0]{PATH_INFO};
            my $r = join ' ', map { $_ ? 1 : 0 } $i->(103, [Link => 'x']), $i->(102, []);
            eval { $i->(103, [a => "b\n"]) }; my $e = $@;
            $p eq 'call' ? [200, [], [$r, $e]] : sub { $i->(103, []); $_[0]->([200, [], ['y']]) } }"#,
    );
    let mut recorder = Recorder::default();
    let came = Client::new().ask_with(&mut perl, "call", Input::Memory(b""), &mut recorder);
    assert!(came.starts_with("200  1 0|a field has a newline at "), "{came}");
    assert_eq!(recorder.told(), "inform 103 Link=x; inform 102 ");
    let mut recorder = Recorder::default();
    let came = Client::new().ask_with(&mut perl, "stream", Input::Memory(b""), &mut recorder);
    assert_eq!(came, "inform 103 Link=x; inform 102 ; inform 103 ; whole 200 ; y");
}

/// The head of a body in pieces is sent when the first piece is there.
fn inform_in_getline() {
    let mut perl = boot(
        r#"{ package B; sub getline { my $i = shift @{$_[0]}; $i && do { $i->(103, [map { ("y$_" => 'z') } 1..50]); 'x' } } sub close { } }
        sub { [200, [a => 'b', c => 'd'], bless [$_[0]{'psgix.informational'}], 'B'] }"#,
    );
    let client = Client::new();
    let mut recorder = Recorder::default();
    let mut answer = client.call(&mut perl, "/", Input::Memory(b""), &mut recorder).unwrap();
    assert_eq!(answer.piece().unwrap(), Some(b"x".as_slice()));
    assert_eq!(crate::support::fields_of(answer.fields()), "a=b,c=d");
}
