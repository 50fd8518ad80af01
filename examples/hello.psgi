# The smallest application: monoceros examples/hello.psgi, then http://127.0.0.1:5000/
use strict;
use warnings;

sub {
    my $env = shift;
    return [ 200, [ 'Content-Type' => 'text/plain; charset=utf-8' ], ["Hello from worker $$: $env->{PATH_INFO}\n"] ];
};
