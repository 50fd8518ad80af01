# What loading leaves for workers to share: drawn numbers, a print without its newline, and sockets.
use strict;
use warnings;
use IO::Socket::INET;

our @shared = map { IO::Socket::INET->new(Proto => 'udp', PeerAddr => "127.0.0.1:$_") or die $! } 9, 10;

my $drawn = rand;
print 'printed once';

sub gate { open my $gate, '+<', "$ENV{TEST_DIR}/gate" or die $!; sysread $gate, my $byte, 1 }

sub { my $rand = rand; print STDERR "holding\n"; gate(); [ 200, [ 'Content-Type' => 'text/plain' ], ["$$ $rand $drawn"] ] };
