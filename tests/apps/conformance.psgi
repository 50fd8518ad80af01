# The application of the conformance table: /a/... answers as asked, /hold waits at the gate, and
# everything else reports what it was given. What is wrong with some answers is the point.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Plack::Middleware::Chunked;

my $report = do(abs_path(dirname(__FILE__)) . '/report.psgi') or die "report.psgi: $@ $!";
my $text   = [ 'Content-Type' => 'text/plain' ];

my %length = (abc => ['abc'], differ => [ 4, 5 ], equal => [ 4, 4 ]);
my %value  = (crlf => "a\r\nX: b", lf => "a\nX: b", nul => "a\0b", control => "a\x01b", wide => "a\x{2603}b");
my %name   = (crlf => "X\r\nY", space => 'X Y', colon => 'X:', empty => '');
my %status = ('200-OK' => '200 OK', undef => undef);
my %body   = (
    array  => sub { [ $_[0], $_[1], ['hello'] ] },
    file   => sub { [ $_[0], $_[1], file('hello') ] },
    object => sub { [ $_[0], $_[1], Pieces->new('he', '', 'llo') ] },
    stream => sub {
        my @head = @_;
        sub { my $w = shift->( [@head] ); $w->write($_) for 'he', '', 'llo'; $w->close }
    },
    die => sub {
        my @head = @_;
        sub { my $w = shift->( [@head] ); $w->write('a'); die "in mid-stream\n" }
    },
    writes => sub {
        my @head = @_;
        sub { my $w = shift->( [@head] ); $w->write($_) for 'a', '', 'b'; $w->close }
    },
    killed => sub {
        my @head = @_;
        sub { my $w = shift->( [@head] ); $w->write('a'); kill KILL => $$; sleep 60 }
    },
    none => sub { [ $_[0], $_[1], [] ] },
);
my %do = (
    body   => sub { $body{ $_[1] }->(200, $text) },
    die    => sub { die "as asked\n" },
    status => sub { [ exists $status{ $_[1] } ? $status{ $_[1] } : $_[1], [ 'Content-Length' => 4 ], ['body'] ] },
    value  => sub { [ 200, [ "X-$_[1]" => $value{ $_[1] } ], ['x'] ] },
    name   => sub { [ 200, [ $name{ $_[1] } => 'b' ], ['x'] ] },
    short  => sub { $body{ $_[1] }->(200, [ 'Content-Length' => 10 ]) },
    long   => sub { [ 200, [ 'Content-Length' => 5 ], ['hello and more'] ] },
    longfile => sub { [ 200, [ 'Content-Length' => $_[1] ], file('x' x (2 * $_[1])) ] },
    twelve => sub { [ 200, [ 'Content-Length' => 12 ], ['twelve bytes'] ] },
    length => sub { [ 200, [ map { ('Content-Length' => $_) } @{ $length{ $_[1] } } ], ['body'] ] },
    chunk  => sub { Plack::Middleware::Chunked->wrap(sub { [ 200, [@$text], [ 'he', 'llo' ] ] })->($_[0]) },
    coding => sub { [ 200, [ 'Transfer-Encoding' => $_[1] ], ['hello'] ] },
    field  => sub { my ($name, $value) = split /=/, $_[1]; [ 200, [ $name => $value ], ['hello'] ] },
    own    => sub { [ 200, [ Date => 'then', Server => 'mine', C => 1, Da => 2, Se => 3 ], ['x'] ] },
    kill   => sub { kill KILL => $$; sleep 60 },
    bytes  => sub { [ 200, $text, [ 'x' x $_[1] ] ] },
    early  => sub { $_[0]{'psgix.informational'}->(103, [ Link => '</style.css>' ]); [ 200, $text, ['late'] ] },
    cookie => sub { [ 200, [ map { ('Set-Cookie' => "c$_=1") } 1 .. $_[1] ], ['x'] ] },
    large  => sub { [ 200, [ 'X-Large' => 'v' x $_[1] ], ['x'] ] },
    leave  => sub { $_[0]{'psgix.harakiri.commit'} = 1; [ 200, $text, [$$] ] },
    socket => sub { my $env = $_[0]; sub { echo($env->{'psgix.io'}) } },
    input  => sub { [ 200, $text, [ readlink('/proc/self/fd/' . fileno $_[0]{'psgi.input'}) // 'memory' ] ] },
);

sub file { my $text = shift; open my $f, '+>', undef or die $!; print $f $text; seek $f, 0, 0; $f }

sub echo {
    my $socket = shift;
    syswrite $socket, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    # What came with the head is in the handle's buffer, where sysread does not look.
    read $socket, my $frame, 7;
    syswrite $socket, $frame;
    while (sysread $socket, my $bytes, 4096) { syswrite $socket, $bytes }
}

sub hold {
    print STDERR "holding $_[0]{PATH_INFO}\n";
    open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!;
    sysread $gate, my $byte, 1;
    return [ 200, $text, ['held'] ];
}

sub {
    my $env = shift;
    return hold($env) if $env->{PATH_INFO} =~ m{^/hold};
    return $report->($env) unless $env->{PATH_INFO} =~ m{^/a/(\w+)(?:/(.*))?};
    return $do{$1}->($env, $2);
};

package Pieces;
sub new     { my $class = shift; bless [@_], $class }
sub getline { shift @{ $_[0] } }
sub close   { }
