# What the long stories ask for: answers of any size, pauses, bodies taken in, streams, deaths.
use strict;
use warnings;

my $text = [ 'Content-Type' => 'text/plain' ];

sub stream {
    my $writer = $_[0]->([ 200, $text ]);
    $writer->write($_) or return for 'one ', 'two ' x 100, 'three';
    $writer->close;
}

sub {
    my $env  = shift;
    my $path = $env->{PATH_INFO};
    return [ 200, $text, [ 'x' x $1 ] ] if $path =~ m{^/bytes/(\d+)};
    return \&stream if $path eq '/stream';
    return sub { $_[0]->([ 200, $text, ['later'] ]) } if $path eq '/delayed';
    die "as asked\n" if $path eq '/die';
    select undef, undef, undef, $1 / 1000 if $path =~ m{^/sleep/(\d+)};
    my ($size, $body) = (0, '');
    while (my $count = $env->{'psgi.input'}->read($body, 65536)) { $size += $count }
    return [ 200, $text, ["$path $size"] ];
};
