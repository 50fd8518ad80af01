# A stream: the head at once, then a line per second, as server-sent events. While it runs it takes
# one worker, and no other client notices: curl -N http://127.0.0.1:5000/?10
use strict;
use warnings;

sub {
    my $env = shift;
    my ($times) = $env->{QUERY_STRING} =~ /\A([0-9]{1,3})\z/;
    return sub {
        my $respond = shift;
        my $writer = $respond->([ 200, [ 'Content-Type' => 'text/event-stream', 'Cache-Control' => 'no-store' ] ]);
        for my $n (1 .. $times // 5) {
            # False once the client has gone: nobody is listening, so stop working.
            $writer->write("data: $n\n\n") or last;
            sleep 1;
        }
        $writer->close;
    };
};
