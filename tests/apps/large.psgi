# Very large bodies: /up reads one, /file sends the file `large` of TEST_DIR, /pieces/N sends N times 64 KiB.
use strict;
use warnings;
use Plack::App::File;

my $file = Plack::App::File->new(file => "$ENV{TEST_DIR}/large")->to_app;

sub {
    my $env  = shift;
    my $path = $env->{PATH_INFO};
    return $file->($env) if $path eq '/file';
    if ($path =~ m{^/pieces/(\d+)}) {
        return [ 200, [ 'Content-Length' => $1 * 65536 ], bless { left => $1 }, 'Pieces' ];
    }
    my ($size, $others, $block) = (0, 0, '');
    while (my $n = $env->{'psgi.input'}->read($block, 65536)) {
        $size += $n;
        $others += $n - ($block =~ tr/x//);
    }
    return [ 200, [ 'Content-Type' => 'text/plain' ], ["size=$size others=$others\n"] ];
};

package Pieces;
use constant PIECE => 'x' x 65536;
sub getline { $_[0]{left}-- > 0 ? PIECE : undef }
sub close   { print STDERR "pieces closed\n" }
