# What start_server does before it executes a server: listens, and says so in SERVER_STARTER_PORT.
# Arguments: addresses (host:port or a path), `--`, the command.
use strict;
use warnings;
use Fcntl;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket;

my (@kept, @entries);
while (defined(my $address = shift @ARGV)) {
    last if $address eq '--';
    my $name = $address;
    my $socket;
    if ($address =~ m{^/}) {
        $socket = IO::Socket::UNIX->new(Local => $address, Listen => 128);
    }
    else {
        $socket = IO::Socket::IP->new(LocalAddr => $address, Listen => 128, ReuseAddr => 1);
        my $host = $socket && $socket->sockhost;
        $host = "[$host]" if $host && $host =~ /:/;
        $name = join ':', $host, $socket->sockport if $socket;
    }
    $socket or die "$address: $@ $!";
    fcntl $socket, F_SETFD, 0 or die "fcntl: $!";
    print STDERR "starter: $name\n";
    push @kept,    $socket;
    push @entries, join '=', $name, fileno $socket;
}
$ENV{SERVER_STARTER_PORT}       = join ';', @entries;
$ENV{SERVER_STARTER_GENERATION} = 1;
exec @ARGV or die "exec $ARGV[0]: $!";
