# The library loads into this perl, and options reach it as they were given.
use strict;
use warnings;
use Test::More;

BEGIN { use_ok 'Plack::Handler::Monoceros' }

can_ok 'Plack::Handler::Monoceros', qw(new run _run);

my @plackup = (host => undef, port => 5000, listen => [ ':5000', '/x' ], 'max-workers' => 3);
is_deeply(Plack::Handler::Monoceros->new(@plackup)->{options},
    [ host => undef, port => 5000, listen => ':5000', listen => '/x', max_workers => 3 ],
    'pairs, arrays repeated');

my $ready = sub { };
is(Plack::Handler::Monoceros->new({ server_ready => $ready })->{server_ready}, $ready, 'code is kept');

ok !eval { Plack::Handler::Monoceros->new('port'); 1 }, 'an odd list croaks';

done_testing;
