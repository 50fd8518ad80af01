# The application that the Perl Monoceros was introduced and measured with.
use Plack::Builder;
use Plack::Request;

my $length = 12;
my $body   = 'x' x $length;
builder {
    enable 'AccessLog', logger => sub { };
    sub {
        my $env    = shift;
        my $req    = Plack::Request->new($env);
        my @params = $req->param('foo');
        [ 200, [ 'Content-Type' => 'text/plain', 'Content-Length' => length($body) ], [$body] ];
    }
};
