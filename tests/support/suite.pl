# The client side of Plack::Test::Suite against a server that runs already: tests/apps/suite.psgi.
# Arguments: its address; a pattern of the names of tests to leave out.
use strict;
use warnings;
use Plack::LWPish;
use Plack::Test::Suite;
use Test::More;

my ($address, $skip) = @ARGV;
my ($port) = $address =~ /:(\d+)$/ or die "no port in $address";
my $agent  = Plack::LWPish->new(no_proxy => ['127.0.0.1']);
my $number = 0;

Plack::Test::Suite->runtests(
    sub {
        my ($name, $client) = @_;
        my $mine = $number++;
        return note "left out: $name" if length $skip && $name =~ $skip;
        note $name;
        $client->(
            sub {
                my $request = shift;
                $request->uri->port($port);
                $request->header('X-Plack-Test' => $mine);
                return $agent->request($request);
            }
        );
    }
);
done_testing;
