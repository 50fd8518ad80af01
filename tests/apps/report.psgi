# Says what it was given: every env value that is a string, the body and its size, and the worker.
use strict;
use warnings;

sub {
    my $env   = shift;
    my $input = $env->{'psgi.input'};
    my $body  = '';
    1 while $input->read($body, 65536, length $body);
    my %said = (pid => $$, size => length $body, sum => unpack('%32C*', $body));
    $said{body} = $body if length $body < 1000;
    for my $key (grep { $_ ne 'psgix.io' } keys %$env) {
        $said{$key} = $env->{$key} if defined $env->{$key} && !ref $env->{$key};
    }
    seek $input, 0, 0;
    read $input, $said{again}, 5;
    print STDERR "report $env->{REQUEST_METHOD} $env->{PATH_INFO}\n";
    return [ 200, [ 'Content-Type' => 'text/plain' ], [ map { "$_=$said{$_}\n" } sort keys %said ] ];
};
