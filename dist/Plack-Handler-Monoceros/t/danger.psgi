# What applications do to a server, one path each, `/<pitfall>-<what>`: the pitfalls are those of Perl in a process
# that is not Perl's, 0 is no pitfall but what PSGI offers. What should happen is the table, lib/Danger.pm.
use strict;
use warnings;
use Carp ();
use IO::File;
use POSIX ();
use Plack::Request;
use Scalar::Util ();
use Time::HiRes ();

package Pieces;
sub new     { my $class = shift; return bless [@_], $class }
sub getline { my $next = shift @{ $_[0] }; return ref $next eq 'CODE' ? $next->() : $next }
sub close   { print STDERR "pieces closed\n" }

package Endless;
sub new     { return bless [], shift }
sub getline { return 'x' x 100_000 }
sub close   { print STDERR "the endless one closed\n" }

package False;
use overload bool => sub { 0 }, '""' => sub { "a false object\n" };

package Unspeakable;
use overload '""' => sub { die "not even this\n" };

package Text;
use overload '""' => sub { ${ $_[0] } };

package Path;
our @ISA = ('Pieces');
sub path { return '/etc/passwd' }

package Errors;
sub new   { return bless [], shift }
sub print { shift; print STDERR map { "replaced: $_" } @_ }

package Tied;
sub TIEARRAY  { my ($class, @list) = @_; return bless \@list, $class }
sub TIESCALAR { my ($class, @list) = @_; return bless \@list, $class }
sub FETCHSIZE { return scalar @{ $_[0] } }
sub FETCH     { my $value = $_[0][ $_[1] || 0 ]; return ref $value eq 'CODE' ? $value->() : $value }

package Leaver;
sub DESTROY { exit 9 }

package Last;
sub DESTROY { print STDERR "the last one is destroyed\n" }

package main;

my $end;
END { print STDERR "END of $$ with $?\n"; $? = $end if defined $end }

my @text  = ('Content-Type' => 'text/plain');
my $snow  = "\x{2603}";
my $file  = __FILE__;
my $small = $ENV{DANGER_SMALL};    # a machine that is twenty times slower
my ($count, $fresh) = (0, 0);
my $texts = $] < 5.037 ? 1e9 : 10;    # later perls leave the environment to libc, which keeps every text
my (%kept, @other, $rand);
BEGIN { $rand = rand }
print STDERR 'loaded once;';

# An application may do all this while it is loaded.
$SIG{CHLD} = 'IGNORE' if $ENV{DANGER_CHLD};
$SIG{RTMIN} = sub { $count++ };
POSIX::sigaction(POSIX::SIGUSR2(), POSIX::SigAction->new(sub { die "in an immediate handler, idle\n" }));

sub answer { return [ 200, [@text], [@_] ] }
sub body   { my @body = @_; return sub { [ 200, [@text], [@body] ] } }
sub field  { my @fields = @_; return sub { [ 200, [ @text, @fields ], ['x'] ] } }
sub pieces { my @pieces = @_; return sub { [ 200, [@text], Pieces->new(@pieces) ] } }
sub tied_to { tie my @list, 'Tied', @_; return \@list }
sub writer {
    my $do = shift;
    return sub {
        my $env = shift;
        return sub { my $writer = shift->([ 200, [@text] ]); $do->($writer, $env) };
    };
}
sub opened { my $mode = shift; open my $handle, $mode, @_ or die $!; return $handle }
sub tried { my $do = shift; return eval { $do->(); 1 } ? 'worked' : 'croaked' }

# Runs the rest until an alarm dies in it, and says what came out.
# What env has that should not differ from request to request.
sub seen {
    my $e = shift;
    return map { my $value = $e->{$_} // 'undef'; "$_=" . (/io\z|input\z|handlers\z|informational\z/ ? ref $value : $value) }
        grep { !/\A(?:PATH_INFO|REQUEST_URI|REMOTE_PORT|monoceros\.queue_time)\z/ } sort keys %$e;
}
sub alarmed {
    my ($how, $after, $do) = @_;
    my $handler = sub { die "alarm\n" };
    eval {
        local $SIG{ALRM} = $handler;
        POSIX::sigaction(POSIX::SIGALRM(), POSIX::SigAction->new($handler)) if $how eq 'immediate';
        Time::HiRes::alarm($after);
        $do->();
        1;
    };
    my $said = $@;
    Time::HiRes::alarm(0);
    return $said;
}
# Writes until one write has to wait too long.
sub filled { my $writer = shift; my $chunk = 'x' x 1_000_000; $writer->write('x'); while (1) { Time::HiRes::alarm($small ? 2 : 0.2); $writer->write($chunk) } }
sub child { my $do = shift; return sub { my $pid = fork // die; return $do->() if !$pid; waitpid $pid, 0; answer('parent ', $? >> 8) } }
sub deep { my $n = shift; no warnings 'recursion'; return $n ? 1 + deep($n - 1) : 0 }
sub idle_dies { my ($name, $text) = @_; $SIG{$name} = sub { die $text }; return answer($$) }

my %do = (
    '/' => sub { answer($$) },

    # 0: what is offered
    '/0-cleanup' => sub {
        my $list = $_[0]{'psgix.cleanup.handlers'};
        push @$list, sub { print STDERR "cleanup 1 of $_[0]{PATH_INFO}\n"; push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { print STDERR "cleanup 4\n" } },
            sub { die "cleanup 2\n" }, sub { print STDERR "cleanup 3\n" };
        answer($$);
    },
    '/0-cleanup-gone'     => sub { delete $_[0]{'psgix.cleanup.handlers'}; answer($$) },
    '/0-harakiri'         => sub { $_[0]{'psgix.harakiri.commit'} = 1; answer($$) },
    '/0-harakiri-writer'  => writer(sub { my ($w, $env) = @_; $w->write($$); $env->{'psgix.harakiri.commit'} = 1; $w->close }),
    '/0-harakiri-getline' => sub { my $env = shift; [ 200, [@text], Pieces->new($$, sub { $env->{'psgix.harakiri.commit'} = 1; undef }) ] },
    '/0-harakiri-cleanup' => sub { push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { $_[0]{'psgix.harakiri.commit'} = 1 }; answer($$) },
    '/0-inform'           => sub { my $i = $_[0]{'psgix.informational'}; my @sent = map { $i->(103, [ Link => "<$_>" ]) ? 1 : 0 } 1, 2; answer("@sent") },
    '/0-inform-bad'       => sub { my $i = $_[0]{'psgix.informational'}; answer(tried(sub { $i->(103, [ "A\n" => 1 ]) })) },
    '/0-inform-late'      => writer(sub { my ($w, $env) = @_; $w->write($env->{'psgix.informational'}->(103, []) ? 'sent' : 'false'); $w->close }),
    '/0-logger'           => sub { $_[0]{'psgix.logger'}->({ level => 'warn', message => 'by the logger' }); answer('x') },

    # 1: die
    '/1-die'         => sub { die "died\n" },
    '/1-object'      => sub { die bless {}, 'False' },
    '/1-unspeakable' => sub { die bless {}, 'Unspeakable' },
    '/1-wide'        => sub { die "$snow\n" },
    '/1-hook'        => sub { local $SIG{__DIE__} = sub { print STDERR "the hook has $_[0]" }; die "hooked\n" },
    '/1-state'       => sub { local $SIG{__DIE__} = sub { print STDERR "the state is $^S\n" }; die "stated\n" },
    '/1-errors'      => sub { $_[0]{'psgi.errors'} = Errors->new; die "elsewhere\n" },
    '/1-getline'     => pieces(sub { die "in getline\n" }),
    '/1-later'       => pieces('first', sub { die "in getline\n" }),
    '/1-code'        => sub { sub { die "in the CODE\n" } },
    '/1-writer'      => writer(sub { $_[0]->write('first'); die "in the writer\n" }),
    '/1-cleanup'     => sub { push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { die "in cleanup\n" }; answer($$) },

    # 2: exit
    '/2-exit'    => sub { exit 7 },
    '/2-writer'  => writer(sub { $_[0]->write('first'); exit 4 }),
    '/2-getline' => pieces('first', sub { exit 5 }),
    '/2-destroy' => sub { $_[0]{guard} = bless [], 'Leaver'; answer($$) },
    '/2-cleanup' => sub { push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { exit 6 }; answer($$) },

    # 3: last and next
    '/3-last'    => sub { no warnings 'exiting'; last },
    '/3-next'    => sub { no warnings 'exiting'; next },
    '/3-code'    => sub { sub { no warnings 'exiting'; last } },
    '/3-getline' => pieces(sub { no warnings 'exiting'; last }),

    # 4: what is freed
    '/4-globs' => sub { my $io = $_[0]{'psgix.io'}; [ 200, [@text], opened('<', \'in memory') ] },
    '/4-kept'  => sub { $kept{env} = $_[0]; answer('x') },

    # 5: alarms; 6: handlers that are called at once
    '/5-select'   => sub { answer(alarmed(safe => 0.005, sub { select undef, undef, undef, 5 })) },
    '/5-loop'     => sub { answer(alarmed(safe => 0.005, sub { 1 while 1 })) },
    '/5-sleep'    => sub { answer(alarmed(safe => 0.005, sub { sleep 5 })) },
    '/5-write'    => writer(sub { my $w = shift; print STDERR 'writing ended by ', alarmed(safe => 0, sub { filled($w) }) }),
    '/5-uncaught' => sub { local $SIG{ALRM} = sub { die "uncaught\n" }; Time::HiRes::alarm(0.005); sleep 5; answer('x') },
    '/5-default'  => sub { Time::HiRes::alarm(0.005); sleep 5; answer('x') },
    '/5-idle'     => sub { idle_dies(URG => "in a handler, idle\n") },
    '/6-select'   => sub { answer(alarmed(immediate => 0.005, sub { select undef, undef, undef, 5 })) },
    '/6-loop'     => sub { answer(alarmed(immediate => 0.005, sub { 1 while 1 })) },
    '/6-write'    => writer(sub { my $w = shift; print STDERR 'writing ended at once by ', alarmed(immediate => 0, sub { filled($w) }) }),
    '/6-load'     => sub { answer($$) },
    '/6-set'      => sub { POSIX::sigaction(POSIX::SIGTTOU(), POSIX::SigAction->new(sub { die "set late, idle\n" })); answer($$) },

    # 7, 8, 9: signals and threads
    '/7-count'   => sub { answer($count) },
    '/8-threads' => sub { my @tasks = glob '/proc/self/task/*'; answer(scalar @tasks) },
    '/9-local'   => sub { { local $SIG{TERM} = sub { } } answer($$) },
    '/9-during'  => sub { kill TERM => $$; answer($$) },

    # 10, 11: what children inherit
    '/10-masks'  => sub { answer(qx(grep -E 'Sig(Blk|Ign)' /proc/self/status)) },
    '/10-status' => sub { my $said = `echo child`; answer($said, system('sh', '-c', 'exit 3') >> 8) },
    '/10-pipe'   => sub { open my $pipe, '|-', 'cat >/dev/null; exit 4' or die $!; print {$pipe} 'x'; close $pipe; answer($? >> 8) },
    '/10-epipe'  => sub { pipe my $out, my $in; close $out; my $wrote = syswrite $in, 'x'; answer($wrote ? 'wrote' : $!{EPIPE} ? 'EPIPE' : $!) },
    '/10-perl'   => sub { open my $said, '-|', $^X, '-e', 'print 6 * 7' or die $!; answer(<$said>) },
    '/10-segv'   => sub { kill SEGV => $$; answer('x') },
    '/11-fds'    => sub { my @ours = grep { /socket:|anon_inode:|memfd:|zero/ && !/ [012] ->/ } qx(ls -l /proc/self/fd); answer(@ours ? @ours : 'none') },
    '/11-fork'   => sub {
        my $pid = open(my $middle, '-|') // die;
        if (!$pid) {
            my $sleeper = fork // POSIX::_exit(1);
            if (!$sleeper) { open STDOUT, '>', '/dev/null'; sleep 600; POSIX::_exit(0) }
            syswrite STDOUT, $sleeper;
            POSIX::_exit(0);
        }
        answer(<$middle>);
    },

    # 12, 13, 14: forks
    '/12-return' => child(sub { answer('child') }),
    '/12-die'    => child(sub { die "the child dies\n" }),
    '/12-exit'   => child(sub { exit 5 }),
    '/12-code'   => sub { sub { my $pid = fork // die; return if !$pid; waitpid $pid, 0; $_[0]->(answer('parent ', $? >> 8)) } },
    '/12-write'  => writer(sub { my $w = shift; my $pid = fork // die; if (!$pid) { $w->write('child'); exit 0 } waitpid $pid, 0; $w->write('parent ' . ($? >> 8)); $w->close }),
    '/13-pid'    => sub { my $ppid = qx(echo \$PPID); answer($ppid == $$ ? 'ours' : "$ppid is not $$") },
    '/14-rand'   => sub { [ 200, [ @text, Connection => 'close' ], [ rand, ' ', $$ ] ] },

    # 15 to 20: the interpreter
    '/15-deep'   => sub { answer(deep($small ? 10_000 : 100_000)) },
    '/15-nested' => sub { my $r; for (1 .. ($small ? 50_000 : 2_000_000)) { my $next = $r; $r = \$next } undef $r; answer('x') },
    '/16-env'    => sub { my $n = $fresh++ % $texts; local %ENV = (%ENV, DANGER_A => $n x 50, DANGER_B => $n x 20); answer(length qx(true)) },
    '/16-set'    => sub { local $ENV{DANGER_C} = 'a' x ($fresh++ % 100); answer('x') },
    '/17-end'    => sub { $end = 42; exit 0 },
    '/17-print'  => sub { print STDOUT 'printed before TERM;'; answer($$) },
    '/17-last'   => sub { $kept{last} = bless [], 'Last'; exit 0 },
    '/18-title'  => sub { local $0 = "danger of $$"; answer(qx(tr '\\0' ' ' < /proc/$$/cmdline)) },
    '/19-found'  => sub { require Found; answer(Found->said) },
    '/19-trace'  => sub { answer(Carp::longmess('a trace')) },
    '/20-print'  => sub { print STDOUT 'printed, not flushed;'; exit 0 },

    # 21, 22: values
    '/21-latin'      => sub { my $l = "\xe9"; utf8::upgrade($l); [ 200, [@text], [ $l, utf8::is_utf8($l) ? 1 : 0 ] ] },
    '/21-kept'       => sub { $kept{latin} //= do { my $l = "\xe9"; utf8::upgrade($l); [ 200, [@text], [$l] ] }; utf8::is_utf8($kept{latin}[2][0]) ? $kept{latin} : answer('changed') },
    '/21-wide'       => body($snow),
    '/21-field'      => field('X-A' => $snow),
    '/21-getline'    => pieces('first', $snow),
    '/21-write'      => writer(sub { my $w = shift; eval { $w->write($snow) }; $w->write("caught: $@"); $w->close }),
    '/21-overloaded' => sub { answer(bless \"$snow", 'Text') },
    '/22-array'      => body(undef, '', '0', 'x'),
    '/22-zero'       => body('0'),
    '/22-number'     => body(1.5, 7),
    '/22-object'     => sub { my $said = 'spoken'; answer(bless \$said, 'Text') },
    '/22-ref'        => body({}),
    '/22-tied-array' => sub { [ 200, tied_to(@text), tied_to('a', 'b') ] },
    '/22-tied-value' => sub { tie my $status, 'Tied', 203; my @list = (0, [@text], ['x']); tie $list[0], 'Tied', 203; \@list },
    '/22-fetch'      => sub { [ 200, [@text], tied_to('a', sub { die "in FETCH\n" }) ] },
    '/22-speech'     => sub { answer(bless {}, 'Unspeakable') },
    '/22-undef'      => field('X-A' => undef),
    '/22-newline'    => field('X-A' => "a\nX-B: b"),
    '/22-name'       => field("X-A\nX-B" => 'b'),
    '/22-odd'        => field('X-A'),
    '/22-none'       => sub { return undef },
    '/22-string'     => sub { 'hello' },
    '/22-hash'       => sub { {} },
    '/22-two'        => sub { [ 200, [@text] ] },
    '/22-999'        => sub { [ 999, [@text], ['x'] ] },
    '/22-101'        => sub { [ 101, [], [] ] },
    '/22-part'       => sub { [ 200.5, [@text], ['x'] ] },
    '/22-path'       => sub { [ 200, [@text], Path->new('not the file') ] },

    # 23: env
    '/23-assign' => sub { my $env = shift; $env->{$_} = 'assigned' for keys %$env; answer('x') },
    '/23-env'    => sub { my $env = shift; answer(map { "$_=" . ($env->{$_} // 'undef') . "\n" } grep { !ref $env->{$_} } sort keys %$env) },

    # 24: streams
    '/24-whole'   => sub { sub { $_[0]->(answer('whole')) } },
    '/24-written' => writer(sub { my $w = shift; $w->write($_) for 'a', '', 'b'; $w->close }),
    '/24-file'    => sub { sub { $_[0]->([ 200, [@text], opened('<', $file) ]) } },
    '/24-lines'   => sub { sub { $_[0]->([ 200, [@text], Pieces->new('a', 'b') ]) } },
    '/24-never'   => sub { sub { } },
    '/24-twice'   => sub { sub { $_[0]->(answer('once')); eval { $_[0]->(answer('x')) }; print STDERR "croaked: $@" } },
    '/24-open'    => writer(sub { $_[0]->write('not closed') }),
    '/24-closed'  => writer(sub { my $w = shift; $w->write('a'); $w->close; $w->close; eval { $w->write('b') }; print STDERR "croaked: $@" }),
    '/24-poll'    => writer(sub { my $w = shift; $w->write($w->can('poll_cb') ? 'yes' : 'no'); $w->close }),
    '/24-keep'    => sub { my $env = shift; sub { @kept{qw(respond inform)} = ($_[0], $env->{'psgix.informational'}); $kept{writer} = $_[0]->([ 200, [@text] ]); $kept{writer}->close } },
    '/24-kept'    => sub {
        my @said = map { tried($_) } sub { $kept{respond}->(answer('x')) }, sub { $kept{writer}->write('x') }, sub { $kept{inform}->(103, []) };
        answer("@said");
    },
    '/24-thread' => sub {
        my $env = shift;
        return answer('no threads') if !eval { require threads; 1 };
        return sub {
            my $respond = shift;
            my $said = threads->create(sub { tried(sub { $respond->(answer('x')) }) . (defined $env->{'psgix.io'} ? ' io' : '') })->join;
            $respond->(answer($said));
        };
    },

    # 25, 26, 27: handles
    '/25-file'      => sub { my $f = opened('<', $file); seek $f, 5, 0; [ 200, [@text], $f ] },
    '/25-length'    => sub { [ 200, [ @text, 'Content-Length' => 6 ], opened('<', $file) ] },
    '/25-object'    => sub { [ 200, [@text], IO::File->new($file, 'r') ] },
    '/25-memory'    => sub { [ 200, [@text], opened('<', \'in memory') ] },
    '/25-crlf'      => sub { [ 200, [@text], opened('<:crlf', \"a\r\nb") ] },
    '/25-getline'   => pieces('a', '', '', '', 'b'),
    '/25-endless'   => sub { [ 200, [@text], Endless->new ] },
    '/25-separator' => sub { answer(defined $/ && $/ eq "\n" ? 'newline' : 'else') },
    '/26-input'     => sub {
        my $in = $_[0]{'psgi.input'};
        read $in, my $some, 3;
        read $in, $some, 2, 3;
        seek $in, 0, 0;
        my @lines = <$in>;
        local *STDIN = $in;
        seek STDIN, 0, 0;
        my $line = <STDIN>;
        my $past = do { local $/; <$in>; read $in, my $none, 10 };
        close $in;
        answer(join '|', $some // '', scalar @lines, $line // 'undef', $past);
    },
    '/26-multipart' => sub { my $r = Plack::Request->new($_[0]); answer($r->param('name'), ' ', $r->upload('file')->size) },
    '/26-tell'      => sub { my $in = $_[0]{'psgi.input'}; my $first = getc $in; my $line = $in->getline; answer(join '|', $first, $line, tell $in, eof $in ? 'end' : 'more', read($in, my $none, 0)) },
    '/27-io'        => sub { my $e = shift; my $io = $e->{'psgix.io'}; answer(join ' ', ref $io, exists $e->{'psgix.io'} ? 'exists' : 'none', $io == $e->{'psgix.io'} ? 'same' : 'other', $io->peerhost) },
    '/27-copy'      => sub { my %copy = %{ $_[0] }; answer(ref $copy{'psgix.io'}) },
    '/27-close'     => sub { close $_[0]{'psgix.io'}; answer('x') },
    '/27-101'       => sub { my $io = $_[0]{'psgix.io'}; sub { shift->([ 101, [ Upgrade => 'echo', Connection => 'Upgrade' ] ]); print {$io} 'echo: ', scalar <$io> } },
    '/27-silent'    => sub { my $io = $_[0]{'psgix.io'}; sub { print {$io} "no HTTP at all\n" } },

    # 28: what might make Rust panic, could an application do it; 29: no memory; 30: names
    '/28-status' => sub { [ 1e300, [@text], ['x'] ] },
    '/28-length' => field('Content-Length' => '99999999999999999999999'),
    '/28-nul'    => field("X-\0" => "a\0b"),
    '/28-empty'  => field('' => ''),
    '/28-fields' => sub { [ 200, [ @text, map { ("X-$_" => 'x' x 50) } 1 .. 2_000 ], ['x'] ] },
    '/28-pieces' => sub { answer(map { 'x' } 1 .. 20_000) },
    '/29-memory' => sub {
        my ($kb) = map { /^VmSize:\s+([0-9]+)/ ? $1 : () } do { my $status = opened('<', '/proc/self/status'); <$status> };
        system('prlimit', "--pid=$$", '--as=' . ($kb + 50_000) * 1_024) == 0 or die 'prlimit';
        my $n = 1_000_000_000;
        answer(length('x' x $n));
    },
    '/30-names' => sub { my $e = shift; answer(join '|', map { $e->{$_} // 'undef' } qw(HTTP_X_A HTTP_ACCEPT CONTENT_LENGTH)) },

    # 31: env is the next request's hash
    '/31-tampers' => sub {
        my $e = shift;
        @other = seen($e);
        $e->{$_} = undef for 'SCRIPT_NAME', 'psgi.input', 'psgi.version', 'psgix.io';
        $e->{"mine.$_"} = [$_] for 1 .. 40;
        $e->{HTTP_HOST} .= $snow;
        $e->{'psgi.streaming'} = 0;
        delete @{$e}{qw(PATH_INFO psgix.logger psgix.cleanup.handlers)};
        answer('x');
    },
    '/31-keeps' => sub {
        my $e = shift;
        @other = seen($e);
        $kept{value} = \$e->{HTTP_HOST};
        Scalar::Util::weaken($kept{weak} = $e);
        answer('x');
    },
    '/31-as-new' => sub {
        my $e = shift;
        my @now = seen($e);
        answer($kept{weak} ? 'the last env lives' : "@now" eq "@other" ? 'as new' : "not as new: @now, but @other");
    },
);

sub {
    my $env = shift;
    my $do = $do{ $env->{PATH_INFO} } or return [ 404, [@text], ['nothing here'] ];
    return $do->($env);
};
