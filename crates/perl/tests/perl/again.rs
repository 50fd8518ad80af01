//! The hash of one request is the next one's: pitfall 31. Whatever the application does to its env, or keeps
//! of it, the next request's is as new.

use std::os::fd::AsFd;

use crate::support::{Client, Recorder, boot, expect, take};
use crate::{Case, case, ends};
use monoceros_perl::{Input, Key, Perl, Request, Var};

pub(crate) const CASES: &[Case] = &[
    case("pitfall_31_env_is_used_again", again),
    case("pitfall_31_env_is_as_new", as_new),
    case("pitfall_31_iterations_begin_anew", iterations),
    case("pitfall_31_what_is_kept_stays", kept),
    case("pitfall_31_destructors_run_at_the_release", destroyed),
    case("pitfall_31_fields_come_and_go", come_and_go),
    ends("pitfall_31_exit_in_a_value", 9, &["END of 9"], exit),
];

/// `see` tells all of env: names, values, flags that Perl code could tell (not how a string is stored). The other
/// paths do something to it.
const APP: &str = r#"use B (); use Scalar::Util qw(weaken dualvar); use Hash::Util ();
    { package T; require Tie::Hash; our @ISA = 'Tie::StdHash'; }
    our (@kept, $weak);
    sub see { my $env = shift;
        my $flags = B::SVf_IOK|B::SVf_NOK|B::SVf_POK|B::SVf_ROK|B::SVf_READONLY|0x20000000;
        join ' ', map { my $b = B::svref_2object(\$env->{$_});
            join '=', $_, /input|handlers|informational|psgix\.io/ ? ref $env->{$_} : $env->{$_}, $b->FLAGS & $flags, $b->REFCNT
        } sort { $a cmp $b } Hash::Util::hidden_keys(%$env), Hash::Util::legal_keys(%$env) }
    my %does = (
        add => sub { $_[0]{mine} = 1; $_[0]{list} = [1 .. 5] },
        change => sub { $_[0]{PATH_INFO} .= 'x'; $_[0]{SCRIPT_NAME} = '/x'; $_[0]{'psgi.streaming'} = 0; $_[0]{'psgi.multithread'} = 1 },
        assign => sub { $_[0]{$_} = 'mine' for keys %{$_[0]} },
        undef => sub { $_ = undef for @{$_[0]}{qw(PATH_INFO SCRIPT_NAME psgi.input psgix.io psgi.version psgi.errors HTTP_HOST)} },
        refs => sub { $_ = [] for @{$_[0]}{qw(PATH_INFO SCRIPT_NAME psgi.input psgix.io psgi.version psgi.errors psgix.logger)} },
        delete => sub { delete @{$_[0]}{qw(PATH_INFO SCRIPT_NAME psgi.input psgix.io psgi.version psgix.informational HTTP_HOST)} },
        empty => sub { %{$_[0]} = () },
        gone => sub { undef %{$_[0]} },
        refill => sub { %{$_[0]} = %{$_[0]} },
        copy => sub { my %copy = %{$_[0]}; my @values = values %copy },
        local => sub { local $_[0]{SCRIPT_NAME} = '/l'; local $_[0]{new} = 1; local $_[0]{PATH_INFO}; 1 },
        number => sub { no warnings; my $n = 0; $n += $_[0]{$_} for qw(PATH_INFO SCRIPT_NAME HTTP_HOST psgi.multithread); $n |= $_[0]{PATH_INFO} },
        string => sub { my $s = join '', @{$_[0]}{qw(psgi.streaming psgi.version psgi.errors)}; $s =~ tr/a//; length $s },
        utf8 => sub { utf8::upgrade($_[0]{$_}) for qw(PATH_INFO SCRIPT_NAME HTTP_HOST) },
        wide => sub { $_[0]{PATH_INFO} = "\x{2603}"; $_[0]{"\x{2603}"} = 1 },
        key => sub { my ($k, $l) = ('HTTP_HOST', "f\x{e9}"); utf8::upgrade($_) for $k, $l; delete $_[0]{HTTP_HOST}; $_[0]{$k} = 'x'; $_[0]{$l} = 'y' },
        bool => sub { $_[0]{PATH_INFO} = !!1; $_[0]{SCRIPT_NAME} = !!0; $_[0]{'psgi.multithread'} = ''; $_[0]{HTTP_HOST} = dualvar(5, 'x') },
        vstring => sub { $_[0]{PATH_INFO} = v1.2.3; $_[0]{HTTP_HOST} = \*STDOUT; $_[0]{SCRIPT_NAME} = *STDOUT },
        chop => sub { s/^.//, substr($_, 0, 1, '') for @{$_[0]}{qw(PATH_INFO HTTP_HOST)}; chop $_[0]{PATH_INFO} },
        match => sub { $_[0]{PATH_INFO} =~ /(.*)/g; my $p = pos $_[0]{PATH_INFO}; push our @last, $1 },
        shared => sub { push our @shared, @{$_[0]}{qw(PATH_INFO SCRIPT_NAME HTTP_HOST)} },
        long => sub { $_[0]{$_} = 'x' x 100_000 for qw(PATH_INFO SCRIPT_NAME HTTP_HOST other) },
        few => sub { $_[0]{"a$_"} = [$_] for 1 .. 20 },
        many => sub { $_[0]{"a$_"} = 1 for 1 .. 2000 },
        each => sub { my ($k) = each %{$_[0]}; each %{$_[0]} },
        lazy => sub { while (my ($k) = each %{$_[0]}) { delete $_[0]{$k}; last if $k eq 'HTTP_HOST' } },
        eachweak => sub { each %{$_[0]}; weaken($weak = $_[0]) },
        keys => sub { keys(%{$_[0]}) = 1024; 1 },
        bless => sub { bless $_[0] },
        tie => sub { tie %{$_[0]}, 'T'; $_[0]{tied} = 1 },
        lock => sub { Hash::Util::lock_hash(%{$_[0]}) },
        lockkeys => sub { Hash::Util::lock_keys(%{$_[0]}); delete $_[0]{HTTP_HOST} },
        readonly => sub { Internals::SvREADONLY($_[0]{$_}, 1) for qw(PATH_INFO SCRIPT_NAME psgi.input psgix.io) },
        tievalue => sub { require Tie::Scalar; tie $_[0]{$_}, 'Tie::StdScalar' for qw(PATH_INFO SCRIPT_NAME psgix.io psgi.input) },
        field => sub { require Hash::Util::FieldHash; Hash::Util::FieldHash::fieldhash(my %h); $h{$_[0]} = 1; push @kept, \%h },
        weak => sub { weaken($weak = $_[0]) },
        weakvalue => sub { weaken($_[0]{'psgi.version'}); weaken($_[0]{'psgi.input'}); weaken(our $w = \$_[0]{PATH_INFO}) },
        value => sub { push @kept, \(@{$_[0]}{qw(PATH_INFO SCRIPT_NAME psgi.input psgix.io psgix.cleanup.handlers)}) },
        env => sub { push @kept, $_[0] },
        closure => sub { my $env = shift; push @kept, sub { $env->{PATH_INFO} } },
        input => sub { push @kept, $_[0]{'psgi.input'} },
        closed => sub { close $_[0]{'psgi.input'} },
        io => sub { my $io = $_[0]{'psgix.io'} },
        handlers => sub { push @{$_[0]{'psgix.cleanup.handlers'}}, sub { $_[0]{PATH_INFO} = 'late'; $_[0]{late} = 1 } },
        dies => sub { $_[0]{PATH_INFO} = 'dead'; die "no\n" },
    );
    sub { my $env = shift; my $p = $env->{PATH_INFO};
        return [200, [], [see($env)]] if $p eq 'see';
        return [200, [], [join ' ', sort keys %does]] if $p eq 'all';
        my $does = $does{$p} or die "unknown";
        $does->($env); [200, [], ['did']] }"#;

fn again() {
    let mut perl = boot(
        "use Scalar::Util; my %does = (keep => sub { $::kept = $_[0] }, weak => sub { Scalar::Util::weaken($::weak = $_[0]) }, iterated => sub { keys %{$_[0]}; each %{$_[0]} }, a => sub { });
        sub { $does{$_[0]{PATH_INFO}}->(@_); [200, [], []] }",
    );
    let client = Client::new();
    let mut count = |path: &str| {
        assert_eq!(client.ask(&mut perl, path), "200  ", "{path}");
        perl.count()
    };
    count("a");
    let without = count("weak");
    let with = count("a");
    assert!(with > without + 15, "it waits for the next request: {without}, {with}");
    for _ in 0..50 {
        assert_eq!(count("a"), with);
    }
    assert_eq!(count("iterated"), with, "though it was iterated over");
    assert_eq!(count("a"), with);
    let kept = count("keep");
    assert!(kept > without + 15, "one that is kept is the application's: {without}, {kept}");
    assert!(count("a") > kept + 15, "and the next one is another");
}

fn as_new() {
    let mut perl = boot(APP);
    perl.log_to(Box::new(|_, _| ()));
    let client = Client::new();
    let new = client.ask(&mut perl, "see");
    assert!(new.contains("PATH_INFO=see=") && new.contains("psgix.io=IO::Socket::UNIX="), "{new}");
    let all = client.ask(&mut perl, "all");
    for does in all.split_whitespace().skip(1) {
        for times in 1..=2 {
            let did = client.ask(&mut perl, does);
            assert!(did == "200  did" || does == "dies", "{does}: {did}");
            let body = Input::Memory(b"a body");
            client.ask_with(&mut perl, does, body, &mut Recorder::default());
            for _ in 0..2 {
                assert_eq!(client.ask(&mut perl, "see"), new, "after {does}, {times}");
            }
        }
    }
}

fn iterations() {
    let mut perl = boot(
        r#"sub D::DESTROY { $::n++ }
        sub { my $e = shift; my $p = $e->{PATH_INFO};
            if ($p eq 'half') { each %$e for 1 .. 5 }
            if ($p eq 'lazy') { $e->{mine} = bless [], 'D'; while (my ($k) = each %$e) { next if $k ne 'mine'; delete $e->{$k}; last } }
            my $n = 0;
            if ($p eq 'all') { $n++ while my ($k) = each %$e; $n -= keys %$e }
            [200, [], [$n, $::n // 0]] }"#,
    );
    let wanted =
        ["all", "half", "all", "half", "half", "all", "all"].map(|path| (path, "200  0|0"));
    expect(&mut perl, &wanted);
    // The value goes at once, its place in the hash when the iteration goes on.
    let lazy =
        [("lazy", "200  0|1"), ("all", "200  0|1"), ("lazy", "200  0|2"), ("half", "200  0|2")];
    expect(&mut perl, &lazy);
    expect(&mut perl, &[("all", "200  0|2")]);
}

fn kept() {
    let mut perl = boot(
        r#"use Scalar::Util 'weaken'; our ($env, $value, $weak, $sub, $copy, $number);
        sub { my $e = shift; my $p = $e->{PATH_INFO};
            if ($p eq 'keep') { $env = $e; $value = \$e->{HTTP_HOST}; $e->{mine} = 7 }
            if ($p eq 'value') { $value = \$e->{PATH_INFO}; $copy = $e->{PATH_INFO}; ($number) = $e->{PATH_INFO} =~ /(.+)/ }
            if ($p eq 'weak') { weaken($weak = $e) }
            [200, [], [join ' ', map { $_ // 'undef' } $env && "$env->{PATH_INFO} $env->{mine}", $value && $$value,
                $copy, $number, $weak && $weak->{PATH_INFO}]] }"#,
    );
    expect(
        &mut perl,
        &[
            ("keep", "200  keep 7 h undef undef undef"),
            ("a-longer-one", "200  keep 7 h undef undef undef"),
            ("value", "200  keep 7 value value value undef"),
            ("other", "200  keep 7 value value value undef"),
            ("weak", "200  keep 7 value value value weak"),
            ("after", "200  keep 7 value value value undef"),
            ("again", "200  keep 7 value value value undef"),
        ],
    );
}

fn destroyed() {
    let mut perl = boot(
        r#"our $n = 0; sub D::DESTROY { $n++; die "late\n" if ${$_[0]} }
        local $SIG{__WARN__} = sub { };
        sub { my $e = shift;
            my $before = $n;
            $e->{$_} = bless \(my $x = $e->{PATH_INFO} eq 'die'), 'D'
                for qw(mine PATH_INFO SCRIPT_NAME psgi.input psgix.io psgi.version psgi.errors psgix.logger);
            [200, [], [$before]] }"#,
    );
    expect(&mut perl, &[("a", "200  0"), ("a", "200  8"), ("die", "200  16"), ("a", "200  24")]);
}

fn exit() {
    let mut perl = boot(
        "END { print STDERR \"END of $?\\n\" } sub D::DESTROY { exit 9 }
        sub { $_[0]{mine} = bless [], 'D'; $_[0]{other} = bless [], 'D' if $_[0]{PATH_INFO} eq 'two'; [200, [], ['x']] }",
    );
    let client = Client::new();
    assert_eq!(client.ask(&mut perl, "two"), "200  x then Exit(9)");
    assert_eq!(client.ask(&mut perl, "two"), "Exit(9) then Exit(9)");
    crate::support::leave(perl, 9);
}

/// A request with what varies: a query that may be missing, and fields without a number of their own.
fn ask(perl: &mut Perl, client: &Client, vars: &[Var<'_>]) -> String {
    let request = Request {
        vars,
        input: Input::Memory(b""),
        client: client.ours.as_fd(),
        behind: b"",
        family: client.family,
        write_timeout: None,
    };
    let line = match perl.call(&request, &mut Recorder::default()) {
        Ok(mut answer) => take(&mut answer, &mut Recorder::default()),
        Err(left) => format!("{left:?}"),
    };
    assert_eq!(perl.release(), Ok(()));
    line
}

fn come_and_go() {
    let mut perl = boot(
        r#"my @names = qw(HTTP_X PATH_INFO QUERY_STRING SCRIPT_NAME);
        sub { my $e = shift; [200, [], [join ' ', map { exists $e->{$_} ? "$_=$e->{$_}" : () } @names]] }"#,
    );
    let client = Client::new();
    let path = Var::keyed(Key::nth(0), b"/p");
    let long = [b'q'; 5000];
    for _ in 0..3 {
        let query = Var::keyed(Key::nth(1), b"q");
        let agent = Var::named(b"HTTP_X", b"1");
        assert_eq!(ask(&mut perl, &client, &[path]), "200  PATH_INFO=/p SCRIPT_NAME=");
        assert_eq!(
            ask(&mut perl, &client, &[path, query, agent]),
            "200  HTTP_X=1 PATH_INFO=/p QUERY_STRING=q SCRIPT_NAME="
        );
        assert_eq!(
            ask(&mut perl, &client, &[path, query, Var::keyed(Key::nth(1), b"")]),
            "200  PATH_INFO=/p QUERY_STRING= SCRIPT_NAME="
        );
        assert_eq!(ask(&mut perl, &client, &[query]), "200  QUERY_STRING=q SCRIPT_NAME=");
        let scheme = Var::named(b"SCRIPT_NAME", b"/s");
        assert_eq!(ask(&mut perl, &client, &[path, scheme]), "200  PATH_INFO=/p SCRIPT_NAME=/s");
        let came = ask(&mut perl, &client, &[path, Var::keyed(Key::nth(1), &long)]);
        assert_eq!(came.len(), "200  PATH_INFO=/p QUERY_STRING= SCRIPT_NAME=".len() + long.len());
    }
}
