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

# A second libperl would be a second interpreter, and a second symbol could be taken for another's.
my ($library) = grep { -e } map { "$_/auto/Plack/Handler/Monoceros/Monoceros.so" } @INC;
ok $library, 'it is where XSLoader looks';
SKIP: {
    skip 'there is no readelf here', 2 if system 'readelf --version >/dev/null 2>&1';
    unlike scalar qx(readelf --dynamic --wide "$library"), qr/NEEDED.*libperl/, 'it brings no libperl';
    my @defined = map { (split)[7] } grep { /\bGLOBAL\b/ && !/\bUND\b/ } qx(readelf --dyn-syms --wide "$library");
    is "@defined", 'boot_Plack__Handler__Monoceros', 'it exports what XSLoader calls, and nothing else';
}

ok !eval { Plack::Handler::Monoceros->new('port'); 1 }, 'an odd list croaks';

done_testing;
