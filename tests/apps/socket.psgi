# Takes the connection over: answers 101, then echoes lines until the client has no more.
use strict;
use warnings;

sub {
    my $env = shift;
    return [ 200, [], ['no upgrade'] ] unless $env->{HTTP_UPGRADE};
    return sub {
        my $socket = $env->{'psgix.io'};
        print STDERR 'socket ', ref $socket, "\n";
        syswrite $socket, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";
        while (sysread $socket, my $bytes, 4096) { syswrite $socket, "echo $bytes" }
    };
};
