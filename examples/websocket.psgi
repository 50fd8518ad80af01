# Says back what a WebSocket client says. Needs Protocol::WebSocket.
# monoceros --max-workers 20 examples/websocket.psgi: each conversation has a worker to itself until it ends.
use strict;
use warnings;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Server;

my $largest = 16 * 1024 * 1024;

# Talks until one of the two has had enough. Ends by returning: then the server shuts the connection down.
sub converse {
    my ($socket, $handshake) = @_;
    my $in  = Protocol::WebSocket::Frame->new(max_payload_size => $largest);
    my $say = sub {
        my ($type, $bytes) = @_;
        my $frame = Protocol::WebSocket::Frame->new(type => $type, buffer => $bytes, max_payload_size => $largest);
        return print {$socket} $frame->to_bytes;
    };
    print {$socket} $handshake->to_string or return;
    while (sysread $socket, my $bytes, 65_536) {
        $in->append($bytes);
        while (defined(my $message = $in->next_bytes)) {
            return $say->(close => $message) if $in->is_close;
            next if $in->is_pong;
            my $type = $in->is_ping ? 'pong' : $in->is_text ? 'text' : 'binary';
            $say->($type => $message) or return;
        }
    }
    return;
}

sub {
    my $env = shift;
    my $handshake = Protocol::WebSocket::Handshake::Server->new_from_psgi($env);
    if (($env->{HTTP_UPGRADE} // '') !~ /\Awebsocket\z/i || !$handshake->parse('')) {
        return [ 426, [ Upgrade => 'websocket', 'Content-Type' => 'text/plain' ], ["This is for WebSocket clients.\n"] ];
    }
    my $socket = $env->{'psgix.io'};

    # With --request-timeout there is a limit, which a conversation has to lift.
    $env->{'monoceros.deadline'}->(0) if exists $env->{'monoceros.deadline'};

    # A CODE that never calls its responder, and has looked at psgix.io, owns the connection.
    return sub { converse($socket, $handshake) };
};
