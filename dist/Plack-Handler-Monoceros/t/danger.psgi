# What applications do to a server, one path each. What is wrong with most of them is the point.
use strict;
use warnings;

package Pieces;
sub new     { my $class = shift; return bless [@_], $class }
sub getline { my $next = shift @{ $_[0] }; return ref $next eq 'CODE' ? $next->() : $next }
sub close   { print STDERR "pieces closed\n" }

package False;
use overload bool => sub { 0 }, '""' => sub { "a false object\n" };

package Unspeakable;
use overload '""' => sub { die "not even this\n" };

package Path;
our @ISA = ('Pieces');
sub path { return '/etc/passwd' }

package main;

END { print STDERR "END of $$ with $?\n" }

my @text = ('Content-Type' => 'text/plain');
my $snow = "\x{2603}";
my $file = __FILE__;
my (%kept, $rand);
BEGIN { $rand = rand }
print STDERR 'loaded once;';

sub body   { my @body = @_; return sub { [ 200, [@text], [@body] ] } }
sub field  { my @fields = @_; return sub { [ 200, [ @text, @fields ], ['x'] ] } }
sub pieces { my @pieces = @_; return sub { [ 200, [@text], Pieces->new(@pieces) ] } }
sub writer {
    my $do = shift;
    return sub {
        my $env = shift;
        return sub { my $writer = shift->([ 200, [@text] ]); $do->($writer, $env) };
    };
}
sub opened { my $mode = shift; open my $handle, $mode, @_ or die $!; return $handle }

my %do = (
    '/' => sub { [ 200, [@text], [$$] ] },

    # die and exit, from everywhere
    '/die'             => sub { die "died\n" },
    '/die/object'      => sub { die bless {}, 'False' },
    '/die/unspeakable' => sub { die bless {}, 'Unspeakable' },
    '/die/errors'      => sub { $_[0]{'psgi.errors'} = Errors->new; die "elsewhere\n" },
    '/die/getline'     => pieces(sub { die "in getline\n" }),
    '/die/later'       => pieces('first', sub { die "in getline\n" }),
    '/die/code'        => sub { sub { die "in the CODE\n" } },
    '/die/writer'      => writer(sub { $_[0]->write('first'); die "in the writer\n" }),
    '/die/cleanup'     => sub { push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { die "in cleanup\n" }; [ 200, [@text], [$$] ] },
    '/last'            => sub { no warnings 'exiting'; last },
    '/exit'            => sub { exit 7 },
    '/exit/writer'     => writer(sub { $_[0]->write('first'); exit 4 }),
    '/exit/destroy'    => sub { $_[0]{guard} = bless [], 'Leaver'; [ 200, [@text], [$$] ] },

    # bodies
    '/array'        => body(undef, '', '0', 'x'),
    '/zero'         => body('0'),
    '/latin'        => sub { my $l = "\xe9"; utf8::upgrade($l); [ 200, [@text], [ $l, utf8::is_utf8($l) ? 1 : 0 ] ] },
    '/number'       => body(1.5, 7),
    '/ref'          => body({}),
    '/wide'         => body($snow),
    '/wide/field'   => field('X-A' => $snow),
    '/wide/getline' => pieces('first', $snow),
    '/wide/write'   => writer(sub { my $w = shift; eval { $w->write($snow) }; $w->write("caught: $@"); $w->close }),
    '/getline'      => pieces('a', '', '', '', 'b'),
    '/path'         => sub { [ 200, [@text], Path->new('not the file') ] },
    '/file'         => sub { my $f = opened('<', $file); seek $f, 5, 0; [ 200, [@text], $f ] },
    '/file/length'  => sub { [ 200, [ @text, 'Content-Length' => 6 ], opened('<', $file) ] },
    '/file/memory'  => sub { [ 200, [@text], opened('<', \'in memory') ] },
    '/file/crlf'    => sub { [ 200, [@text], opened('<:crlf', \"a\r\nb") ] },
    '/separator'    => sub { my $is = defined $/ && $/ eq "\n"; [ 200, [@text], [ $is ? 'newline' : 'else' ] ] },

    # answers that are none
    '/newline' => field('X-A' => "a\nX-B: b"),
    '/name'    => field("X-A\nX-B" => 'b'),
    '/odd'     => field('X-A'),
    '/undef'   => field('X-A' => undef),
    '/none'    => sub { return undef },
    '/string'  => sub { 'hello' },
    '/hash'    => sub { {} },
    '/two'     => sub { [ 200, [@text] ] },
    '/999'     => sub { [ 999, [@text], ['x'] ] },
    '/101'     => sub { [ 101, [], [] ] },

    # CODE
    '/never'  => sub { sub { } },
    '/twice'  => sub { sub { $_[0]->([ 200, [@text], ['once'] ]); eval { $_[0]->([ 200, [], ['x'] ]) }; print STDERR "croaked: $@" } },
    '/open'   => writer(sub { $_[0]->write('not closed') }),
    '/closed' => writer(sub { my $w = shift; $w->write('a'); $w->close; $w->close; eval { $w->write('b') }; print STDERR "croaked: $@" }),
    '/poll'   => writer(sub { my $w = shift; $w->write($w->can('poll_cb') ? 'yes' : 'no'); $w->close }),
    '/keep'   => sub { my $env = shift; sub { @kept{qw(respond inform)} = ($_[0], $env->{'psgix.informational'}); $kept{writer} = $_[0]->([ 200, [@text] ]); $kept{writer}->close } },
    '/kept'   => sub {
        my @said;
        for my $use (sub { $kept{respond}->([ 200, [], ['x'] ]) }, sub { $kept{writer}->write('x') }, sub { $kept{inform}->(103, []) }) {
            push @said, eval { $use->(); 1 } ? 'worked' : 'croaked';
        }
        [ 200, [@text], ["@said"] ];
    },

    # extensions
    '/cleanup' => sub {
        my $list = $_[0]{'psgix.cleanup.handlers'};
        push @$list, sub { print STDERR "cleanup 1 of $_[0]{PATH_INFO}\n"; push @$list, sub { print STDERR "cleanup 4\n" } },
            sub { die "cleanup 2\n" }, sub { print STDERR "cleanup 3\n" };
        [ 200, [@text], [$$] ];
    },
    '/cleanup/gone'     => sub { delete $_[0]{'psgix.cleanup.handlers'}; [ 200, [@text], [$$] ] },
    '/harakiri'         => sub { $_[0]{'psgix.harakiri.commit'} = 1; [ 200, [@text], [$$] ] },
    '/harakiri/writer'  => writer(sub { my ($w, $env) = @_; $w->write($$); $env->{'psgix.harakiri.commit'} = 1; $w->close }),
    '/harakiri/getline' => sub { my $env = shift; [ 200, [@text], Pieces->new($$, sub { $env->{'psgix.harakiri.commit'} = 1; undef }) ] },
    '/harakiri/cleanup' => sub { push @{ $_[0]{'psgix.cleanup.handlers'} }, sub { $_[0]{'psgix.harakiri.commit'} = 1 }; [ 200, [@text], [$$] ] },
    '/inform'           => sub { my $i = $_[0]{'psgix.informational'}; my @sent = map { $i->(103, [ Link => "<$_>" ]) ? 1 : 0 } 1, 2; [ 200, [@text], ["@sent"] ] },
    '/inform/bad'       => sub { [ 200, [@text], [ eval { $_[0]{'psgix.informational'}->(103, [ "A\n" => 1 ]); 1 } ? 'sent' : 'croaked' ] ] },
    '/inform/late'      => writer(sub { my ($w, $env) = @_; $w->write($env->{'psgix.informational'}->(103, []) ? 'sent' : 'false'); $w->close }),
    '/logger'           => sub { $_[0]{'psgix.logger'}->({ level => 'warn', message => 'by the logger' }); [ 200, [@text], ['x'] ] },
    '/io'               => sub { my %copy = %{ $_[0] }; [ 200, [@text], [ ref $copy{'psgix.io'} ] ] },
    '/io/101'           => sub { my $io = $_[0]{'psgix.io'}; sub { shift->([ 101, [ Upgrade => 'echo', Connection => 'Upgrade' ] ]); print {$io} 'echo: ', scalar <$io> } },
    '/io/silent'        => sub { my $io = $_[0]{'psgix.io'}; sub { print {$io} "no HTTP at all\n" } },

    # env and input
    '/assign' => sub { my $env = shift; $env->{$_} = "assigned" for keys %$env; [ 200, [@text], ['x'] ] },
    '/env'    => sub { my $env = shift; [ 200, [@text], [ map { "$_=" . ($env->{$_} // 'undef') . "\n" } grep { !ref $env->{$_} } sort keys %$env ] ] },
    '/input'  => sub {
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
        [ 200, [@text], [ join '|', $some // '', scalar @lines, $line // 'undef', $past ] ];
    },

    # processes
    '/fork'      => sub { my $pid = fork // die; return [ 200, [@text], ['child'] ] if !$pid; waitpid $pid, 0; [ 200, [@text], [ 'parent ', $? >> 8 ] ] },
    '/fork/die'  => sub { my $pid = fork // die; die "the child dies\n" if !$pid; waitpid $pid, 0; [ 200, [@text], [ 'parent ', $? >> 8 ] ] },
    '/fork/exit' => sub { my $pid = fork // die; exit 5 if !$pid; waitpid $pid, 0; [ 200, [@text], [ 'parent ', $? >> 8 ] ] },
    '/system'    => sub { my $said = `echo child`; [ 200, [@text], [ $said, system('sh', '-c', 'exit 3') >> 8 ] ] },
    '/perl'      => sub { open my $said, '-|', $^X, '-e', 'print 6 * 7' or die $!; [ 200, [@text], [<$said>] ] },
    '/alarm'     => sub { my $r = eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; select undef, undef, undef, 5; 1 }; alarm 0; [ 200, [@text], [$@] ] },
    '/signal'    => sub { { local $SIG{TERM} = sub { } } [ 200, [@text], [$$] ] },
    '/rand'      => sub { [ 200, [ @text, Connection => 'close' ], [ rand, ' ', $$ ] ] },
);

sub {
    my $env = shift;
    my $do = $do{ $env->{PATH_INFO} } or return [ 404, [@text], ['nothing here'] ];
    return $do->($env);
};

package Errors;
sub new   { return bless [], shift }
sub print { shift; print STDERR map { "replaced: $_" } @_ }

package Leaver;
sub DESTROY { exit 9 }
