# A TCP port in front of a server on a UNIX socket: bytes go both ways, and ends of file too.
package Relay;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SHUT_WR);

# Runs the server in a child, relays until TERM, and takes the server along.
sub serve {
    my ($port, $path, $server) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $server->();
        die "exec: $!";
    }
    local $SIG{TERM} = sub {
        kill TERM => $pid;
        waitpid $pid, 0;
        exit 0;
    };
    until (IO::Socket::UNIX->new(Peer => $path)) {
        die "the server ended\n" if waitpid($pid, 1) == $pid;
        select undef, undef, undef, 0.02;
    }
    my $listen = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1', LocalPort => $port, ReuseAddr => 1)
        or die "port $port: $!";
    _relay($listen, $path);
}

sub _relay {
    my ($listen, $path) = @_;
    my $select = IO::Select->new($listen);
    my %other;
    while (1) {
        for my $from ($select->can_read) {
            if ($from == $listen) {
                my $client = $listen->accept or next;
                my $server = IO::Socket::UNIX->new(Peer => $path) or next;
                @other{ $client, $server } = ($server, $client);
                $select->add($client, $server);
                next;
            }
            my $to = $other{$from} or next;
            my $read = sysread $from, my $bytes, 65_536;
            if ($read) {
                local $SIG{PIPE} = 'IGNORE';
                while (length $bytes) {
                    my $wrote = syswrite $to, $bytes;
                    last unless $wrote;
                    substr $bytes, 0, $wrote, '';
                }
                next;
            }
            $select->remove($from);
            shutdown $to, SHUT_WR;
            next if $select->exists($to);
            delete @other{ $from, $to };
            close $_ for $from, $to;
        }
    }
}

1;
