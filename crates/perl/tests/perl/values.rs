//! Values in and out: pitfalls 21 to 23, 25 to 27.

use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use crate::support::{Client, Recorder, boot, expect};
use crate::{Case, case};
use monoceros_perl::{Family, Input};

pub(crate) const CASES: &[Case] = &[
    case("pitfall_21_utf8", utf8),
    case("pitfall_22_odd_values", odd_values),
    case("pitfall_22_integers", integers),
    case("pitfall_23_every_key_can_be_assigned", assign),
    case("env_is_complete", env),
    case("pitfall_25_handles", handles),
    case("pitfall_25_getline_of_an_object", objects),
    case("pitfall_26_input_is_a_real_glob", input),
    case("pitfall_26_input_in_a_file", input_in_a_file),
    case("pitfall_26_the_empty_input_is_always_new", empty_input),
    case("pitfall_27_psgix_io", psgix_io),
    case("cleanup_and_harakiri", cleanup),
    case("logger", logger),
];

fn utf8() {
    let mut perl = boot(
        r#"our $latin = "caf\xe9"; utf8::upgrade($latin);
        { package Over; use overload '""' => sub { ${$_[0]} } }
        sub { my $p = $_[0]{PATH_INFO};
            $p eq 'latin' ? [200, ['X' => $latin], [$latin]]
          : $p eq 'flag' ? [200, [], [utf8::is_utf8($latin) ? 'flagged' : 'not']]
          : $p eq 'body' ? [200, [], ["\x{2603}"]]
          : $p eq 'head' ? [200, [X => "\x{2603}"], []]
          : $p eq 'over' ? [200, [], [bless \(my $x = "o\x{e9}"), 'Over']]
          : $p eq 'wideover' ? [200, [], [bless \(my $x = "\x{2603}"), 'Over']]
          : [200, [], [map { utf8::is_utf8($_) ? 1 : 0 } %{$_[0]}]] }"#,
    );
    expect(
        &mut perl,
        &[
            ("latin", "200 X=caf\u{fffd} caf\u{fffd}"),
            ("flag", "200  flagged"),
            ("body", "Died: Wide character in response body at *"),
            ("head", "Died: Wide character in response header \"X\" at *"),
            ("over", "200  o\u{fffd}"),
            ("wideover", "Died: Wide character in response body at *"),
        ],
    );
    let flags = Client::new().ask(&mut perl, "flags");
    assert!(!flags.contains('1'), "an env string is flagged utf8: {flags}");
}

fn odd_values() {
    let mut perl = boot(
        r#"{ package T; sub TIEARRAY { bless [] } sub FETCH { $::n++; (200, ['a'=>'b'], ['tied'])[$_[1]] } sub FETCHSIZE { 3 } }
        { package S; sub TIESCALAR { bless [] } sub FETCH { 'scalar' } }
        { package D; sub TIESCALAR { bless [] } sub FETCH { die "fetch\n" } }
        { package O; use overload '""' => sub { die "str\n" } }
        no warnings;
        my %r = (
            tied => sub { tie my @x, 'T'; \@x },
            fetched => sub { [200, [], [$::n]] },
            scalar => sub { tie my $x, 'S'; my @b; tie $b[0], 'S'; [200, [], \@b] },
            dying => sub { my @b; tie $b[0], 'D'; [200, [], \@b] },
            overdying => sub { [200, [], [bless [], 'O']] },
            number => sub { [200, ['Content-Length' => 12], [1.5, 0, '0', undef, '']] },
            string => sub { ['404', [], ['x']] },
            fraction => sub { [1.5, [], []] },
            nostatus => sub { [undef, [], []] },
            words => sub { ['200 OK', [], []] },
            ref => sub { [200, [], [{}]] },
            odd => sub { [200, ['a'], []] },
            noheaders => sub { [200, undef, []] },
            two => sub { [200, []] },
            undef => sub { undef },
            text => sub { 'text' },
            hash => sub { {} },
            nothing => sub { return },
            body => sub { [200, [], 'text'] },
            undefvalue => sub { [200, [a => undef], []] },
            huge => sub { [18446744073709551615, [], []] },
        );
        sub { $r{$_[0]{PATH_INFO}}->() }"#,
    );
    expect(
        &mut perl,
        &[
            ("tied", "200 a=b tied"),
            ("fetched", "200  3"),
            ("scalar", "200  scalar"),
            ("dying", "Died: fetch"),
            ("overdying", "Died: str"),
            ("number", "200 Content-Length=12 1.5|0|0||"),
            ("string", "404  x"),
            ("fraction", "Died: The response's status is no whole number: \"1.5\"*"),
            ("nostatus", "Died: The response's status is no whole number: \"\"*"),
            ("words", "Died: The response's status*"),
            ("ref", "Died: A reference (HASH) is no string, in response body*"),
            ("odd", "Died: The response's headers have an odd number of elements*"),
            ("noheaders", "Died: The response's headers are undef*"),
            ("two", "Died: The response has 2 elements*"),
            ("undef", "Died: The response is undef, neither an array nor a CODE*"),
            ("text", "Died: The response is a plain scalar*"),
            ("hash", "Died: The response is HASH*"),
            ("nothing", "Died: The response is undef*"),
            ("body", "Died: The response's body is a plain scalar*"),
            ("undefvalue", "200 a= "),
            ("huge", "Died: The response's status*"),
            ("string", "404  x"),
        ],
    );
}

const MANY: &str = "200  1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|\
    21|22|23|24|25|26|27|28|29|30|31|32|33|34|35|36|37|38|39|40";

fn integers() {
    let mut perl = boot(
        r#"my %r = (
            integers => sub { [200, [n => -1], [~0 >> 1, -(~0 >> 1) - 1, 0, -10, ~0]] },
            many => sub { [200, [], [1 .. 40]] },
            spoken => sub { my $n = 7; my $s = "$n"; my $t = '7'; $s = $t + 0; [200, [a => $n], [$t, !!1, !!0]] },
            padded => sub { ['0404', [], []] },
            signed => sub { ['+20', [], []] },
            dual => sub { require Scalar::Util; [Scalar::Util::dualvar(200, '404'), [], [Scalar::Util::dualvar(1, 'one')]] },
        );
        sub { $r{$_[0]{PATH_INFO}}->() }"#,
    );
    expect(
        &mut perl,
        &[
            (
                "integers",
                "200 n=-1 9223372036854775807|-9223372036854775808|0|-10|18446744073709551615",
            ),
            ("many", MANY),
            ("spoken", "200 a=7 7|1|"),
            ("padded", "404  "),
            ("signed", "20  "),
            ("dual", "200  one"),
            (
                "integers",
                "200 n=-1 9223372036854775807|-9223372036854775808|0|-10|18446744073709551615",
            ),
        ],
    );
}

fn assign() {
    let mut perl = boot(
        r#"my $first; sub { my $env = shift;
            my $now = join ',', map { "$_=" . ($_ =~ /^psgi\.(?:version|input)|handlers|informational|logger|io$/ ? ref $env->{$_} : $env->{$_}) } sort keys %$env;
            $first //= $now;
            $env->{$_} = 'mine' for keys %$env;
            my $same = $first eq $now ? 'same' : "$first / $now";
            delete $env->{'psgix.cleanup.handlers'};
            [200, [], [$same]] }"#,
    );
    expect(&mut perl, &[("/", "200  same"), ("/", "200  same")]);
}

fn env() {
    let mut perl = boot(
        r#"sub { my $e = shift;
            my @bad = grep { !exists $e->{$_} } qw(PATH_INFO HTTP_HOST SCRIPT_NAME psgi.version psgi.errors
                psgi.input psgi.multithread psgi.multiprocess psgi.run_once psgi.nonblocking psgi.streaming
                psgix.input.buffered psgix.io psgix.harakiri psgix.cleanup psgix.cleanup.handlers
                psgix.informational psgix.logger);
            push @bad, 'version' unless "@{$e->{'psgi.version'}}" eq '1 1';
            push @bad, 'writable' if eval { push @{$e->{'psgi.version'}}, 1; 1 } or eval { $e->{'psgi.version'}[0] = 2; 1 };
            push @bad, 'false' unless $e->{'psgi.multithread'} eq '';
            push @bad, 'true' unless $e->{'psgi.streaming'} eq '1';
            push @bad, 'informational' unless ref $e->{'psgix.informational'} eq 'CODE';
            push @bad, 'logger' unless ref $e->{'psgix.logger'} eq 'CODE';
            push @bad, 'errors' unless $e->{'psgi.errors'}->can('print');
            [200, [], ["bad: @bad"]] }"#,
    );
    expect(&mut perl, &[("/", "200  bad: ")]);
}

fn handles() {
    let name = std::env::temp_dir().join(format!("monoceros-body-{}", std::process::id()));
    std::fs::write(&name, "line one\nline two\n").unwrap();
    let mut perl = boot(&format!(
        r#"use IO::File; my $f = '{}'; no warnings;
        {{ package Plack::Util::IOWithPath; our @ISA = 'IO::Handle'; sub path {{ 1 }} }}
        {{ package Own; our @ISA = 'IO::File'; sub getline {{ my $l = shift->SUPER::getline; defined $l ? uc $l : $l }} }}
        my %r = (
            plain => sub {{ open my $h, '<', $f; $h }},
            seeked => sub {{ open my $h, '<', $f; my $l = <$h>; $h }},
            utf8 => sub {{ open my $h, '<:utf8', $f; $h }},
            memory => sub {{ open my $h, '<', \"in memory"; $h }},
            iofile => sub {{ IO::File->new($f) }},
            path => sub {{ open my $h, '<', $f; bless $h, 'Plack::Util::IOWithPath' }},
            own => sub {{ bless IO::File->new($f), 'Own' }},
            glob => sub {{ open F, '<', $f; *F }},
            pipe => sub {{ open my $h, '-|', 'printf piped'; $h }},
            closed => sub {{ open my $h, '<', $f; close $h; $h }},
        );
        sub {{ $_[0]{{PATH_INFO}} eq 'rs' ? [200, [], [$/]] : [200, [], $r{{$_[0]{{PATH_INFO}}}}->()] }}"#,
        name.display()
    ));
    expect(
        &mut perl,
        &[
            ("plain", "200  file 0+18"),
            ("seeked", "200  file 9+9"),
            ("utf8", "200  lines [line one\nline two\n]"),
            ("memory", "200  lines [in memory]"),
            ("iofile", "200  file 0+18"),
            ("path", "200  file 0+18"),
            ("own", "200  lines [LINE ONE\nLINE TWO\n]"),
            ("glob", "200  file 0+18"),
            ("pipe", "200  lines [piped]"),
            ("closed", "200  lines"),
            ("rs", "200  \n"),
        ],
    );
    std::fs::remove_file(name).unwrap();
}

fn objects() {
    let mut perl = boot(
        r#"our ($closed, $step);
        { package B; sub new { bless [@_[1..$#_]] } sub getline { my $x = shift @{$_[0]}; ref $x ? $x->() : $x } sub close { $main::closed++ } }
        { package NoClose; sub getline { undef } }
        { package Lazy; our $AUTOLOAD; sub AUTOLOAD { my $n = $AUTOLOAD; $n =~ /getline/ ? undef : () } }
        my %r = (
            pieces => sub { B->new('a', '', '', '0', 'b') },
            wide => sub { B->new("\x{2603}") },
            dies => sub { B->new('a', sub { die "mid\n" }) },
            noclose => sub { bless [], 'NoClose' },
            autoload => sub { bless {}, 'Lazy' },
            nogetline => sub { bless {}, 'Nothing' },
        );
        sub { $_[0]{PATH_INFO} eq 'closed' ? [200, [], [$closed]] : [200, [], $r{$_[0]{PATH_INFO}}->()] }"#,
    );
    expect(
        &mut perl,
        &[
            ("pieces", "200  lines [a] [] [] [0] [b]"),
            ("closed", "200  1"),
            ("wide", "Died in piece: Wide character in response body*"),
            ("closed", "200  2"),
            ("dies", "Died in piece: mid"),
            ("closed", "200  3"),
            ("noclose", "200  lines"),
            ("autoload", "200  lines"),
            ("nogetline", "Died: The response's body is Nothing, neither an array nor a handle*"),
        ],
    );
}

const READER: &str = r#"sub { my $in = $_[0]{'psgi.input'}; my $p = $_[0]{PATH_INFO}; my @r;
        push @r, ref $in, ref \*$in;
        read $in, my $b, 3; push @r, $b;
        push @r, tell $in;
        seek $in, 0, 0; push @r, scalar <$in>;
        push @r, $in->getline;
        push @r, read($in, $b, 10), eof($in) ? 'eof' : 'more';
        seek $in, 0, 0; $b = 'ab'; read $in, $b, 2, 2; push @r, $b;
        seek $in, 0, 0; { local *STDIN = $in; push @r, scalar <STDIN> }
        push @r, close $in;
        $_ //= 'undef', s/\n/!/ for @r;
        [200, [], ["@r"]] }"#;

fn input() {
    let mut perl = boot(READER);
    for _ in 0..3 {
        let came = Client::new().ask_with(
            &mut perl,
            "/",
            Input::Memory(b"one\ntwo\n"),
            &mut Recorder::default(),
        );
        assert_eq!(came, "200  GLOB GLOB one 3 one! two! 0 eof abon one! 1");
    }
}

fn input_in_a_file() {
    let mut perl = boot(READER);
    let name = std::env::temp_dir().join(format!("monoceros-input-{}", std::process::id()));
    let mut file =
        std::fs::File::options().create_new(true).read(true).write(true).open(&name).unwrap();
    std::fs::remove_file(&name).unwrap();
    file.write_all(b"one\ntwo\n").unwrap();
    for _ in 0..2 {
        file.seek(SeekFrom::End(0)).unwrap();
        let input = Input::File(file.as_fd());
        let came = Client::new().ask_with(&mut perl, "/", input, &mut Recorder::default());
        assert_eq!(came, "200  GLOB GLOB one 3 one! two! 0 eof abon one! 1");
    }
}

fn empty_input() {
    let mut perl = boot(
        r#"our @kept; sub { my $in = $_[0]{'psgi.input'}; my $p = $_[0]{PATH_INFO};
            my $state = join ',', read($in, my $b, 0), read($in, $b, 5), tell $in, eof $in, fileno $in,
                ref $in, join ' ', PerlIO::get_layers($in);
            if ($p eq 'close') { close $in }
            if ($p eq 'keep') { push @kept, $in }
            if ($p eq 'layer') { binmode $in, ':utf8' }
            if ($p eq 'seek') { seek $in, 10, 0 }
            if ($p eq 'stdin') { local *STDIN = $in; <STDIN> }
            if ($p eq 'alias') { *ALIAS = $in }
            if ($p eq 'bless') { bless $in, 'Foo' }
            if ($p eq 'hash') { ${*$in}{x} = 1 }
            if ($p eq 'ungetc') { $in->ungetc(65) }
            [200, [], [$state]] }"#,
    );
    let usual = "200  0,0,0,1,-1,GLOB,scalar";
    for path in
        ["close", "keep", "layer", "seek", "stdin", "alias", "bless", "hash", "ungetc", "plain"]
    {
        expect(&mut perl, &[(path, usual)]);
    }
    expect(&mut perl, &[("plain", usual)]);
}

fn psgix_io() {
    let mut perl = boot(
        r#"our $kept; sub { my $env = shift; my $p = $env->{PATH_INFO};
            my $there = exists $env->{'psgix.io'} ? 'there' : 'not';
            if ($p eq 'none') { return [200, [], [$there]] }
            if ($p eq 'copy') { my %c = %$env; return [200, [], [ref $c{'psgix.io'}]] }
            if ($p eq 'set') { $env->{'psgix.io'} = 7; return [200, [], [$env->{'psgix.io'}]] }
            if ($p eq 'late') { push @{$env->{'psgix.cleanup.handlers'}}, sub { $kept = defined $_[0]{'psgix.io'} ? 'io' : 'gone' }; return [200, [], []] }
            if ($p eq 'kept') { return [200, [], [$kept]] }
            my $io = $env->{'psgix.io'};
            my $same = $io == $env->{'psgix.io'} ? 'same' : 'other';
            print $io "hello\n"; close $io;
            [200, [], [join ' ', ref $io, $same]] }"#,
    );
    let mut client = Client::new();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    assert_eq!(client.ask(&mut perl, "none"), "200  there");
    assert!(!perl.saw_io());
    assert_eq!(client.ask(&mut perl, "io"), "200  IO::Socket::UNIX same");
    assert!(perl.saw_io());
    let mut line = [0; 6];
    std::io::Read::read_exact(&mut client.theirs, &mut line).unwrap();
    assert_eq!(&line, b"hello\n");
    client.family = Family::Inet;
    assert_eq!(client.ask(&mut perl, "copy"), "200  IO::Socket::INET");
    client.family = Family::Inet6;
    assert_eq!(client.ask(&mut perl, "copy"), "200  IO::Socket::IP");
    assert_eq!(client.ask(&mut perl, "set"), "200  7");
    assert_eq!(client.ask(&mut perl, "late"), "200  ");
    assert_eq!(client.ask(&mut perl, "kept"), "200  gone");
    assert_eq!(descriptors(), before);
}

fn cleanup() {
    let mut perl = boot(
        r#"our @ran; sub { my $env = shift; my $p = $env->{PATH_INFO};
            my $h = $env->{'psgix.cleanup.handlers'};
            if ($p eq 'run') {
                push @$h, sub { push @ran, "1$_[0]{PATH_INFO}"; push @$h, sub { push @ran, 4; $_[0]{'psgix.harakiri.commit'} = 1 } },
                    sub { push @ran, 2; die "second\n" }, sub { push @ran, 3 };
            }
            if ($p eq 'exit') { push @$h, sub { exit 5 } }
            if ($p eq 'gone') { delete $env->{'psgix.cleanup.handlers'} }
            if ($p eq 'odd') { $env->{'psgix.cleanup.handlers'} = 7 }
            if ($p eq 'no') { $env->{'psgix.harakiri.commit'} = 0 }
            [200, [], ["@ran"]] }"#,
    );
    expect(
        &mut perl,
        &[
            ("run", "200   (harakiri)"),
            ("x", "200  1run 2 3 4"),
            ("gone", "200  1run 2 3 4"),
            ("odd", "200  1run 2 3 4"),
            ("no", "200  1run 2 3 4"),
            ("exit", "200  1run 2 3 4 then Exit(5)"),
        ],
    );
}

fn logger() {
    let mut perl = boot(
        r#"sub { my $l = $_[0]{'psgix.logger'}; $l->({level => 'warn', message => "w\x{2603}"});
            eval { $l->({level => 'loud', message => 'x'}) }; my $bad = $@;
            eval { $l->('text') };
            [200, [], [$bad, $@]] }"#,
    );
    let lines = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let seen = lines.clone();
    perl.log_to(Box::new(move |level, line| {
        seen.borrow_mut().push(format!("{level:?} {}", String::from_utf8_lossy(line)));
    }));
    expect(&mut perl, &[("/", "200  psgix.logger has no level loud*")]);
    assert_eq!(*lines.borrow(), ["Warn w\u{2603}"]);
}
