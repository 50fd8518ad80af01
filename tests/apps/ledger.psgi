# Writes down each request that it serves, then says what it was asked.
use strict;
use warnings;

open my $ledger, '>>', "$ENV{TEST_DIR}/ledger" or die "ledger: $!";

sub {
    my $env = shift;
    syswrite $ledger, "$env->{PATH_INFO}\n";
    my $body = '';
    $env->{'psgi.input'}->read($body, 65536);
    return [ 200, [ 'Content-Type' => 'text/plain' ], ["$env->{PATH_INFO} $body"] ];
};
