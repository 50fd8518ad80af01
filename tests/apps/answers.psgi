# An answer of each kind, by path. What is wrong with some of them is the point.
use strict;
use warnings;

my $text   = [ 'Content-Type' => 'text/plain' ];
my %answer = (
    '/array'       => sub { [ 200, $text, [ 'a', '', '0', 'b' ] ] },
    '/length'      => sub { [ 200, [ @$text, 'Content-Length' => 12 ], ['twelve bytes'] ] },
    '/short'       => sub { [ 200, [ 'Content-Length' => 10 ], ['hello'] ] },
    '/long'        => sub { [ 200, [ 'Content-Length' => 5 ], ['hello and more'] ] },
    '/no-number'   => sub { [ 200, [ 'Content-Length' => 'abc' ], ['x'] ] },
    '/own'         => sub { [ 200, [ Date => 'then', Server => 'mine', 'X-A' => 1, 'X-A' => 2 ], ['x'] ] },
    '/close'       => sub { [ 200, [ Connection => 'close' ], ['bye'] ] },
    '/newline'     => sub { [ 200, [ 'X-Evil' => "a\r\nX-Injected: b" ], ['x'] ] },
    '/undef'       => sub { undef },
    '/hash'        => sub { {} },
    '/wide'        => sub { [ 200, $text, ["\x{2603}"] ] },
    '/die'         => sub { die "as asked\n" },
    '/file'        => sub { open my $f, '<', '/etc/passwd'; [ 200, $text, $f ] },
    '/object'      => sub { my @p = qw(a b c); [ 200, $text, Pieces->new(@p) ] },
);

sub {
    my $path = $_[0]{PATH_INFO};
    return [ $1, [ 'Content-Length' => 4 ], ['body'] ] if $path =~ m{^/status/(.+)};
    return [ 200, $text, [ 'x' x $1 ] ] if $path =~ m{^/bytes/(\d+)};
    return ($answer{$path} // sub { [ 200, $text, [$path] ] })->();
};

package Pieces;
sub new     { my $class = shift; bless [@_], $class }
sub getline { shift @{ $_[0] } }
sub close   { print STDERR "pieces closed\n" }
