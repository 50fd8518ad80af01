# The server's half of Plack::Test::Door: the application of the wanted call is caught, and those before it are
# tested without a server, so that what the file does between the calls is done here as well.
package Plack::Test::Capture;
use strict;
use warnings;
use Plack::Test::MockHTTP;

our ($wanted, $app);
my $count = 0;

sub new {
    my ($class, $given, @args) = @_;
    return Plack::Test::MockHTTP->new($given, @args) if ++$count != $wanted;
    $app = $given;
    die bless \(my $caught = 'caught'), 'Plack::Test::Capture::Caught';
}

1;
